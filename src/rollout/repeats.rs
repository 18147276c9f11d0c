//! Refusals of one odd prompt count once a minute, so that a client that repeats it cannot trip
//! a rollback for all.

use crate::outcome::RuleTime;
use std::collections::HashMap;

/// The split keys whose refusals have counted within the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    counted: HashMap<u64, RuleTime>,
}

impl Repeats {
    /// Whether a refusal of `key` counts now. With too many keys at once each counts: that is no
    /// longer one odd prompt.
    pub(super) fn counts(&mut self, key: u64, at: RuleTime) -> bool {
        let room = self.counted.len() < KEYS_MAX;
        match self.counted.get_mut(&key) {
            Some(last) if at.since(*last) < MINUTE_MS => return false,
            Some(last) => *last = at,
            None if room => {
                self.counted.insert(key, at);
            }
            None => {}
        }
        true
    }

    /// Forgets the keys whose minute is over.
    pub(super) fn expire(&mut self, now: RuleTime) {
        self.counted.retain(|_, last| now.since(*last) < MINUTE_MS);
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.counted.clear();
    }
}

/// How long one refusal of a key stands for the others.
const MINUTE_MS: u64 = 60_000;

/// About 100 kB.
const KEYS_MAX: usize = 4_096;
