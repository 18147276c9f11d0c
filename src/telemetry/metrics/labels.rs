//! The values of labels. Each comes from a closed enum, so that the number of series is fixed.

use crate::outcome::{Class, Verdict};
use crate::rollout::{Cause, RolloutState, RuleName, RuleState};
use crate::translate::Reason;

/// What became of a chat call before it was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eligibility {
    /// Bedrock can honour it.
    Eligible,
    /// It stays, for this reason.
    Ineligible(Reason),
    /// Nobody looked: at 0 % only a few bodies a second are read.
    Unread,
}

impl Eligibility {
    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eligible => "eligible",
            Self::Ineligible(reason) => reason.name(),
            Self::Unread => "unread",
        }
    }

    /// Whether it says something about the call, and not only about a moment: what nobody read or
    /// had room for may be migratable or not.
    pub const fn is_told(self) -> bool {
        match self {
            Self::Unread | Self::Ineligible(Reason::Busy | Reason::Starting | Reason::SlowBody) => {
                false
            }
            Self::Eligible | Self::Ineligible(_) => true,
        }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        let reasons = Reason::ALL.iter().copied().map(Self::Ineligible);
        [Self::Eligible, Self::Unread].into_iter().chain(reasons)
    }
}

/// How much of a call was read to examine it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All calls are read.
    Whole,
    /// At 0 %: this one was picked, others are not read.
    Sample,
}

impl Look {
    /// Both, in label order.
    pub const ALL: [Self; 2] = [Self::Whole, Self::Sample];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Sample => "sample",
        }
    }
}

/// What came of a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverOutcome {
    /// The original answered the call with a success.
    Answered,
    /// The original refused the call too (4xx).
    Refused,
    /// The original failed as well (5xx, or it could not be reached).
    Failed,
    /// The caller left first.
    Cancelled,
}

impl FailoverOutcome {
    /// Every outcome, in label order.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Refused, Self::Failed, Self::Cancelled];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What Bedrock's usage report counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Of the request, read anew.
    Input,
    /// Of the answer.
    Output,
    /// Of the request, read from the prompt cache.
    CacheRead,
    /// Of the request, written to the prompt cache.
    CacheWrite,
}

impl TokenKind {
    /// Every kind, in label order.
    pub const ALL: [Self; 4] = [Self::Input, Self::Output, Self::CacheRead, Self::CacheWrite];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
        }
    }
}

/// Every verdict, in label order.
pub(super) fn verdicts() -> impl Iterator<Item = Verdict> {
    let others = [
        Verdict::Rejected,
        Verdict::ContextWindow,
        Verdict::Cancelled,
    ];
    [Verdict::Ok]
        .into_iter()
        .chain(Class::ALL.map(Verdict::Failure))
        .chain(others)
}

/// A verdict as the labels `verdict` and `class` write it; no class but for failures.
pub const fn verdict_labels(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Ok => ("ok", ""),
        Verdict::Failure(class) => ("failure", class.name()),
        Verdict::Rejected => ("rejected", ""),
        Verdict::ContextWindow => ("context_window", ""),
        Verdict::Cancelled => ("cancelled", ""),
    }
}

/// Every cause of a rollback, in label order.
pub(super) fn causes() -> impl Iterator<Item = Cause> {
    RuleName::ALL
        .map(Cause::Rule)
        .into_iter()
        .chain([Cause::Operator, Cause::StateFile])
}

pub(super) const STATES: [RolloutState; 6] = [
    RolloutState::Steady,
    RolloutState::Advancing,
    RolloutState::Waiting,
    RolloutState::Paused,
    RolloutState::RolledBack,
    RolloutState::Finished,
];

/// A rollout state as the label and the messages write it.
pub const fn state_name(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Steady => "steady",
        RolloutState::Advancing => "advancing",
        RolloutState::Waiting => "waiting",
        RolloutState::Paused => "paused",
        RolloutState::RolledBack => "rolled_back",
        RolloutState::Finished => "finished",
    }
}

pub(super) const RULE_STATES: [RuleState; 5] = [
    RuleState::Ok,
    RuleState::Breaching,
    RuleState::Unknown,
    RuleState::Unreachable,
    RuleState::Off,
];

/// A rule's state as the label and the messages write it.
pub const fn rule_state_name(state: RuleState) -> &'static str {
    match state {
        RuleState::Ok => "ok",
        RuleState::Breaching => "breaching",
        RuleState::Unknown => "unknown",
        RuleState::Unreachable => "unreachable",
        RuleState::Off => "off",
    }
}
