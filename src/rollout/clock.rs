//! The breach clock: what "above 2 % for 10 minutes" means.
//!
//! With D the rule's duration, the clock works on a short window s = D/10 and a recovery window
//! c = 3D/10. A window with fewer than 20 calls stretches to the next of 1, 2, 3, 5 and 10 times s;
//! if that is not enough either, it is unknown, which starts, resets and trips nothing.
//!
//! - It starts when the short window is above the limit.
//! - It resets when it is older than c and the recovery window is known and not above the limit,
//!   or when D passes without any call to judge.
//! - It trips when it is at least D old, the short window is above the limit now, at least 10 bad
//!   calls since its start (with a lead-in of s, at most an hour) are above the limit too, and a
//!   bad call came in since the last look: it never trips in silence.
//!
//! Why not an average over D: it would trip on a few seconds of outage. Why not "above at every
//! look": at a true 3 % a minute shows 2 % or less so often that ten in a row are rare.
//!
//! Windows are whole buckets, rounded up, and never longer than an hour, whatever D is.

use super::counts::Signal;
use super::ratio::Ratio;
use super::transition::ResetWhy;
use super::window::BUCKET_MS;
use super::window::BUCKETS;
use super::window::BucketNo;
use super::window::Judgement;
use super::window::Look;
use super::window::Window;
use super::window::buckets;
use crate::split::Percent;

/// The calls that a window must hold to be judged: fewer make one failure look like a trend.
pub(super) const ENOUGH_CALLS: u64 = 20;

/// The bad calls that it takes to act: with them a chance trip at a quarter of the limit is rarer
/// than one in a thousand looks at the worst size of a window, and far rarer at others.
pub(super) const ENOUGH_BAD: u64 = 10;

/// A rule with a breach clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sustained {
    /// What it counts.
    pub(super) signal: Signal,
    /// Strictly above is a breach.
    pub(super) limit: Percent,
    /// D, in milliseconds.
    pub(super) for_ms: u64,
}

/// The clock of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BreachClock {
    started: Option<BucketNo>,
}

/// What a look at the clock led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing changed.
    Nothing,
    /// It runs from now on.
    Started(Look),
    /// It no longer runs.
    Reset { ran_ms: u64, why: ResetWhy },
    /// The rule trips; the clock is for the caller to clear.
    Trips(Since),
}

/// What was counted since the clock started, lead-in included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since {
    /// Bad calls of all.
    pub(super) ratio: Ratio,
    /// The window, in buckets.
    pub(super) buckets: u64,
    /// How long the clock has run, in milliseconds.
    pub(super) ran_ms: u64,
}

impl BreachClock {
    /// Looks at the closed buckets before `edge`. To be called for each edge once, in order;
    /// `fresh` says whether a bad call has come into view since the edge before.
    pub(super) fn step(
        &mut self,
        rule: &Sustained,
        window: &Window,
        edge: BucketNo,
        fresh: bool,
    ) -> Step {
        let short = rule.short(window, edge);
        let Some(since) = self.since(rule, window, edge) else {
            return match short.judge(rule.limit) {
                Judgement::Breaching => {
                    self.started = Some(edge);
                    Step::Started(short)
                }
                Judgement::Ok | Judgement::Unknown => Step::Nothing,
            };
        };
        if let Some(why) = rule.reset(window, edge, since.ran_ms) {
            self.started = None;
            return Step::Reset {
                ran_ms: since.ran_ms,
                why,
            };
        }
        let breaching = match short.judge(rule.limit) {
            Judgement::Breaching => true,
            Judgement::Ok | Judgement::Unknown => false,
        };
        let trips = since.ran_ms >= rule.for_ms
            && breaching
            && since.ratio.bad >= ENOUGH_BAD
            && since.ratio.above(rule.limit)
            && fresh;
        if trips {
            Step::Trips(since)
        } else {
            Step::Nothing
        }
    }

    /// What was counted since the start, as of `edge`; none if the clock does not run.
    pub(super) fn since(&self, rule: &Sustained, window: &Window, edge: BucketNo) -> Option<Since> {
        let ran = edge.0.saturating_sub(self.started?.0);
        let lead_in = buckets(rule.for_ms / 10);
        let buckets = ran.saturating_add(lead_in).min(BUCKETS);
        let ratio = window.ratio(edge, buckets, rule.signal);
        Some(Since {
            ratio,
            buckets,
            ran_ms: ran.saturating_mul(BUCKET_MS),
        })
    }

    /// Stops the clock; gives how long it had run at `edge`, if it did.
    pub(super) fn stop(&mut self, edge: BucketNo) -> Option<u64> {
        let started = self.started.take()?;
        Some(edge.0.saturating_sub(started.0).saturating_mul(BUCKET_MS))
    }

    /// When it started.
    pub(super) fn started(&self) -> Option<BucketNo> {
        self.started
    }
}

impl Sustained {
    /// The short window, stretched as far as it needs.
    pub(super) fn short(&self, window: &Window, edge: BucketNo) -> Look {
        self.look(window, edge, 1)
    }

    /// Why a clock that ran for `ran_ms` must stop, if it must.
    fn reset(&self, window: &Window, edge: BucketNo, ran_ms: u64) -> Option<ResetWhy> {
        if window.idle(edge, buckets(self.for_ms), self.signal) {
            return Some(ResetWhy::Idle);
        }
        let old = ran_ms > self.for_ms.saturating_mul(3) / 10;
        match self.look(window, edge, 3).judge(self.limit) {
            Judgement::Ok if old => Some(ResetWhy::Recovered),
            Judgement::Ok | Judgement::Breaching | Judgement::Unknown => None,
        }
    }

    /// The window of at least `least` times s, stretched as far as it needs.
    fn look(&self, window: &Window, edge: BucketNo, least: u64) -> Look {
        let rungs = STRETCH
            .into_iter()
            .filter(|&multiple| multiple >= least)
            .map(|multiple| buckets(self.for_ms.saturating_mul(multiple) / 10));
        window.look(edge, self.signal, rungs, ENOUGH_CALLS)
    }
}

/// How far a window may stretch, in multiples of s: with D = 10 min these are minutes.
const STRETCH: [u64; 5] = [1, 2, 3, 5, 10];
