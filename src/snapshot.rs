//! What is in force now: the one thing that the data path reads of the rollout.
//!
//! The controller publishes a whole new value at every change, so configuration, share and attempt
//! can never be of different moments. A call reads it once, after its body is read.

use crate::config::Config;
use crate::outcome::Attempt;
use crate::rollout::{Admission, Report};
use crate::split::Percent;
use serde::Serialize;
use std::sync::Arc;

/// One consistent moment of configuration and rollout.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// How much goes to Bedrock now.
    pub percent: Percent,
    /// The attempt that new calls belong to.
    pub attempt: Attempt,
    /// Whether a rollback holds: it refuses forced Bedrock calls too.
    pub latched: bool,
    /// Which calls the local breaker lets go.
    pub admission: Admission,
    /// Why nothing goes to Bedrock whatever the rollout allows; `percent` is 0 while any holds.
    pub holds: Holds,
    /// What the rollout says of itself, for people.
    pub report: Arc<Report>,
    /// What is known about the files behind it, for people.
    pub files: Arc<Files>,
}

/// A reason to keep the share at 0 that is no decision of the rollout: it ends by itself when its
/// cause does, and re-arming does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Another process owns the state file.
    StateLocked,
    /// What must be remembered could not be written to the state file yet.
    StateWrite,
    /// The process started with a configuration that was refused, and runs the last accepted one.
    ConfigRefused,
    /// `FORCE_OPENAI_PROVIDER` is set.
    ForceOriginal,
    /// The process is stopping.
    Draining,
}

impl Hold {
    /// Every hold, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::StateLocked,
        Self::StateWrite,
        Self::ConfigRefused,
        Self::ForceOriginal,
        Self::Draining,
    ];

    /// The hold's name in status, metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StateLocked => "state_locked",
            Self::StateWrite => "state_write",
            Self::ConfigRefused => "config_refused",
            Self::ForceOriginal => "force_openai_provider",
            Self::Draining => "draining",
        }
    }

    /// What it means and what ends it, as a sentence for operators.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::StateLocked => {
                "Another crossfade process owns the state file; this one takes over when that one \
                 ends, and asks every second."
            }
            Self::StateWrite => {
                "The state file cannot be written, so a rollback could be forgotten; it is tried \
                 again every second."
            }
            Self::ConfigRefused => {
                "The configuration file was refused at the start; the last accepted one is in \
                 force until the file is corrected."
            }
            Self::ForceOriginal => "FORCE_OPENAI_PROVIDER is set in the environment.",
            Self::Draining => "The process is stopping.",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::StateLocked => 1,
            Self::StateWrite => 1 << 1,
            Self::ConfigRefused => 1 << 2,
            Self::ForceOriginal => 1 << 3,
            Self::Draining => 1 << 4,
        }
    }
}

/// The holds in force: a set, because each ends for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds(u8);

impl Holds {
    /// No hold.
    pub const NONE: Self = Self(0);

    /// Puts `hold` in force or ends it; tells whether that changed anything.
    pub const fn set(&mut self, hold: Hold, on: bool) -> bool {
        let before = self.0;
        self.0 = if on {
            before | hold.bit()
        } else {
            before & !hold.bit()
        };
        self.0 != before
    }

    /// Whether `hold` is in force.
    pub const fn contains(self, hold: Hold) -> bool {
        self.0 & hold.bit() != 0
    }

    /// Whether none is in force.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in force, in the order of [`Hold::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Hold> {
        Hold::ALL
            .into_iter()
            .filter(move |&hold| self.contains(hold))
    }
}

