//! The books of one call: what each arm did for it, settled exactly once whatever ends it.
//!
//! [`Books`] goes with the call from its head to the last byte of its answer, first in the
//! handler's future and then in the answer's body. Dropping it closes what is open: an arm that
//! was asked and has not ended was cancelled, because the caller left and hyper dropped what held
//! the books. Then the call gets its one log line.
//!
//! A Bedrock call reserves room for its three bookings before it is dispatched, so that none is
//! lost and none waits; with no room left the call stays.

use super::Shared;
use super::quota::Taken;
use crate::clock;
use crate::converse::event::Usage;
use crate::outcome::{Arm, Attempt, Booking, CallEvent, CallId, Fault, Verdict};
use crate::telemetry::events::{Call, Part, Tokens};
use crate::telemetry::metrics::{Eligibility, FailoverOutcome, Held};
use crate::telemetry::trace::Record;
use crate::translate::Ending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::OwnedPermit;
use tokio::time::Instant;

mod spans;

/// The books of one call.
#[derive(Debug)]
pub(super) struct Books {
    shared: Arc<Shared>,
    started: Instant,
    /// Names the call everywhere.
    pub(super) request_id: Arc<str>,
    /// What the original calls it: the app knows it by that name.
    pub(super) original_request_id: Option<String>,
    /// The attempt that was in force when the call was split.
    pub(super) attempt: Attempt,
    /// What the app asked for; empty if the body was not read.
    pub(super) model: String,
    /// Whether Bedrock could have honoured it.
    pub(super) eligibility: Eligibility,
    /// Whether the app asked for a stream.
    pub(super) stream: bool,
    /// The status that the app saw.
    pub(super) status: Option<u16>,
    /// What Bedrock counted.
    tokens: Option<Tokens>,
    /// How Bedrock's answer ended.
    ending: Ending,
    /// Whether the request forced its arm: such calls enter no statistics.
    pub(super) forced: bool,
    bedrock_model: Option<String>,
    bedrock: Option<BedrockPart>,
    fault: Option<Fault>,
    original: Option<OriginalPart>,
    /// What the call's spans will be made of; none: it is not traced.
    record: Option<Box<Record>>,
}

#[derive(Debug)]
struct BedrockPart {
    dispatched: Instant,
    first_token: Option<Duration>,
    /// How long it took, once it is over; a refusal's verdict may come later.
    took: Option<Duration>,
    verdict: Option<Verdict>,
    bookings: Option<Bookings>,
    place: Option<Place>,
}

/// A place in flight, until Bedrock's part is over.
#[derive(Debug)]
struct Place {
    _in_flight: Held,
    _taken: Taken,
}

/// The room that a Bedrock call reserved with the controller.
#[derive(Debug)]
struct Bookings {
    call: CallId,
    /// The split key's hash, as far as somebody asked for it.
    key: Option<u64>,
    first_token: Option<OwnedPermit<Booking>>,
    end: Option<OwnedPermit<Booking>>,
}

#[derive(Debug)]
struct OriginalPart {
    dispatched: Instant,
    first_body: Option<Duration>,
    /// Whether the answer is a stream: only those are samples of the original's latency.
    streamed: bool,
    /// Of its answer; none before that came.
    status: Option<u16>,
    end: Option<(Verdict, Duration)>,
    _in_flight: Held,
}

impl Books {
    /// Opens the books of a call whose head has been read. They are boxed because they go through
    /// many hands.
    pub(super) fn open(shared: &Arc<Shared>, request_id: Arc<str>, attempt: Attempt) -> Box<Self> {
        Box::new(Self {
            shared: Arc::clone(shared),
            started: clock::io_now(),
            request_id,
            original_request_id: None,
            attempt,
            model: String::new(),
            eligibility: Eligibility::Unread,
            stream: false,
            status: None,
            tokens: None,
            ending: Ending::Usual,
            forced: false,
            bedrock_model: None,
            bedrock: None,
            fault: None,
            original: None,
            record: None,
        })
    }

