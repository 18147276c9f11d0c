//! Which arm did the bad calls come from: a test that may be looked at all the time.
//!
//! While Bedrock has the share w of the calls, and its rate of bad ones is r times the original's,
//! a bad call is one of Bedrock's with the probability q(r) = r·w / (r·w + 1 − w). That Bedrock is
//! not clearly worse means r ≤ r0 = 1.5. For each of the alternatives r1 = 2.5, 5, 10 and 20 a
//! product is kept: times q(r1)/q(r0) for each bad call of Bedrock's, times (1 − q(r1))/(1 − q(r0))
//! for each of the original's. E is the average of the four products.
//!
//! As long as r ≤ r0, E is an e-process: it ever exceeds 1,000 with a probability of 1/1,000 at
//! most (Ville's inequality), however often one looks. A fixed-sample test (z, Fisher, Wilson)
//! would be fooled by looking often enough. Trouble of both arms at once leaves r as it is, so E
//! is blind to it.
//!
//! w is that of the calls among which the bad ones were: neighbouring buckets are pooled until each
//! arm has [`POOL`] calls, because in a bucket with one call w is 0 or 1 and nothing can be learnt.
//! When a pool is full depends on the number of calls and not on how they ended, so this keeps the
//! bound. Where one arm gets no calls, no pool fills and E stands still: there is nothing to
//! compare with.

use super::clock::ENOUGH_BAD;
use super::ratio::Ratio;
use super::rules::ENOUGH_BUCKETS;

/// The bad calls of all, on each arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pair {
    /// Bedrock's.
    pub(super) bedrock: Ratio,
    /// The original's.
    pub(super) original: Ratio,
}

/// The test, and what it was fed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Odds {
    /// The logarithms of the four products.
    ln: [f64; ALTERNATIVES.len()],
    /// Calls that are not weighed yet.
    pool: Pair,
    /// All calls since the test began.
    all: Pair,
    /// How many buckets held a bad call of Bedrock's.
    spread: u64,
}

impl Odds {
    /// Takes in what was counted in one bucket.
    pub(super) fn take(&mut self, bucket: Pair) {
        self.pool = self.pool.plus(bucket);
        self.all = self.all.plus(bucket);
        self.spread += u64::from(bucket.bedrock.bad > 0);
        if self.pool.bedrock.of >= POOL && self.pool.original.of >= POOL {
            let pool = std::mem::take(&mut self.pool);
            self.weigh(pool);
        }
    }

    /// E, rounded down to a whole number: the odds against chance.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and a float too large becomes the largest integer"
    )]
    pub(super) fn against_chance(&self) -> u64 {
        self.e() as u64
    }

    /// Whether E exceeds `limit` and the guards are met: a burst breaks the independence that E
    /// rests on, so it takes ten bad calls in four buckets as well.
    pub(super) fn exceed(&self, limit: u64) -> bool {
        self.against_chance() > limit
            && self.all.bedrock.bad >= ENOUGH_BAD
            && self.spread >= ENOUGH_BUCKETS
    }

    /// All calls since the test began.
    pub(super) const fn all(&self) -> Pair {
        self.all
    }

    fn e(&self) -> f64 {
        let sum: f64 = self.ln.iter().map(|ln| ln.exp()).sum();
        sum / ALTERNATIVES.len() as f64
    }

    fn weigh(&mut self, pool: Pair) {
        let (bedrock, original) = (pool.bedrock.of as f64, pool.original.of as f64);
        let (ours, theirs) = (pool.bedrock.bad as f64, pool.original.bad as f64);
        for (ln, r1) in self.ln.iter_mut().zip(ALTERNATIVES) {
            let shrunk = ((R0 * bedrock + original) / (r1 * bedrock + original)).ln();
            *ln += ours * (shrunk + (r1 / R0).ln()) + theirs * shrunk;
        }
    }
}

impl Pair {
    /// All four numbers added.
    const fn plus(self, other: Self) -> Self {
        Self {
            bedrock: self.bedrock.plus(other.bedrock),
            original: self.original.plus(other.original),
        }
    }
}

/// The ratio of the two rates up to which Bedrock is not called worse.
const R0: f64 = 1.5;

/// The ratios that the test looks for.
const ALTERNATIVES: [f64; 4] = [2.5, 5.0, 10.0, 20.0];

/// The calls of each arm that a pool must hold to be weighed.
const POOL: u64 = 20;

#[cfg(test)]
mod tests;
