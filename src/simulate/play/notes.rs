//! What a play remembers of what the machine gave back.

use super::super::happened::{Change, Clock, Finding, Trip};
use super::super::onset::{Onset, Signal};
use super::Play;
use crate::rollout::{Cause, Gate, Rollback, RuleName, Transition, Wait};
use crate::split::Percent;

impl Play {
    pub(super) fn note(&mut self, from: Percent, transition: &Transition) {
        let mut change = Change {
            at_ms: self.now_ms,
            event: transition.name(),
            from,
            to: self.machine.percent(),
            sentence: transition.sentence(),
            rule: None,
            trip: None,
        };
        match transition {
            Transition::ClockStarted { rule, .. } => {
                self.running.push(self.clocks.len());
                self.clocks.push(Clock {
                    rule: *rule,
                    started_ms: self.now_ms,
                    sentence: change.sentence,
                    stopped: None,
                });
            }
            Transition::ClockReset { rule, .. } => self.stop_clocks(Some(*rule), "reset"),
            Transition::Tripped(rollback) | Transition::RolledBack(rollback) => {
                self.stop_clocks(None, "tripped");
                change.from = rollback.from_percent;
                change.rule = Some(rollback.rule.name());
                change.trip = Some(self.trace_back(rollback));
                self.changes.push(change);
            }
            Transition::Rearmed { .. } | Transition::AttemptStarted { .. } => {
                self.onset = Onset::default();
                self.changes.push(change);
            }
            Transition::PercentChanged { .. }
            | Transition::ClimbStarted { .. }
            | Transition::Advanced(_)
            | Transition::Finished { .. }
            | Transition::Stalled { .. } => self.changes.push(change),
            Transition::SteppedBack { caution, .. } => {
                change.rule = Some(caution.rule.name());
                self.changes.push(change);
            }
            Transition::Cautioned(caution) => self.find(transition, caution.rule),
            Transition::RuleUnreachable { .. } | Transition::RuleReachable => {
                self.find(transition, RuleName::Latency);
            }
            Transition::GateWaiting { gates, .. } => {
                let manual = |wait: &Wait| {
                    matches!(
                        wait,
                        Wait::Gate {
                            gate: Gate::Manual,
                            ..
                        }
                    )
                };
                self.gate_waits |= gates.iter().any(manual);
            }
            Transition::AlreadyRolledBack(_)
            | Transition::AlreadyPaused(_)
            | Transition::Paused { .. }
            | Transition::Resumed { .. }
            | Transition::GateUnknown { .. }
            | Transition::CeilingHeld { .. }
            // A trace has no calls that the breaker kept away.
            | Transition::BreakerOpened { .. }
            | Transition::BreakerClosed
            | Transition::RecordRead { .. }
            | Transition::Refused(_) => {}
        }
    }

    fn find(&mut self, transition: &Transition, rule: RuleName) {
        self.findings.push(Finding {
            at_ms: self.now_ms,
            event: transition.name(),
            rule,
            sentence: transition.sentence(),
        });
    }

    fn stop_clocks(&mut self, of: Option<RuleName>, why: &'static str) {
        let Self {
            clocks,
            running,
            now_ms,
            ..
        } = self;
        running.retain(|&place| {
            let clock = clocks.get_mut(place);
            let Some(clock) = clock.filter(|clock| of.is_none_or(|rule| rule == clock.rule)) else {
                return true;
            };
            clock.stopped = Some((*now_ms, why));
            false
        });
    }

    fn trace_back(&self, rollback: &Rollback) -> Trip {
        let signal = match rollback.rule {
            Cause::Rule(RuleName::Latency | RuleName::RelativeSlow) => Signal::Slowness,
            Cause::Rule(
                RuleName::Errors
                | RuleName::Severe
                | RuleName::Outage
                | RuleName::Relative
                | RuleName::RelativeTruncated
                | RuleName::Rejected
                | RuleName::Abandoned,
            )
            | Cause::Operator
            | Cause::StateFile => Signal::Failures,
        };
        let limit = rollback.numbers.map(|numbers| numbers.limit);
        let onset_ms = limit.and_then(|limit| self.onset.began_ms(signal, limit));
        let bad = onset_ms.map_or(0, |onset_ms| self.onset.bad_since(signal, onset_ms));
        Trip {
            rollback: rollback.clone(),
            onset_ms,
            signal,
            bad,
        }
    }
}
