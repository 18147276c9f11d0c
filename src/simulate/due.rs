//! What follows of a call, waiting for its time.

use crate::outcome::{Attempt, Verdict};
use std::cmp::Ordering;
use std::sync::Arc;

/// What follows of a call, in the order of time, then of calls.
#[derive(Debug)]
pub(super) struct Due {
    /// When, in milliseconds of the play.
    pub(super) at_ms: u64,
    /// Of which call.
    pub(super) call: u64,
    /// The attempt that it began in.
    pub(super) attempt: Attempt,
    /// What.
    pub(super) what: What,
}

/// What follows.
#[derive(Debug)]
pub(super) enum What {
    /// It is known whether it is slow.
    Speed { slow: bool },
    /// Its first token comes.
    FirstToken,
    /// It ends on Bedrock.
    Ended {
        verdict: Verdict,
        key: u64,
        request_id: Arc<str>,
        first_ms: Option<u64>,
    },
    /// It ends on the original.
    Original {
        verdict: Verdict,
        first_ms: Option<u64>,
        took_ms: u64,
    },
}

impl Due {
    const fn order(&self) -> (u64, u64, u8) {
        let last = match self.what {
            What::Speed { .. } => 0,
            What::FirstToken => 1,
            What::Ended { .. } | What::Original { .. } => 2,
        };
        (self.at_ms, self.call, last)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}
