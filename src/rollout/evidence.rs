//! From bookings to counters: what the rules and the report read.
//!
//! An outcome is judged (`Ok`, `Failure`), or counted and judged nowhere (all others). Outcomes of
//! another attempt are only counted: they say nothing about the one that runs.

use super::calls::Calls;
use super::calls::Speed;
use super::calls::SpeedBooking;
use super::counts::Count;
use super::counts::Counts;
use super::counts::Signal;
use super::plan::Latency;
use super::plan::Measure;
use super::repeats::Repeats;
use super::window::BucketNo;
use super::window::Window;
use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::CallEvent;
use crate::outcome::CallId;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use std::sync::Arc;

/// All that was counted in the attempt that runs.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    attempt: Attempt,
    pub(super) original: ArmEvidence,
    pub(super) bedrock: ArmEvidence,
    pub(super) calls: Calls,
    repeats: Repeats,
    last_failure: Last,
    last_slow: Last,
    pub(super) other_attempt: u64,
    pub(super) unmatched: u64,
}

/// One arm's counters.
#[derive(Clone, Debug)]
pub(super) struct ArmEvidence {
    /// The last hour.
    pub(super) window: Window,
    /// Since the attempt began.
    pub(super) total: Counts,
}

/// The last bad call of a kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    /// When the latest one was.
    pub(super) at: Option<RuleTime>,
    /// The request id of the latest one.
    pub(super) request_id: Option<Arc<str>>,
    /// One came since the last tick, in a bucket that an earlier tick had looked at.
    late: bool,
}

impl Evidence {
    /// None yet.
    pub(super) fn new(attempt: Attempt) -> Self {
        Self {
            attempt,
            original: ArmEvidence::new(),
            bedrock: ArmEvidence::new(),
            calls: Calls::default(),
            repeats: Repeats::default(),
            last_failure: Last::default(),
            last_slow: Last::default(),
            other_attempt: 0,
            unmatched: 0,
        }
    }

    /// Forgets everything and counts for `attempt` from now on.
    pub(super) fn start(&mut self, attempt: Attempt) {
        self.attempt = attempt;
        for arm in [&mut self.original, &mut self.bedrock] {
            arm.window.clear();
            arm.total = Counts::default();
        }
        self.calls.clear();
        self.repeats.clear();
        self.last_failure = Last::default();
        self.last_slow = Last::default();
    }

    /// Forgets which calls were fast and slow; calls that run are not timed twice.
    pub(super) fn clear_speed(&mut self) {
        for arm in [&mut self.original, &mut self.bedrock] {
            arm.window.clear_speed();
            arm.total.clear_speed();
        }
        self.last_slow = Last::default();
    }

    /// Counts a booking. Buckets before `looked_at` have been seen by a tick.
    pub(super) fn book(
        &mut self,
        booking: Booking,
        latency: Option<&Latency>,
        looked_at: BucketNo,
    ) {
        let Booking {
            at,
            attempt,
            call,
            event,
        } = booking;
        let ours = attempt == self.attempt;
        match event {
            CallEvent::Dispatched { request_id } if ours => {
                self.calls.dispatched(call, at, request_id);
                self.bedrock.count(at, Count::Dispatched);
            }
            CallEvent::FirstToken if ours => {
                let booking = self.calls.first_token(call, at, latency);
                self.book_speed(booking, looked_at);
            }
            CallEvent::Refused if ours => {
                let booking = self.calls.refused(call, at, latency);
                self.book_speed(booking, looked_at);
            }
            CallEvent::Dispatched { .. } | CallEvent::FirstToken | CallEvent::Refused => {}
            CallEvent::Ended {
                verdict,
                key,
                request_id,
            } if ours => {
                self.end(call, at, verdict, latency, looked_at);
                self.judge(at, verdict, key, request_id, looked_at);
            }
            CallEvent::Original {
                verdict,
                first_body_ms,
            } if ours => {
                self.book_original(at, verdict, first_body_ms, latency);
            }
            CallEvent::Ended { .. } | CallEvent::Original { .. } => {
                self.other_attempt = self.other_attempt.saturating_add(1);
            }
        }
    }

    /// Books the calls that have crossed the latency limit by `now`.
    pub(super) fn tick(&mut self, now: RuleTime, latency: Option<&Latency>, looked_at: BucketNo) {
        let Self {
            calls,
            bedrock,
            last_slow,
            ..
        } = self;
        calls.cross(now, latency, |booking| {
            bedrock.count_speed(booking, last_slow, looked_at);
        });
    }

