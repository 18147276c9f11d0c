//! The journal's files: append-only, fsynced, rotated, and read again after any crash.
//!
//! `.journal` beside the state file takes the lines; above [`ROTATE_BYTES`] it becomes
//! `.journal.1`, that one `.journal.2`, up to [`OLD_FILES`]. A line is written with one call and
//! counts when it ends in a line break: what a crash leaves behind the last one is closed off with
//! a line break and skipped. What a failed write leaves behind is cut off again. Everything here
//! blocks for as long as the disk does. Only the owner of the state file's lock may write.

use super::line::{Draft, Line, Stands};
use crate::clock::unix_ms;
use crate::config::notify::Kind;
use crate::rollout::Record;
use crate::state::{StateError, StateStore, disk};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The size at which the next file is begun: thousands of lines.
pub const ROTATE_BYTES: u64 = 1024 * 1024;

/// How many older files are kept.
pub const OLD_FILES: usize = 4;

/// So many starts, and as many stops, have a line within an hour: some 60 kB a day at most.
const LIVES_AN_HOUR: usize = 6;

const HOUR_MS: u64 = 3_600_000;

/// The most that is read of one file: a line may be written before its file is rotated.
const READ_BYTES_MAX: u64 = 2 * ROTATE_BYTES;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    state: PathBuf,
    name: Arc<str>,
    next_seq: u64,
    /// The bytes of the current file that are known to be whole lines.
    length: u64,
    /// What its last line says of the latch.
    stands: Option<Stands>,
    /// The last starts and stops, in ms since 1970.
    lives: Vec<(Kind, u64)>,
    /// [`ROTATE_BYTES`], but for tests.
    pub(super) rotate_bytes: u64,
}

/// How the current file ended when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With a whole line, or it is new.
    Whole,
    /// In the middle of a line.
    Torn,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The lines, oldest first.
    pub lines: Vec<Line>,
    /// Lines that are none, as a crash leaves them.
    pub unreadable: usize,
}

/// Reads the journal beside the state file `state`, older files first. Can be done at any time,
/// also while a sidecar writes.
///
/// # Errors
///
/// If a file is there and cannot be read.
pub fn read(state: &Path) -> Result<History, StateError> {
    let path = StateStore::new(state.to_owned()).journal_path().to_owned();
    let mut history = History::default();
    for file in (1..=OLD_FILES)
        .rev()
        .map(|age| old(&path, age))
        .chain([path.clone()])
    {
        let bytes = contents(&file)?;
        history.add(&bytes);
    }
    Ok(history)
}

impl History {
    fn add(&mut self, bytes: &[u8]) {
        for line in bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match serde_json::from_slice(line) {
                Ok(line) => self.lines.push(line),
                Err(_) => self.unreadable += 1,
            }
        }
    }
}

impl Journal {
    /// Opens the journal beside `state`; gives what it holds and how it ended.
    pub(super) fn open(state: &Path) -> Result<(Self, Vec<Line>, Ended), StateError> {
        let path = StateStore::new(state.to_owned()).journal_path().to_owned();
        disk::refuse_link(&path)?;
        let current = contents(&path)?;
        let ended = match current.last() {
            None | Some(b'\n') => Ended::Whole,
            Some(_) => Ended::Torn,
        };
        let history = read(state)?;
        let last = history.lines.last();
        let name = match last {
            Some(line) => Arc::from(line.journal.as_str()),
            None => Arc::from(new_name(state)),
        };
        let mut journal = Self {
            state: state.to_owned(),
            name,
            next_seq: last.map_or(1, |line| line.seq.saturating_add(1)),
            length: current.len() as u64,
            stands: last.and_then(|line| line.stands),
            lives: history.lines.iter().filter_map(life).collect(),
            rotate_bytes: ROTATE_BYTES,
            path,
        };
        if ended == Ended::Torn {
            // Closed off, so that the next line is not lost with it.
            journal.put(b"\n")?;
        }
        Ok((journal, history.lines, ended))
    }

