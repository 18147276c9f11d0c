//! What the rollout says of itself: the core of `/api/status` and of the metrics.

use super::BreakerReport;
use super::Caution;
use super::Detectable;
use super::Paused;
use super::Plan;
use super::Record;
use super::Rollback;
use super::RuleName;
use super::evidence::ArmEvidence;
use super::window::BucketNo;
use crate::outcome::Attempt;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::split::Percent;
use serde::Serialize;
use std::collections::BTreeMap;

mod rule;
mod stage;

pub use rule::RuleReport;
pub use rule::RuleState;
pub(super) use rule::Seen;
pub use stage::Question;
pub use stage::StageReport;

/// The state of the rollout at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where the rollout is.
    pub state: RolloutState,
    /// The share in force.
    pub percent: Percent,
    /// The most that the operator allows.
    pub ceiling: Percent,
    /// The attempt that runs or was rolled back.
    pub attempt: Attempt,
    /// The rollback that holds.
    pub rollback: Option<Rollback>,
    /// The stage, with `advance: auto` while it is above 0 %.
    pub stage: Option<StageReport>,
    /// The pause that holds.
    pub paused: Option<Paused>,
    /// All rules, in the order of the configuration.
    pub rules: Vec<RuleReport>,
    /// What rules found that nobody has taken note of yet; while there is anything, no stage is
    /// left.
    pub cautions: Vec<Caution>,
    /// The local breaker.
    pub breaker: BreakerReport,
    /// What failure rate the present traffic can reveal; none without calls.
    pub detectable: Option<Detectable>,
    /// What the calls came to.
    pub arms: Arms,
    /// Outcomes of calls that belong to another attempt: never judged.
    pub other_attempt: u64,
    /// Bedrock calls that ended without a known beginning. Judged, but a sign of a defect.
    pub unmatched: u64,
}

/// Where the rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// Armed; the rules watch, and nothing moves by itself.
    Steady,
    /// Armed; on the way to the next stage, or to the end of the last one.
    Advancing,
    /// Armed; ready for the next stage, but a gate has not agreed.
    Waiting,
    /// Armed; a person froze the stage.
    Paused,
    /// Latched at 0 %.
    RolledBack,
    /// Armed, with every eligible call on Bedrock, and with `advance: auto` for the whole of the
    /// final bake; the rules still watch.
    Finished,
}

/// Both arms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arms {
    /// The provider that the app used before.
    pub original: ArmReport,
    /// Amazon Bedrock.
    pub bedrock: ArmReport,
}

/// One arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmReport {
    /// The last five minutes.
    pub recent: ArmCounts,
    /// Since the attempt began in this process.
    pub total: ArmCounts,
    /// Bedrock calls of this attempt that have not ended. The original's are not followed here; the
    /// status takes them from the counters.
    pub in_flight: u64,
    /// Those of them that are neither fast nor slow yet.
    pub undetermined: u64,
}

/// What the calls of an arm came to over some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArmCounts {
    /// Calls sent to the arm; Bedrock only.
    pub dispatched: u64,
    /// Complete answers and failures.
    pub judged: u64,
    /// Complete answers.
    pub ok: u64,
    /// Failures by class; every class is present.
    pub failures: BTreeMap<Class, u64>,
    /// Calls that were fast enough.
    pub fast: u64,
    /// Calls that crossed the latency limit.
    pub slow: u64,
    /// Refused for what they are: judged nowhere.
    pub rejected: u64,
    /// Longer than the context window: judged nowhere.
    pub context_window: u64,
    /// Left by the caller: judged nowhere.
    pub cancelled: u64,
    /// Those of the cancelled that were left before the first token; Bedrock only.
    pub abandoned: u64,
    /// Refusals of a key that had counted within the last minute: judged nowhere.
    pub repeated: u64,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        record: &Record,
        percent: Percent,
        stage: Option<StageReport>,
        seen: &Seen<'_>,
    ) -> Self {
        let (evidence, now) = (seen.evidence, seen.now);
        let undetermined = evidence.calls.undetermined(plan.rules.latency.as_ref());
        Self {
            state: RolloutState::of(plan, record, stage.as_ref()),
            percent,
            ceiling: plan.ceiling,
            attempt: record.attempt,
            rollback: record.rollback().cloned(),
            stage,
            paused: record.paused.clone(),
            rules: RuleName::ALL.map(|rule| RuleReport::new(rule, seen)).into(),
            cautions: record.cautions.clone(),
            breaker: seen.watch.breaker.report(now),
            detectable: seen.detectable(),
            arms: Arms {
                original: ArmReport::new(&evidence.original, 0, 0, now),
                bedrock: ArmReport::new(
                    &evidence.bedrock,
                    evidence.calls.running(),
                    undetermined,
                    now,
                ),
            },
            other_attempt: evidence.other_attempt,
            unmatched: evidence.unmatched,
        }
    }
}

impl ArmReport {
    fn new(arm: &ArmEvidence, in_flight: usize, undetermined: usize, now: RuleTime) -> Self {
        // With the open bucket: people expect to see the call that they just made.
        let recent = arm.window.sum(BucketNo::at(now).next(), RECENT_BUCKETS);
        Self {
            recent: (&recent).into(),
            total: (&arm.total).into(),
            in_flight: in_flight as u64,
            undetermined: undetermined as u64,
        }
    }
}

/// Five minutes.
const RECENT_BUCKETS: u64 = 60;
