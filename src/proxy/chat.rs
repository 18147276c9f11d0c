//! The phases of a chat call, top to bottom: glance, hold the body, decide, ask Bedrock up to the
//! commit point, ask the original.
//!
//! Each phase is one function. What a phase needs to know of a call goes with it as an argument;
//! what is to be remembered goes into its [`Books`].

use super::books::Books;
use super::caught::{asked, caught};
use super::decide::{self, Course, Decision, Go};
use super::forward::ForwardBody;
use super::hold::{self, HeldBody, Read};
use super::reply::{self, FAILOVER_HEADER, REASON_HEADER, REQUEST_ID_HEADER, ReplyBody};
use super::route::ChatPath;
use super::{Shared, ask, gate, is_event_stream, key};
use crate::config::Config;
use crate::drain::Phase;
use crate::outcome::{Arm, Class, Verdict};
use crate::rollout::Admission;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::{Eligibility, Look, Metrics};
use crate::translate::{Identity, Reason};
use crate::upstream::body::{RequestBody, Resumed, Sample};
use crate::upstream::original::{self, ARM_HEADER, Hop, Unanswered};
use http::header::HeaderValue;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// A chat call.
pub(super) async fn chat(
    shared: &Arc<Shared>,
    head: Box<Parts>,
    path: ChatPath,
    body: Incoming,
) -> Response<ReplyBody> {
    let glance = shared.snapshot.load_full();
    shared
        .transport
        .limit_connect(glance.config.timeouts.connect);
    let request_id: Arc<str> = named("req_").into();
    let mut books = Books::open(shared, request_id, glance.attempt);
    books.trace(&glance, &head, path.pattern(head.uri.path()), draw);
    if glance.config.original.api_key.is_some()
        && let Some(barred) = gate::bars_bedrock(&glance.config, &head.headers)
    {
        books.status = Some(StatusCode::FORBIDDEN.as_u16());
        books.eligibility = Eligibility::Ineligible(barred.reason());
        shared.metrics.chat_call(books.eligibility);
        shared.metrics.examined(Look::Whole, false);
        return reply::refuse(StatusCode::FORBIDDEN, barred.text());
    }
    let draining = shared.drain.phase() != Phase::Serving;
    let may_force = glance.config.rollout.allow_override && head.headers.contains_key(ARM_HEADER);
    if draining || (glance.percent.is_zero() && !may_force) {
        let body = unheld(shared, &head, path, body);
        return ask_original(shared, &glance.config, head, body, books).await;
    }
    // Boxed: it is the larger part of this future, and at 0 % nothing goes this way.
    Box::pin(split(shared, &glance, head, path, body, books)).await
}

/// A call that may go to Bedrock: its body is held, and what becomes of it decided.
async fn split(
    shared: &Arc<Shared>,
    glance: &Snapshot,
    head: Box<Parts>,
    path: ChatPath,
    body: Incoming,
    mut books: Box<Books>,
) -> Response<ReplyBody> {
    let held = match hold(shared, &glance.config, body, &mut books).await {
        Held::Whole(held) => held,
        Held::Stays(body) => {
            return ask_original(shared, &glance.config, head, body, books).await;
        }
        Held::Refused(response) => return response,
    };
    // The one snapshot of this call, taken when its body is there.
    let snapshot = shared.snapshot.load_full();
    books.split_by(&snapshot);
    let decide = || decide::decide(&snapshot, &path, &head.headers, &held.bytes, draw());
    let Some(decision) = caught(decide) else {
        shared.metrics.chat_call(books.eligibility);
        return stay(shared, &snapshot.config, head, held, books).await;
    };
    let dispatched = begin(
        shared,
        &mut books,
        &decision,
        snapshot.admission,
        snapshot.config.limits.in_flight,
    );
    match decision.course {
        Course::RefuseForced => {
            books.status = Some(StatusCode::CONFLICT.as_u16());
            let text = "Bedrock was asked for by header, but nothing may go there now.";
            reply::refuse(StatusCode::CONFLICT, text)
        }
        Course::Stay => stay(shared, &snapshot.config, head, held, books).await,
        Course::Go(go) => match dispatched {
            // Boxed: it is the larger part of this future too, and most calls stay.
            Some(at) => {
                let answer = bedrock_first(shared, &snapshot, head, held, (*go, at), books);
                Box::pin(answer).await
            }
            None => stay(shared, &snapshot.config, head, held, books).await,
        },
    }
}

