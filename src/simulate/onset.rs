//! When the trouble began that a rule found.
//!
//! The moment since which bad calls exceed the rule's own limit: with S the running sum of
//! (bad − limit × judged) over the 5 s buckets before the trip, S falls while a rate is below the
//! limit and climbs while it is above, so the last time that S was lowest is where the rate went
//! from one to the other (the change point of Page's CUSUM test). The first bad call after it is
//! the onset. From it to the trip is the detection delay.

use crate::clock::TICK_MS;
use crate::rollout::plan::{Latency, Measure};
use crate::split::Percent;
use std::collections::VecDeque;

/// How far back an onset is looked for: as many buckets as four hours have.
const BUCKETS: usize = 2_880;

/// What a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Failed of judged calls.
    Failures,
    /// Slow of timed calls.
    Slowness,
}

/// Good and bad Bedrock calls of the last hours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Onset {
    buckets: VecDeque<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    begins_ms: u64,
    failures: Side,
    slowness: Side,
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    bad: i64,
    of: i64,
    first_bad_ms: Option<u64>,
}

impl Onset {
    /// Counts a call. Times come nearly in order; what is older than the latest bucket counts in
    /// that one.
    pub(crate) fn count(&mut self, at_ms: u64, signal: Signal, bad: bool) {
        let begins_ms = at_ms / TICK_MS * TICK_MS;
        if self
            .buckets
            .back()
            .is_none_or(|last| last.begins_ms < begins_ms)
        {
            if self.buckets.len() >= BUCKETS {
                self.buckets.pop_front();
            }
            self.buckets.push_back(Bucket {
                begins_ms,
                ..Bucket::default()
            });
        }
        let Some(last) = self.buckets.back_mut() else {
            return;
        };
        let side = match signal {
            Signal::Failures => &mut last.failures,
            Signal::Slowness => &mut last.slowness,
        };
        side.of += 1;
        side.bad += i64::from(bad);
        if bad {
            side.first_bad_ms.get_or_insert(at_ms);
        }
    }

    /// When the calls of `signal` began to exceed `limit`, as seen now; none if no bad call did.
    pub(crate) fn began_ms(&self, signal: Signal, limit: Percent) -> Option<u64> {
        let (mut sum, mut lowest, mut began) = (0, 0, None);
        for bucket in &self.buckets {
            let side = bucket.side(signal);
            if began.is_none() {
                began = side.first_bad_ms;
            }
            sum += side.bad * 10_000 - side.of * i64::from(limit.basis_points());
            if sum <= lowest {
                (lowest, began) = (sum, None);
            }
        }
        began
    }

    /// Bad calls from `since_ms` on.
    pub(crate) fn bad_since(&self, signal: Signal, since_ms: u64) -> u64 {
        let since_ms = since_ms / TICK_MS * TICK_MS;
        let buckets = self.buckets.iter().rev();
        let bad = buckets
            .take_while(|bucket| bucket.begins_ms >= since_ms)
            .map(|bucket| bucket.side(signal).bad);
        bad.sum::<i64>().unsigned_abs()
    }
}

impl Bucket {
    const fn side(&self, signal: Signal) -> Side {
        match signal {
            Signal::Failures => self.failures,
            Signal::Slowness => self.slowness,
        }
    }
}

/// When a Bedrock call that began at `at_ms` is fast or slow by `rule`, and which; none if it ends
/// before it is either.
pub(crate) fn speed(
    rule: &Latency,
    at_ms: u64,
    first_token_ms: Option<u64>,
    total_ms: u64,
    complete: bool,
) -> Option<(u64, bool)> {
    let (done_ms, done) = match (rule.measure, first_token_ms) {
        (Measure::FirstToken, Some(first_ms)) => (first_ms, true),
        (Measure::FirstToken, None) | (Measure::Total, _) => (total_ms, complete),
    };
    if done_ms > rule.above_ms {
        return Some((at_ms + rule.above_ms, true));
    }
    done.then_some((at_ms + done_ms, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(basis_points: u16) -> Percent {
        Percent::from_basis_points(basis_points).expect("a share")
    }

    #[test]
    fn the_onset_is_the_first_failure_of_the_bad_time() {
        let mut onset = Onset::default();
        // Ten calls a second; 1 % fails, and from 600 s on 5 %.
        for call in 0..12_000_u64 {
            let at_ms = call * 100;
            let every = if at_ms < 600_000 { 100 } else { 20 };
            onset.count(at_ms, Signal::Failures, call % every == 7);
            onset.count(at_ms, Signal::Slowness, false);
        }
        assert_eq!(
            onset.began_ms(Signal::Failures, percent(200)),
            Some(600_700)
        );
        // Above no limit that is higher than what happened.
        assert_eq!(onset.began_ms(Signal::Failures, percent(1_000)), None);
        assert_eq!(onset.began_ms(Signal::Slowness, percent(200)), None);
    }

    #[test]
    fn what_is_older_than_four_hours_is_forgotten() {
        let mut onset = Onset::default();
        for bucket in 0..10_000 {
            onset.count(bucket * TICK_MS, Signal::Failures, true);
        }
        assert_eq!(onset.buckets.len(), BUCKETS);
        let oldest = (10_000 - BUCKETS as u64) * TICK_MS;
        assert_eq!(onset.began_ms(Signal::Failures, percent(200)), Some(oldest));
    }
}