    /// Takes one of `limit` places in flight and reports the dispatch to Bedrock. `None`: there is
    /// no place, or no room for the bookings. Otherwise the moment of the dispatch.
    pub(super) fn open_bedrock(
        &mut self,
        model_id: &str,
        key: Option<u64>,
        limit: usize,
    ) -> Option<Instant> {
        let shared = &self.shared;
        let taken = shared.in_flight.take(1, limit)?;
        let bookings = if self.forced {
            None
        } else {
            Some(self.reserve(key)?)
        };
        let dispatched = clock::io_now();
        self.bedrock_model = Some(model_id.to_owned());
        self.bedrock = Some(BedrockPart {
            dispatched,
            first_token: None,
            took: None,
            verdict: None,
            bookings,
            place: Some(Place {
                _in_flight: shared.metrics.in_flight(Arm::Bedrock),
                _taken: taken,
            }),
        });
        Some(dispatched)
    }

    fn reserve(&self, key: Option<u64>) -> Option<Bookings> {
        let permit = || self.shared.bookings.clone().try_reserve_owned().ok();
        let (dispatch, first_token, end) = (permit()?, permit()?, permit()?);
        let call = next_call();
        let request_id = Arc::clone(&self.request_id);
        dispatch.send(self.booking(call, CallEvent::Dispatched { request_id }));
        Some(Bookings {
            call,
            key,
            first_token: Some(first_token),
            end: Some(end),
        })
    }

    fn booking(&self, call: CallId, event: CallEvent) -> Booking {
        Booking {
            at: self.shared.clock.now(),
            attempt: self.attempt,
            call,
            event,
        }
    }

    /// Bedrock's first content or tool chunk is there.
    pub(super) fn first_token(&mut self) {
        let Some(part) = self
            .bedrock
            .as_mut()
            .filter(|part| part.first_token.is_none())
        else {
            return;
        };
        part.first_token = Some(clock::io_now().saturating_duration_since(part.dispatched));
        let Some(bookings) = &mut part.bookings else {
            return;
        };
        if let (call, Some(permit)) = (bookings.call, bookings.first_token.take()) {
            permit.send(self.booking(call, CallEvent::FirstToken));
        }
    }

    /// Bedrock's answer is complete: what it took, how it ended, and how the app is told so.
    pub(super) fn ended(
        &mut self,
        usage: Option<Usage>,
        ending: &Ending,
        finish: Option<&'static str>,
    ) {
        self.tokens = usage.map(|usage| Tokens {
            input: usage.input_tokens,
            output: usage.output_tokens,
            cache_read: usage.cache_read_input_tokens,
            cache_write: usage.cache_write_input_tokens,
        });
        self.ending = ending.clone();
        if let Some(record) = &mut self.record {
            record.finish = finish;
        }
    }

    /// Bedrock's part is over. The first verdict counts.
    pub(super) fn settle_bedrock(&mut self, verdict: Verdict) {
        let Some(part) = self.bedrock.as_mut().filter(|part| part.verdict.is_none()) else {
            return;
        };
        part.verdict = Some(verdict);
        part.leave();
        if let Some(Bookings {
            call,
            key,
            end: Some(end),
            ..
        }) = part.bookings.take()
        {
            let request_id = Arc::clone(&self.request_id);
            end.send(self.booking(
                call,
                CallEvent::Ended {
                    verdict,
                    key: key.unwrap_or_default(),
                    request_id,
                },
            ));
        }
    }

    /// Bedrock failed before the commit point. The verdict of a refusal waits until the original
    /// has answered the same call; `key` makes its split key's hash, if that is not known yet.
    pub(super) fn bedrock_failed(&mut self, fault: Fault, key: impl FnOnce() -> Option<u64>) {
        self.fault = Some(fault);
        match fault {
            Fault::Counted(_) | Fault::ContextWindow => self.settle_bedrock(fault.verdict(None)),
            Fault::Refused => self.bedrock_refused(key),
        }
    }

    fn bedrock_refused(&mut self, key: impl FnOnce() -> Option<u64>) {
        let Some(part) = &mut self.bedrock else {
            return;
        };
        part.leave();
        let Some(bookings) = &mut part.bookings else {
            return;
        };
        bookings.key = bookings.key.or_else(key);
        // A refusal comes instead of a first token, in the room that was reserved for one.
        if let (call, Some(permit)) = (bookings.call, bookings.first_token.take()) {
            permit.send(self.booking(call, CallEvent::Refused));
        }
    }

