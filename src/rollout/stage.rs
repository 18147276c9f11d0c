//! The stage that the machine is at, while the process runs: its age, its calls, its gate.
//!
//! [`Progress`] is the part that outlives the process; the record holds a copy that is at most a
//! minute old. The gate starts anew with every process and whenever something else is waited for
//! again, because a yes is worth only what was known when it was given.

use super::Basis;
use super::GateAnswer;
use super::Progress;
use super::looks::Schedule;
use super::window::BucketNo;
use crate::outcome::RuleTime;
use crate::split::Percent;

/// The stage that runs.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) progress: Progress,
    /// Since when calls of this stage are in the windows of this process.
    pub(super) since: BucketNo,
    pub(super) webhook: Webhook,
    /// What was last said of the gates.
    pub(super) announced: Option<Announced>,
    /// Up to when its age is counted.
    aged_to: RuleTime,
    /// The age that is in the record.
    saved_age_ms: u64,
}

/// What was last said of the gates, so that it is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// Only a gate is waited for.
    Waiting,
    /// The webhook says no.
    Refused,
    /// The webhook has not been able to tell for too long.
    Unknown,
}

/// The webhook gate.
#[derive(Clone, Debug, Default)]
pub(super) struct Webhook {
    /// The question that stands, and when it was put.
    pub(super) asked: Option<(QuestionId, RuleTime)>,
    /// The last answer.
    pub(super) answer: Option<GateAnswer>,
    /// Since when it is asked without a yes or a no.
    pub(super) undecided_since: Option<RuleTime>,
}

/// The number of a question to the webhook gate, unique within the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct QuestionId(pub u64);

impl Stage {
    /// A stage that is entered now.
    pub(super) fn enter(percent: Percent, basis: Basis, now: RuleTime) -> Self {
        Self::restore(Progress::entered(percent, basis), now)
    }

    /// A stage as the record has it, in a new process.
    pub(super) fn restore(progress: Progress, now: RuleTime) -> Self {
        Self {
            saved_age_ms: progress.age_ms,
            progress,
            since: BucketNo::at(now),
            webhook: Webhook::default(),
            announced: None,
            aged_to: now,
        }
    }

    /// Lets time pass; it counts only if the stage was in force.
    pub(super) fn age(&mut self, now: RuleTime, held: bool) {
        if !held {
            let age_ms = &mut self.progress.age_ms;
            *age_ms = age_ms.saturating_add(now.since(self.aged_to));
        }
        self.aged_to = self.aged_to.max(now);
    }

    /// Counts a judged call; whether this was the moment for a look.
    pub(super) fn count(&mut self, failed: bool, schedule: &Schedule) -> bool {
        let Progress { calls, looked, .. } = &mut self.progress;
        calls.judged = calls.judged.saturating_add(1);
        calls.failures = calls.failures.saturating_add(u64::from(failed));
        let look = schedule.look(*calls);
        *looked = look.or(*looked);
        look.is_some()
    }

    /// The progress to write, for which `saved_age_ms` is noted.
    pub(super) fn save(&mut self) -> Progress {
        self.saved_age_ms = self.progress.age_ms;
        self.progress.clone()
    }

    /// Whether the record is a minute behind.
    pub(super) const fn is_unsaved(&self) -> bool {
        self.progress.age_ms >= self.saved_age_ms.saturating_add(SAVE_MS)
    }
}

impl Webhook {
    /// Puts the next question if it is time for it; `id` is its number then.
    pub(super) fn ask(&mut self, now: RuleTime, id: QuestionId) -> bool {
        if self.answer == Some(GateAnswer::Yes) {
            return false;
        }
        self.undecided_since.get_or_insert(now);
        let due = self
            .asked
            .is_none_or(|(_, at)| now.since(at) >= ASK_AGAIN_MS);
        if due {
            self.asked = Some((id, now));
        }
        due
    }

    /// Hears an answer, if it is one to the question that stands.
    pub(super) fn hear(&mut self, question: QuestionId, answer: GateAnswer, now: RuleTime) {
        if self.asked.is_none_or(|(id, _)| id != question) {
            return;
        }
        match &answer {
            GateAnswer::Yes | GateAnswer::No => self.undecided_since = None,
            GateAnswer::Unknown { .. } => {
                self.undecided_since.get_or_insert(now);
            }
        }
        self.answer = Some(answer);
    }

    /// Whether nobody could tell for so long that a person must know.
    pub(super) fn is_undecided(&self, now: RuleTime) -> bool {
        self.undecided_since
            .is_some_and(|since| now.since(since) >= UNDECIDED_MS)
    }
}

/// How old the age in the record may become, in milliseconds: what a crash may cost of a stage.
const SAVE_MS: u64 = 60_000;

/// How long to wait before the gate is asked again, in milliseconds; longer than it may take to
/// answer.
pub(super) const ASK_AGAIN_MS: u64 = 30_000;

/// How long nobody may be able to tell before it is an alarm, in milliseconds.
const UNDECIDED_MS: u64 = 600_000;
