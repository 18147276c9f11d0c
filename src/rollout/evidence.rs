//! From bookings to counters: what the rules and the report read.
//!
//! An outcome is judged (`Ok`, `Failure`), or counted and judged nowhere (all others). Outcomes of
//! another attempt are only counted: they say nothing about the one that runs.

use super::calls::Calls;
use super::calls::Ended;
use super::calls::Speed;
use super::calls::SpeedBooking;
use super::counts::Count;
use super::counts::Counts;
use super::counts::Signal;
use super::latencies::Latencies;
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
    last_rejected: Last,
    last_abandoned: Last,
    /// How long the original's calls take.
    pub(super) latencies: Latencies,
    /// When counting began.
    pub(super) began: BucketNo,
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
    pub(super) fn new(attempt: Attempt, began: BucketNo) -> Self {
        Self {
            attempt,
            original: ArmEvidence::new(),
            bedrock: ArmEvidence::new(),
            calls: Calls::default(),
            repeats: Repeats::default(),
            last_failure: Last::default(),
            last_slow: Last::default(),
            last_rejected: Last::default(),
            last_abandoned: Last::default(),
            latencies: Latencies::new(),
            began,
            other_attempt: 0,
            unmatched: 0,
        }
    }

    /// Forgets everything and counts for `attempt` from now on.
    /// How long the original's calls take is no matter of attempts.
    pub(super) fn start(&mut self, attempt: Attempt, began: BucketNo) {
        self.attempt = attempt;
        self.began = began;
        for arm in [&mut self.original, &mut self.bedrock] {
            arm.window.clear();
            arm.total = Counts::default();
        }
        self.calls.clear();
        self.repeats.clear();
        for last in [
            &mut self.last_failure,
            &mut self.last_slow,
            &mut self.last_rejected,
            &mut self.last_abandoned,
        ] {
            *last = Last::default();
        }
    }

    /// Forgets what the windows hold before `edge`; totals and running calls stay.
    pub(super) fn clear_windows(&mut self, edge: BucketNo) {
        self.original.window.clear();
        self.bedrock.window.clear();
        self.began = edge;
    }

    /// Forgets which calls were fast and slow; calls that run are not timed twice.
    pub(super) fn clear_speed(&mut self) {
        for arm in [&mut self.original, &mut self.bedrock] {
            arm.window.clear_speed();
            arm.total.clear_speed();
        }
        self.latencies = Latencies::new();
        self.last_slow = Last::default();
    }

    /// Forgets which of the original's calls were fast and slow, and how long they took.
    pub(super) fn clear_original_speed(&mut self) {
        self.original.window.clear_speed();
        self.original.total.clear_speed();
        self.latencies = Latencies::new();
    }

    /// Counts a booking. Buckets before `looked_at` have been seen by a tick.
    /// Gives back what is known of a call of Bedrock's that ended with it.
    pub(super) fn book(
        &mut self,
        booking: Booking,
        latency: Option<&Latency>,
        looked_at: BucketNo,
    ) -> Option<Ended> {
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
                let ended = self.end(call, at, verdict, &request_id, latency, looked_at);
                self.judge(at, verdict, key, request_id, looked_at);
                return ended;
            }
            CallEvent::Original {
                verdict,
                heard,
                first_body_ms,
                took_ms,
            } if ours => {
                self.book_original(at, verdict, heard);
                if let Some(latency) = latency {
                    self.time_original(at, verdict, latency, first_body_ms, took_ms);
                }
            }
            CallEvent::Ended { .. } | CallEvent::Original { .. } => {
                self.other_attempt = self.other_attempt.saturating_add(1);
            }
        }
        None
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
        self.last_rejected.late = false;
        self.last_abandoned.late = false;
    }

    /// The last bad call.
    pub(super) const fn last(&self, signal: Signal) -> &Last {
        match signal {
            Signal::Failures | Signal::Truncations => &self.last_failure,
            Signal::Slowness => &self.last_slow,
            Signal::Rejections => &self.last_rejected,
            Signal::Abandonment => &self.last_abandoned,
        }
    }

    /// What the end of a call says of its speed and of its caller's patience.
    fn end(
        &mut self,
        call: CallId,
        at: RuleTime,
        verdict: Verdict,
        request_id: &Arc<str>,
        latency: Option<&Latency>,
        looked_at: BucketNo,
    ) -> Option<Ended> {
        let complete = verdict == Verdict::Ok;
        let Some(ended) = self.calls.ended(call, at, complete, latency) else {
            self.unmatched = self.unmatched.saturating_add(1);
            return None;
        };
        self.book_speed(ended.booking.clone(), looked_at);
        if verdict == Verdict::Cancelled && !ended.heard {
            self.bedrock.count(at, Count::Abandoned);
            self.last_abandoned.came(at, looked_at);
            self.last_abandoned.request_id = Some(Arc::clone(request_id));
        }
        Some(ended)
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
        let last = match verdict {
            Verdict::Failure(_) => &mut self.last_failure,
            Verdict::Rejected => &mut self.last_rejected,
            Verdict::Ok | Verdict::ContextWindow | Verdict::Cancelled => return,
        };
        last.came(at, looked_at);
        last.request_id = Some(request_id);
    }

    /// Counts how a call ended that the original answered.
    fn book_original(&mut self, at: RuleTime, verdict: Verdict, heard: bool) {
        self.original.count(at, Count::of(verdict));
        if verdict == Verdict::Cancelled && !heard {
            self.original.count(at, Count::Abandoned);
        }
    }

    /// Counts whether a call was fast that the original answered, by what the rule times.
    fn time_original(
        &mut self,
        at: RuleTime,
        verdict: Verdict,
        latency: &Latency,
        first_body_ms: Option<u64>,
        took_ms: u64,
    ) {
        let took_ms = match (latency.measure, verdict) {
            (Measure::FirstToken, _) => first_body_ms,
            (Measure::Total, Verdict::Ok) => Some(took_ms),
            // One that does not end well was slow if it took so long, and fast in no case.
            (
                Measure::Total,
                Verdict::Failure(_)
                | Verdict::Rejected
                | Verdict::ContextWindow
                | Verdict::Cancelled,
            ) => Some(took_ms).filter(|&ms| ms > latency.above_ms),
        };
        let Some(took_ms) = took_ms else { return };
        self.latencies.add(at, took_ms);
        let speed = if took_ms > latency.above_ms {
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
