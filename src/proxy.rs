//! The life of one call, top to bottom.
//!
//! [`serve`] looks at the head and forwards what is no chat call; a chat call goes through the
//! phases of [`chat`]. Each phase is one `async fn`; a caller that leaves drops the future that
//! runs, and with it the upstream call and the [`Books`](books::Books), which settle what was open.
//!
//! Nothing here knows the controller: the data path reads one snapshot and sends bookings.

use crate::clock::RuleClock;
use crate::config::Config;
use crate::drain::Watch;
use crate::outcome::Booking;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::Tracer;
use crate::upstream::bedrock::Bedrock;
use crate::upstream::body::RequestBody;
use crate::upstream::original::{self, Hop};
use crate::upstream::transport::Transport;
use arc_swap::ArcSwap;
use forward::ForwardBody;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use pause::Pauses;
use quota::Quota;
use reply::ReplyBody;
use route::Route;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::mpsc;

mod ask;
mod books;
mod caught;
mod chat;
pub(crate) mod decide;
mod forward;
mod gate;
pub(crate) mod gather;
mod hold;
pub(crate) mod key;
mod patience;
mod pause;
mod quota;
pub(crate) mod reply;
pub(crate) mod route;
pub(crate) mod stream;
mod upgrade;

pub(crate) use chat::draw;

/// What a connection holds while it lives: its place among the callers. It travels with a request
/// for another protocol, so that a connection that changes its protocol goes on holding it.
#[derive(Clone)]
pub(crate) struct Lease {
    _held: Arc<dyn Send + Sync>,
}

impl Lease {
    /// Holds `what` until the last copy is dropped.
    pub(crate) fn new(what: impl Send + Sync + 'static) -> Self {
        Self {
            _held: Arc::new(what),
        }
    }
}

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Shared {
    snapshot: Arc<ArcSwap<Snapshot>>,
    bookings: mpsc::Sender<Booking>,
    metrics: Arc<Metrics>,
    clock: RuleClock,
    transport: Transport,
    bedrock: Bedrock,
    held_bytes: Quota,
    in_flight: Quota,
    pauses: Pauses,
    /// How far the stop of the process is.
    pub(crate) drain: Watch,
    tracer: Arc<Tracer>,
    last_sample_ms: AtomicU64,
}

/// What [`Shared`] is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    /// What is in force.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// To the controller.
    pub(crate) bookings: mpsc::Sender<Booking>,
    /// Where it is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Rule time.
    pub(crate) clock: RuleClock,
    /// To both arms.
    pub(crate) transport: Transport,
    /// The Bedrock side.
    pub(crate) bedrock: Bedrock,
    /// How far the stop of the process is.
    pub(crate) drain: Watch,
    /// Where sampled calls hand in what their spans are made of.
    pub(crate) tracer: Arc<Tracer>,
}

impl Shared {
    /// Joins the parts.
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup {
            snapshot,
            bookings,
            metrics,
            clock,
            transport,
            bedrock,
            drain,
            tracer,
        } = setup;
        Self {
            snapshot,
            bookings,
            held_bytes: Quota::default(),
            metrics,
            clock,
            transport,
            bedrock,
            in_flight: Quota::default(),
            pauses: Pauses::default(),
            drain,
            tracer,
            last_sample_ms: AtomicU64::new(0),
        }
    }
}

/// Answers one request.
pub(crate) fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> impl Future<Output = Response<ReplyBody>> {
    shared.drain.call_came();
    let (head, body) = request.into_parts();
    // Boxed: it goes through many hands, and each would keep room for it.
    let head = Box::new(head);
    async move {
        match route::route(&head) {
            Route::Refused(refusal) => {
                let status = match refusal {
                    route::Refusal::Connect => StatusCode::METHOD_NOT_ALLOWED,
                    route::Refusal::Host
                    | route::Refusal::Authority
                    | route::Refusal::TransferEncoding => StatusCode::BAD_REQUEST,
                };
                reply::refuse(status, refusal.text())
            }
            Route::Upgrade => upgrade::upgrade(&shared, head, body).await,
            Route::Forward => forward(&shared, head, body).await,
            Route::Chat(path) => chat::chat(&shared, head, path, body).await,
        }
    }
}

/// A request that is no chat call.
async fn forward(shared: &Arc<Shared>, head: Box<Parts>, body: Incoming) -> Response<ReplyBody> {
    shared.metrics.other_request();
    let config = Arc::clone(&shared.snapshot.load().config);
    shared.transport.limit_connect(config.timeouts.connect);
    if let Some(refusal) = refused_key(&config, &head.headers) {
        return refusal;
    }
    let body = RequestBody::Streamed(body);
    match original::send(&shared.transport, &config.original, head, body, Hop::Ends).await {
        Ok(response) => {
            let streamed = is_event_stream(response.headers());
            response.map(|body| {
                let body = ForwardBody::plain(body);
                ReplyBody::Forward(if streamed {
                    body.streamed(shared.drain.clone())
                } else {
                    body
                })
            })
        }
        Err(why) => {
            why.log(None);
            reply::unanswered(&why)
        }
    }
}

/// The refusal of a caller who would get the configured key without being allowed to use it.
fn refused_key(config: &Config, headers: &HeaderMap) -> Option<Response<ReplyBody>> {
    config.original.api_key.as_ref()?;
    let barred = gate::bars_key(config, headers)?;
    Some(reply::refuse(StatusCode::FORBIDDEN, barred.text()))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

#[cfg(test)]
mod tests;
