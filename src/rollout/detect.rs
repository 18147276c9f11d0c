//! What the rules can see at the present traffic, and how soon.
//!
//! Few calls hide a small fault: ten failures must have happened before a rule acts, and the
//! windows must hold enough calls. What follows from that is told to the operator beforehand, as
//! the smallest of a list of failure rates that shows within an hour, and the time within which it
//! does so in about three cases of four. Arrivals are taken to be even and failures independent;
//! failures that come in bursts take longer.
//!
//! A rule over a window needs K failures: ten, or so many that they exceed its share of a full
//! window. K failures have come in three cases of four once K + ⅔·√K are expected. A rule with a
//! clock needs its duration besides, and that its recovery window does not look fine by chance
//! (in more than one case of twenty).

use super::clock::ENOUGH_BAD;
use super::clock::ENOUGH_CALLS;
use super::plan::Rules;
use super::rules::Burst;
use super::window::BUCKET_MS;
use super::words::Span;
use crate::split::Percent;
use serde::Serialize;
use std::fmt;

/// What can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Detectable {
    /// Judged Bedrock calls that the traffic was measured by.
    pub calls: u64,
    /// The time in which they came, in milliseconds.
    pub over_ms: u64,
    /// The smallest failure rate that shows within an hour; none: not even a total outage.
    pub rate: Option<Percent>,
    /// Within which time it shows in about three cases of four, in milliseconds.
    pub within_ms: Option<u64>,
    /// The same of a total outage.
    pub outage_within_ms: Option<u64>,
}

impl Detectable {
    /// What `rules` can see when `calls` Bedrock calls are judged in `over_ms`.
    pub(super) fn new(rules: &Rules, calls: u64, over_ms: u64) -> Self {
        let per_ms = calls as f64 / over_ms.max(1) as f64;
        let shows = |rate| shows_in_ms(rules, rate, per_ms);
        let found = RATES
            .into_iter()
            .find_map(|rate| Some((rate, shows(rate)?)));
        Self {
            calls,
            over_ms,
            rate: found.map(|(rate, _)| rate),
            within_ms: found.map(|(_, ms)| ms),
            outage_within_ms: shows(Percent::ALL),
        }
    }
}

impl fmt::Display for Detectable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_hour = self.calls.saturating_mul(3_600_000) / self.over_ms.max(1);
        let (traffic, unit) = match per_hour {
            0..=119 => (per_hour, "an hour"),
            120..=7_199 => (per_hour / 60, "a minute"),
            7_200.. => (per_hour / 3_600, "a second"),
        };
        write!(f, "At this traffic ({traffic} Bedrock calls {unit}) ")?;
        match (self.rate, self.within_ms, self.outage_within_ms) {
            (Some(rate), Some(within), Some(outage)) => write!(
                f,
                "a failure rate of {rate} % or more shows in about {}, a total outage in {}",
                Span(rounded(within)),
                Span(rounded(outage))
            ),
            (None, _, _) | (_, None, _) | (_, _, None) => {
                f.write_str("the rules cannot see even a total outage within an hour")
            }
        }
    }
}

/// In how many milliseconds a failure rate shows in three cases of four; none: not within an hour.
fn shows_in_ms(rules: &Rules, rate: Percent, per_ms: f64) -> Option<u64> {
    let bursts = [Burst::outage(rules), Burst::severe(rules)];
    let bursts = bursts
        .into_iter()
        .flatten()
        .filter_map(|burst| by_window(&burst, rate, per_ms));
    let soonest = bursts
        .chain(by_clock(rules, rate, per_ms))
        .min_by(f64::total_cmp)?;
    // What is decided is decided at the end of a bucket.
    let edge = whole(soonest / BUCKET_MS as f64) + 1;
    let ms = edge.saturating_mul(BUCKET_MS);
    (ms <= HOUR_MS).then_some(ms)
}

/// `outage` and `severe`.
fn by_window(burst: &Burst, rate: Percent, per_ms: f64) -> Option<f64> {
    let (limit, rate) = (fraction(burst.limit()), fraction(rate));
    let window = burst
        .rungs_ms()
        .find(|&ms| per_ms * ms as f64 >= burst.enough() as f64)?;
    let share = limit * per_ms * window as f64;
    (rate > limit).then(|| likely(share.max(FEW), per_ms * rate).max(SPREAD_MS))
}

/// `errors`.
fn by_clock(rules: &Rules, rate: Percent, per_ms: f64) -> Option<f64> {
    let errors = rules.errors?;
    let (limit, rate) = (fraction(errors.above), fraction(rate));
    let short = errors.for_ms as f64 / 10.0;
    let window = |least: f64| {
        [1.0, 2.0, 3.0, 5.0, 10.0]
            .into_iter()
            .filter(|&times| times >= least)
            .map(|times| times * short)
            .find(|ms| per_ms * ms >= ENOUGH_CALLS as f64)
    };
    let (now, recovery) = (window(1.0)?, window(3.0)?);
    let in_recovery = per_ms * recovery;
    let steady = at_most(limit * in_recovery, rate * in_recovery) <= 0.05;
    // The clock starts with the first failures that are above the limit.
    let starts = likely((limit * per_ms * now).max(0.5), per_ms * rate).min(now);
    let acts = likely(FEW, per_ms * rate);
    (rate > limit && steady).then(|| (starts + errors.for_ms as f64).max(acts))
}

/// When `failures` have happened in three cases of four.
fn likely(failures: f64, per_ms: f64) -> f64 {
    (failures + failures.sqrt() * 2.0 / 3.0) / per_ms
}

/// The probability of at most `most` events where `expected` are expected.
fn at_most(most: f64, expected: f64) -> f64 {
    // Beyond that the normal distribution is close, and the sum would underflow.
    if expected > 200.0 {
        let away = (expected - most) / expected.sqrt();
        return if away > 1.645 { 0.0 } else { 1.0 };
    }
    let (mut term, mut sum, mut n) = ((-expected).exp(), 0.0, 0.0);
    while n <= most {
        sum += term;
        n += 1.0;
        term *= expected / n;
    }
    sum
}

/// As people say durations: seconds below three minutes, then minutes.
const fn rounded(ms: u64) -> u64 {
    if ms < 180_000 {
        ms
    } else {
        ms.div_ceil(60_000) * 60_000
    }
}

fn fraction(share: Percent) -> f64 {
    f64::from(share.basis_points()) / 10_000.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and a float too large becomes the largest integer"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

const HOUR_MS: u64 = 3_600_000;

/// Failures in four buckets take three whole ones.
const SPREAD_MS: f64 = 3.0 * BUCKET_MS as f64;

/// The failures that it takes to act.
const FEW: f64 = ENOUGH_BAD as f64;

/// The rates that people think in.
const RATES: [Percent; 9] = [
    rate(100),
    rate(200),
    rate(300),
    rate(500),
    rate(1_000),
    rate(2_000),
    rate(3_000),
    rate(5_000),
    Percent::ALL,
];

const fn rate(basis_points: u16) -> Percent {
    match Percent::from_basis_points(basis_points) {
        Some(rate) => rate,
        None => Percent::ALL,
    }
}

#[cfg(test)]
mod tests;
