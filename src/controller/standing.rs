//! What the task knows, and how much of it may be told.
//!
//! Two readers with two needs: the data path must follow a rollback before it is on disk, people
//! must not be told of one that a restart would forget. So a snapshot holds the share, the attempt
//! and the latch as they are, and a report whose latch is the last one that is known to be on disk.

use super::saved::{Ownership, Saved};
use super::{Applied, Refusal, Verb};
use crate::clock::Beat;
use crate::config::Config;
use crate::outcome::{Attempt, RuleTime};
use crate::rollout::{self, Basis, Machine, Plan, Record, RecordState, RolloutState, Transition};
use crate::snapshot::{Files, Holds, Share, Snapshot};
use crate::split::Percent;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the task knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: Arc<Config>,
    pub(super) machine: Machine,
    pub(super) saved: Saved,
    pub(super) holds: Holds,
    pub(super) files: Files,
    /// The last record that was reported; none before the state file was read.
    pub(super) reported: Option<Record>,
    /// Transitions that wait until the record is on disk. Few: each took a trip, an edit of the
    /// attempt, or a command, and no command is followed that would add to a failing disk.
    pub(super) unreported: Vec<Transition>,
    /// Commands that wait for the same.
    pub(super) waiting: Vec<Waiting>,
    /// The share that was last published.
    pub(super) in_force: Percent,
    /// The problem that was last reported.
    pub(super) alarm: Option<String>,
    /// The split's counters when the percentage last changed.
    pub(super) share_before: Share,
    /// Beats whose work is not done.
    pub(super) beats: Vec<Beat>,
    pub(super) stopping: Option<Stopping>,
}

/// A command whose answer waits for the disk.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) message: String,
    pub(super) changed: bool,
    pub(super) reply: oneshot::Sender<Result<Applied, Refusal>>,
}

/// The end was asked for; none to tell if every handle is gone.
#[derive(Debug)]
pub(super) struct Stopping(pub(super) Option<oneshot::Sender<()>>);

impl State {
    /// The share in force: the rollout's, or 0 while anything holds it. A stage that was climbed
    /// is in force when it is on disk; until then what was.
    pub(super) fn effective(&self) -> Percent {
        if !self.holds.is_empty() {
            return Percent::ZERO;
        }
        let percent = self.machine.percent();
        match self.machine.record().progress {
            Some(_) => percent.min(self.saved.climbed().max(self.in_force)),
            None => percent,
        }
    }

    /// Whether stages stand still: nothing goes to Bedrock, or the disk does not take what is
    /// decided.
    pub(super) fn held(&self) -> bool {
        !self.holds.is_empty() || self.saved.problem().is_some()
    }

    /// Everything that is in force, and what may be told of it.
    pub(super) fn snapshot(&self, now: RuleTime) -> Snapshot {
        Snapshot {
            config: Arc::clone(&self.config),
            percent: self.effective(),
            attempt: self.machine.attempt(),
            latched: self.machine.latched(),
            admission: self.machine.admission(),
            holds: self.holds,
            report: Arc::new(self.tellable(now)),
            files: Arc::new(self.files.clone()),
        }
    }

    /// The machine's report, but of the latch only what a restart would find again: what is told
    /// must not be lost.
    fn tellable(&self, now: RuleTime) -> rollout::Report {
        let mut report = self.machine.report(now);
        report.percent = self.effective();
        if self.saved.holds_latch(self.machine.record()) {
            return report;
        }
        let known = self.reported.as_ref();
        report.rollback = known.and_then(|record| record.rollback().cloned());
        report.attempt = known.map_or(report.attempt, |record| record.attempt);
        report.state = match known.map(|record| &record.state) {
            Some(RecordState::RolledBack(_)) => RolloutState::RolledBack,
            Some(RecordState::Armed) | None => RolloutState::Steady,
        };
        report
    }

    /// What a restart would forget.
    pub(super) fn unsaved(&self) -> Option<String> {
        let record = self.machine.record();
        let known = self.saved.holds(record) || self.reported.as_ref() == Some(record);
        record
            .rollback()
            .filter(|_| !known)
            .map(|rollback| rollback.sentence.clone())
    }

    /// Why a command cannot be followed now, whatever the rollout says.
    pub(super) fn refuses(&self, verb: Verb) -> Option<Refusal> {
        if self.saved.ownership() == Ownership::Theirs {
            return Some(Refusal::StateLocked);
        }
        if self.saved.ownership() == Ownership::Unknown && verb != Verb::Rollback {
            return Some(Refusal::StateUnread);
        }
        match (verb, self.saved.problem()) {
            (Verb::Rearm | Verb::Resume | Verb::Advance { .. }, Some(problem)) => {
                Some(Refusal::StateFailing {
                    problem: problem.to_owned(),
                })
            }
            (
                Verb::Rollback | Verb::Pause | Verb::Rearm | Verb::Resume | Verb::Advance { .. },
                _,
            ) => None,
        }
    }

    /// The disk failed, or is another process's: those who wait are told so. It is tried again all
    /// the same.
    pub(super) fn give_up_waiting(&mut self) {
        let refusal = match (self.saved.ownership(), self.saved.problem()) {
            (Ownership::Theirs, _) => Refusal::StateLocked,
            (_, Some(problem)) => Refusal::NotSaved {
                problem: problem.to_owned(),
            },
            (_, None) => return,
        };
        for Waiting { reply, .. } in self.waiting.drain(..) {
            // The person may have gone away.
            let _ = reply.send(Err(refusal.clone()));
        }
    }
}

/// What the rollout core has to know of a configuration.
pub(crate) fn plan(config: &Config) -> Plan {
    let models = &config.bedrock.models;
    Plan {
        // `FORCE_OPENAI_PROVIDER` is a hold: it ends without having moved anything.
        ceiling: config.rollout.allowed(),
        attempt: Attempt(config.rollout.attempt),
        rules: config.rules.clone(),
        advance: config.rollout.advance.clone(),
        basis: Basis {
            salt: config.rollout.salt.to_string(),
            sticky: config.rollout.sticky.to_string(),
            models: models
                .iter()
                .map(|(asked, mapping)| (asked.clone(), mapping.target.model_id.clone()))
                .collect(),
        },
    }
}
