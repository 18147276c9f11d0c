//! The latch on disk: the state file, and what lies beside it.
//!
//! The state file holds one [`Record`]; it is replaced whole (temporary file, fsync, rename, fsync
//! of the directory), so that a crash leaves the old one or the new one. Whatever else is found in
//! its place counts as tripped: a rollback that cannot be read may have been one. Beside it, with
//! the same stem: `.lock` (who may write; held for the life of the process, and where that one is
//! reached), `.config.yaml` (the last accepted configuration, see [`start`]), `.journal` (what
//! happened, see `journal`), `.outbox` (how much of it was told, see `notify`), and `.bad` (the last
//! state file that could not be read or was not ours, kept for whoever wants to know why).
//!
//! Everything here blocks for as long as the disk does; callers use the blocking pool. When to
//! write and what to do about a failure is the controller's.

use crate::rollout::Record;
use std::fmt;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

pub(crate) mod disk;
mod found;
mod holder;
pub mod start;

pub use found::Found;
pub use found::Tripped;
pub use found::Why;

#[cfg(test)]
mod tests;

/// The state file and its neighbours.
#[derive(Debug)]
pub struct StateStore {
    state: PathBuf,
    lock: PathBuf,
    config: PathBuf,
    journal: PathBuf,
    bad: PathBuf,
    /// Where commands reach this process.
    admin: Option<SocketAddr>,
    held: Option<File>,
}

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// This process, until it ends.
    Held,
    /// Another one.
    HeldByOther,
}

/// Why the disk does not hold what it should.
#[derive(Debug)]
pub enum StateError {
    /// The system refused a step.
    Io {
        /// The step, as a verb phrase.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is a symbolic link in the place of a file of ours.
    Link(PathBuf),
    /// Another process has the lock.
    HeldByOther(PathBuf),
    /// The configuration's copy must not be there before the state file is.
    StateFirst(PathBuf),
    /// Somebody deleted the state file of a running process.
    Deleted(PathBuf),
    /// Somebody put something else into its place.
    Replaced {
        /// The state file.
        path: PathBuf,
        /// Where what was found there is kept.
        aside: PathBuf,
    },
    /// The file is no text of ordinary size.
    NotText(PathBuf),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                doing,
                path,
                source,
            } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
            Self::Link(path) => write!(
                f,
                "{} is a symbolic link, which is not followed: set `state` to the file itself",
                path.display()
            ),
            Self::HeldByOther(path) => {
                write!(f, "another process has the lock {}", path.display())
            }
            Self::StateFirst(path) => {
                write!(f, "the state file {} is not written yet", path.display())
            }
            Self::Deleted(path) => write!(
                f,
                "the state file {} was deleted while crossfade ran; it is written again from memory",
                path.display()
            ),
            Self::Replaced { path, aside } => write!(
                f,
                "the state file {} was changed by somebody else while crossfade ran; it is written \
                 again from memory, and what was there is kept as {}",
                path.display(),
                aside.display()
            ),
            Self::NotText(path) => write!(f, "{} is no text of ordinary size", path.display()),
        }
    }
}

impl std::error::Error for StateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Link(_)
            | Self::HeldByOther(_)
            | Self::StateFirst(_)
            | Self::Deleted(_)
            | Self::Replaced { .. }
            | Self::NotText(_) => None,
        }
    }
}

impl StateStore {
    /// The store around the state file `state`. Touches nothing.
    pub fn new(state: PathBuf) -> Self {
        Self {
            lock: state.with_extension("lock"),
            config: state.with_extension("config.yaml"),
            journal: state.with_extension("journal"),
            bad: state.with_extension("bad"),
            state,
            admin: None,
            held: None,
        }
    }

    /// The same store for a process whose admin port is `admin`: who asks for the holder of the lock
    /// is told.
    #[must_use]
    pub fn reached_at(mut self, admin: SocketAddr) -> Self {
        self.admin = Some(admin);
        self
    }

