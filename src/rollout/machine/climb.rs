//! How the machine climbs: what is looked at after the rules, and what follows from it.

use super::Machine;
use crate::rollout::Advance;
use crate::rollout::Advanced;
use crate::rollout::Gate;
use crate::rollout::GateAnswer;
use crate::rollout::Question;
use crate::rollout::QuestionId;
use crate::rollout::StageReport;
use crate::rollout::Transition;
use crate::rollout::plan::Climb;
use crate::rollout::progress::Phase;
use crate::rollout::promotion;
use crate::rollout::promotion::Said;
use crate::rollout::promotion::Wait;
use crate::rollout::promotion::next_stage;
use crate::rollout::stage::Announced;
use crate::rollout::stage::Stage;
use crate::rollout::stage::Webhook;
use crate::rollout::transition::Pusher;
use crate::split::Percent;

impl Machine {
    /// What the webhook gate must be asked now, if anything. The same question until it is put
    /// again or needs no answer any more; its number tells them apart.
    pub fn question(&self) -> Option<Question> {
        let (climb, stage) = self.climbing()?;
        let (id, _) = stage.webhook.asked?;
        if stage.webhook.answer == Some(GateAnswer::Yes) {
            return None;
        }
        let progress = &stage.progress;
        let ceiling = self.plan.ceiling;
        Some(Question {
            id,
            attempt: self.attempt(),
            from: progress.percent,
            to: next_stage(climb, progress.percent, ceiling)?,
            ceiling,
            age_ms: progress.age_ms,
            calls: progress.calls,
        })
    }

    /// Lets the stage age, and goes on to the next one if nothing is missing. Called at most once
    /// for each edge, after the rules.
    pub(super) fn climb(&mut self, unix_ms: u64, out: &mut Vec<Transition>) {
        let (now, held) = (self.now, self.held);
        let Some(stage) = &mut self.stage else { return };
        stage.age(now, held);
        if stage.is_unsaved() {
            self.save_stage();
        }
        if held || self.record.paused.is_some() {
            self.forget_gate();
            return;
        }
        let waits = self.waits();
        self.stall(&waits, out);
        if waits.iter().any(|wait| !wait.is_gate()) {
            self.forget_gate();
            return;
        }
        let Some((climb, stage)) = self.climbing() else {
            return;
        };
        let percent = stage.progress.percent;
        match next_stage(climb, percent, self.plan.ceiling) {
            None if percent == Percent::ALL => self.finish(out),
            None => self.forget_gate(),
            Some(next) if waits.is_empty() => out.push(self.step_up(next, None, unix_ms)),
            Some(next) => self.ask_gates(next, waits, out),
        }
    }

    /// The stage's plan, while there is a stage.
    fn climbing(&self) -> Option<(&Climb, &Stage)> {
        match (&self.plan.advance, &self.stage) {
            (Advance::Auto(climb), Some(stage)) => Some((climb, stage)),
            (Advance::Auto(_), None) | (Advance::Manual, _) => None,
        }
    }

