//! Bedrock compared with the original: four tests of [`Odds`], fed bucket by bucket.
//!
//! Failures and slow calls, answers that broke off, and refusals each have their own test, because
//! each has its own remedy. They begin with the attempt, with a step back, or when an operator has
//! taken note of what one of them found, and never in between: a test that is begun again and again
//! trips in the end.
//! A call that is booked after its bucket was looked at is in no comparison, whichever arm it was of.

use super::RuleName;
use super::counts::Signal;
use super::evidence::Evidence;
use super::odds::Odds;
use super::odds::Pair;
use super::plan::Relative;
use super::plan::Rules;
use super::ratio::Coarse;
use super::ratio::Ratio;
use super::window::BucketNo;
use super::window::Window;
use std::fmt;

/// The four tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Comparisons {
    failures: Odds,
    slowness: Odds,
    truncations: Odds,
    rejections: Odds,
}

/// What a test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) rule: RuleName,
    /// What it counts.
    pub(super) signal: Signal,
    /// The limit and what is done above it.
    pub(super) plan: Relative,
    pub(super) odds: Odds,
}

impl Comparisons {
    /// Takes in the bucket before `edge`. To be called for each edge once, in order.
    pub(super) fn take(&mut self, evidence: &Evidence, edge: BucketNo) {
        let closed = |window: &Window, signal| {
            let counts = window.get(edge.previous());
            counts
                .map(|counts| counts.ratio(signal))
                .unwrap_or_default()
        };
        for (odds, signal) in [
            (&mut self.failures, Signal::Failures),
            (&mut self.slowness, Signal::Slowness),
            (&mut self.truncations, Signal::Truncations),
            (&mut self.rejections, Signal::Rejections),
        ] {
            odds.take(Pair {
                bedrock: closed(&evidence.bedrock.window, signal),
                original: closed(&evidence.original.window, signal),
            });
        }
    }

    /// The test of that name, if it is one and switched on.
    pub(super) fn of(&self, rule: RuleName, rules: &Rules) -> Option<Comparison> {
        let (plan, signal, odds) = match rule {
            RuleName::Relative => (rules.relative, Signal::Failures, self.failures),
            // `latency` says what slow is: without it no call is.
            RuleName::RelativeSlow => (
                rules.latency.as_ref().and(rules.relative),
                Signal::Slowness,
                self.slowness,
            ),
            RuleName::RelativeTruncated => (rules.relative, Signal::Truncations, self.truncations),
            RuleName::Rejected => (rules.rejected, Signal::Rejections, self.rejections),
            RuleName::Errors
            | RuleName::Latency
            | RuleName::Severe
            | RuleName::Outage
            | RuleName::Abandoned => return None,
        };
        plan.map(|plan| Comparison {
            rule,
            signal,
            plan,
            odds,
        })
    }

    /// Begins the test of that name anew.
    pub(super) fn begin_again(&mut self, rule: RuleName) {
        match rule {
            RuleName::Relative => self.failures = Odds::default(),
            RuleName::RelativeSlow => self.slowness = Odds::default(),
            RuleName::RelativeTruncated => self.truncations = Odds::default(),
            RuleName::Rejected => self.rejections = Odds::default(),
            RuleName::Errors
            | RuleName::Latency
            | RuleName::Severe
            | RuleName::Outage
            | RuleName::Abandoned => {}
        }
    }
}

impl Comparison {
    /// Whether it has found a difference.
    pub(super) fn exceeds(&self) -> bool {
        self.odds.exceed(self.plan.odds)
    }

    /// What kind of calls it counts, in the plural.
    const fn kind(&self) -> &'static str {
        match self.signal {
            Signal::Failures => "failures",
            Signal::Slowness => "slow calls",
            Signal::Truncations => "truncated answers",
            Signal::Rejections => "refusals",
            Signal::Abandonment => "abandoned calls",
        }
    }
}

impl fmt::Display for Comparison {
    /// `Bedrock got 10 % of the calls but 60 % of the failures (12/20); odds against chance 1523:1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { bedrock, original } = self.odds.all();
        let calls = Ratio {
            bad: bedrock.of,
            of: bedrock.of + original.of,
        };
        let bad = Ratio {
            bad: bedrock.bad,
            of: bedrock.bad + original.bad,
        };
        write!(
            f,
            "Bedrock got {} % of the calls and {} % of the {} ({}/{}); odds against chance {}:1",
            Coarse(calls.rounded()),
            Coarse(bad.rounded()),
            self.kind(),
            bad.bad,
            bad.of,
            self.odds.against_chance().min(ODDS_SHOWN_MAX),
        )
    }
}

/// Beyond that a number says no more.
pub const ODDS_SHOWN_MAX: u64 = 1_000_000_000;