    /// The admin port of the process that holds the lock now; none if no process does, or if it
    /// cannot be told.
    pub fn holder(&self) -> Option<SocketAddr> {
        holder::read(&self.lock)
    }

    /// The state file.
    pub fn path(&self) -> &Path {
        &self.state
    }

    /// Where the last accepted configuration is kept.
    pub fn config_copy_path(&self) -> &Path {
        &self.config
    }

    /// The journal of what happened, which `read` takes for a sign that a state was here.
    pub fn journal_path(&self) -> &Path {
        &self.journal
    }

    /// How much of the journal each destination was told.
    pub fn outbox_path(&self) -> PathBuf {
        self.state.with_extension("outbox")
    }

    /// Takes the lock, or finds that it is held still. To be asked every second while another
    /// process has it; who gets it reads the state again.
    ///
    /// # Errors
    ///
    /// If there can be no lock file: then nobody knows who else is here.
    pub fn try_lock(&mut self) -> Result<Lock, StateError> {
        for _ in 0..LOCK_TRIES {
            let file = match self.held.take() {
                Some(file) => file,
                None => match self.lock_file()? {
                    Some(file) => file,
                    None => return Ok(Lock::HeldByOther),
                },
            };
            // A lock on a file that was deleted meanwhile excludes nobody.
            if is_at(&file, &self.lock) {
                self.held = Some(file);
                return Ok(Lock::Held);
            }
        }
        Ok(Lock::HeldByOther)
    }

    /// Reads the state. Without the lock it may be changed by its holder at any time.
    pub fn read(&self, required: bool) -> Found {
        match self.read_record() {
            Ok(Some(record)) => Found::Record(record),
            Ok(None) => match self.absent(required) {
                None => Found::FirstStart,
                Some(why) => self.tripped(why),
            },
            Err(why) => self.tripped(why),
        }
    }

    /// Looks whether the lock is still this process's and the state file what it wrote last. What
    /// somebody else put there is kept aside: who owns the lock knows better than the file.
    ///
    /// # Errors
    ///
    /// [`StateError::Deleted`] and [`StateError::Replaced`]: the file is to be written again.
    /// Otherwise as [`StateStore::try_lock`], and if another process has the lock.
    pub fn verify(&mut self, record: &Record) -> Result<(), StateError> {
        self.require_lock()?;
        match self.read_record() {
            Ok(Some(found)) if found == *record => Ok(()),
            Ok(None) => Err(StateError::Deleted(self.state.clone())),
            // Out of file descriptors, perhaps: that says nothing of the file.
            Err(Why::Unreadable(_)) => Ok(()),
            Ok(Some(_)) | Err(_) => {
                self.keep_aside();
                Err(StateError::Replaced {
                    path: self.state.clone(),
                    aside: self.bad.clone(),
                })
            }
        }
    }

    /// Replaces the state; when it returns `Ok`, the disk has it. What cannot be read is set aside
    /// first.
    ///
    /// # Errors
    ///
    /// If another process has the lock, or with what the system says; then the old state is still
    /// there, or (if only the last fsync failed) perhaps the new one.
    pub fn write(&mut self, record: &Record) -> Result<(), StateError> {
        self.require_lock()?;
        let mut bytes = serde_json::to_vec_pretty(record)
            .map_err(|error| disk::io_error("encode", &self.state, error.into()))?;
        bytes.push(b'\n');
        self.set_aside();
        disk::replace(&self.state, &bytes)
    }

    /// Keeps the text of an accepted configuration.
    ///
    /// # Errors
    ///
    /// As [`StateStore::write`]; and if there is no state file yet, because the copy alone is a
    /// sign that one was lost.
    pub fn save_config_copy(&mut self, text: &str) -> Result<(), StateError> {
        self.require_lock()?;
        if fs::symlink_metadata(&self.state).is_err() {
            return Err(StateError::StateFirst(self.state.clone()));
        }
        disk::replace(&self.config, text.as_bytes())
    }

