//! What is said of the stage that the machine is at.

use super::RolloutState;
use crate::outcome::Attempt;
use crate::rollout::Plan;
use crate::rollout::QuestionId;
use crate::rollout::Record;
use crate::rollout::StageCalls;
use crate::rollout::counts::Signal;
use crate::rollout::evidence::Evidence;
use crate::rollout::looks::Quality;
use crate::rollout::looks::Schedule;
use crate::rollout::plan::Advance;
use crate::rollout::plan::Climb;
use crate::rollout::progress::Phase;
use crate::rollout::promotion::Wait;
use crate::rollout::promotion::bake_ms;
use crate::rollout::stage::Stage;
use crate::rollout::window::BUCKET_MS;
use crate::rollout::window::BUCKETS;
use crate::rollout::window::BucketNo;
use crate::rollout::words;
use crate::rollout::words::Span;
use crate::split::Percent;
use serde::Serialize;
use std::fmt::Write as _;

/// The stage, while the machine climbs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// The share that is reached.
    pub percent: Percent,
    /// The next stage; none at the ceiling and at the last one.
    pub next: Option<Percent>,
    /// For how long, in milliseconds.
    pub age_ms: u64,
    /// How long at least, in milliseconds.
    pub bake_ms: u64,
    /// Its judged calls.
    pub judged: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// At so many judged calls is the next look at the error rate; none after the last one.
    pub needed: Option<u64>,
    /// The most failures that pass then; none if not even a clean record does.
    pub allowed: Option<u64>,
    /// How long that takes at this traffic, in milliseconds; none without any.
    pub left_ms: Option<u64>,
    /// Whether the last look showed that the error rate is below the bound.
    pub shown: bool,
    /// How it goes with it.
    pub phase: Phase,
    /// What is missing to go on (at 100 %: to be finished).
    pub waits: Vec<Wait>,
    /// All of it in one line for a person.
    pub sentence: String,
}

/// What a webhook gate is asked: may the share be raised?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The question's number, for the answer.
    pub id: QuestionId,
    /// The attempt.
    pub attempt: Attempt,
    /// The stage.
    pub from: Percent,
    /// The next one.
    pub to: Percent,
    /// The most that the operator allows.
    pub ceiling: Percent,
    /// How old the stage is, in milliseconds.
    pub age_ms: u64,
    /// What its calls came to.
    pub calls: StageCalls,
}

impl StageReport {
    pub(in crate::rollout) fn new(
        climb: &Climb,
        stage: &Stage,
        next: Option<Percent>,
        schedule: &Schedule,
        waits: Vec<Wait>,
        evidence: &Evidence,
        edge: BucketNo,
    ) -> Self {
        let progress = &stage.progress;
        let judged = progress.calls.judged;
        let quality = schedule.quality(progress.looked, judged);
        let look = schedule.next(judged);
        let left_ms = look.and_then(|look| {
            let buckets = edge.0.saturating_sub(stage.since.0).min(BUCKETS);
            time_for(look.at.saturating_sub(judged), evidence, edge, buckets)
        });
        let mut report = Self {
            percent: progress.percent,
            next,
            age_ms: progress.age_ms,
            bake_ms: bake_ms(climb, progress.percent),
            judged,
            failures: progress.calls.failures,
            needed: look.map(|look| look.at),
            allowed: look.and_then(|look| look.allowed),
            left_ms,
            shown: quality == Quality::Shown,
            phase: progress.phase,
            waits,
            sentence: String::new(),
        };
        report.sentence = report.say();
        report
    }

    /// `stage 5 %, next 10 %: 12m of 30m, 312 of 500 calls, about 41 min at this traffic`, and
    /// what else is missing.
    fn say(&self) -> String {
        let mut line = format!("stage {} %", self.percent);
        // Writing to a string cannot fail.
        let _ = match (self.next, self.phase) {
            (Some(next), _) => write!(line, ", next {next} %"),
            (None, Phase::Finished) => write!(line, ", finished"),
            (None, Phase::Open | Phase::Stalled) if self.percent == Percent::ALL => {
                write!(line, ", final bake")
            }
            (None, Phase::Open | Phase::Stalled) => write!(line, ", nothing above it"),
        };
        let whole_seconds = Span(self.age_ms / 1_000 * 1_000);
        let _ = write!(line, ": {whole_seconds} of {}", Span(self.bake_ms));
        let _ = match (self.shown, self.needed) {
            (false, Some(needed)) => write!(line, ", {} of {needed} calls", self.judged),
            (true, _) | (false, None) => write!(line, ", {} calls", self.judged),
        };
        if let (false, Some(left_ms)) = (self.shown, self.left_ms) {
            let _ = write!(line, ", about {} at this traffic", about(left_ms));
        }
        let _ = write!(line, ", {} failed", self.failures);
        let more = self.waits.iter().filter(|wait| match wait {
            Wait::Bake { .. }
            | Wait::Calls {
                needed: Some(_), ..
            } => false,
            Wait::Calls { needed: None, .. }
            | Wait::Quality { .. }
            | Wait::Recent { .. }
            | Wait::Rule { .. }
            | Wait::Gate { .. } => true,
        });
        let more: Vec<_> = more.cloned().collect();
        if !more.is_empty() {
            // What is told before comes first: an `advance` before it would be refused.
            let then = if more.len() < self.waits.len() {
                "then "
            } else {
                ""
            };
            let _ = write!(line, "; {then}waits for: {}", words::listed(&more));
        }
        line
    }
}

impl RolloutState {
    pub(in crate::rollout) fn of(
        plan: &Plan,
        record: &Record,
        stage: Option<&StageReport>,
    ) -> Self {
        if record.rollback().is_some() {
            return Self::RolledBack;
        }
        let stage = match (&plan.advance, stage) {
            (Advance::Manual, _) if plan.ceiling == Percent::ALL => return Self::Finished,
            (Advance::Manual, _) => return Self::Steady,
            (Advance::Auto(_), _) if record.paused.is_some() => return Self::Paused,
            (Advance::Auto(_), None) => return Self::Steady,
            (Advance::Auto(_), Some(stage)) => stage,
        };
        match stage.phase {
            Phase::Finished => Self::Finished,
            Phase::Open | Phase::Stalled => {
                if stage.next.is_none() && stage.percent != Percent::ALL {
                    Self::Steady
                } else if !stage.waits.is_empty() && stage.waits.iter().all(Wait::is_gate) {
                    Self::Waiting
                } else {
                    Self::Advancing
                }
            }
        }
    }
}

/// How long `missing` judged calls take at the rate of the last `buckets`, in milliseconds.
fn time_for(missing: u64, evidence: &Evidence, edge: BucketNo, buckets: u64) -> Option<u64> {
    let judged = evidence
        .bedrock
        .window
        .ratio(edge, buckets, Signal::Failures)
        .of;
    let span_ms = buckets.saturating_mul(BUCKET_MS);
    missing.saturating_mul(span_ms).checked_div(judged)
}

/// A time that is only estimated: `40 s`, `41 min`, `3 h`, `5 days`.
fn about(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}
