//! The four rules, looked at edge by edge.
//!
//! `errors` and `latency` are one kind with a breach clock ([`Sustained`]), over failed and over
//! slow calls. `outage` and `severe` are the other kind ([`Burst`]): a window that stretches until
//! it holds enough calls, at least 10 failures in at least 4 different buckets. Counting buckets
//! and not a run of failures keeps one lost connection, which fails many calls in one instant,
//! from being taken for an outage. Every rule trips only at an edge with a bad call that came into
//! view since the edge before: never in silence.
//!
//! The strongest rule is asked first, so that a trip bears the name that says most: `outage`,
//! `severe`, `errors`, `latency`.

use super::Numbers;
use super::RuleName;
use super::clock::BreachClock;
use super::clock::ENOUGH_CALLS;
use super::clock::Since;
use super::clock::Step;
use super::clock::Sustained;
use super::counts::PerClass;
use super::counts::Signal;
use super::evidence::Evidence;
use super::plan::Errors;
use super::plan::Fast;
use super::plan::Latency;
use super::plan::Measure;
use super::plan::Rules;
use super::ratio::Ratio;
use super::transition::ResetWhy;
use super::window::BUCKET_MS;
use super::window::BucketNo;
use super::window::Look;
use super::window::Window;
use super::window::buckets;
use crate::split::Percent;

/// The breach clocks of the rules that have one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks {
    pub(super) errors: BreachClock,
    pub(super) latency: BreachClock,
}

/// What the rules led to at an edge.
#[derive(Clone, Debug)]
pub(super) enum Finding {
    /// A clock started on what this window shows.
    Started {
        rule: RuleName,
        look: Look,
        limit: Percent,
    },
    /// A clock stopped without a trip.
    Reset {
        rule: RuleName,
        ran_ms: u64,
        why: ResetWhy,
    },
    /// Roll back; nothing after it counts.
    Trips(Trip),
}

/// What a rule saw when it tripped.
#[derive(Clone, Debug)]
pub(super) struct Trip {
    /// Which rule.
    pub(super) rule: RuleName,
    /// What it counts.
    pub(super) signal: Signal,
    /// Its numbers.
    pub(super) numbers: Numbers,
    /// The failures in the same window by class; none for `latency`, which counts slow calls.
    pub(super) classes: PerClass,
    /// More that it has to say.
    pub(super) besides: Option<String>,
}

/// A rule over one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    limit: Percent,
    over_ms: u64,
    enough: u64,
}

impl Clocks {
    /// Looks at all rules as of `edge`. To be called for each edge once, in order.
    pub(super) fn look(
        &mut self,
        rules: &Rules,
        evidence: &Evidence,
        latency_is_armed: bool,
        edge: BucketNo,
    ) -> Vec<Finding> {
        let window = &evidence.bedrock.window;
        let bursts = [
            (RuleName::Outage, Burst::outage(rules)),
            (RuleName::Severe, Burst::severe(rules)),
        ];
        if evidence.fresh(Signal::Failures, edge) {
            for (rule, burst) in bursts {
                if let Some(trip) = burst.and_then(|burst| burst.trips(rule, window, edge)) {
                    return vec![Finding::Trips(trip)];
                }
            }
        }
        let mut findings = Vec::new();
        for rule in [RuleName::Errors, RuleName::Latency] {
            let (Some(sustained), Some(clock)) = (Sustained::of(rule, rules), self.of(rule)) else {
                continue;
            };
            if rule == RuleName::Latency && !latency_is_armed {
                continue;
            }
            let fresh = evidence.fresh(sustained.signal, edge);
            match clock.step(&sustained, window, edge, fresh) {
                Step::Nothing => {}
                Step::Started(look) => {
                    findings.push(Finding::Started {
                        rule,
                        look,
                        limit: sustained.limit,
                    });
                }
                Step::Reset { ran_ms, why } => {
                    findings.push(Finding::Reset { rule, ran_ms, why });
                }
                Step::Trips(since) => {
                    findings.push(Finding::Trips(Trip::of(
                        rule, rules, &sustained, since, window, edge,
                    )));
                    return findings;
                }
            }
        }
        findings
    }

    /// The rule whose clock runs, if one does.
    pub(super) fn running(&self) -> Option<RuleName> {
        let runs = |clock: &BreachClock| clock.started().is_some();
        [
            (RuleName::Errors, runs(&self.errors)),
            (RuleName::Latency, runs(&self.latency)),
        ]
        .into_iter()
        .find_map(|(rule, runs)| runs.then_some(rule))
    }

    /// Stops the clock of a rule; gives how long it had run, if it did.
    pub(super) fn stop(&mut self, rule: RuleName, edge: BucketNo) -> Option<u64> {
        self.of(rule).and_then(|clock| clock.stop(edge))
    }

    fn of(&mut self, rule: RuleName) -> Option<&mut BreachClock> {
        match rule {
            RuleName::Errors => Some(&mut self.errors),
            RuleName::Latency => Some(&mut self.latency),
            RuleName::Severe
            | RuleName::Outage
            | RuleName::Relative
            | RuleName::RelativeSlow
            | RuleName::RelativeTruncated
            | RuleName::Rejected
            | RuleName::Abandoned => None,
        }
    }
}

