//! What the operator allows and which rules guard it: the part of the configuration that the
//! rollout core works from, in types that cannot hold a wrong value.

use super::Basis;
use crate::outcome::Attempt;
use crate::split::Percent;
use serde::Serialize;

/// The rollout as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The most that may go to Bedrock: the lower of `rollout.percent` and `USE_AWS_PERCENT`.
    pub ceiling: Percent,
    /// `rollout.attempt`: above the state's own it starts the next attempt.
    pub attempt: Attempt,
    /// The rollback rules.
    pub rules: Rules,
    /// `rollout.advance`: who raises the share.
    pub advance: Advance,
    /// What the evidence of a stage is about.
    pub basis: Basis,
}

/// Who raises the share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// A person: the ceiling is in force as soon as it is saved.
    Manual,
    /// The machine, stage by stage up to the ceiling.
    Auto(Climb),
}

/// How the machine climbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Climb {
    /// `rollout.stages`: rising, above 0.
    pub stages: Vec<Percent>,
    /// `rollout.bake`: how long a stage lasts at least, in milliseconds.
    pub bake_ms: u64,
    /// `rollout.final_bake`: how long 100 % must hold until the rollout is finished, in
    /// milliseconds.
    pub final_bake_ms: u64,
    /// `rollout.min_calls`: the judged calls at which the error rate is looked at first.
    pub min_calls: u64,
    /// `rollout.error_bound`: the error rate must be shown to be below it.
    pub error_bound: Percent,
    /// `rollout.gates`: who else is asked.
    pub gates: Vec<Gate>,
}

/// Who must agree before the machine goes on to the next stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A person, with `crossfade advance`.
    Manual,
    /// A service, asked over HTTP.
    Webhook,
}

impl Gate {
    /// As configuration and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Webhook => "webhook",
        }
    }
}

/// The rules; `None` is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `rollback.errors`.
    pub errors: Option<Errors>,
    /// `rollback.latency`.
    pub latency: Option<Latency>,
    /// `rollback.severe`.
    pub severe: Option<Fast>,
    /// `rollback.outage`.
    pub outage: Option<Fast>,
    /// `rollback.relative`: failures, slow calls and truncated answers against the original's.
    pub relative: Option<Relative>,
    /// `rollback.rejected`: refusals against the original's.
    pub rejected: Option<Relative>,
    /// `rollback.abandoned`: calls that their callers left, against the original's.
    pub abandoned: Option<Abandoned>,
    /// `rollback.breaker`: keeps this process from Bedrock for a while, no rollback.
    pub breaker: Option<Fast>,
    /// `rollback.on_throttle`.
    pub on_throttle: OnThrottle,
}

/// Bad calls come from Bedrock more often than its share of the calls explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relative {
    /// The odds against chance, as n of n:1; strictly above is a finding.
    pub odds: u64,
    /// What is done about it.
    pub action: Action,
}

/// What a comparison with the original leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A caution: an automatic advance stops until a person has taken note.
    Caution,
    /// Everything is taken back.
    Rollback,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 2] = [Self::Caution, Self::Rollback];

    /// As configuration and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caution => "caution",
            Self::Rollback => "rollback",
        }
    }
}

/// Callers leave more of Bedrock's calls before the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// How many times the original's share; strictly above is a finding.
    pub times: u64,
}

/// What a trip leads to when nearly all failures are throttling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnThrottle {
    /// Everything is taken back, as for any other failure.
    Rollback,
    /// Back to the previous stage, if that one baked: less traffic cures throttling.
    StepBack,
}

impl OnThrottle {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Rollback, Self::StepBack];

    /// As configuration and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::StepBack => "step_back",
        }
    }
}

/// The error rate stays above a share for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errors {
    /// The share of judged calls that fail; strictly above is a breach.
    pub above: Percent,
    /// How long, in milliseconds; at least 50 s.
    pub for_ms: u64,
}

/// A percentile of the latency stays above a time for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// A call is slow when it takes longer, in milliseconds.
    pub above_ms: u64,
    /// How long, in milliseconds; at least 50 s.
    pub for_ms: u64,
    /// `percentile: p95` breaches when more than 5 % of the calls are slow.
    pub percentile: Percentile,
    /// What is timed.
    pub measure: Measure,
}

/// The failure rate over a window exceeds a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fast {
    /// Strictly above is a breach.
    pub above: Percent,
    /// The window, in milliseconds; at least 30 s.
    pub over_ms: u64,
}

/// Which percentile a latency rule guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// More than half of the calls are slow.
    P50,
    /// More than 10 %.
    P90,
    /// More than 5 %.
    P95,
    /// More than 1 %.
    P99,
}

impl Percentile {
    /// The share of slow calls that may not be exceeded.
    pub const fn slow_share(self) -> Percent {
        let basis_points = match self {
            Self::P50 => 5_000,
            Self::P90 => 1_000,
            Self::P95 => 500,
            Self::P99 => 100,
        };
        match Percent::from_basis_points(basis_points) {
            Some(share) => share,
            None => Percent::ALL,
        }
    }

    /// As configuration and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }
}

/// What a latency rule times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// From dispatch to the first content or tool chunk.
    FirstToken,
    /// From dispatch to the end of the answer.
    Total,
}

impl Measure {
    /// As configuration and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstToken => "first_token",
            Self::Total => "total",
        }
    }
}
