//! What is said of one rule.

use crate::outcome::RuleTime;
use crate::rollout::Caution;
use crate::rollout::Detectable;
use crate::rollout::RuleName;
use crate::rollout::clock::BreachClock;
use crate::rollout::clock::ENOUGH_CALLS;
use crate::rollout::clock::Sustained;
use crate::rollout::counts::Signal;
use crate::rollout::evidence::ArmEvidence;
use crate::rollout::evidence::Evidence;
use crate::rollout::plan::Rules;
use crate::rollout::ratio::Coarse;
use crate::rollout::reach::Reach;
use crate::rollout::relative::Comparison;
use crate::rollout::rules::Burst;
use crate::rollout::rules::Clocks;
use crate::rollout::watch::Watch;
use crate::rollout::window::BUCKET_MS;
use crate::rollout::window::BUCKETS;
use crate::rollout::window::BucketNo;
use crate::rollout::window::Judgement;
use crate::rollout::window::Look;
use crate::rollout::words;
use crate::rollout::words::Span;
use crate::split::Percent;
use serde::Serialize;

/// What the rules are reported from.
pub(in crate::rollout) struct Seen<'a> {
    pub(in crate::rollout) rules: &'a Rules,
    pub(in crate::rollout) evidence: &'a Evidence,
    pub(in crate::rollout) clocks: &'a Clocks,
    pub(in crate::rollout) watch: &'a Watch,
    pub(in crate::rollout) cautions: &'a [Caution],
    pub(in crate::rollout) now: RuleTime,
}

impl Seen<'_> {
    /// What the rules can see at the traffic of the last ten minutes, or as many up to an hour as
    /// it takes to have enough calls; none without any.
    pub(super) fn detectable(&self) -> Option<Detectable> {
        let edge = BucketNo::at(self.now);
        let held = edge.0.saturating_sub(self.evidence.began.0);
        let window = &self.evidence.bedrock.window;
        let rungs = TRAFFIC.into_iter().map(|rung| rung.min(held));
        let look = window.look(edge, Signal::Failures, rungs, ENOUGH_CALLS);
        (look.ratio.of > 0).then(|| Detectable::new(self.rules, look.ratio.of, look.window_ms()))
    }
}

/// 10, 20, 30 and 60 minutes, in buckets.
const TRAFFIC: [u64; 4] = [120, 240, 360, 720];

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
    /// For comparisons with the original: the odds against chance, as n of n:1.
    pub odds: Option<u64>,
    /// The odds above which they act.
    pub odds_limit: Option<u64>,
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
    /// Not armed, because the original breaks the limit itself.
    Unreachable,
    /// Switched off.
    Off,
}

impl RuleReport {
    pub(super) fn new(rule: RuleName, seen: &Seen<'_>) -> Self {
        let Seen { rules, clocks, .. } = seen;
        match rule {
            RuleName::Errors => Self::sustained(rule, &clocks.errors, seen),
            RuleName::Latency => match seen.watch.reach {
                Reach::Unreachable(why) => Self {
                    state: RuleState::Unreachable,
                    sentence: format!("latency unreachable: {why}"),
                    ..Self::sustained(rule, &clocks.latency, seen)
                },
                Reach::Unknown | Reach::Reachable => Self::sustained(rule, &clocks.latency, seen),
            },
            RuleName::Outage => Self::burst(rule, Burst::outage(rules), seen),
            RuleName::Severe => Self::burst(rule, Burst::severe(rules), seen),
            RuleName::Relative
            | RuleName::RelativeSlow
            | RuleName::RelativeTruncated
            | RuleName::Rejected => match seen.watch.comparisons.of(rule, rules) {
                Some(comparison) => Self::compared(&comparison, seen),
                None => Self::off(rule),
            },
            RuleName::Abandoned => Self::abandoned(seen),
        }
    }

    fn burst(rule: RuleName, burst: Option<Burst>, seen: &Seen<'_>) -> Self {
        let Some(burst) = burst else {
            return Self::off(rule);
        };
        let look = burst.look(&seen.evidence.bedrock.window, BucketNo::at(seen.now));
        let sentence = in_window(rule, &look, burst.limit(), burst.enough());
        Self {
            sentence,
            ..Self::of_look(rule, &look, burst.limit())
        }
    }