    /// The original is asked now.
    pub(super) fn open_original(&mut self) {
        self.original = Some(OriginalPart {
            dispatched: clock::io_now(),
            first_body: None,
            streamed: false,
            status: None,
            end: None,
            _in_flight: self.shared.metrics.in_flight(Arm::Original),
        });
    }

    /// The head of the original's answer is there: it says what Bedrock's refusal was worth.
    pub(super) fn original_answered(&mut self, status: u16, streamed: bool) {
        self.status = Some(status);
        if let Some(part) = &mut self.original {
            part.streamed = streamed;
            part.status = Some(status);
        }
        if let Some(fault) = self.fault {
            let accepted = match status {
                200..=299 => Some(true),
                400..=499 if status != 429 => Some(false),
                _ => None,
            };
            self.settle_bedrock(fault.verdict(accepted));
        }
    }

    /// Bytes of the original's answer came.
    pub(super) fn original_body_came(&mut self) {
        if let Some(part) = self
            .original
            .as_mut()
            .filter(|part| part.first_body.is_none())
        {
            part.first_body = Some(clock::io_now().saturating_duration_since(part.dispatched));
        }
    }

    /// The original's part is over. The first verdict counts.
    pub(super) fn settle_original(&mut self, verdict: Verdict) {
        let Some(part) = self.original.as_mut().filter(|part| part.end.is_none()) else {
            return;
        };
        let took = clock::io_now().saturating_duration_since(part.dispatched);
        part.end = Some((verdict, took));
        let heard = part.first_body.is_some();
        let first_body_ms = part.first_body.filter(|_| part.streamed).map(clock::millis);
        // A call that Bedrock failed is no sample for the original: failing prompts would bias it.
        if self.forced || self.bedrock.is_some() {
            return;
        }
        let booking = self.booking(
            next_call(),
            CallEvent::Original {
                verdict,
                heard,
                first_body_ms,
                took_ms: clock::millis(took),
            },
        );
        // The original's side is for comparison: under overload it may lose samples, counted.
        if self.shared.bookings.try_send(booking).is_err() {
            self.shared.metrics.booking_dropped();
        }
    }

    fn failover(&self) -> Option<(Fault, FailoverOutcome)> {
        let fault = self.fault?;
        let outcome = match self.original.as_ref().and_then(|part| part.end) {
            None | Some((Verdict::Cancelled, _)) => FailoverOutcome::Cancelled,
            Some((Verdict::Ok, _)) => FailoverOutcome::Answered,
            Some((Verdict::Rejected | Verdict::ContextWindow, _)) => FailoverOutcome::Refused,
            Some((Verdict::Failure(_), _)) => FailoverOutcome::Failed,
        };
        Some((fault, outcome))
    }
}

impl BedrockPart {
    /// Frees the place in flight and stops the watch; both only once.
    fn leave(&mut self) {
        if self.place.take().is_some() {
            self.took = Some(clock::io_now().saturating_duration_since(self.dispatched));
        }
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        // The original first: its end says what came of a failover.
        self.settle_original(Verdict::Cancelled);
        self.settle_bedrock(Verdict::Cancelled);
        let part = |end: Option<(Verdict, Duration)>, first_token| {
            end.map(|(verdict, took)| Part {
                verdict,
                first_token,
                took,
            })
        };
        let bedrock = self
            .bedrock
            .as_ref()
            .and_then(|of| part(of.verdict.zip(of.took), of.first_token));
        let original = self.original.as_ref();
        let original = original.and_then(|of| part(of.end, of.first_body.filter(|_| of.streamed)));
        let call = Call {
            request_id: &self.request_id,
            original_request_id: self.original_request_id.as_deref(),
            model: &self.model,
            bedrock_model: self.bedrock_model.as_deref(),
            eligibility: self.eligibility,
            stream: self.stream,
            forced: self.forced,
            status: self.status,
            bedrock,
            original,
            failover: self.failover(),
            tokens: self.tokens,
            ending: &self.ending,
            took: clock::io_now().saturating_duration_since(self.started),
            trace: self.record.as_deref().map(Record::names),
        };
        call.emit(&self.shared.metrics);
        let (took, failover) = (call.took, call.failover);
        if let Some(record) = self.record.take() {
            self.hand_in(record, (bedrock, original), failover, took);
        }
    }
}

fn next_call() -> CallId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    CallId(NEXT.fetch_add(1, Ordering::Relaxed))
}