/// A body at an effective 0 %: streamed on as it comes. A few calls a second are copied aside, so
/// that it is known what could move before anything does.
fn unheld(shared: &Arc<Shared>, head: &Parts, path: ChatPath, body: Incoming) -> RequestBody {
    let now = shared.clock.now().0;
    let last = shared.last_sample_ms.load(Ordering::Relaxed);
    let due = now == 0 || now >= last.saturating_add(SAMPLE_EVERY_MS);
    let sampled = due
        && shared
            .last_sample_ms
            .compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
    if !sampled {
        shared.metrics.chat_call(Eligibility::Unread);
        return RequestBody::Streamed(body);
    }
    let (shared, headers) = (Arc::clone(shared), head.headers.clone());
    let sample = Sample::new(SAMPLE_BYTES, move |copy| {
        let snapshot = shared.snapshot.load();
        let decide = |copy: &[u8]| decide::decide(&snapshot, &path, &headers, copy, u64::MAX);
        let seen = glance(copy, decide);
        if let Some(seen) = seen {
            let migratable = seen == Eligibility::Eligible;
            shared.metrics.examined(Look::Sample, migratable);
        }
        shared
            .metrics
            .chat_call(seen.unwrap_or(Eligibility::Unread));
    });
    RequestBody::Sampled {
        body,
        sample: Box::new(sample),
    }
}

/// What is known of a body after a look at its copy. This happens inside the original's call, which
/// a panic of our parser must not end.
pub(super) fn glance(
    copy: Option<Vec<u8>>,
    decide: impl FnOnce(&[u8]) -> Decision,
) -> Option<Eligibility> {
    let copy = copy?;
    caught(|| decide(&copy)).as_ref().map(eligibility)
}

/// What became of holding a body.
enum Held {
    Whole(HeldBody),
    Stays(RequestBody),
    Refused(Response<ReplyBody>),
}

/// Reads the body, or finds out why the call stays.
async fn hold(shared: &Shared, config: &Config, body: Incoming, books: &mut Books) -> Held {
    let (reason, read, rest) = match hold::read(shared, body, &config.limits).await {
        Read::Whole(held) => return Held::Whole(held),
        Read::TooLarge(read, rest) => (Reason::RequestSize, read, rest),
        Read::NoRoom(read, rest) => (Reason::Busy, read, rest),
        Read::Slow(read, rest) => (Reason::SlowBody, read, rest),
        Read::Broken => {
            books.status = Some(StatusCode::BAD_REQUEST.as_u16());
            return Held::Refused(reply::refuse(
                StatusCode::BAD_REQUEST,
                "The body is broken.",
            ));
        }
    };
    books.eligibility = Eligibility::Ineligible(reason);
    shared.metrics.chat_call(books.eligibility);
    if books.eligibility.is_told() {
        shared.metrics.examined(Look::Whole, false);
    }
    Held::Stays(RequestBody::Resumed(Box::new(Resumed { read, rest })))
}