    fn compared(comparison: &Comparison, seen: &Seen<'_>) -> Self {
        let rule = comparison.rule;
        let all = comparison.odds.all();
        let known = all.bedrock.of > 0 && all.original.of > 0;
        let state = match (known, comparison.exceeds()) {
            (false, _) => RuleState::Unknown,
            (true, true) => RuleState::Breaching,
            (true, false) => RuleState::Ok,
        };
        let (name, limit) = (rule.name(), comparison.plan.odds);
        let sentence = if known {
            format!("{name}: {comparison}, limit {limit}:1")
        } else {
            format!("{name} unknown: there is nothing to compare with, one arm gets no calls")
        };
        let ran = BucketNo::at(seen.now)
            .0
            .saturating_sub(seen.evidence.began.0);
        Self {
            state,
            value: known.then(|| all.bedrock.rounded()),
            failures: all.bedrock.bad,
            judged: all.bedrock.of,
            window_ms: ran.saturating_mul(BUCKET_MS),
            odds: Some(comparison.odds.against_chance()),
            odds_limit: Some(limit),
            sentence,
            ..Self::off(rule)
        }
    }

    fn abandoned(seen: &Seen<'_>) -> Self {
        let rule = RuleName::Abandoned;
        if seen.rules.abandoned.is_none() {
            return Self::off(rule);
        }
        let edge = BucketNo::at(seen.now);
        let ratio = |arm: &ArmEvidence| arm.window.ratio(edge, BUCKETS, Signal::Abandonment);
        let (ours, theirs) = (
            ratio(&seen.evidence.bedrock),
            ratio(&seen.evidence.original),
        );
        let found = seen.cautions.iter().any(|it| it.rule == rule);
        let state = match (found, ours.of) {
            (true, _) => RuleState::Breaching,
            (false, 0) => RuleState::Unknown,
            (false, _) => RuleState::Ok,
        };
        Self {
            state,
            value: (ours.of > 0).then(|| ours.rounded()),
            failures: ours.bad,
            judged: ours.of,
            window_ms: BUCKETS.saturating_mul(BUCKET_MS),
            sentence: format!("abandoned {ours} in 1h, the original {theirs}"),
            ..Self::off(rule)
        }
    }

    fn sustained(rule: RuleName, clock: &BreachClock, seen: &Seen<'_>) -> Self {
        let Some(sustained) = &Sustained::of(rule, seen.rules) else {
            return Self::off(rule);
        };
        let (evidence, now) = (seen.evidence, seen.now);
        let (window, edge) = (&evidence.bedrock.window, BucketNo::at(now));
        let look = sustained.short(window, edge);
        let report = Self {
            for_ms: Some(sustained.for_ms),
            ..Self::of_look(rule, &look, sustained.limit)
        };
        let Some((started, since)) = clock.started().zip(clock.since(sustained, window, edge))
        else {
            let sentence = in_window(rule, &look, sustained.limit, ENOUGH_CALLS);
            return Self { sentence, ..report };
        };
        let ran_ms = now.since(started.begins());
        let mut sentence = format!(
            "{} clock {}/{}, now {}, since start {} %",
            rule.name(),
            Span(ran_ms / 1_000 * 1_000),
            Span(sustained.for_ms),
            words::seen(&look),
            Coarse(since.ratio.rounded()),
        );
        if let Some(last) = evidence.last(sustained.signal).at {
            let kind = match sustained.signal {
                Signal::Failures => "failure",
                Signal::Slowness => "slow call",
                Signal::Truncations => "truncated answer",
                Signal::Rejections => "refusal",
                Signal::Abandonment => "abandoned call",
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
            odds: None,
            odds_limit: None,
            clock_ms: None,
            for_ms: None,
            sentence: format!("{} off", rule.name()),
        }
    }
}

/// A rule without a running clock in one line.
fn in_window(rule: RuleName, look: &Look, limit: Percent, enough: u64) -> String {
    let rule = rule.name();
    if look.known {
        return format!("{rule} {}, limit {limit} %", words::seen(look));
    }
    let (calls, window) = (look.ratio.of, Span(look.window_ms()));
    format!("{rule} unknown: {calls} of the {enough} calls that it needs in {window}")
}
