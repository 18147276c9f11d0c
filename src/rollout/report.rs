//! What the rollout says of itself: the core of `/api/status` and of the metrics.

use super::Paused;
use super::Plan;
use super::Record;
use super::Rollback;
use super::RuleName;
use super::clock::BreachClock;
use super::clock::ENOUGH_CALLS;
use super::clock::Sustained;
use super::counts::Signal;
use super::evidence::ArmEvidence;
use super::evidence::Evidence;
use super::plan::Rules;
use super::ratio::Coarse;
use super::rules::Burst;
use super::rules::Clocks;
use super::window::BucketNo;
use super::window::Judgement;
use super::window::Look;
use super::words;
use super::words::Span;
use crate::outcome::Attempt;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::split::Percent;
use serde::Serialize;
use std::collections::BTreeMap;

mod stage;

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
    /// All four rules, in the order of the configuration.
    pub rules: Vec<RuleReport>,
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

/// One rule at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// Which rule.
    pub name: RuleName,
    /// What it says of its window.
    pub state: RuleState,
    /// The share of failed (or slow) calls, rounded; none if unknown or off.
    pub value: Option<Percent>,
    /// The share that may not be exceeded; none if off.
    pub limit: Option<Percent>,
    /// Failed (for `latency`: slow) calls in the window.
    pub failures: u64,
    /// Judged (for `latency`: timed) calls in the window.
    pub judged: u64,
    /// The window, in milliseconds, as far as it had to stretch; 0 if off.
    pub window_ms: u64,
    /// How long the breach clock has run, in milliseconds; none if it does not run.
    pub clock_ms: Option<u64>,
    /// How long it must run, in milliseconds; none for rules without a clock.
    pub for_ms: Option<u64>,
    /// All of it in one line for a person.
    pub sentence: String,
}

/// What a rule says of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// At or below the limit.
    Ok,
    /// Above the limit.
    Breaching,
    /// Too few calls to say.
    Unknown,
    /// Switched off.
    Off,
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
    /// Calls of this attempt that have not ended; Bedrock only.
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
        evidence: &Evidence,
        clocks: &Clocks,
        now: RuleTime,
    ) -> Self {
        let undetermined = evidence.calls.undetermined(plan.rules.latency.as_ref());
        Self {
            state: RolloutState::of(plan, record, stage.as_ref()),
            percent,
            ceiling: plan.ceiling,
            attempt: record.attempt,
            rollback: record.rollback().cloned(),
            stage,
            paused: record.paused.clone(),
            rules: RuleName::ALL
                .map(|rule| RuleReport::new(rule, &plan.rules, evidence, clocks, now))
                .into(),
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

impl RuleReport {
    fn new(
        rule: RuleName,
        rules: &Rules,
        evidence: &Evidence,
        clocks: &Clocks,
        now: RuleTime,
    ) -> Self {
        let burst = match rule {
            RuleName::Outage => Burst::outage(rules),
            RuleName::Severe => Burst::severe(rules),
            RuleName::Errors | RuleName::Latency => None,
        };
        let clock = match rule {
            RuleName::Latency => &clocks.latency,
            RuleName::Errors | RuleName::Severe | RuleName::Outage => &clocks.errors,
        };
        match (Sustained::of(rule, rules), burst) {
            (Some(sustained), _) => Self::sustained(rule, &sustained, clock, evidence, now),
            (None, Some(burst)) => {
                let look = burst.look(&evidence.bedrock.window, BucketNo::at(now));
                let sentence = seen(rule, &look, burst.limit(), burst.enough());
                Self {
                    sentence,
                    ..Self::of_look(rule, &look, burst.limit())
                }
            }
            (None, None) => Self::off(rule),
        }
    }

    fn sustained(
        rule: RuleName,
        sustained: &Sustained,
        clock: &BreachClock,
        evidence: &Evidence,
        now: RuleTime,
    ) -> Self {
        let (window, edge) = (&evidence.bedrock.window, BucketNo::at(now));
        let look = sustained.short(window, edge);
        let report = Self {
            for_ms: Some(sustained.for_ms),
            ..Self::of_look(rule, &look, sustained.limit)
        };
        let Some((started, since)) = clock.started().zip(clock.since(sustained, window, edge))
        else {
            let sentence = seen(rule, &look, sustained.limit, ENOUGH_CALLS);
            return Self { sentence, ..report };
        };
        let ran_ms = now.since(started.begins());
        let mut sentence = format!(
            "{} clock {}/{}, now {}, since start {} %",
            rule.name(),
            Span(ran_ms),
            Span(sustained.for_ms),
            words::seen(&look),
            Coarse(since.ratio.rounded()),
        );
        if let Some(last) = evidence.last(sustained.signal).at {
            let kind = match sustained.signal {
                Signal::Failures => "failure",
                Signal::Slowness => "slow call",
            };
            let ago = Span(now.since(last) / 1_000 * 1_000);
            sentence.push_str(&format!(", last {kind} {ago} ago"));
        }
        Self {
            clock_ms: Some(ran_ms),
            sentence,
            ..report
        }
    }

    fn of_look(rule: RuleName, look: &Look, limit: Percent) -> Self {
        let state = match look.judge(limit) {
            Judgement::Ok => RuleState::Ok,
            Judgement::Breaching => RuleState::Breaching,
            Judgement::Unknown => RuleState::Unknown,
        };
        Self {
            state,
            value: look.known.then(|| look.ratio.rounded()),
            limit: Some(limit),
            failures: look.ratio.bad,
            judged: look.ratio.of,
            window_ms: look.window_ms(),
            ..Self::off(rule)
        }
    }

    fn off(rule: RuleName) -> Self {
        Self {
            name: rule,
            state: RuleState::Off,
            value: None,
            limit: None,
            failures: 0,
            judged: 0,
            window_ms: 0,
            clock_ms: None,
            for_ms: None,
            sentence: format!("{} off", rule.name()),
        }
    }
}

/// A rule without a running clock in one line.
fn seen(rule: RuleName, look: &Look, limit: Percent, enough: u64) -> String {
    let rule = rule.name();
    if look.known {
        return format!("{rule} {}, limit {limit} %", words::seen(look));
    }
    let (calls, window) = (look.ratio.of, Span(look.window_ms()));
    format!("{rule} unknown: {calls} of the {enough} calls that it needs in {window}")
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
