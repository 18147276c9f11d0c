//! The last hour in 5 s buckets, and windows over it that stretch until they hold enough calls.
//!
//! A bucket is found by the time of an event, never by a tick, so late, doubled and missing ticks
//! lose nothing. Each place of the ring remembers which bucket it holds; a jump of any length
//! therefore costs nothing, and what is older than the ring is not counted in any window. Counts
//! are exact: an average that decays would hide a short burst, and could not be recomputed by hand.

use super::counts::Count;
use super::counts::Counts;
use super::counts::Signal;
use super::ratio::Ratio;
use crate::outcome::RuleTime;
use crate::split::Percent;

/// The width of a bucket in milliseconds. It bounds how late a trip is, and how finely the spread
/// of failures over time is seen.
pub(super) const BUCKET_MS: u64 = 5_000;

/// The number of closed buckets that can be asked for: an hour.
pub(super) const BUCKETS: u64 = 720;

/// A window of `ms` milliseconds in whole buckets, rounded up; an hour at most.
pub(super) fn buckets(ms: u64) -> u64 {
    ms.div_ceil(BUCKET_MS).clamp(1, BUCKETS)
}

/// The number of a bucket on the rule clock. As an *edge* it means the moment at which it begins:
/// all buckets before it are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BucketNo(pub(super) u64);

impl BucketNo {
    /// The bucket that `at` falls into.
    pub(super) const fn at(at: RuleTime) -> Self {
        Self(at.0 / BUCKET_MS)
    }

    /// When it begins.
    pub(super) const fn begins(self) -> RuleTime {
        RuleTime(self.0.saturating_mul(BUCKET_MS))
    }

    /// The bucket after it.
    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The bucket before it; the first one's is itself.
    pub(super) const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The ring.
#[derive(Clone, Debug)]
pub(super) struct Window {
    places: Box<[Place]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    bucket: BucketNo,
    counts: Counts,
}

impl Window {
    /// An empty one.
    pub(super) fn new() -> Self {
        // One more than can be asked for: the bucket that is still open.
        Self {
            places: (0..=BUCKETS).map(|_| Place::default()).collect(),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.places.fill(Place::default());
    }

    /// Forgets which calls were fast and slow.
    pub(super) fn clear_speed(&mut self) {
        self.places
            .iter_mut()
            .for_each(|place| place.counts.clear_speed());
    }

    /// Counts one in `bucket`; nothing if a bucket an hour later has taken its place.
    pub(super) fn count(&mut self, bucket: BucketNo, what: Count) {
        let Some(place) = usize::try_from(bucket.0 % (BUCKETS + 1))
            .ok()
            .and_then(|index| self.places.get_mut(index))
        else {
            return;
        };
        if place.bucket < bucket {
            *place = Place {
                bucket,
                counts: Counts::default(),
            };
        }
        if place.bucket == bucket {
            place.counts.count(what);
        }
    }

    /// What was counted in `bucket`; none if nothing was.
    pub(super) fn get(&self, bucket: BucketNo) -> Option<&Counts> {
        let index = usize::try_from(bucket.0 % (BUCKETS + 1)).ok()?;
        self.places
            .get(index)
            .filter(|place| place.bucket == bucket)
            .map(|place| &place.counts)
    }

    /// What was counted in the `n` buckets before `edge`.
    pub(super) fn sum(&self, edge: BucketNo, n: u64) -> Counts {
        let mut sum = Counts::default();
        for counts in self.back_from(edge, n).flatten() {
            sum.add(counts);
        }
        sum
    }

    /// The two numbers of `signal` in the `n` buckets before `edge`.
    pub(super) fn ratio(&self, edge: BucketNo, n: u64, signal: Signal) -> Ratio {
        let ratios = self
            .back_from(edge, n)
            .flatten()
            .map(|counts| counts.ratio(signal));
        ratios.fold(Ratio::default(), Ratio::plus)
    }

    /// Whether no call was counted for `signal` in the `n` buckets before `edge`.
    pub(super) fn idle(&self, edge: BucketNo, n: u64, signal: Signal) -> bool {
        self.back_from(edge, n)
            .flatten()
            .all(|counts| counts.ratio(signal).of == 0)
    }

    /// The first of the windows of `rungs` buckets (ascending) before `edge` that holds at least
    /// `enough` calls.
    pub(super) fn look(
        &self,
        edge: BucketNo,
        signal: Signal,
        rungs: impl IntoIterator<Item = u64>,
        enough: u64,
    ) -> Look {
        let mut look = Look {
            ratio: Ratio::default(),
            spread: 0,
            buckets: 0,
            known: false,
        };
        let mut older = self.back_from(edge, BUCKETS);
        for rung in rungs {
            for _ in look.buckets..rung {
                let ratio = older.next().flatten().map(|counts| counts.ratio(signal));
                let ratio = ratio.unwrap_or_default();
                look.spread += u64::from(ratio.bad > 0);
                look.ratio = look.ratio.plus(ratio);
            }
            look.buckets = look.buckets.max(rung);
            look.known = look.ratio.of >= enough;
            if look.known {
                break;
            }
        }
        look
    }

    /// The `n` buckets before `edge`, newest first.
    fn back_from(&self, edge: BucketNo, n: u64) -> impl Iterator<Item = Option<&Counts>> {
        let oldest = edge.0.saturating_sub(n.min(BUCKETS));
        (oldest..edge.0)
            .rev()
            .map(|bucket| self.get(BucketNo(bucket)))
    }
}

/// What a window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Bad calls of all.
    pub(super) ratio: Ratio,
    /// How many buckets hold a bad call.
    pub(super) spread: u64,
    /// How far the window had to stretch, in buckets.
    pub(super) buckets: u64,
    /// Whether it holds enough calls to be judged.
    pub(super) known: bool,
}

/// What can be said of a window; too little data is neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// At or below the limit.
    Ok,
    /// Strictly above it.
    Breaching,
    /// Too few calls to say.
    Unknown,
}

impl Look {
    /// How the window compares to `limit`.
    pub(super) const fn judge(&self, limit: Percent) -> Judgement {
        match (self.known, self.ratio.above(limit)) {
            (false, _) => Judgement::Unknown,
            (true, true) => Judgement::Breaching,
            (true, false) => Judgement::Ok,
        }
    }

    /// The window in milliseconds.
    pub(super) const fn window_ms(&self) -> u64 {
        self.buckets.saturating_mul(BUCKET_MS)
    }
}
