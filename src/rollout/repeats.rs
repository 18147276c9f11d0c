//! Refusals of one odd prompt count ever more seldom, so that a client that repeats it for ever
//! cannot trip a rollback for all.
//!
//! Once a minute alone would not be enough: where calls are few, one failure a minute is a high
//! rate, and what is compared over a whole attempt adds up. So the time for which one refusal
//! stands for the others doubles each time, and of one key fewer count than any rule takes to act.

use super::clock::ENOUGH_BAD;
use crate::outcome::RuleTime;
use std::collections::HashMap;

/// The split keys whose refusals have counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    counted: HashMap<u64, Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    /// When it was refused last.
    seen: RuleTime,
    /// When that last counted.
    last: RuleTime,
    times: u64,
    /// For how long the last one stands for the others, in milliseconds.
    stands_ms: u64,
}

impl Repeats {
    /// Whether a refusal of `key` counts now. With too many keys at once the one that was not
    /// refused for longest is forgotten.
    pub(super) fn counts(&mut self, key: u64, at: RuleTime) -> bool {
        if let Some(it) = self.counted.get_mut(&key) {
            it.seen = at;
            let counts = at.since(it.last) >= it.stands_ms && it.times + 1 < ENOUGH_BAD;
            if counts {
                it.last = at;
                it.times += 1;
                it.stands_ms = it.stands_ms.saturating_mul(2);
            }
            return counts;
        }
        if self.counted.len() >= KEYS_MAX {
            let oldest = self.counted.iter().min_by_key(|(key, it)| (it.seen, **key));
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.counted.remove(&oldest);
            }
        }
        let first = Counted {
            seen: at,
            last: at,
            times: 1,
            stands_ms: MINUTE_MS,
        };
        self.counted.insert(key, first);
        true
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.counted.clear();
    }
}

/// How long the first refusal of a key stands for the others.
const MINUTE_MS: u64 = 60_000;

/// About 200 kB.
const KEYS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_never_counts_often_enough_to_act() {
        for every_ms in [1_000, 59_000, 60_000, 150_000, 3_700_000] {
            let mut repeats = Repeats::default();
            let counted: Vec<u64> = (0..20_000)
                .map(|n| n * every_ms)
                .filter(|&at| repeats.counts(7, RuleTime(at)))
                .collect();
            assert!(counted.len() < 10, "every {every_ms} ms: {counted:?}");
            let apart = counted.windows(2).all(|two| two[1] - two[0] >= MINUTE_MS);
            assert!(apart, "every {every_ms} ms: {counted:?}");
        }
    }

    #[test]
    fn other_keys_count_for_themselves_and_memory_is_bounded() {
        let mut repeats = Repeats::default();
        for key in 0..4_500 {
            assert!(repeats.counts(key, RuleTime(key)));
        }
        assert_eq!(repeats.counted.len(), KEYS_MAX);
        assert!(
            !repeats.counts(4_499, RuleTime(4_500)),
            "the latest is known"
        );
        assert!(repeats.counts(0, RuleTime(4_501)), "the first is forgotten");
        repeats.clear();
        assert!(repeats.counted.is_empty());
    }
}