/// Takes one of `limit` places in flight for a call that is to go, and notes what was decided. None: the call
/// stays, for want of a place too. Otherwise the moment of the dispatch.
fn begin(
    shared: &Shared,
    books: &mut Books,
    decision: &Decision,
    admission: Admission,
    limit: usize,
) -> Option<Instant> {
    if let Some(model) = &decision.model {
        books.model.clone_from(model);
    }
    books.stream = decision.stream;
    books.forced = decision.forced;
    books.eligibility = eligibility(decision);
    let mut dispatched = None;
    if let Course::Go(go) = &decision.course {
        match place(shared, books, go, admission, limit) {
            Ok(at) => dispatched = Some(at),
            Err(reason) => books.eligibility = Eligibility::Ineligible(reason),
        }
    }
    if !decision.forced {
        // What finds no room now could move all the same.
        let migratable = decision.eligible.is_ok();
        shared.metrics.examined(Look::Whole, migratable);
        count(
            &shared.metrics,
            books.eligibility,
            dispatched.is_some(),
            decision.key_missing,
        );
    }
    dispatched
}

/// Takes the place in flight, or says why there is none now. A forced call asks neither the breaker
/// nor what the service said of its quota: it is how a person finds out.
fn place(
    shared: &Shared,
    books: &mut Books,
    go: &Go,
    admission: Admission,
    limit: usize,
) -> Result<Instant, Reason> {
    let model_id = &go.mapping.target.model_id;
    if shared.bedrock.starting() {
        return Err(Reason::Starting);
    }
    if !books.forced && shared.pauses.holds(model_id, || shared.clock.now()) {
        return Err(Reason::Throttled);
    }
    if !books.forced && !shared.pauses.admits(admission) {
        return Err(Reason::Breaker);
    }
    books
        .open_bedrock(model_id, go.key, limit)
        .ok_or(Reason::Busy)
}

/// Counts a call that was decided.
fn count(metrics: &Metrics, eligibility: Eligibility, dispatched: bool, key_missing: bool) {
    metrics.chat_call(eligibility);
    if eligibility == Eligibility::Eligible {
        metrics.split(if dispatched {
            Arm::Bedrock
        } else {
            Arm::Original
        });
    }
    if key_missing {
        metrics.sticky_fallback();
    }
}

const fn eligibility(decision: &Decision) -> Eligibility {
    match decision.eligible {
        Ok(()) => Eligibility::Eligible,
        Err(reason) => Eligibility::Ineligible(reason),
    }
}

/// Bedrock, and the original if Bedrock fails before the commit point.
async fn bedrock_first(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
    head: Box<Parts>,
    held: HeldBody,
    (go, dispatched): (Go, Instant),
    mut books: Box<Books>,
) -> Response<ReplyBody> {
    go.losses.iter().for_each(|loss| shared.metrics.loss(*loss));
    let streamed = go.shape.stream;
    let identity = Identity {
        id: named("chatcmpl-"),
        created_unix_s: crate::clock::unix_ms() / 1000,
    };
    books.answer_id(&identity.id);
    let answer = asked(ask::ask(
        shared,
        snapshot,
        go,
        &head.headers,
        dispatched,
        identity,
        &mut books,
    ))
    .await;
    let request_id = HeaderValue::from_str(&books.request_id);
    let mut response = match answer {
        Ok(ask::Answer::Stream(stream)) => {
            books.status = Some(StatusCode::OK.as_u16());
            reply::stream(stream.into_body(books, shared.drain.clone()))
        }
        Ok(ask::Answer::Whole(body)) => {
            books.status = Some(StatusCode::OK.as_u16());
            reply::whole(streamed, body)
        }
        Err(failure) => {
            tracing::warn!(request_id = &*books.request_id, why = %failure, "Bedrock failed a call");
            let config = &snapshot.config;
            let key = || key::put_off(&config.rollout, &head.headers, &held.bytes);
            books.bedrock_failed(failure.fault, key);
            let body = RequestBody::Held(held.bytes);
            let mut response = ask_original(shared, config, head, body, books).await;
            let label = HeaderValue::from_static(failure.fault.name());
            response.headers_mut().insert(FAILOVER_HEADER, label);
            return response;
        }
    };
    let headers = response.headers_mut();
    headers.insert(ARM_HEADER, HeaderValue::from_static("bedrock"));
    if let Ok(request_id) = request_id {
        headers.insert(REQUEST_ID_HEADER, request_id);
    }
    response
}

