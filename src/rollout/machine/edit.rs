//! What an edited configuration and a state file that is read again do.

use super::Machine;
use super::schedule;
use crate::rollout::Advance;
use crate::rollout::ClimbStart;
use crate::rollout::Plan;
use crate::rollout::Record;
use crate::rollout::Refusal;
use crate::rollout::RuleName;
use crate::rollout::Transition;
use crate::rollout::breaker::Breaker;
use crate::rollout::plan::Rules;
use crate::rollout::rules::Clocks;
use crate::rollout::rules::speed_counts_stand;
use crate::rollout::transition::ResetWhy;
use crate::split::Percent;

impl Machine {
    /// Why a plan cannot be followed, if it cannot: within an attempt that climbs, what was learnt
    /// of a stage must go on to mean something. Asked before a configuration is accepted.
    pub fn refuses(&self, plan: &Plan) -> Option<Refusal> {
        let (Advance::Auto(_), Some(stage)) = (&plan.advance, &self.stage) else {
            return None;
        };
        if plan.attempt > self.record.attempt || plan.ceiling.is_zero() {
            return None;
        }
        let change = stage.progress.basis.change_to(&plan.basis)?;
        let attempt = self.record.next_attempt();
        Some(Refusal::BasisChanged { change, attempt })
    }

    /// Takes a new plan: its rules act from the next edge on, on the windows as they are; its
    /// ceiling at once, a higher one only with `advance: manual`; its attempt if it is above the
    /// record's.
    pub(super) fn replan(&mut self, plan: Plan, out: &mut Vec<Transition>) {
        if let Some(refusal) = self.refuses(&plan) {
            out.push(Transition::Refused(refusal));
            return;
        }
        let from = self.percent();
        let old = std::mem::replace(&mut self.plan, plan);
        self.schedule = schedule(&self.plan);
        self.edit_rules(&old.rules, out);
        if self.follow_attempt(out) {
            return;
        }
        self.switch_to_auto(&old.advance, from, out);
        let stood = self.stage.is_some();
        self.follow_stage(out);
        let started = self.stage.is_some() && !stood;
        let (ceiling, to) = (self.plan.ceiling, self.percent());
        if to > from {
            self.watch.arm();
        }
        if from != to && !started {
            out.push(Transition::PercentChanged { from, to });
        }
        let Some(rollback) = self.record.rollback() else {
            return;
        };
        if self.plan.attempt > self.record.attempt {
            out.push(Transition::Refused(Refusal::LostStateNeedsRearm));
        } else if ceiling != old.ceiling {
            out.push(Transition::CeilingHeld {
                ceiling,
                remedy: rollback.remedy(),
            });
        }
    }

    /// From manual to auto in a running process: on from the share in force, as a new stage.
    fn switch_to_auto(&mut self, old: &Advance, from: Percent, out: &mut Vec<Transition>) {
        let switched = (old == &Advance::Manual) && !self.latched();
        let percent = from.min(self.plan.ceiling);
        match &self.plan.advance {
            Advance::Auto(_) if switched && !percent.is_zero() => {
                self.enter(percent);
                let why = ClimbStart::Switched;
                out.push(Transition::ClimbStarted { percent, why });
            }
            Advance::Auto(_) | Advance::Manual => {}
        }
    }

    /// Brings attempt and stage in line with the plan.
    pub(super) fn follow_plan(&mut self, out: &mut Vec<Transition>) {
        self.follow_attempt(out);
        self.follow_stage(out);
    }

    /// Brings the stage in line with the plan: down to the ceiling, never up; from 0 % to the
    /// first stage.
    fn follow_stage(&mut self, out: &mut Vec<Transition>) {
        if self.latched() {
            return;
        }
        let ceiling = self.plan.ceiling;
        match (&self.plan.advance, &mut self.stage) {
            (Advance::Manual, _) => self.leave(),
            (Advance::Auto(_), _) if ceiling.is_zero() => self.leave(),
            (Advance::Auto(_), Some(stage)) if stage.progress.percent > ceiling => {
                self.enter(ceiling);
            }
            // It may have lost models, and must not get them back unseen.
            (Advance::Auto(_), Some(stage)) if stage.progress.basis != self.plan.basis => {
                stage.progress.basis.clone_from(&self.plan.basis);
                self.save_stage();
            }
            (Advance::Auto(_), Some(_)) => {}
            (Advance::Auto(_), None) => {
                let before = self.record.progress.as_ref();
                let change = before.and_then(|it| it.basis.change_to(&self.plan.basis));
                self.enter_first();
                out.push(Transition::ClimbStarted {
                    percent: self.percent(),
                    why: change.map_or(ClimbStart::Allowed, ClimbStart::BasisChanged),
                });
            }
        }
    }

    /// Drops what the edited rules make meaningless. A clock goes on under a new limit or
    /// duration: whether it holds is seen at the next edge.
    fn edit_rules(&mut self, old: &Rules, out: &mut Vec<Transition>) {
        let new = &self.plan.rules;
        let speed_stands = speed_counts_stand(old.latency.as_ref(), new.latency.as_ref());
        let stopped = [
            (RuleName::Errors, new.errors.is_none()),
            (RuleName::Latency, !speed_stands),
        ];
        if !speed_stands {
            self.evidence.clear_speed();
            self.watch.clear_speed();
        } else if old.latency != new.latency {
            // Bedrock's slow calls stay slow; whether the original's were fast is not known any more.
            self.evidence.clear_original_speed();
            self.watch.clear_speed();
        }
        for (rule, stop) in stopped {
            if let Some(ran_ms) = stop
                .then(|| self.clocks.stop(rule, self.looked_at))
                .flatten()
            {
                out.push(Transition::ClockReset {
                    rule,
                    ran_ms,
                    why: ResetWhy::Edited,
                });
            }
        }
    }

    /// Starts the plan's attempt if it is above the record's; says whether it did. After a lost
    /// state file it never does: the attempt on file is not known.
    fn follow_attempt(&mut self, out: &mut Vec<Transition>) -> bool {
        let next = self.plan.attempt;
        if next <= self.record.attempt || self.record.is_lost() {
            return false;
        }
        let was_latched = self.latched();
        self.start_attempt(next);
        let percent = self.percent();
        out.push(if was_latched {
            Transition::Rearmed {
                attempt: next,
                percent,
                actor: "rollout.attempt".to_owned(),
                reason: format!("it was raised to {}", next.0),
                at_unix_ms: None,
            }
        } else {
            Transition::AttemptStarted {
                attempt: next,
                percent,
            }
        });
        true
    }

    /// Takes in what the state file says.
    pub(super) fn reread(&mut self, read: Record) -> Transition {
        let merged = self.record.clone().reread(read.clone());
        if merged.attempt != self.record.attempt {
            self.restart_evidence(merged.attempt);
        }
        if merged.rollback().is_some() {
            self.clocks = Clocks::default();
            self.watch.breaker = Breaker::default();
        }
        self.record = merged;
        self.restore_stage();
        Transition::RecordRead {
            attempt: self.attempt(),
            latched: self.latched(),
            write_back: self.record != read,
        }
    }
}
