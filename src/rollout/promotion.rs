//! What the next stage waits for.
//!
//! A stage is left when it is old enough, when its calls show that the error rate is below the
//! bound ([`looks`](super::looks)), when calls still come, when no rule speaks against it and when
//! the gates agree; the gates are asked last, when nothing else is missing. What is not known is
//! waited for: silence advances nothing.

use super::Climb;
use super::Gate;
use super::GateAnswer;
use super::RuleName;
use super::clock::ENOUGH_CALLS;
use super::counts::Signal;
use super::evidence::Evidence;
use super::looks::Looked;
use super::looks::Quality;
use super::looks::Schedule;
use super::stage::Stage;
use super::window::BUCKETS;
use super::window::BucketNo;
use crate::split::Percent;
use serde::Serialize;

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Wait {
    /// The stage is too young.
    Bake {
        /// By so many milliseconds.
        left_ms: u64,
    },
    /// Too few calls for the first look at their error rate.
    Calls {
        /// Judged calls of the stage.
        judged: u64,
        /// At so many it is looked at; none if an edit left no look to come.
        needed: Option<u64>,
    },
    /// The last look did not show that the error rate is below the bound.
    Quality {
        /// The calls of that look.
        judged: u64,
        /// Those of them that failed.
        failures: u64,
        /// The most failures that would have passed; none if not even a clean record does.
        allowed: Option<u64>,
        /// At so many judged calls is the next look; none if that was the last.
        next: Option<u64>,
    },
    /// Fewer calls than it takes to judge anything in the last hour.
    Recent {
        /// Judged calls in it.
        judged: u64,
        /// So many are needed.
        needed: u64,
    },
    /// A rule speaks against it.
    Rule {
        /// Which.
        rule: RuleName,
        /// In which way.
        why: Against,
    },
    /// A gate has not agreed.
    Gate {
        /// Which.
        gate: Gate,
        /// What it said.
        said: Said,
    },
}

/// How a rule speaks against the next stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// Its breach clock runs.
    Clock,
    /// It found something that nobody has taken note of.
    Finding,
    /// The original breaks its limit itself.
    Unreachable,
    /// Its odds against chance are at 20:1 already.
    Odds,
}

/// What a gate said so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// Not now.
    No,
    /// Nobody can tell.
    Unknown(String),
}

impl Wait {
    /// Whether only a gate is waited for.
    pub(super) const fn is_gate(&self) -> bool {
        match self {
            Self::Gate { .. } => true,
            Self::Bake { .. }
            | Self::Calls { .. }
            | Self::Quality { .. }
            | Self::Recent { .. }
            | Self::Rule { .. } => false,
        }
    }
}

/// Where the climb goes from `percent`: to the smallest listed percentage above it, or the ceiling
/// if that is lower. None at the ceiling, and above the last listed percentage.
pub(super) fn next_stage(climb: &Climb, percent: Percent, ceiling: Percent) -> Option<Percent> {
    let listed = climb
        .stages
        .iter()
        .copied()
        .find(|&stage| stage > percent)?;
    Some(listed.min(ceiling)).filter(|&next| next > percent)
}

/// What a stage waits for, gates apart, as of `edge`; `against` is the rule that speaks against it.
pub(super) fn waits(
    climb: &Climb,
    schedule: &Schedule,
    stage: &Stage,
    evidence: &Evidence,
    against: Option<(RuleName, Against)>,
    edge: BucketNo,
) -> Vec<Wait> {
    let progress = &stage.progress;
    let bake_ms = bake_ms(climb, progress.percent);
    let left_ms = bake_ms.saturating_sub(progress.age_ms);
    let bake = (left_ms > 0).then_some(Wait::Bake { left_ms });
    let judged = progress.calls.judged;
    let quality = match schedule.quality(progress.looked, judged) {
        Quality::Shown => None,
        Quality::Unknown { next } => Some(Wait::Calls {
            judged,
            needed: next.map(|look| look.at),
        }),
        Quality::NotShown {
            last: Looked { judged, failures },
            allowed,
            next,
        } => Some(Wait::Quality {
            judged,
            failures,
            allowed,
            next: next.map(|look| look.at),
        }),
    };
    let recent = evidence
        .bedrock
        .window
        .ratio(edge, BUCKETS, Signal::Failures)
        .of;
    // Said only where it is all that is missing of the calls.
    let recent = (quality.is_none() && recent < ENOUGH_CALLS).then_some(Wait::Recent {
        judged: recent,
        needed: ENOUGH_CALLS,
    });
    let rule = against.map(|(rule, why)| Wait::Rule { rule, why });
    [bake, quality, recent, rule]
        .into_iter()
        .flatten()
        .collect()
}

/// The gates that have not agreed.
pub(super) fn closed_gates(climb: &Climb, stage: &Stage) -> Vec<Wait> {
    let closed = climb.gates.iter().filter_map(|&gate| {
        let said = match (gate, &stage.webhook.answer) {
            (Gate::Webhook, Some(GateAnswer::Yes)) => return None,
            (Gate::Webhook, Some(GateAnswer::No)) => Said::No,
            (Gate::Webhook, Some(GateAnswer::Unknown { problem })) => {
                Said::Unknown(problem.clone())
            }
            (Gate::Webhook, None) | (Gate::Manual, _) => Said::Nothing,
        };
        Some(Wait::Gate { gate, said })
    });
    closed.collect()
}

/// How long a stage lasts at least, in milliseconds.
pub(super) const fn bake_ms(climb: &Climb, percent: Percent) -> u64 {
    if percent.basis_points() == Percent::ALL.basis_points() {
        climb.final_bake_ms
    } else {
        climb.bake_ms
    }
}
