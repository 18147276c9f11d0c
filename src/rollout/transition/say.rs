//! Transitions and refusals in sentences.

use super::Advanced;
use super::ClimbStart;
use super::Refusal;
use super::ResetWhy;
use super::Transition;
use crate::rollout::BasisChange;
use crate::rollout::Gate;
use crate::rollout::StageCalls;
use crate::rollout::promotion::Against;
use crate::rollout::promotion::Said;
use crate::rollout::promotion::Wait;
use crate::rollout::words;
use crate::split::Percent;
use std::fmt;

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
            Self::ClimbStarted { percent, why } => write!(f, "Climbing from {percent} %: {why}"),
            Self::Advanced(advanced) => write!(f, "{advanced}"),
            Self::GateWaiting { from, to, gates } => write!(
                f,
                "Waiting at {from} %, next {to} %: {}",
                words::listed(gates)
            ),
            Self::GateUnknown { from, to, problem } => write!(
                f,
                "Waiting at {from} %, next {to} %: the webhook gate has given no answer for 10 minutes ({problem})"
            ),
            Self::Stalled {
                percent,
                calls,
                needed,
                age_ms,
            } => {
                let judged = calls.judged;
                write!(
                    f,
                    "Stalled at {percent} %: {judged} judged calls in {}",
                    words::Span(*age_ms)
                )?;
                match needed {
                    Some(needed) => write!(f, ", {needed} are needed to go on"),
                    None => f.write_str(", and no look at them is left"),
                }
            }
            Self::Finished { calls, age_ms } => write!(
                f,
                "Finished: 100 % for {}, {calls}; the rules watch on",
                words::Span(*age_ms)
            ),
            Self::Paused { percent, by } => write!(
                f,
                "Paused at {percent} % by {}: {}; the rules watch on",
                by.actor, by.reason
            ),
            Self::AlreadyPaused(by) => write!(
                f,
                "Nothing to do, it is paused already by {}: {}",
                by.actor, by.reason
            ),
            Self::Resumed {
                percent,
                actor,
                reason,
                ..
            } => write!(f, "Resumed at {percent} % by {actor}: {reason}"),
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
            Self::Cautioned(caution) => {
                write!(f, "{}: {}", caution.rule.name(), caution.sentence)
            }
            Self::SteppedBack { caution, .. } => f.write_str(&caution.sentence),
            Self::RuleUnreachable { sentence } => {
                write!(f, "The latency rule is not armed: {sentence}")
            }
            Self::RuleReachable => {
                f.write_str("The latency rule is armed: the original keeps its limit")
            }
            Self::BreakerOpened { wait_ms } => write!(
                f,
                "The local breaker is open: this process asks Bedrock nothing for {}, then tries one call; the rollout stays as it is",
                words::Span(*wait_ms)
            ),
            Self::BreakerClosed => {
                f.write_str("The local breaker is closed: calls go to Bedrock again")
            }
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
            Self::Unreachable => "the original does not keep the limit either",
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
            Self::RolledBack { remedy } => {
                write!(f, "A rollback holds the share at 0 %: {remedy}")
            }
            Self::AdvanceIsManual { percent } => write!(
                f,
                "Nothing climbs by itself, because `rollout.advance` is `manual`: the share stays at {percent} % until `rollout.percent` is edited. To take every call back use `crossfade rollback --reason …`"
            ),
            Self::NotPaused => f.write_str(
                "Nothing is paused, and nothing waits for somebody to take note: `crossfade status` says what is waited for, `crossfade advance --reason …` goes past a gate",
            ),
            Self::IsPaused(by) => write!(
                f,
                "Paused by {}: {}. Use `crossfade resume --reason …` first",
                by.actor, by.reason
            ),
            Self::AtCeiling {
                percent: Percent::ALL,
            } => f.write_str("There is no stage above 100 %: what is left is the final bake, which ends by itself"),
            Self::AtCeiling { percent } => write!(
                f,
                "The ceiling of {percent} % is reached: raise `rollout.percent` to go on"
            ),
            Self::AtLastStage { percent } => write!(
                f,
                "No stage above {percent} % is listed: add one to `rollout.stages` to go on"
            ),
            Self::NotYet { next, waits } => write!(
                f,
                "Not yet {next} %: {}. To go on all the same use `crossfade advance --force --reason …`",
                words::listed(waits)
            ),
            Self::BasisChanged { change, attempt } => write!(
                f,
                "{change}, which takes the ground from what this attempt has learnt: set `rollout.attempt: {}` with it to begin again at the first stage, or `rollout.percent: 0`",
                attempt.0
            ),
            Self::LostStateNeedsRearm => f.write_str(
                "Raising `rollout.attempt` does not re-arm after the state file was lost: use `crossfade rearm --reason …`",
            ),
        }
    }
}