    /// What tells it from others.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Gives a line its place; none for a start or a stop too many: a process that is started again
    /// and again must not push everything else out of the files.
    pub(super) fn number(&mut self, mut draft: Draft) -> Option<Line> {
        if let Some((kind, at_ms)) = draft.life() {
            let hour_ago = at_ms.saturating_sub(HOUR_MS);
            self.lives.retain(|&(_, at_ms)| at_ms > hour_ago);
            let before = self.lives.iter().filter(|(it, _)| *it == kind).count();
            if before >= LIVES_AN_HOUR {
                return None;
            }
            if before + 1 == LIVES_AN_HOUR {
                draft.ends_the_row();
            }
            self.lives.push((kind, at_ms));
        }
        let line = draft.numbered(&self.name, self.next_seq, self.stands);
        self.next_seq = self.next_seq.saturating_add(1);
        self.stands = line.stands;
        Some(line)
    }

    /// What must be added so that the journal says what the state file does; none: it does.
    pub(super) fn missing(&self, record: &Record, config_hash: &str) -> Option<Draft> {
        let holds = Stands {
            attempt: record.attempt.0,
            rolled_back: record.rollback().map(|rollback| rollback.at_unix_ms),
        };
        let first = self.stands.is_none();
        (self.stands != Some(holds))
            .then(|| Draft::recovered(record, config_hash, first, unix_ms()))
    }

    /// Appends `lines`; gives how many of them the disk has for certain, and why not all.
    pub(super) fn append(&mut self, lines: &[Arc<Line>]) -> (usize, Result<(), StateError>) {
        let mut appended = 0;
        while let Some(rest) = lines.get(appended..).filter(|rest| !rest.is_empty()) {
            match self.append_some(rest) {
                Ok(some) => appended += some,
                Err(error) => return (appended, Err(error)),
            }
        }
        (appended, Ok(()))
    }

    /// Appends as many of `lines` as the current file has room for, at least one.
    fn append_some(&mut self, lines: &[Arc<Line>]) -> Result<usize, StateError> {
        if fs::symlink_metadata(&self.state).is_err() {
            return Err(StateError::StateFirst(self.state.clone()));
        }
        if self.length >= self.rotate_bytes {
            self.rotate()?;
        }
        let (mut bytes, mut some) = (Vec::new(), 0);
        for line in lines {
            if self.length + bytes.len() as u64 >= self.rotate_bytes {
                break;
            }
            let written = serde_json::to_writer(&mut bytes, line.as_ref());
            written.map_err(|error| disk::io_error("make a line of", &self.path, error.into()))?;
            bytes.push(b'\n');
            some += 1;
        }
        self.put(&bytes)?;
        Ok(some)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        disk::refuse_link(&self.path)?;
        let failed = |error| disk::io_error("write", &self.path, error);
        let is_new = fs::symlink_metadata(&self.path).is_err();
        let mut file = File::options()
            .append(true)
            .create(true)
            .mode(disk::PRIVATE)
            .open(&self.path)
            .map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if is_new {
            self.length = 0;
        } else if found > self.length {
            // What an earlier write that failed has left.
            file.set_len(self.length).map_err(failed)?;
        } else {
            self.length = found;
        }
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // If this fails too, it is done before the next write.
            let _ = file.set_len(self.length);
            return Err(failed(error));
        }
        self.length += bytes.len() as u64;
        if is_new {
            disk::sync_directory(disk::directory(&self.path))?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), StateError> {
        for age in (0..OLD_FILES).rev() {
            let from = match age {
                0 => self.path.clone(),
                age => old(&self.path, age),
            };
            match fs::rename(&from, old(&self.path, age + 1)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(disk::io_error("rotate", &from, error)),
            }
        }
        self.length = 0;
        disk::sync_directory(disk::directory(&self.path))
    }
}

/// The start or the stop that a line tells of.
fn life(line: &Line) -> Option<(Kind, u64)> {
    let kind = line.kind().filter(|kind| kind.is_life())?;
    Some((kind, line.at_unix_ms))
}

fn contents(path: &Path) -> Result<Vec<u8>, StateError> {
    let bytes = disk::read(path, READ_BYTES_MAX);
    let bytes = bytes.map_err(|error| disk::io_error("read", path, error))?;
    Ok(bytes.unwrap_or_default())
}

fn old(path: &Path, age: usize) -> PathBuf {
    path.with_added_extension(age.to_string())
}

/// A name for a new journal: where and when it began, hashed.
fn new_name(state: &Path) -> String {
    let process = std::process::id();
    disk::short_name(&format!("{} {} {process}", state.display(), unix_ms()))
}
