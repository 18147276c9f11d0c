//! Callers that leave before the first token: a hang that nobody waits for is judged nowhere, and
//! shows only here.
//!
//! Two things are looked at. Bedrock's share of abandoned calls is more than so many times the
//! original's, with at least 20 of them: impatience is compared with what the same callers show
//! elsewhere. And more than half of the last calls were abandoned, by the measure of `outage` (20
//! calls or more, ten of them in four buckets, so that one caller's restart is not taken for it):
//! that needs no comparison. Neither rolls back: why callers leave is not known.

use super::counts::Signal;
use super::evidence::Evidence;
use super::plan::Abandoned;
use super::plan::Fast;
use super::ratio::Coarse;
use super::ratio::Ratio;
use super::rules::Burst;
use super::window::BUCKET_MS;
use super::window::BucketNo;
use super::window::Look;
use super::words;
use super::words::Span;
use crate::split::Percent;
use std::fmt;

/// What is to be told of the calls that callers left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// More than elsewhere.
    Excess(Excess),
    /// More than half.
    Most(Look),
}

/// More calls of Bedrock's are left than of the original's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    bedrock: Ratio,
    original: Ratio,
    window_ms: u64,
    times: u64,
}

/// Looks at the buckets from `since` to `edge`.
pub(super) fn look(
    rule: Abandoned,
    evidence: &Evidence,
    since: BucketNo,
    edge: BucketNo,
) -> Option<Left> {
    if !evidence.fresh(Signal::Abandonment, edge) {
        return None;
    }
    let most = MOST.look_since(&evidence.bedrock.window, Signal::Abandonment, since, edge);
    if most.shows(MOST.limit()) {
        return Some(Left::Most(most));
    }
    excess(rule, evidence, since, edge).map(Left::Excess)
}

/// Bedrock's share over the shortest window with 20 abandoned calls, against the original's.
fn excess(rule: Abandoned, evidence: &Evidence, since: BucketNo, edge: BucketNo) -> Option<Excess> {
    let held = edge.0.saturating_sub(since.0);
    RUNGS.into_iter().find_map(|rung| {
        let n = rung.min(held);
        let ratio =
            |arm: &super::evidence::ArmEvidence| arm.window.ratio(edge, n, Signal::Abandonment);
        let (bedrock, original) = (ratio(&evidence.bedrock), ratio(&evidence.original));
        if bedrock.bad < ENOUGH_LEFT {
            return None;
        }
        let found = Excess {
            bedrock,
            original,
            window_ms: n.saturating_mul(BUCKET_MS),
            times: rule.times,
        };
        found.is_one().then_some(found)
    })
}

impl Excess {
    /// Whether the share is that many times the original's. One call more than it has is taken as
    /// abandoned, so that an original with few calls proves nothing.
    const fn is_one(&self) -> bool {
        let ours = self.bedrock.bad.saturating_mul(self.original.of);
        let theirs = (self.original.bad + 1).saturating_mul(self.bedrock.of);
        ours > theirs.saturating_mul(self.times)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excess(excess) => write!(
                f,
                "callers leave {} of Bedrock's calls before the first token in {}, and {} % of the \
                 original's: more than {} times as many",
                excess.bedrock,
                Span(excess.window_ms),
                Coarse(excess.original.rounded()),
                excess.times
            ),
            Self::Most(look) => write!(
                f,
                "callers leave most of Bedrock's calls before the first token: {}",
                words::seen(look)
            ),
        }
    }
}

/// More than half, over half a minute or as long as it takes to have 20 calls.
const MOST: Burst = Burst::new(
    Fast {
        above: match Percent::from_basis_points(5_000) {
            Some(half) => half,
            None => Percent::ALL,
        },
        over_ms: 30_000,
    },
    super::clock::ENOUGH_CALLS,
);

/// Ten minutes, stretched to 20, 30 and 60, in buckets.
const RUNGS: [u64; 4] = [120, 240, 360, 720];

/// How many abandoned calls it takes.
const ENOUGH_LEFT: u64 = 20;