/// A held call that the original answers.
async fn stay(
    shared: &Arc<Shared>,
    config: &Config,
    head: Box<Parts>,
    held: HeldBody,
    books: Box<Books>,
) -> Response<ReplyBody> {
    // The bytes live as long as hyper needs them; the room is free once they are handed over.
    let HeldBody { bytes, room: _room } = held;
    ask_original(shared, config, head, RequestBody::Held(bytes), books).await
}

/// The original, for a chat call.
async fn ask_original(
    shared: &Arc<Shared>,
    config: &Config,
    mut head: Box<Parts>,
    body: RequestBody,
    mut books: Box<Books>,
) -> Response<ReplyBody> {
    books.open_original();
    books.hand_on(&config.original, &mut head.headers);
    let reason = match books.eligibility {
        Eligibility::Ineligible(reason) => Some(HeaderValue::from_static(reason.name())),
        Eligibility::Eligible | Eligibility::Unread => None,
    };
    let request_id = Arc::clone(&books.request_id);
    let sent = original::send(&shared.transport, &config.original, head, body, Hop::Ends).await;
    let mut response = match sent {
        Ok(response) => {
            let streamed = is_event_stream(response.headers());
            let status = response.status();
            let id = response.headers().get(REQUEST_ID_HEADER);
            books.original_request_id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
            books.original_answered(status.as_u16(), streamed);
            response.map(|body| {
                let body = ForwardBody::of_call(body, books, verdict_of(status));
                ReplyBody::Forward(if streamed {
                    body.streamed(shared.drain.clone())
                } else {
                    body
                })
            })
        }
        Err(why) => {
            why.log(Some(&books.request_id));
            let response = reply::unanswered(&why);
            match &why {
                Unanswered::Unreachable(_) => {
                    books.original_answered(response.status().as_u16(), false);
                    books.settle_original(Verdict::Failure(Class::Network));
                }
                // Dropped books are a cancelled call's.
                Unanswered::CallerLeft(_) => books.status = Some(response.status().as_u16()),
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(ARM_HEADER, HeaderValue::from_static("original"));
    if let Some(reason) = reason {
        headers.insert(REASON_HEADER, reason);
    }
    if !headers.contains_key(REQUEST_ID_HEADER)
        && let Ok(request_id) = HeaderValue::from_str(&request_id)
    {
        headers.insert(REQUEST_ID_HEADER, request_id);
    }
    response
}

/// What an answer of the original's counts as, if its body ends well.
fn verdict_of(status: StatusCode) -> Verdict {
    match status.as_u16() {
        429 => Verdict::Failure(Class::Throttle),
        400..=499 => Verdict::Rejected,
        500.. => Verdict::Failure(Class::Server),
        _ => Verdict::Ok,
    }
}

/// A name that no other call has: the prefix and 128 random bits.
fn named(prefix: &str) -> String {
    let bits = u128::from(draw()) << 64 | u128::from(draw());
    // Not `hex::encode`, which grows its text letter by letter. Two digits for each byte fit.
    let mut digits = [b'0'; 32];
    let _ = hex::encode_to_slice(bits.to_be_bytes(), &mut digits);
    let digits = std::str::from_utf8(&digits).unwrap_or_default();
    [prefix, digits].concat()
}

/// A fresh uniform number: the data path's only source of randomness.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the draw that others are given"
)]
pub(crate) fn draw() -> u64 {
    rand::rng().next_u64()
}

/// At 0 % at most four calls a second are looked at.
const SAMPLE_EVERY_MS: u64 = 250;

/// A longer body is not looked at: at 0 % a sample must cost next to nothing.
const SAMPLE_BYTES: usize = 256 << 10;
