//! What people ask for: rollback, re-arm, pause, resume, advance.

use super::Machine;
use crate::rollout::Advance;
use crate::rollout::Cause;
use crate::rollout::Command;
use crate::rollout::Gate;
use crate::rollout::Paused;
use crate::rollout::Refusal;
use crate::rollout::Rollback;
use crate::rollout::Transition;
use crate::rollout::promotion::Wait;
use crate::rollout::promotion::next_stage;
use crate::rollout::transition::Pusher;
use crate::rollout::words;
use std::collections::BTreeMap;

impl Machine {
    pub(super) fn command(&mut self, command: Command) -> Transition {
        match (command, self.record.rollback()) {
            (Command::Rollback { .. }, Some(rollback)) => {
                Transition::AlreadyRolledBack(rollback.clone())
            }
            (
                Command::Rollback {
                    reason,
                    actor,
                    at_unix_ms,
                },
                None,
            ) => Transition::RolledBack(self.roll_back_by_hand(&reason, &actor, at_unix_ms)),
            (Command::Rearm { .. }, None) => Transition::Refused(Refusal::NotRolledBack {
                attempt: self.attempt(),
                percent: self.percent(),
            }),
            (Command::Rearm { reason, .. }, Some(_)) if reason.trim().is_empty() => {
                Transition::Refused(Refusal::ReasonMissing)
            }
            (
                Command::Rearm {
                    reason,
                    actor,
                    at_unix_ms,
                },
                Some(_),
            ) => {
                // A lost record may be behind the plan's attempt: catch up in one step.
                let next = self.record.next_attempt().max(self.plan.attempt);
                self.start_attempt(next);
                Transition::Rearmed {
                    attempt: next,
                    percent: self.percent(),
                    actor: shortened(&actor),
                    reason: shortened(&reason),
                    at_unix_ms: Some(at_unix_ms),
                }
            }
            (
                Command::Pause { .. } | Command::Resume { .. } | Command::Advance { .. },
                Some(rollback),
            ) => Transition::Refused(Refusal::RolledBack {
                remedy: rollback.remedy(),
            }),
            (
                Command::Pause {
                    reason,
                    actor,
                    at_unix_ms,
                },
                None,
            ) => self.pause(Paused {
                actor: shortened(&actor),
                reason: shortened(&reason),
                at_unix_ms,
            }),
            (
                Command::Resume {
                    reason,
                    actor,
                    at_unix_ms,
                },
                None,
            ) => self.resume(&reason, &actor, at_unix_ms),
            (
                Command::Advance {
                    reason,
                    actor,
                    at_unix_ms,
                    force,
                },
                None,
            ) => {
                let by = Pusher {
                    actor: shortened(&actor),
                    reason: shortened(&reason),
                    forced: Vec::new(),
                };
                match self.push(by, force, at_unix_ms) {
                    Ok(advanced) => advanced,
                    Err(refusal) => Transition::Refused(refusal),
                }
            }
        }
    }

    fn pause(&mut self, by: Paused) -> Transition {
        let percent = self.percent();
        match (&self.plan.advance, &self.record.paused) {
            (Advance::Manual, _) => Transition::Refused(Refusal::AdvanceIsManual { percent }),
            (Advance::Auto(_), Some(earlier)) => Transition::AlreadyPaused(earlier.clone()),
            (Advance::Auto(_), None) => {
                self.record.paused = Some(by.clone());
                Transition::Paused { percent, by }
            }
        }
    }

    fn resume(&mut self, reason: &str, actor: &str, at_unix_ms: u64) -> Transition {
        let noted = self.note_cautions();
        match self.record.paused.take() {
            None if !noted => Transition::Refused(Refusal::NotPaused),
            None | Some(_) => Transition::Resumed {
                percent: self.percent(),
                actor: shortened(actor),
                reason: shortened(reason),
                at_unix_ms,
            },
        }
    }

    /// Goes on to the next stage for a person.
    fn push(&mut self, by: Pusher, force: bool, at_unix_ms: u64) -> Result<Transition, Refusal> {
        let percent = self.percent();
        let Advance::Auto(climb) = &self.plan.advance else {
            return Err(Refusal::AdvanceIsManual { percent });
        };
        if let Some(paused) = &self.record.paused {
            return Err(Refusal::IsPaused(paused.clone()));
        }
        let Some(next) = next_stage(climb, percent, self.plan.ceiling) else {
            return Err(if percent == self.plan.ceiling {
                Refusal::AtCeiling { percent }
            } else {
                Refusal::AtLastStage { percent }
            });
        };
        let mut waits = self.waits();
        // A person is here: that is what the manual gate waits for.
        waits.retain(|wait| {
            !matches!(
                wait,
                Wait::Gate {
                    gate: Gate::Manual,
                    ..
                }
            )
        });
        if !waits.is_empty() && !force {
            return Err(Refusal::NotYet { next, waits });
        }
        let by = Pusher {
            forced: waits,
            ..by
        };
        Ok(self.step_up(next, Some(by), at_unix_ms))
    }

    fn roll_back_by_hand(&mut self, reason: &str, actor: &str, at_unix_ms: u64) -> Rollback {
        // A rollback in an emergency is never refused for want of words.
        let reason = match reason.trim() {
            "" => "no reason given".to_owned(),
            reason => shortened(reason),
        };
        let actor = shortened(actor);
        let from_percent = self.percent();
        self.latch(Rollback {
            rule: Cause::Operator,
            sentence: words::rolled_back(from_percent, &actor, &reason),
            at_unix_ms,
            from_percent,
            numbers: None,
            common_mode: false,
            classes: BTreeMap::new(),
            last_failure_request_id: None,
            actor: Some(actor),
            reason: Some(reason),
            rearm_with_attempt: Some(self.record.next_attempt().0),
        })
    }
}

/// Words of a person, bounded: they go into the state file and every status.
fn shortened(words: &str) -> String {
    words.trim().chars().take(WORDS_MAX).collect()
}

/// Room for a link and a few sentences.
const WORDS_MAX: usize = 500;
