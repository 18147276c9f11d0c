//! Whether the original itself keeps what the latency rule demands of Bedrock.
//!
//! If it does not, the rule's first rollback is certain and means nothing, so the rule is not
//! armed: it shows as *unreachable*, with the original's measured figure and a limit that it would
//! keep. Asked at the moments at which the rule is armed (a start, a new attempt, an edited rule, a
//! raised share), not while it watches: an original that is slow now and then is no reason to stop
//! watching Bedrock. Until enough of the original's calls are known the rule watches; and once the
//! original keeps the limit again the rule is armed by itself, because that takes no risk.

use super::clock::ENOUGH_BAD;
use super::counts::Signal;
use super::latencies::Latencies;
use super::plan::Latency;
use super::ratio::Ratio;
use super::window::BucketNo;
use super::window::Window;
use super::words::Span;
use std::fmt;

/// Whether the rule is armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// Too few calls of the original to say; the rule watches.
    #[default]
    Unknown,
    /// The original keeps the limit; the rule watches.
    Reachable,
    /// The original breaks it; the rule does not watch.
    Unreachable(Unreachable),
}

/// How the original breaks the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreachable {
    rule: Latency,
    /// Its slow calls of all that were timed.
    slow: Ratio,
    /// Its percentile, in milliseconds.
    measured_ms: u64,
}

impl Reach {
    /// Looks again; what the original shows of itself before `edge` decides.
    #[must_use]
    pub(super) fn look(
        self,
        rule: &Latency,
        original: &Window,
        latencies: &Latencies,
        edge: BucketNo,
    ) -> Self {
        match self {
            Self::Reachable => self,
            Self::Unknown | Self::Unreachable(_) => {
                judge(rule, original, latencies, edge).unwrap_or(self)
            }
        }
    }
}

impl Unreachable {
    /// A limit that the original would keep with room to spare, in milliseconds.
    pub(super) fn suggested_ms(&self) -> u64 {
        let wanted = self.measured_ms.saturating_mul(3) / 2;
        let next = SUGGESTED_MS.into_iter().find(|&ms| ms >= wanted);
        next.unwrap_or(wanted)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency {
            above_ms,
            percentile,
            measure,
            ..
        } = self.rule;
        write!(
            f,
            "the original's own {} of {} is {}, with {} above {}: a rollback by this rule would \
             mean nothing, so it does not watch; set `rollback.latency.above` to {} or more, or \
             `latency: off`",
            percentile.name(),
            measure.name(),
            Span(self.measured_ms / 100 * 100),
            self.slow,
            Span(above_ms),
            Span(self.suggested_ms()),
        )
    }
}

/// None if too little is known.
fn judge(
    rule: &Latency,
    original: &Window,
    latencies: &Latencies,
    edge: BucketNo,
) -> Option<Reach> {
    let limit = rule.percentile.slow_share();
    let look = original.look(edge, Signal::Slowness, RUNGS, ENOUGH_TIMED);
    if look.ratio.above(limit) {
        let measured_ms = latencies.exceeded_by(limit).unwrap_or_default();
        let found = Unreachable {
            rule: *rule,
            slow: look.ratio,
            // More than the share was slower, so the percentile is above the limit.
            measured_ms: measured_ms.max(rule.above_ms),
        };
        let enough = look.ratio.of >= ENOUGH_TO_DISARM && look.ratio.bad >= ENOUGH_BAD;
        return enough.then_some(Reach::Unreachable(found));
    }
    look.known.then_some(Reach::Reachable)
}

/// The original's last 10 minutes, stretched to 20, 30 and 60, in buckets.
const RUNGS: [u64; 4] = [120, 240, 360, 720];

/// The timed calls of the original that it takes not to arm the rule.
const ENOUGH_TO_DISARM: u64 = 50;

/// The timed calls of the original that it takes to arm the rule for good.
const ENOUGH_TIMED: u64 = 100;

/// Limits that people would write.
const SUGGESTED_MS: [u64; 17] = [
    500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 45_000,
    60_000, 90_000, 120_000, 300_000,
];
