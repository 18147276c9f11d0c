//! Notices that `rollout.yaml` changed, whatever way it was changed in.
//!
//! The file is read whole every 500 ms and compared by its SHA-256. Neither the kind of a file
//! event nor a modification time is trusted: a Kubernetes `..data` swap changes no time of the
//! file, and editors rename, truncate or write in place. Two reads in a row must agree before they
//! count, so that a file caught half written is not applied.
//!
//! [`Debounce`] is that rule, without time or I/O; [`Watch`] feeds it. What a change means is
//! decided by the controller; a file that is gone or refused changes nothing that is in force.

use super::Config;
use super::problems::Problem;
use super::problems::Problems;
use super::raw;
use super::resolve;
use sha2::Digest;
use sha2::Sha256;
use std::fmt;
use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;

/// A file as it was read, and what it says.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The text, for the copy beside the state file.
    pub text: String,
    /// What it is told from others by.
    pub hash: Hash,
    /// The configuration, or why it is refused.
    pub result: Result<Config, Problems>,
}

impl Loaded {
    fn new(file: &Path, text: String, env: &impl Fn(&str) -> Option<String>) -> Self {
        let hash = Hash::of(&text);
        let result = resolve::load_at(&text, file, env);
        Self { text, hash, result }
    }
}

/// What the watcher has to tell.
#[derive(Clone, Debug)]
pub enum Event {
    /// The file has another content than the last one told.
    Changed(Box<Loaded>),
    /// The file cannot be read any more; the last good configuration stays in force.
    Unreadable(Problems),
}

/// The SHA-256 of a configuration file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for Hash {
    /// `sha256:` and the first 12 digits: enough for a person to compare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0
            .iter()
            .take(6)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a configuration file once, for a start and for `crossfade check`.
///
/// # Errors
///
/// Why there is nothing to read. Mistakes in what was read are in [`Loaded::result`].
pub fn read(file: &Path, env: &impl Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    match read_text(file) {
        Ok(text) => Ok(Loaded::new(file, text, env)),
        Err(trouble) => Err(trouble.problem(file).into()),
    }
}

/// Watches one file.
#[derive(Debug)]
pub struct Watch<E> {
    file: PathBuf,
    env: E,
    debounce: Debounce,
    interval: Interval,
}

impl<E: Fn(&str) -> Option<String> + Clone + Send + 'static> Watch<E> {
    /// Watches `file`, of which the content with the hash `told` is known already. Must be called
    /// inside a runtime.
    pub fn new(file: PathBuf, env: E, told: Option<Hash>) -> Self {
        let mut interval = tokio::time::interval(POLL);
        // After a pause of the machine, one read is enough.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            file,
            env,
            debounce: Debounce::new(told),
            interval,
        }
    }

    /// Waits for the next change. Cancel-safe: a read that is cut off is made again.
    pub async fn next(&mut self) -> Event {
        loop {
            self.interval.tick().await;
            let file = self.file.clone();
            let read = tokio::task::spawn_blocking(move || read_text(&file)).await;
            // The reader does not panic; if the runtime is going down, nothing is told any more.
            let Ok(read) = read else { continue };
            let settled = match self.debounce.observe(read) {
                None => continue,
                Some(Err(trouble)) => return Event::Unreadable(trouble.problem(&self.file).into()),
                Some(Ok(text)) => text,
            };
            let (file, env) = (self.file.clone(), self.env.clone());
            let load = move || Loaded::new(&file, settled, &env);
            if let Ok(loaded) = tokio::task::spawn_blocking(load).await {
                return Event::Changed(Box::new(loaded));
            }
        }
    }
}

/// Lets a read through when the one before was the same and the last one let through was not.
#[derive(Debug)]
pub struct Debounce {
    seen: Option<Result<Hash, Trouble>>,
    told: Option<Result<Hash, Trouble>>,
}

impl Debounce {
    /// Starts where the content with the hash `told` is known.
    pub fn new(told: Option<Hash>) -> Self {
        Self {
            seen: None,
            told: told.map(Ok),
        }
    }

    /// Takes what was read; gives it back if it is news and has settled.
    pub fn observe(&mut self, read: Result<String, Trouble>) -> Option<Result<String, Trouble>> {
        let now = match &read {
            Ok(text) => Ok(Hash::of(text)),
            Err(trouble) => Err(trouble.clone()),
        };
        let settled = self.seen.as_ref() == Some(&now);
        self.seen = Some(now.clone());
        if !settled || self.told.as_ref() == Some(&now) {
            return None;
        }
        self.told = Some(now);
        Some(read)
    }
}

/// Why a file gives no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is none.
    Missing,
    /// A directory, a pipe, a device or a socket.
    NotAFile,
    /// Above 256 KiB.
    TooLarge,
    /// Not UTF-8 from this line on, counted from 1.
    NotText {
        /// The line.
        line: usize,
    },
    /// The system says why.
    Unreadable(String),
}

impl Trouble {
    fn problem(&self, file: &Path) -> Problem {
        let place = file.display().to_string();
        let (found, accepted) = match self {
            Self::Missing => return Problem::plain(place, "there is no such file"),
            Self::Unreadable(why) => {
                return Problem::plain(place, format!("the file cannot be read: {why}"));
            }
            Self::NotAFile => (
                "a directory, pipe, device or socket".to_owned(),
                "a regular file",
            ),
            Self::TooLarge => {
                let mut problem = raw::too_large();
                problem.path = place;
                return problem;
            }
            Self::NotText { line } => (format!("bytes that are no UTF-8, in line {line}"), "UTF-8"),
        };
        Problem::new(place, found, accepted)
    }
}

/// Reads the file once, whole and bounded. What it is is asked before it is opened, because opening
/// a pipe would wait for a writer, and again of what was opened.
fn read_text(file: &Path) -> Result<String, Trouble> {
    if !fs::metadata(file).map_err(trouble)?.is_file() {
        return Err(Trouble::NotAFile);
    }
    let opened = fs::File::open(file).map_err(trouble)?;
    if !opened.metadata().map_err(trouble)?.is_file() {
        return Err(Trouble::NotAFile);
    }
    let mut bytes = Vec::new();
    opened
        .take(raw::FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(trouble)?;
    if bytes.len() as u64 > raw::FILE_BYTES_MAX {
        return Err(Trouble::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to());
        Trouble::NotText {
            line: 1 + valid.filter(|&&byte| byte == b'\n').count(),
        }
    })
}

fn trouble(error: io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::NotFound => Trouble::Missing,
        _ => Trouble::Unreadable(error.to_string()),
    }
}

/// Two reads must agree: a change is in force after 0.5 to 1 s, well within the promised 2 s.
const POLL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