    /// What the next stage waits for, as of the last edge.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let Some((climb, stage)) = self.climbing() else {
            return Vec::new();
        };
        let against = self.against();
        let mut waits = promotion::waits(
            climb,
            &self.schedule,
            stage,
            &self.evidence,
            against,
            self.looked_at,
        );
        if next_stage(climb, stage.progress.percent, self.plan.ceiling).is_some() {
            waits.extend(promotion::closed_gates(climb, stage));
        }
        waits
    }

    /// Says once that a day brought too few calls.
    fn stall(&mut self, waits: &[Wait], out: &mut Vec<Transition>) {
        let (Some(stage), ceiling) = (&mut self.stage, self.plan.ceiling) else {
            return;
        };
        let progress = &mut stage.progress;
        let goes_on = progress.percent < ceiling || progress.percent == Percent::ALL;
        let needed = waits.iter().find_map(|wait| match wait {
            Wait::Calls { needed, .. } => Some(*needed),
            Wait::Bake { .. }
            | Wait::Quality { .. }
            | Wait::Recent { .. }
            | Wait::Rule { .. }
            | Wait::Gate { .. } => None,
        });
        let (Some(needed), Phase::Open, true) = (needed, progress.phase, goes_on) else {
            return;
        };
        if progress.age_ms < STALLED_MS {
            return;
        }
        progress.phase = Phase::Stalled;
        out.push(Transition::Stalled {
            percent: progress.percent,
            calls: progress.calls,
            needed,
            age_ms: progress.age_ms,
        });
        self.save_stage();
    }

    fn finish(&mut self, out: &mut Vec<Transition>) {
        let Some(stage) = &mut self.stage else { return };
        let progress = &mut stage.progress;
        if progress.phase == Phase::Finished {
            return;
        }
        progress.phase = Phase::Finished;
        out.push(Transition::Finished {
            calls: progress.calls,
            age_ms: progress.age_ms,
        });
        self.save_stage();
    }

    /// Only gates are missing: says so once, and asks the one that can be asked.
    fn ask_gates(&mut self, to: Percent, gates: Vec<Wait>, out: &mut Vec<Transition>) {
        let (Advance::Auto(climb), Some(stage)) = (&self.plan.advance, &mut self.stage) else {
            return;
        };
        if climb.gates.contains(&Gate::Webhook) {
            let id = QuestionId(self.questions.0.saturating_add(1));
            if stage.webhook.ask(self.now, id) {
                self.questions = id;
            }
        }
        let from = stage.progress.percent;
        let said = match (&stage.webhook.answer, stage.webhook.is_undecided(self.now)) {
            (_, true) => Announced::Unknown,
            (Some(GateAnswer::No), false) => Announced::Refused,
            (Some(GateAnswer::Yes | GateAnswer::Unknown { .. }) | None, false) => {
                Announced::Waiting
            }
        };
        // Back to waiting is no news: the gate is asked every half minute.
        let news = match said {
            Announced::Waiting => stage.announced.is_none(),
            Announced::Refused | Announced::Unknown => stage.announced != Some(said),
        };
        if !news {
            return;
        }
        stage.announced = Some(said);
        out.push(match said {
            Announced::Waiting | Announced::Refused => Transition::GateWaiting { from, to, gates },
            Announced::Unknown => {
                let problem = gates.iter().find_map(|wait| match wait {
                    Wait::Gate {
                        said: Said::Unknown(problem),
                        ..
                    } => Some(problem.clone()),
                    Wait::Gate { .. }
                    | Wait::Bake { .. }
                    | Wait::Calls { .. }
                    | Wait::Quality { .. }
                    | Wait::Recent { .. }
                    | Wait::Rule { .. } => None,
                });
                let problem = problem.unwrap_or_else(|| "it was not asked".to_owned());
                Transition::GateUnknown { from, to, problem }
            }
        });
    }

    /// Takes in what the webhook gate said; the next edge acts on it.
    pub(super) fn hear_gate(&mut self, question: QuestionId, answer: GateAnswer) {
        if let Some(stage) = &mut self.stage {
            stage.webhook.hear(question, answer, self.now);
        }
    }

    /// Something else is waited for: a yes would be of another moment.
    fn forget_gate(&mut self) {
        if let Some(stage) = &mut self.stage {
            stage.webhook = Webhook::default();
        }
    }

    /// Counts a judged call for the stage.
    pub(super) fn count_for_stage(&mut self, failed: bool) {
        let looked = self
            .stage
            .as_mut()
            .is_some_and(|stage| stage.count(failed, &self.schedule));
        if looked {
            self.save_stage();
        }
    }

    /// Goes on to `to`, with a new stage.
    pub(super) fn step_up(
        &mut self,
        to: Percent,
        by: Option<Pusher>,
        at_unix_ms: u64,
    ) -> Transition {
        let from = self.percent();
        let left = self.stage.as_ref().map(|stage| &stage.progress);
        let (age_ms, calls) = left
            .map(|left| (left.age_ms, left.calls))
            .unwrap_or_default();
        let clean = by.as_ref().is_none_or(|by| by.forced.is_empty());
        self.enter(to);
        if let (Some(stage), true) = (&mut self.stage, clean) {
            stage.progress.baked = Some(from);
            self.save_stage();
        }
        self.watch.arm();
        Transition::Advanced(Box::new(Advanced {
            from,
            to,
            age_ms,
            calls,
            by,
            at_unix_ms,
        }))
    }

    /// Is at a stage of `percent` from now on, with nothing known of it.
    pub(super) fn enter(&mut self, percent: Percent) {
        self.stage = Some(Stage::enter(percent, self.plan.basis.clone(), self.now));
        self.save_stage();
    }

    /// Enters the first stage, if the plan has one and allows it.
    pub(super) fn enter_first(&mut self) {
        let first = match &self.plan.advance {
            Advance::Auto(climb) => next_stage(climb, Percent::ZERO, self.plan.ceiling),
            Advance::Manual => None,
        };
        if let Some(first) = first {
            self.enter(first);
        }
    }

    /// Is at no stage.
    pub(super) fn leave(&mut self) {
        self.stage = None;
        self.record.progress = None;
    }

    /// Puts the stage as it is into the record.
    pub(super) fn save_stage(&mut self) {
        self.record.progress = self.stage.as_mut().map(Stage::save);
    }

    /// Takes the stage from the record, if what is known of it still means something.
    pub(super) fn restore_stage(&mut self) {
        let progress = match (&self.plan.advance, &self.record.progress) {
            (Advance::Auto(_), Some(progress)) if !self.latched() => Some(progress),
            (Advance::Auto(_) | Advance::Manual, _) => None,
        };
        self.stage = progress
            .filter(|it| !it.percent.is_zero() && it.basis.change_to(&self.plan.basis).is_none())
            .map(|progress| Stage::restore(progress.clone(), self.now));
    }

    /// What is to be said of the stage.
    pub(super) fn stage_report(&self) -> Option<StageReport> {
        let (climb, stage) = self.climbing()?;
        let next = next_stage(climb, stage.progress.percent, self.plan.ceiling);
        Some(StageReport::new(
            climb,
            stage,
            next,
            &self.schedule,
            self.waits(),
            &self.evidence,
            self.looked_at,
        ))
    }
}

/// After so many milliseconds at a stage too few calls are an event.
const STALLED_MS: u64 = 24 * 3_600_000;
