//! What is on disk and how it gets there: the state file, its lock and the configuration's copy.
//!
//! One job at a time runs on the blocking pool, so that a slow disk stops neither the controller
//! nor a call. What to do next follows from what is wanted and from what is known to be there; what
//! failed is tried again at the next beat, everything else follows at once. The state file is
//! written before the configuration's copy, because a copy without a state file is the sign that a
//! rollback was lost.

use crate::journal::file;
use crate::outcome::Attempt;
use crate::rollout::Record;
use crate::split::Percent;
use crate::state::{Found, Lock, StateError, StateStore};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// The disk as the controller knows it.
#[derive(Debug)]
pub(super) struct Saved {
    /// Locked by the one job that runs, and never while anything waits for it.
    store: Arc<Mutex<StateStore>>,
    /// `--require-state`.
    required: bool,
    ownership: Ownership,
    /// What the state file is known to hold; none: nothing that can be relied on.
    record: Option<Record>,
    /// An accepted configuration that is to be copied beside the state.
    copy: Option<Arc<str>>,
    /// The one that was: who deletes the state file may have deleted all of them.
    copied: Option<Arc<str>>,
    /// Whether the file is to be looked at: someone may have deleted or changed it.
    look: bool,
    /// Why the last job failed.
    problem: Option<String>,
    running: Option<JoinHandle<Done>>,
}

/// Whose the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// Nobody could tell yet.
    Unknown,
    /// This process holds the lock.
    Ours,
    /// Another process holds it.
    Theirs,
}

/// What a job came to.
#[derive(Debug)]
pub(super) enum Done {
    /// The lock was won.
    Won {
        /// What the file says.
        found: Found,
        /// The highest attempt that the journal knows, where the file does not say.
        known: Option<Attempt>,
    },
    /// Another process has the lock.
    Lost,
    /// The record is on disk.
    Written(Record),
    /// The configuration is copied.
    Copied(Arc<str>),
    /// The state file is what was written.
    Kept,
    /// Somebody deleted or changed the state file, and this is what is said of it.
    Spoilt(String),
    /// Something could not be done.
    Failed {
        /// Whether the state file can no longer be relied on.
        torn: bool,
        /// What the system says.
        problem: String,
    },
}

impl Done {
    fn failed(torn: bool, error: &StateError) -> Self {
        match error {
            StateError::HeldByOther(_) => Self::Lost,
            StateError::Deleted(_) | StateError::Replaced { .. } => Self::Spoilt(error.to_string()),
            StateError::Io { .. }
            | StateError::Link(_)
            | StateError::StateFirst(_)
            | StateError::NotText(_) => Self::Failed {
                torn,
                problem: error.to_string(),
            },
        }
    }
}

/// What to do next.
#[derive(Debug)]
enum Job {
    Lock,
    Write(Box<Record>),
    Copy(Arc<str>),
    Look(Box<Record>),
}

impl Job {
    fn run(self, store: &mut StateStore, required: bool) -> Done {
        match self {
            Self::Lock => match store.try_lock() {
                Ok(Lock::Held) => {
                    let found = store.read(required);
                    let known = match &found {
                        Found::Tripped(_) => last_attempt(store.path()),
                        Found::Record(_) | Found::FirstStart => None,
                    };
                    Done::Won { found, known }
                }
                Ok(Lock::HeldByOther) => Done::Lost,
                Err(error) => Done::failed(false, &error),
            },
            Self::Write(record) => match store.write(&record) {
                Ok(()) => Done::Written(*record),
                Err(error) => Done::failed(true, &error),
            },
            Self::Copy(text) => match store.save_config_copy(&text) {
                Ok(()) => Done::Copied(text),
                Err(error) => Done::failed(false, &error),
            },
            Self::Look(record) => match store.verify(&record) {
                Ok(()) => Done::Kept,
                Err(error) => Done::failed(true, &error),
            },
        }
    }
}

impl Saved {
    /// Knows nothing of the disk yet, and will ask for the lock first.
    pub(super) fn new(store: StateStore, required: bool) -> Self {
        Self {
            store: Arc::new(Mutex::new(store)),
            required,
            ownership: Ownership::Unknown,
            record: None,
            copy: None,
            copied: None,
            look: false,
            problem: None,
            running: None,
        }
    }