/// The configuration file and the state file, as status shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many configurations were accepted since the start, the first one included.
    pub generation: u64,
    /// SHA-256 of the configuration in force, in hex.
    pub hash: String,
    /// Why the file as it is now was refused, one mistake a line; empty: it is the one in force.
    pub problems: Vec<String>,
    /// What is valid in the configuration but probably not meant.
    pub warnings: Vec<String>,
    /// Keys whose new value needs a restart.
    pub restart_needed: Vec<&'static str>,
    /// Why the state file or the configuration's copy could not be read or written, at the last
    /// try; none: it could.
    pub state_problem: Option<String>,
    /// A rollback that is in force but not on disk yet, so that a restart would forget it.
    pub unsaved: Option<String>,
    /// Wall-clock time of the last change of the effective percentage, in ms since 1970.
    pub percent_since_unix_ms: u64,
    /// Calls that could have gone to Bedrock since then, and those of them that did.
    pub share: Share,
    /// What the journal and the messenger say of themselves.
    pub side: Side,
}

/// What keepers of files and messengers say of themselves: shown with what is in force, written
/// by those who know. Nothing is decided by it.
#[derive(Debug, Default)]
pub struct Board {
    side: std::sync::Mutex<Side>,
}

/// What is shown beside the rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Why the journal cannot be written, at the last try; none: it can.
    pub journal_problem: Option<String>,
    /// Each destination that is told what happens.
    pub notify: Vec<Messenger>,
    /// Why the collector of traces does not take spans, at the last try; none: it does, or there is
    /// none.
    pub traces_problem: Option<String>,
    /// Why Bedrock cannot be asked as anybody; none: it can, as far as is known.
    pub credentials_problem: Option<String>,
    /// Why fewer callers are accepted than `limits.connections` says; none: as many are.
    pub descriptors_problem: Option<String>,
    /// The last lines of the journal, oldest first; at most [`HAPPENED_MAX`].
    pub happened: Vec<Happened>,
}

/// How many lines of the journal are shown.
pub const HAPPENED_MAX: usize = 12;

/// One line of the journal, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// When, in ms since 1970.
    pub at_unix_ms: u64,
    /// What, as the journal names it.
    pub event: String,
    /// What happened, for a person.
    pub sentence: String,
}

/// How one destination of `notify` stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Messenger {
    /// Its form and host.
    pub to: String,
    /// Events that it has not been told yet.
    pub waiting: usize,
    /// How many tries in a row failed.
    pub failed_tries: u32,
    /// Why the last one did.
    pub problem: Option<String>,
}

impl Board {
    /// What it shows now.
    pub fn side(&self) -> Side {
        self.lock().clone()
    }

    /// The journal's keeper tells how it stands.
    pub fn journal(&self, problem: Option<String>) {
        self.lock().journal_problem = problem;
    }

    /// The messenger tells how its destinations stand.
    pub fn notify(&self, messengers: Vec<Messenger>) {
        self.lock().notify = messengers;
    }

    /// The sender of spans tells how it stands.
    pub fn traces(&self, problem: Option<String>) {
        self.lock().traces_problem = problem;
    }

    /// The keeper of the credentials tells how they stand.
    pub fn credentials(&self, problem: Option<String>) {
        self.lock().credentials_problem = problem;
    }

    /// The server tells whether it has descriptors for everybody.
    pub fn descriptors(&self, problem: Option<String>) {
        self.lock().descriptors_problem = problem;
    }

    /// The journal's keeper tells what is new in it.
    pub fn happened(&self, lines: impl Iterator<Item = Happened>) {
        let happened = &mut self.lock().happened;
        happened.extend(lines);
        let shown = happened.len().saturating_sub(HAPPENED_MAX);
        happened.drain(..shown);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Side> {
        // Nothing that is written there can be left half done.
        self.side
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How many calls the split sent where, to compare with the share that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Eligible calls.
    pub eligible: u64,
    /// Those that were sent to Bedrock.
    pub bedrock: u64,
}

impl Share {
    /// What came since `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            eligible: self.eligible.saturating_sub(before.eligible),
            bedrock: self.bedrock.saturating_sub(before.bedrock),
        }
    }

    /// The part that went to Bedrock, 0 to 1; none before the first call.
    pub fn ratio(self) -> Option<f64> {
        (self.eligible > 0).then(|| self.bedrock as f64 / self.eligible as f64)
    }
}
