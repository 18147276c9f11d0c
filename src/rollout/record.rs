//! What must outlive the process: the attempt and whether it is rolled back.
//!
//! The controller writes the record to the state file whenever a transition says so. A state file
//! that was lost is a rollback of its own kind, which only a person's re-arm ends: which attempt it
//! was of is not known, so a raised one proves nothing.

use super::Caution;
use super::Paused;
use super::Progress;
use crate::outcome::Attempt;
use crate::outcome::Class;
use crate::split::Percent;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::Error as _;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The content of the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The layout of this file: [`Record::VERSION`]. Another one is an error when read.
    #[serde(deserialize_with = "known_version")]
    pub version: u32,
    /// The number of the try.
    pub attempt: Attempt,
    /// Whether it is rolled back.
    pub state: RecordState,
    /// How far the machine climbed; none with `advance: manual`, at 0 % and after a rollback. A
    /// file without it is of a version that did not climb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The pause that holds, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// What rules found that nobody has taken note of yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cautions: Vec<Caution>,
    /// When the share last went one stage back by itself, on the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepped_back_unix_ms: Option<u64>,
}

/// Whether calls may go to Bedrock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// The rules watch, the ceiling is in force.
    Armed,
    /// Latched at 0 % until a person re-arms.
    RolledBack(Box<Rollback>),
}

/// The remembered rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What caused it.
    pub rule: Cause,
    /// The whole story in one sentence for a person.
    pub sentence: String,
    /// When, on the wall clock.
    pub at_unix_ms: u64,
    /// The share that was in force.
    pub from_percent: Percent,
    /// What the rule saw; none for a rollback that no rule caused.
    pub numbers: Option<Numbers>,
    /// Whether the original was over the same limit at the time.
    #[serde(default)]
    pub common_mode: bool,
    /// The failures that the rule saw, by class.
    pub classes: BTreeMap<Class, u64>,
    /// The request id of the last call that failed (or, for `latency`, that was slow).
    pub last_failure_request_id: Option<String>,
    /// Who did it; none for a rule.
    pub actor: Option<String>,
    /// Why, in that person's words.
    pub reason: Option<String>,
    /// The least `rollout.attempt` that re-arms; none where only the command does.
    pub rearm_with_attempt: Option<u64>,
}

/// What a rule saw when it tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// The share of failed (or slow) calls, rounded to a hundredth of a percent.
    pub value: Percent,
    /// The share that may not be exceeded.
    pub limit: Percent,
    /// Failed (for `latency`: slow) calls in the window.
    pub failures: u64,
    /// Judged (for `latency`: timed) calls in the window.
    pub judged: u64,
    /// The window that these were counted over, in milliseconds.
    pub window_ms: u64,
    /// How long the breach clock had run, in milliseconds; none for rules without one.
    pub for_ms: Option<u64>,
    /// For `latency`: the time above which a call is slow, in milliseconds.
    pub slower_than_ms: Option<u64>,
}

/// What caused a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Cause {
    /// A rule tripped.
    Rule(RuleName),
    /// A person rolled back.
    Operator,
    /// The state file was torn, unreadable or gone, so that a rollback may have been lost.
    StateFile,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// The error rate stays above a share for a time.
    Errors,
    /// Too many calls stay slow for a time.
    Latency,
    /// A high error rate over minutes.
    Severe,
    /// A very high error rate over seconds.
    Outage,
    /// Failures come from Bedrock more often than its share of the calls explains.
    Relative,
    /// The same of slow calls.
    RelativeSlow,
    /// The same of truncated answers.
    RelativeTruncated,
    /// The same of refusals.
    Rejected,
    /// Callers leave Bedrock's calls before the first token.
    Abandoned,
}

impl Record {
    /// The layout that this version reads and writes.
    pub const VERSION: u32 = 1;

    /// The record of a first start: armed.
    pub const fn first(attempt: Attempt) -> Self {
        Self {
            version: Self::VERSION,
            attempt,
            state: RecordState::Armed,
            progress: None,
            paused: None,
            cautions: Vec::new(),
            stepped_back_unix_ms: None,
        }
    }

    /// The record that stands in for a lost one: rolled back until `crossfade rearm`. `why` says
    /// what was found, as the second half of a sentence. `attempt` is the last one known, or the
    /// plan's.
    pub fn lost(attempt: Attempt, why: &str, at_unix_ms: u64) -> Self {
        let rollback = Rollback {
            rule: Cause::StateFile,
            sentence: format!("Rolled back to 0 %: {why}, so a rollback may have been lost"),
            at_unix_ms,
            from_percent: Percent::ZERO,
            numbers: None,
            common_mode: false,
            classes: BTreeMap::new(),
            last_failure_request_id: None,
            actor: None,
            reason: None,
            rearm_with_attempt: None,
        };
        Self {
            state: RecordState::RolledBack(Box::new(rollback)),
            ..Self::first(attempt)
        }
    }

