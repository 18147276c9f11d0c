//! Trouble of both arms: whether the place that a rollback goes to is any better.
//!
//! Where the original is over the limit too, a rollback is made all the same and says so. Only if
//! the original is itself in an outage, and worse than Bedrock, it is not made: it would send
//! everybody from a place that fails some to one that fails more.

use super::clock::ENOUGH_BAD;
use super::clock::ENOUGH_CALLS;
use super::counts::Signal;
use super::evidence::Evidence;
use super::plan::Fast;
use super::plan::Rules;
use super::ratio::Ratio;
use super::rules::Burst;
use super::rules::ENOUGH_BUCKETS;
use super::rules::Trip;
use super::window::BucketNo;
use super::window::Look;
use super::window::buckets;
use super::words;
use crate::split::Percent;
use std::fmt;

/// The original fails more than Bedrock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OriginalDown {
    original: Look,
    bedrock: Ratio,
}

/// Whether the original is in an outage and worse than Bedrock, as of `edge`. An outage is what
/// the rule of that name calls one, or its default where that is off.
pub(super) fn original_is_down(
    rules: &Rules,
    evidence: &Evidence,
    edge: BucketNo,
) -> Option<OriginalDown> {
    let burst = Burst::outage(rules).unwrap_or(OUTAGE);
    let original = burst.look(&evidence.original.window, edge);
    let window = &evidence.bedrock.window;
    let bedrock = window.ratio(edge, original.buckets, Signal::Failures);
    let in_outage = original.shows(burst.limit());
    (in_outage && original.ratio.exceeds(bedrock)).then_some(OriginalDown { original, bedrock })
}

/// The original's numbers in the window of a trip, if it is over the same limit.
pub(super) fn common_mode(trip: &Trip, evidence: &Evidence, edge: BucketNo) -> Option<Ratio> {
    let n = buckets(trip.numbers.window_ms);
    let ratio = evidence.original.window.ratio(edge, n, trip.signal);
    (ratio.of >= ENOUGH_CALLS && ratio.above(trip.numbers.limit)).then_some(ratio)
}

impl Look {
    /// Whether a window says that more than `limit` fail, and on how many calls and in how many
    /// buckets it rests.
    pub(super) const fn shows(&self, limit: Percent) -> bool {
        self.known
            && self.ratio.above(limit)
            && self.ratio.bad >= ENOUGH_BAD
            && self.spread >= ENOUGH_BUCKETS
    }
}

impl Ratio {
    /// Whether the share of bad calls is strictly higher than that of `other`; of no calls it is 0.
    const fn exceeds(self, other: Self) -> bool {
        if other.of == 0 {
            return self.bad > 0;
        }
        self.bad.saturating_mul(other.of) > other.bad.saturating_mul(self.of)
    }
}

impl fmt::Display for OriginalDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the original is in an outage itself, {}, and worse than Bedrock with {}",
            words::seen(&self.original),
            self.bedrock
        )
    }
}

const OUTAGE: Burst = Burst::new(
    Fast {
        above: match Percent::from_basis_points(5_000) {
            Some(half) => half,
            None => Percent::ALL,
        },
        over_ms: 30_000,
    },
    ENOUGH_CALLS,
);