impl Sustained {
    /// The rule of that name, if it is one with a clock and switched on.
    pub(super) fn of(rule: RuleName, rules: &Rules) -> Option<Self> {
        match rule {
            RuleName::Errors => rules.errors.map(|Errors { above, for_ms }| Self {
                signal: Signal::Failures,
                limit: above,
                for_ms,
            }),
            RuleName::Latency => rules.latency.map(
                |Latency {
                     percentile, for_ms, ..
                 }| Self {
                    signal: Signal::Slowness,
                    limit: percentile.slow_share(),
                    for_ms,
                },
            ),
            RuleName::Severe
            | RuleName::Outage
            | RuleName::Relative
            | RuleName::RelativeSlow
            | RuleName::RelativeTruncated
            | RuleName::Rejected
            | RuleName::Abandoned => None,
        }
    }
}

impl Burst {
    /// The `outage` rule, if it is switched on.
    pub(super) fn outage(rules: &Rules) -> Option<Self> {
        rules.outage.map(|fast| Self::new(fast, ENOUGH_CALLS))
    }

    /// The `severe` rule, if it is switched on.
    pub(super) fn severe(rules: &Rules) -> Option<Self> {
        rules
            .severe
            .map(|fast| Self::new(fast, ENOUGH_CALLS_SEVERE))
    }

    /// The breaker's own measure, if it is switched on.
    pub(super) fn breaker(rules: &Rules) -> Option<Self> {
        rules.breaker.map(|fast| Self::new(fast, ENOUGH_CALLS))
    }

    /// A rule over a window that holds at least `enough` calls.
    pub(super) const fn new(Fast { above, over_ms }: Fast, enough: u64) -> Self {
        Self {
            limit: above,
            over_ms,
            enough,
        }
    }

    /// Strictly above is a breach.
    pub(super) const fn limit(&self) -> Percent {
        self.limit
    }

    /// The calls that its window must hold to be judged.
    pub(super) const fn enough(&self) -> u64 {
        self.enough
    }

    /// Its window, and what it stretches to, in milliseconds: the listed steps above `over`.
    pub(super) fn rungs_ms(&self) -> impl Iterator<Item = u64> {
        let over_ms = self.over_ms;
        [over_ms]
            .into_iter()
            .chain(STRETCH_MS.into_iter().filter(move |&ms| ms > over_ms))
    }

    /// The window of failures, stretched as far as it needs.
    pub(super) fn look(&self, window: &Window, edge: BucketNo) -> Look {
        let rungs = self.rungs_ms().map(buckets);
        window.look(edge, Signal::Failures, rungs, self.enough)
    }

    /// The window of `signal`, stretched as far as it needs, but not beyond `since`.
    pub(super) fn look_since(
        &self,
        window: &Window,
        signal: Signal,
        since: BucketNo,
        edge: BucketNo,
    ) -> Look {
        let held = edge.0.saturating_sub(since.0);
        let rungs = self.rungs_ms().map(|ms| buckets(ms).min(held));
        window.look(edge, signal, rungs, self.enough)
    }

    /// Whether it trips at `edge`, given that a failure came into view.
    fn trips(&self, rule: RuleName, window: &Window, edge: BucketNo) -> Option<Trip> {
        let look = self.look(window, edge);
        look.shows(self.limit).then(|| Trip {
            rule,
            signal: Signal::Failures,
            numbers: numbers(look.ratio, self.limit, look.window_ms()),
            classes: *window.sum(edge, look.buckets).failures(),
            besides: None,
        })
    }
}

impl Trip {
    /// What a rule with a clock saw since its clock started.
    fn of(
        rule: RuleName,
        rules: &Rules,
        sustained: &Sustained,
        since: Since,
        window: &Window,
        edge: BucketNo,
    ) -> Self {
        let (slower_than_ms, classes) = match sustained.signal {
            Signal::Failures => (None, *window.sum(edge, since.buckets).failures()),
            Signal::Slowness => (
                rules.latency.map(|latency| latency.above_ms),
                PerClass::default(),
            ),
            Signal::Truncations | Signal::Rejections | Signal::Abandonment => {
                (None, PerClass::default())
            }
        };
        let window_ms = since.buckets.saturating_mul(BUCKET_MS);
        let numbers = Numbers {
            for_ms: Some(since.ran_ms),
            slower_than_ms,
            ..numbers(since.ratio, sustained.limit, window_ms)
        };
        Self {
            rule,
            signal: sustained.signal,
            numbers,
            classes,
            besides: None,
        }
    }
}

/// Whether what was booked as fast and slow under `old` still means something under `new`: only if
/// every call that was slow still is.
pub(super) fn speed_counts_stand(old: Option<&Latency>, new: Option<&Latency>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            let measure_stands = match (old.measure, new.measure) {
                (Measure::FirstToken, Measure::FirstToken | Measure::Total)
                | (Measure::Total, Measure::Total) => true,
                (Measure::Total, Measure::FirstToken) => false,
            };
            measure_stands && new.above_ms <= old.above_ms
        }
        (Some(_), None) => false,
        (None, Some(_) | None) => true,
    }
}

fn numbers(ratio: Ratio, limit: Percent, window_ms: u64) -> Numbers {
    Numbers {
        value: ratio.rounded(),
        limit,
        failures: ratio.bad,
        judged: ratio.of,
        window_ms,
        for_ms: None,
        slower_than_ms: None,
    }
}

/// `severe` acts on a smaller share than `outage`, so it needs more calls to tell it from chance.
const ENOUGH_CALLS_SEVERE: u64 = 50;

/// In how many different buckets failures must have been.
pub(super) const ENOUGH_BUCKETS: u64 = 4;

/// How far the window of `outage` and `severe` may stretch, in milliseconds: 30 s, then 1, 2, 5,
/// 10, 20, 30 and 60 minutes.
const STRETCH_MS: [u64; 8] = [
    30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 3_600_000,
];
