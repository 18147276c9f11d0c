//! How long the original's calls take, to a tenth, over the last half hour to an hour.
//!
//! Only for what is told to people: rules work on exact counts of fast and slow calls. Two
//! histograms take turns, so that what is old is forgotten without remembering single calls.

use crate::outcome::RuleTime;
use crate::split::Percent;

/// Both histograms.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    young: [u64; STEPS],
    old: [u64; STEPS],
    /// When the young one began.
    since: RuleTime,
}

impl Latencies {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self {
            young: [0; STEPS],
            old: [0; STEPS],
            since: RuleTime(0),
        }
    }

    /// Adds a call that took `ms`.
    pub(super) fn add(&mut self, at: RuleTime, ms: u64) {
        let age = at.since(self.since);
        if age >= TURN_MS {
            let young = std::mem::replace(&mut self.young, [0; STEPS]);
            self.old = if age < 2 * TURN_MS { young } else { [0; STEPS] };
            self.since = at;
        }
        let step = BOUNDS_MS.partition_point(|&bound| bound < ms);
        if let Some(count) = self.young.get_mut(step.min(STEPS - 1)) {
            *count += 1;
        }
    }

    /// The time that at most `share` of the calls exceed, in milliseconds, rounded up to the next
    /// tenth or so; none without calls.
    pub(super) fn exceeded_by(&self, share: Percent) -> Option<u64> {
        let counts = || self.young.iter().zip(&self.old).map(|(a, b)| a + b);
        let all: u64 = counts().sum();
        let allowed = all * u64::from(share.basis_points()) / 10_000;
        let mut left = all;
        for (bound, count) in BOUNDS_MS.into_iter().zip(counts()) {
            left -= count;
            if left <= allowed {
                return (all > 0).then_some(bound);
            }
        }
        None
    }
}

/// How long a histogram is the young one.
const TURN_MS: u64 = 1_800_000;

/// The number of steps.
const STEPS: usize = 101;

/// The upper bounds: from 50 ms up, each a tenth more than the last, to above ten minutes.
const BOUNDS_MS: [u64; STEPS] = {
    let mut bounds = [0; STEPS];
    let (mut step, mut bound) = (0, 50);
    while step < STEPS {
        bounds[step] = bound;
        bound += bound / 10;
        step += 1;
    }
    bounds
};

#[cfg(test)]
mod tests {
    use super::*;

    fn share(percent: u16) -> Percent {
        Percent::from_basis_points(percent * 100).unwrap()
    }

    #[test]
    fn a_percentile_is_told_to_a_tenth() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.exceeded_by(share(5)), None);
        for n in 1..=1_000 {
            latencies.add(RuleTime(n), n * 10);
        }
        for (slow, exact) in [(50, 5_000), (10, 9_000), (5, 9_500), (1, 9_900)] {
            let told = latencies.exceeded_by(share(slow)).unwrap();
            assert!(
                (exact..=exact * 11 / 10).contains(&told),
                "{slow} %: {told}"
            );
        }
    }

    #[test]
    fn the_longest_call_has_a_step_too() {
        const { assert!(BOUNDS_MS[STEPS - 1] > 600_000) };
        assert!(BOUNDS_MS.is_sorted_by(|a, b| a < b));
        let mut latencies = Latencies::new();
        latencies.add(RuleTime(0), u64::MAX);
        assert_eq!(latencies.exceeded_by(share(50)), Some(BOUNDS_MS[STEPS - 1]));
    }

    #[test]
    fn an_hour_later_it_is_forgotten() {
        let mut latencies = Latencies::new();
        latencies.add(RuleTime(0), 60_000);
        latencies.add(RuleTime(TURN_MS), 100);
        assert!(latencies.exceeded_by(share(1)).unwrap() > 50_000);
        latencies.add(RuleTime(2 * TURN_MS), 100);
        assert!(latencies.exceeded_by(share(1)).unwrap() < 200);
    }
}
