//! What the machine did: the only thing that is logged, counted and shown as an event.

use super::Rollback;
use super::RuleName;
use super::words;
use crate::outcome::Attempt;
use crate::split::Percent;
use std::fmt;

/// One change, or the answer to a command that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A rule rolled back.
    Tripped(Rollback),
    /// A person rolled back.
    RolledBack(Rollback),
    /// A person asked for a rollback while this earlier one holds: nothing to do.
    AlreadyRolledBack(Rollback),
    /// The latch is cleared and the next attempt runs, with empty windows and clocks.
    Rearmed {
        /// The new attempt.
        attempt: Attempt,
        /// The share that is in force again.
        percent: Percent,
        /// Who.
        actor: String,
        /// Why.
        reason: String,
        /// When, on the wall clock, if a command did it.
        at_unix_ms: Option<u64>,
    },
    /// `rollout.attempt` was raised while nothing was rolled back: the next attempt runs, with
    /// empty windows and clocks.
    AttemptStarted {
        /// The new attempt.
        attempt: Attempt,
        /// The share in force.
        percent: Percent,
    },
    /// An edit changed the share in force.
    PercentChanged {
        /// Before.
        from: Percent,
        /// Now in force.
        to: Percent,
    },
    /// `rollout.percent` was edited, but a rollback holds the share at 0.
    CeilingHeld {
        /// The new ceiling, which a re-arm would put in force.
        ceiling: Percent,
        /// How to re-arm.
        remedy: String,
    },
    /// A rule is breached and its clock starts.
    ClockStarted {
        /// Which rule.
        rule: RuleName,
        /// What it saw.
        sentence: String,
    },
    /// A clock stopped without a trip.
    ClockReset {
        /// Which rule.
        rule: RuleName,
        /// How long it had run, in milliseconds.
        ran_ms: u64,
        /// Why.
        why: ResetWhy,
    },
    /// The state file was read again and taken into account.
    RecordRead {
        /// The attempt that holds now.
        attempt: Attempt,
        /// Whether a rollback holds now.
        latched: bool,
        /// Whether the file is behind and must be written.
        write_back: bool,
    },
    /// A command or an edit that cannot be followed.
    Refused(Refusal),
}

/// Why a clock stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetWhy {
    /// The recovery window is at or below the limit.
    Recovered,
    /// No call was judged for as long as the rule's duration.
    Idle,
    /// The rule was switched off, or its limit changed so that what was counted means nothing.
    Edited,
}

/// Why nothing was done, and what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A re-arm, but nothing is rolled back.
    NotRolledBack {
        /// The attempt that runs.
        attempt: Attempt,
        /// The share in force.
        percent: Percent,
    },
    /// A re-arm without a reason.
    ReasonMissing,
    /// `rollout.attempt` was raised, but the rollback stands in for a lost state file.
    LostStateNeedsRearm,
}

impl Transition {
    /// Whether the record changed with it and must be persisted.
    pub const fn persist(&self) -> bool {
        match self {
            Self::Tripped(_)
            | Self::RolledBack(_)
            | Self::Rearmed { .. }
            | Self::AttemptStarted { .. } => true,
            Self::RecordRead { write_back, .. } => *write_back,
            Self::AlreadyRolledBack(_)
            | Self::PercentChanged { .. }
            | Self::CeilingHeld { .. }
            | Self::ClockStarted { .. }
            | Self::ClockReset { .. }
            | Self::Refused(_) => false,
        }
    }

    /// The event's name in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tripped(_) => "tripped",
            Self::RolledBack(_) => "rolled_back",
            Self::AlreadyRolledBack(_) => "already_rolled_back",
            Self::Rearmed { .. } => "rearmed",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::PercentChanged { .. } => "percent_changed",
            Self::CeilingHeld { .. } => "ceiling_held",
            Self::ClockStarted { .. } => "clock_started",
            Self::ClockReset { .. } => "clock_reset",
            Self::RecordRead { .. } => "record_read",
            Self::Refused(_) => "refused",
        }
    }

    /// What happened, for a person.
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tripped(rollback) | Self::RolledBack(rollback) => f.write_str(&rollback.sentence),
            Self::AlreadyRolledBack(rollback) => {
                write!(
                    f,
                    "Nothing to do, a rollback holds already: {}",
                    rollback.sentence
                )
            }
            Self::Rearmed {
                attempt,
                percent,
                actor,
                reason,
                ..
            } => write!(
                f,
                "Re-armed at {percent} % as attempt {}, windows and clocks empty: {actor}: {reason}",
                attempt.0
            ),
            Self::AttemptStarted { attempt, percent } => write!(
                f,
                "Attempt {} runs at {percent} %, windows and clocks empty: `rollout.attempt` was raised",
                attempt.0
            ),
            Self::PercentChanged { from, to } => {
                write!(f, "Share changed {from} % -> {to} %")
            }
            Self::CeilingHeld { ceiling, remedy } => write!(
                f,
                "`rollout.percent` is now {ceiling}, but a rollback holds the share at 0 %: {remedy}"
            ),
            Self::ClockStarted { rule, sentence } => {
                write!(f, "The {} clock started: {sentence}", rule.name())
            }
            Self::ClockReset { rule, ran_ms, why } => write!(
                f,
                "The {} clock stopped after {}: {}",
                rule.name(),
                words::Span(*ran_ms),
                why.sentence()
            ),
            Self::RecordRead {
                attempt,
                latched: true,
                ..
            } => {
                write!(
                    f,
                    "The state file was read again: attempt {} is rolled back",
                    attempt.0
                )
            }
            Self::RecordRead {
                attempt,
                latched: false,
                ..
            } => {
                write!(
                    f,
                    "The state file was read again: attempt {} is armed",
                    attempt.0
                )
            }
            Self::Refused(refusal) => write!(f, "{refusal}"),
        }
    }
}

impl ResetWhy {
    /// The reason as messages say it.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Recovered => "the rate is at or below its limit again",
            Self::Idle => "no call was judged for the rule's whole duration",
            Self::Edited => "the rule was changed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRolledBack { attempt, percent } => write!(
                f,
                "Nothing to re-arm: attempt {} runs at {percent} %. To change the share edit `rollout.percent`; to empty windows and clocks raise `rollout.attempt` to {}",
                attempt.0,
                attempt.0.saturating_add(1)
            ),
            Self::ReasonMissing => f.write_str(
                "A re-arm needs a reason: say why Bedrock may be tried again with `--reason`",
            ),
            Self::LostStateNeedsRearm => f.write_str(
                "Raising `rollout.attempt` does not re-arm after the state file was lost: use `crossfade rearm --reason …`",
            ),
        }
    }
}