impl fmt::Display for Advanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            to,
            age_ms,
            calls,
            by,
            at_unix_ms: _,
        } = self;
        write!(f, "Advanced {from} % -> {to} %")?;
        if let Some(by) = by {
            write!(f, " by {}: {}", by.actor, by.reason)?;
            if !by.forced.is_empty() {
                write!(f, "; forced, still missing: {}", words::listed(&by.forced))?;
            }
        }
        write!(f, "; {from} % held for {}, {calls}", words::Span(*age_ms))
    }
}

impl fmt::Display for StageCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} calls failed", self.failures, self.judged)
    }
}

impl fmt::Display for ClimbStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("`rollout.percent` allows it"),
            Self::Switched => f.write_str("`rollout.advance` is `auto` now"),
            Self::BasisChanged(change) => write!(
                f,
                "{change} while no process ran, so what was learnt before says nothing"
            ),
        }
    }
}

impl fmt::Display for BasisChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Salt => f.write_str("`rollout.salt` was changed"),
            Self::Sticky => f.write_str("`rollout.sticky` was changed"),
            Self::Model(asked) => write!(f, "`bedrock.models.{asked}` was added or changed"),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bake { left_ms } => write!(f, "{} more of bake time", words::Span(*left_ms)),
            Self::Calls {
                judged,
                needed: Some(needed),
            } => write!(f, "{judged} of {needed} calls"),
            Self::Calls {
                judged,
                needed: None,
            } => write!(f, "{judged} calls, and no look at them is left"),
            Self::Quality {
                judged,
                failures,
                allowed,
                next,
            } => {
                write!(f, "{failures} of {judged} calls failed, ")?;
                match allowed {
                    Some(allowed) => write!(f, "at most {allowed} pass; ")?,
                    None => f.write_str("too few to show anything; ")?,
                }
                match next {
                    Some(next) => write!(f, "next look at {next} calls"),
                    None => f.write_str("no look is left"),
                }
            }
            Self::Recent { judged, needed } => {
                write!(f, "{judged} of {needed} calls in the last hour")
            }
            Self::Rule { rule, why } => {
                let rule = rule.name();
                match why {
                    Against::Clock => write!(f, "the {rule} clock, which runs"),
                    Against::Finding => write!(
                        f,
                        "somebody who takes note of what {rule} found \
                         (`crossfade resume --reason …`)"
                    ),
                    Against::Unreachable => {
                        write!(f, "a limit of {rule} that the original itself keeps")
                    }
                    Against::Odds => write!(f, "{rule}, which is not sure that all is well"),
                }
            }
            Self::Gate {
                gate: Gate::Manual, ..
            } => f.write_str("a person's `crossfade advance --reason …`"),
            Self::Gate {
                gate: Gate::Webhook,
                said,
            } => match said {
                Said::Nothing => f.write_str("the webhook gate's answer"),
                Said::No => f.write_str("the webhook gate, which says no"),
                Said::Unknown(problem) => {
                    write!(f, "the webhook gate, which gives no answer ({problem})")
                }
            },
        }
    }
}