    /// The last accepted configuration, if one was kept.
    ///
    /// # Errors
    ///
    /// If there is one that cannot be read.
    pub fn load_config_copy(&self) -> Result<Option<String>, StateError> {
        let path = &self.config;
        disk::refuse_link(path)?;
        let Some(bytes) = disk::read(path, COPY_BYTES_MAX)
            .map_err(|error| disk::io_error("read", path, error))?
        else {
            return Ok(None);
        };
        let fits = bytes.len() as u64 <= COPY_BYTES_MAX;
        match String::from_utf8(bytes) {
            Ok(text) if fits => Ok(Some(text)),
            Ok(_) | Err(_) => Err(StateError::NotText(path.clone())),
        }
    }

    fn tripped(&self, why: Why) -> Found {
        Found::Tripped(Tripped {
            path: self.state.clone(),
            why,
        })
    }

    /// What the absence of a state file means; none: a first start.
    fn absent(&self, required: bool) -> Option<Why> {
        for beside in [&self.config, &self.journal, &self.bad] {
            match fs::symlink_metadata(beside) {
                Ok(_) => return Some(Why::Missing(beside.clone())),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Some(Why::Unreadable(error.to_string())),
            }
        }
        required.then_some(Why::Required)
    }

    fn read_record(&self) -> Result<Option<Record>, Why> {
        let unreadable = |error: io::Error| Why::Unreadable(error.to_string());
        let meta = match fs::symlink_metadata(&self.state) {
            Ok(meta) => meta,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        if meta.is_symlink() {
            return Err(Why::Link);
        }
        if !meta.is_file() {
            return Err(Why::NotAFile);
        }
        if meta.mode() & 0o002 != 0 {
            return Err(Why::WritableByAll);
        }
        let bytes = disk::read(&self.state, found::BYTES_MAX).map_err(unreadable)?;
        // It was there a moment ago: being deleted now is not the same as never having been.
        let bytes = bytes.ok_or_else(|| Why::Unreadable("it has just been deleted".to_owned()))?;
        found::parse(&bytes).map(Some)
    }

    /// Keeps a state file that cannot be read, one at most, and never at the cost of the write that
    /// replaces it.
    fn set_aside(&self) {
        if let Err(Why::Empty | Why::TooLarge | Why::Torn | Why::Foreign(_) | Why::WritableByAll) =
            self.read_record()
        {
            self.keep_aside();
        }
    }

    fn keep_aside(&self) {
        if let Ok(Some(bytes)) = disk::read(&self.state, found::BYTES_MAX) {
            // Only whoever looks for a reason later would miss it.
            let _ = disk::replace(&self.bad, &bytes);
        }
    }

    fn require_lock(&mut self) -> Result<(), StateError> {
        match self.try_lock()? {
            Lock::Held => Ok(()),
            Lock::HeldByOther => Err(StateError::HeldByOther(self.lock.clone())),
        }
    }

    /// The lock file, locked; none if another process has it.
    fn lock_file(&self) -> Result<Option<File>, StateError> {
        disk::create_directory(&self.lock)?;
        disk::refuse_link(&self.lock)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(disk::PRIVATE)
            .open(&self.lock)
            .map_err(|error| disk::io_error("open", &self.lock, error))?;
        match file.try_lock() {
            Ok(()) => {
                // Without it commands look in the configuration; the lock is what matters.
                let _ = holder::announce(&file, self.admin);
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(disk::io_error("lock", &self.lock, error)),
        }
    }
}

/// Whether `path` still names the open `file`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// A file that is not there; nor is one in a directory that is none.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound)
}

/// No larger file is accepted as a configuration.
const COPY_BYTES_MAX: u64 = 256 * 1024;

/// Somebody deletes the lock file again and again: then nobody has it.
const LOCK_TRIES: usize = 3;