    /// The rollback that holds, if one does.
    pub const fn rollback(&self) -> Option<&Rollback> {
        match &self.state {
            RecordState::Armed => None,
            RecordState::RolledBack(rollback) => Some(rollback),
        }
    }

    /// Whether `other` says the same of the attempt and of its latch: what a file must say before
    /// anything may go to Bedrock.
    pub fn same_latch(&self, other: &Self) -> bool {
        self.attempt == other.attempt && self.state == other.state
    }

    /// The attempt that a re-arm starts.
    pub const fn next_attempt(&self) -> Attempt {
        Attempt(self.attempt.0.saturating_add(1))
    }

    /// What holds after the state file was read as `read`. A rollback that was known stays, in the
    /// higher attempt: it may be a person's, made before the file could be read. A lost file wins
    /// over all else that was known, and a readable one over an earlier loss. Else the higher
    /// attempt wins; of two rollbacks of one attempt the earlier one is kept.
    #[must_use]
    pub fn reread(self, read: Self) -> Self {
        let attempt = self.attempt.max(read.attempt);
        match (self.is_lost(), read.is_lost()) {
            (true, false) => return read,
            (true, true) => return Self { attempt, ..read },
            (false, true) => return self.lost_meanwhile(attempt, read),
            (false, false) => {}
        }
        let order = self.attempt.cmp(&read.attempt);
        match (self.state, read.state) {
            (RecordState::RolledBack(ours), RecordState::RolledBack(theirs)) => {
                let keep_ours = order.then(theirs.at_unix_ms.cmp(&ours.at_unix_ms)).is_ge();
                let state = RecordState::RolledBack(if keep_ours { ours } else { theirs });
                Self {
                    state,
                    ..Self::first(attempt)
                }
            }
            (RecordState::RolledBack(mut ours), RecordState::Armed) => {
                ours.rearm_with_attempt = Some(attempt.0.saturating_add(1));
                Self {
                    state: RecordState::RolledBack(ours),
                    ..Self::first(attempt)
                }
            }
            (RecordState::Armed, state) => match order {
                Ordering::Greater => Self {
                    state: RecordState::Armed,
                    ..self
                },
                Ordering::Less | Ordering::Equal => Self { state, ..read },
            },
        }
    }

    /// What holds when the file is found lost. A rollback that is known is kept, or an older file
    /// that turns up later would end it; but nobody knows which attempts there were meanwhile, so
    /// that no number in the configuration re-arms it.
    fn lost_meanwhile(self, attempt: Attempt, lost: Self) -> Self {
        let state = match self.state {
            RecordState::RolledBack(mut ours) => {
                ours.rearm_with_attempt = None;
                RecordState::RolledBack(ours)
            }
            RecordState::Armed => lost.state,
        };
        Self {
            state,
            ..Self::first(attempt)
        }
    }

    /// Whether this stands in for a lost state file.
    pub fn is_lost(&self) -> bool {
        self.rollback()
            .is_some_and(|rollback| rollback.rule == Cause::StateFile)
    }
}

impl Rollback {
    /// How to send calls to Bedrock again.
    pub fn remedy(&self) -> String {
        match self.rearm_with_attempt {
            Some(attempt) => format!(
                "re-arm with `crossfade rearm --reason …` or by setting `rollout.attempt: {attempt}`"
            ),
            None => "re-arm with `crossfade rearm --reason …`".to_owned(),
        }
    }
}

impl Cause {
    /// The cause in records, metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.name(),
            Self::Operator => "operator",
            Self::StateFile => "state_file",
        }
    }
}

impl From<Cause> for String {
    fn from(cause: Cause) -> Self {
        cause.name().to_owned()
    }
}

impl TryFrom<String> for Cause {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        RuleName::ALL
            .map(Self::Rule)
            .into_iter()
            .chain([Self::Operator, Self::StateFile])
            .find(|cause| cause.name() == name)
            .ok_or_else(|| format!("unknown cause of a rollback: {name}"))
    }
}

impl RuleName {
    /// Every rule, in the order of the configuration.
    pub const ALL: [Self; 9] = [
        Self::Errors,
        Self::Latency,
        Self::Severe,
        Self::Outage,
        Self::Relative,
        Self::RelativeSlow,
        Self::RelativeTruncated,
        Self::Rejected,
        Self::Abandoned,
    ];

    /// The rule's name in configuration, metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Severe => "severe",
            Self::Outage => "outage",
            Self::Relative => "relative",
            Self::RelativeSlow => "relative_slow",
            Self::RelativeTruncated => "relative_truncated",
            Self::Rejected => "rejected",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A later layout may mean something else by the same words; refusing it leaves the latch closed.
fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        Record::VERSION => Ok(Record::VERSION),
        other => Err(D::Error::custom(format!(
            "layout {other}, but this version reads only {}",
            Record::VERSION
        ))),
    }
}