    /// Whether a bad call came into view with the bucket before `edge`, or late since the last
    /// tick.
    pub(super) fn fresh(&self, signal: Signal, edge: BucketNo) -> bool {
        let closed = self.bedrock.window.get(edge.previous());
        self.last(signal).late || closed.is_some_and(|counts| counts.ratio(signal).bad > 0)
    }

    /// Late bad calls have been looked at.
    pub(super) const fn seen(&mut self) {
        self.last_failure.late = false;
        self.last_slow.late = false;
    }

    /// The last bad call.
    pub(super) const fn last(&self, signal: Signal) -> &Last {
        match signal {
            Signal::Failures => &self.last_failure,
            Signal::Slowness => &self.last_slow,
        }
    }

    /// What the end of a call says of its speed and of its caller's patience.
    fn end(
        &mut self,
        call: CallId,
        at: RuleTime,
        verdict: Verdict,
        latency: Option<&Latency>,
        looked_at: BucketNo,
    ) {
        let complete = verdict == Verdict::Ok;
        let Some(ended) = self.calls.ended(call, at, complete, latency) else {
            self.unmatched = self.unmatched.saturating_add(1);
            return;
        };
        self.book_speed(ended.booking, looked_at);
        if verdict == Verdict::Cancelled && !ended.heard {
            self.bedrock.count(at, Count::Abandoned);
        }
    }

    /// Counts how a Bedrock call ended.
    fn judge(
        &mut self,
        at: RuleTime,
        verdict: Verdict,
        key: u64,
        request_id: Arc<str>,
        looked_at: BucketNo,
    ) {
        let what = Count::of(verdict);
        let repeated = match verdict {
            Verdict::Failure(Class::Incompatible) | Verdict::Rejected => {
                !self.repeats.counts(key, at)
            }
            Verdict::Ok | Verdict::Failure(_) | Verdict::ContextWindow | Verdict::Cancelled => {
                false
            }
        };
        if repeated {
            self.bedrock.count(at, Count::Repeated);
            return;
        }
        self.bedrock.count(at, what);
        if let Verdict::Failure(_) = verdict {
            self.last_failure.came(at, looked_at);
            self.last_failure.request_id = Some(request_id);
        }
    }

    /// Counts how a call ended that the original answered.
    fn book_original(
        &mut self,
        at: RuleTime,
        verdict: Verdict,
        first_body_ms: Option<u64>,
        latency: Option<&Latency>,
    ) {
        self.original.count(at, Count::of(verdict));
        let Some((
            Latency {
                above_ms,
                measure: Measure::FirstToken,
                ..
            },
            took_ms,
        )) = latency.zip(first_body_ms)
        else {
            return;
        };
        let speed = if took_ms > *above_ms {
            Count::Slow
        } else {
            Count::Fast
        };
        self.original.count(at, speed);
    }

    fn book_speed(&mut self, booking: Option<SpeedBooking>, looked_at: BucketNo) {
        if let Some(booking) = booking {
            self.bedrock
                .count_speed(booking, &mut self.last_slow, looked_at);
        }
    }
}

impl ArmEvidence {
    fn new() -> Self {
        Self {
            window: Window::new(),
            total: Counts::default(),
        }
    }

    fn count(&mut self, at: RuleTime, what: Count) {
        self.window.count(BucketNo::at(at), what);
        self.total.count(what);
    }

    fn count_speed(&mut self, booking: SpeedBooking, last: &mut Last, looked_at: BucketNo) {
        match booking.speed {
            Speed::Fast => self.count(booking.at, Count::Fast),
            Speed::Slow => {
                self.count(booking.at, Count::Slow);
                if Some(booking.at) >= last.at {
                    last.request_id = Some(booking.request_id);
                }
                last.came(booking.at, looked_at);
            }
        }
    }
}

impl Last {
    fn came(&mut self, at: RuleTime, looked_at: BucketNo) {
        self.at = self.at.max(Some(at));
        self.late |= BucketNo::at(at) < looked_at;
    }
}

impl Count {
    /// What an outcome is counted as.
    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Failure(class) => Self::Failed(class),
            Verdict::Rejected => Self::Rejected,
            Verdict::ContextWindow => Self::ContextWindow,
            Verdict::Cancelled => Self::Cancelled,
        }
    }
}
