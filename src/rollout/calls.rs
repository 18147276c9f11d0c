//! The calls that Bedrock is working on, and whether each is fast or slow.
//!
//! A call is *undetermined* until it either does what the latency rule times (then it is fast) or
//! takes longer than the rule allows (then it is slow, from that instant on, even if it never
//! ends). It is booked once. A call that ends otherwise before that is not booked.

use super::plan::Latency;
use super::plan::Measure;
use crate::outcome::CallId;
use crate::outcome::RuleTime;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// The running calls of the attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// In the order of their ids, so that equal inputs name equal calls.
    running: BTreeMap<CallId, Call>,
}

#[derive(Clone, Debug)]
struct Call {
    request_id: Arc<str>,
    dispatched: RuleTime,
    first_token: bool,
    refused: bool,
    speed: Option<Speed>,
}

/// Whether a call was fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speed {
    /// It was.
    Fast,
    /// It crossed the limit.
    Slow,
}

/// A call to book as fast or slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpeedBooking {
    /// When it was that.
    pub(super) at: RuleTime,
    /// Which.
    pub(super) speed: Speed,
    /// Which call.
    pub(super) request_id: Arc<str>,
}

/// What is known of a call at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// When it was sent.
    pub(super) dispatched: RuleTime,
    /// Whether Bedrock had said anything: a first token or a refusal.
    pub(super) heard: bool,
    /// What the end itself books.
    pub(super) booking: Option<SpeedBooking>,
}

impl Calls {
    /// A call is on its way. A call too many is not followed: its verdict still counts.
    pub(super) fn dispatched(&mut self, call: CallId, at: RuleTime, request_id: Arc<str>) {
        if self.running.len() >= CALLS_MAX {
            return;
        }
        if let Entry::Vacant(entry) = self.running.entry(call) {
            entry.insert(Call {
                request_id,
                dispatched: at,
                first_token: false,
                refused: false,
                speed: None,
            });
        }
    }

    /// The first token of a call came.
    pub(super) fn first_token(
        &mut self,
        call: CallId,
        at: RuleTime,
        latency: Option<&Latency>,
    ) -> Option<SpeedBooking> {
        let call = self.running.get_mut(&call)?;
        let booking = latency.and_then(|latency| match latency.measure {
            Measure::FirstToken => call.determine(at, true, latency),
            Measure::Total => call.determine(at, false, latency),
        });
        call.first_token = true;
        booking
    }

    /// A call was refused: from now on it can become neither fast nor slow. What it was is kept.
    pub(super) fn refused(
        &mut self,
        call: CallId,
        at: RuleTime,
        latency: Option<&Latency>,
    ) -> Option<SpeedBooking> {
        let call = self.running.get_mut(&call)?;
        let booking = latency.and_then(|latency| call.determine(at, false, latency));
        call.refused = true;
        booking
    }

    /// A call ended; `complete` with a whole answer. None if it was not followed.
    pub(super) fn ended(
        &mut self,
        call: CallId,
        at: RuleTime,
        complete: bool,
        latency: Option<&Latency>,
    ) -> Option<Ended> {
        let mut call = self.running.remove(&call)?;
        let booking = latency.and_then(|latency| call.determine(at, complete, latency));
        Some(Ended {
            dispatched: call.dispatched,
            heard: call.first_token || call.refused,
            booking,
        })
    }

    /// Books every undetermined call that has crossed the limit by `now`.
    pub(super) fn cross(
        &mut self,
        now: RuleTime,
        latency: Option<&Latency>,
        mut book: impl FnMut(SpeedBooking),
    ) {
        let Some(latency) = latency else { return };
        for call in self.running.values_mut() {
            if let Some(booking) = call.determine(now, false, latency) {
                book(booking);
            }
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.running.clear();
    }

    /// Whether one is running that was sent at `since` or later.
    pub(super) fn any_since(&self, since: RuleTime) -> bool {
        self.running.values().any(|call| call.dispatched >= since)
    }

    /// How many are running.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// How many of them are neither fast nor slow yet.
    pub(super) fn undetermined(&self, latency: Option<&Latency>) -> usize {
        latency.map_or(0, |latency| {
            self.running
                .values()
                .filter(|call| call.is_open(latency.measure))
                .count()
        })
    }
}

impl Call {
    /// Fast or slow as of `at`, when the call has done what is timed (`done`) or has not; none
    /// if that was known before or is not known yet.
    fn determine(&mut self, at: RuleTime, done: bool, latency: &Latency) -> Option<SpeedBooking> {
        if !self.is_open(latency.measure) {
            return None;
        }
        let crossing = self.dispatched.plus(latency.above_ms);
        let (at, speed) = match (at > crossing, done) {
            (true, _) => (crossing, Speed::Slow),
            (false, true) => (at, Speed::Fast),
            (false, false) => return None,
        };
        self.speed = Some(speed);
        let request_id = Arc::clone(&self.request_id);
        Some(SpeedBooking {
            at,
            speed,
            request_id,
        })
    }

    /// Whether it can still become fast or slow. One whose first token came while the rule was
    /// off never does.
    const fn is_open(&self, measure: Measure) -> bool {
        let open = self.speed.is_none() && !self.refused;
        match measure {
            Measure::FirstToken => open && !self.first_token,
            Measure::Total => open,
        }
    }
}

/// Far above any sensible `limits.in_flight`, which the proxy keeps; a bound all the same.
const CALLS_MAX: usize = 131_072;