    /// Whose the state is.
    pub(super) const fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// Whether `record` is on disk, so that what follows from it may be reported.
    pub(super) fn holds(&self, record: &Record) -> bool {
        self.record.as_ref() == Some(record)
    }

    /// Whether what is on disk says of attempt and latch what `record` says: the rest may be
    /// behind without harm.
    pub(super) fn holds_latch(&self, record: &Record) -> bool {
        self.record
            .as_ref()
            .is_some_and(|saved| saved.same_latch(record))
    }

    /// The stage that is on disk; 0 % if none is.
    pub(super) fn climbed(&self) -> Percent {
        let progress = self.record.as_ref().and_then(|it| it.progress.as_ref());
        progress.map_or(Percent::ZERO, |it| it.percent)
    }

    /// Why the last job failed.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether a job runs.
    pub(super) const fn busy(&self) -> bool {
        self.running.is_some()
    }

    /// A configuration was accepted: its text is to be copied beside the state.
    pub(super) fn copy(&mut self, text: Arc<str>) {
        self.copy = Some(text);
    }

    /// The file is to be looked at, when there is nothing else to do.
    pub(super) const fn look(&mut self) {
        self.look = true;
    }

    /// Starts what is to be done next, unless a job runs. `retry`: also what failed the last time,
    /// and to ask again for a lock that another process has.
    pub(super) fn start(&mut self, wanted: &Record, retry: bool) {
        let waits = self.problem.is_some() || self.ownership == Ownership::Theirs;
        if self.busy() || (waits && !retry) {
            return;
        }
        let Some(job) = self.next(wanted) else { return };
        let (store, required) = (Arc::clone(&self.store), self.required);
        self.running = Some(tokio::task::spawn_blocking(move || {
            job.run(
                &mut store.lock().unwrap_or_else(PoisonError::into_inner),
                required,
            )
        }));
    }

    fn next(&mut self, wanted: &Record) -> Option<Job> {
        match self.ownership {
            Ownership::Unknown | Ownership::Theirs => Some(Job::Lock),
            Ownership::Ours if !self.holds(wanted) => Some(Job::Write(Box::new(wanted.clone()))),
            Ownership::Ours => match &self.copy {
                Some(text) => Some(Job::Copy(Arc::clone(text))),
                None => std::mem::take(&mut self.look).then(|| Job::Look(Box::new(wanted.clone()))),
            },
        }
    }

    /// Waits for the running job; for ever if none runs. Cancel-safe.
    pub(super) async fn done(&mut self) -> Done {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let done = running.await;
        self.running = None;
        // An error: the job panicked, or the runtime ends. Then nothing is known of the disk.
        done.unwrap_or_else(|error| Done::Failed {
            torn: true,
            problem: error.to_string(),
        })
    }

    /// Takes note of what a job came to. Gives what the state file says if it was just read.
    /// With it, the highest attempt that is known although it says none.
    pub(super) fn note(&mut self, done: Done) -> Option<(Found, Option<Attempt>)> {
        self.problem = None;
        match done {
            Done::Won { found, known } => {
                self.ownership = Ownership::Ours;
                self.record = match &found {
                    Found::Record(record) => Some(record.clone()),
                    Found::FirstStart | Found::Tripped(_) => None,
                };
                return Some((found, known));
            }
            Done::Lost => {
                self.ownership = Ownership::Theirs;
                self.record = None;
            }
            Done::Written(record) => self.record = Some(record),
            Done::Copied(text) => {
                self.copy = self.copy.take().filter(|newer| *newer != text);
                self.copied = Some(text);
            }
            Done::Kept => {}
            Done::Spoilt(problem) => {
                self.problem = Some(problem);
                self.record = None;
                self.copy = self.copy.take().or_else(|| self.copied.clone());
            }
            Done::Failed { torn, problem } => {
                self.problem = Some(problem);
                if torn {
                    self.record = None;
                }
            }
        }
        None
    }
}

/// The highest attempt in the journal beside the state file `state`. One that cannot be read knows
/// nothing.
fn last_attempt(state: &Path) -> Option<Attempt> {
    let history = file::read(state).ok()?;
    let attempts = history.lines.iter().map(|line| line.attempt);
    attempts.max().map(Attempt)
}
