//! What a play is remembered by: changes, findings, runs of breach clocks, and what the app would
//! have seen.

use super::onset::Signal;
use crate::rollout::{Rollback, RuleName};
use crate::split::Percent;

/// A change of the share or of the state.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// When, in milliseconds of the play.
    pub(crate) at_ms: u64,
    /// The transition's name.
    pub(crate) event: &'static str,
    /// The share before.
    pub(crate) from: Percent,
    /// The share from then on.
    pub(crate) to: Percent,
    /// The rule or person behind it, if one is.
    pub(crate) rule: Option<&'static str>,
    /// What happened, for a person.
    pub(crate) sentence: String,
    /// The rollback, if it is one.
    pub(crate) trip: Option<Trip>,
}

/// What a rule found that changed nothing: a reason to stop and look.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// When, in milliseconds of the play.
    pub(crate) at_ms: u64,
    /// The transition's name.
    pub(crate) event: &'static str,
    /// Whose.
    pub(crate) rule: RuleName,
    /// What it saw.
    pub(crate) sentence: String,
}

/// A rollback and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Trip {
    /// As the state file would have it.
    pub(crate) rollback: Rollback,
    /// When the trouble began that the rule found, in milliseconds of the play.
    pub(crate) onset_ms: Option<u64>,
    /// What the rule counts.
    pub(crate) signal: Signal,
    /// Bedrock calls that had failed (or were slow) since then.
    pub(crate) bad: u64,
}

impl Trip {
    /// What is bad about those calls.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.signal {
            Signal::Failures => "failed",
            Signal::Slowness => "slow",
        }
    }
}

/// One run of a breach clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// Whose.
    pub(crate) rule: RuleName,
    /// When it started, in milliseconds of the play.
    pub(crate) started_ms: u64,
    /// What the rule saw then.
    pub(crate) sentence: String,
    /// When it stopped and why, if it did.
    pub(crate) stopped: Option<(u64, &'static str)>,
}

/// What the app would have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Calls that went to Bedrock.
    pub(crate) bedrock: u64,
    /// Those that it answered.
    pub(crate) answered: u64,
    /// Those that it failed before the first token: the original answered them.
    pub(crate) failed_over: u64,
    /// Those that it failed after it: a stream ended in an error.
    pub(crate) broken: u64,
    /// Those that it refused for what they are: the original was asked.
    pub(crate) refused: u64,
    /// Those that the caller left.
    pub(crate) cancelled: u64,
    /// Calls that went to the original as recorded.
    pub(crate) original: u64,
    /// Those that it failed.
    pub(crate) original_failed: u64,
    /// Recorded Bedrock calls after the rollback: the original would have been asked.
    pub(crate) stayed: u64,
    /// Those of them that Bedrock failed in the record: spared.
    pub(crate) spared: u64,
}
