//! Method and path to answer.

use super::guard::{self, Denied};
use super::live::{self, InForce, Live};
use super::page::{self, Start};
use super::pulse::POINTS_MAX;
use super::text;
use super::{Desk, Opened};
use crate::controller::{Command, Refusal, Verb};
use crate::drain::Phase;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    SERVER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The largest body of a command.
const BODY_BYTES: usize = 64 * 1024;

/// How long a command's body may take to arrive.
const BODY: Duration = Duration::from_secs(10);

/// What every answer of an admin port names as its server.
pub(crate) const SERVER_NAME: &str = "crossfade";

/// Who acted, where a command does not say.
const ACTOR: &str = "api";

/// An answer.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Page,
    Metrics,
    Alive,
    Ready,
    Status,
    Events,
    Command(Verb),
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Page),
            "/metrics" => Some(Self::Metrics),
            "/healthz" => Some(Self::Alive),
            "/readyz" => Some(Self::Ready),
            "/api/status" => Some(Self::Status),
            "/api/events" => Some(Self::Events),
            "/api/rollback" => Some(Self::Command(Verb::Rollback)),
            "/api/rearm" => Some(Self::Command(Verb::Rearm)),
            "/api/pause" => Some(Self::Command(Verb::Pause)),
            "/api/resume" => Some(Self::Command(Verb::Resume)),
            "/api/advance" => Some(Self::Command(Verb::Advance { force: false })),
            _ => None,
        }
    }
}

/// Answers one request, and says who does: a command that reached another port must not take its
/// answer for ours.
pub(super) async fn answer(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let mut answer = routed(request, desk).await;
    let ours = HeaderValue::from_static(SERVER_NAME);
    answer.headers_mut().insert(SERVER, ours);
    answer
}

async fn routed(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let snapshot = desk.handle.snapshot();
    if let Err(denied) = guard::may_ask(request.uri(), request.headers(), &snapshot.config.hosts) {
        return refuse(denied);
    }
    let Some(place) = Place::of(request.uri().path()) else {
        return error(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this path.",
        );
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match place {
        Place::Command(verb) if request.method() == Method::POST => {
            command(request, desk, verb).await
        }
        Place::Command(_) => wrong_method("POST"),
        Place::Page
        | Place::Metrics
        | Place::Alive
        | Place::Ready
        | Place::Status
        | Place::Events
            if !reads =>
        {
            wrong_method("GET, HEAD")
        }
        Place::Page => html(desk, &snapshot),
        Place::Events => events(desk, request.extensions().get().copied()),
        Place::Metrics => metrics(desk),
        Place::Alive => plain(StatusCode::OK, TEXT, "ok\n"),
        Place::Ready if desk.drain.phase() > Phase::Serving => {
            plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n")
        }
        Place::Ready => plain(StatusCode::OK, TEXT, "ready\n"),
        Place::Status => {
            let status = live::status(desk, &snapshot);
            let accept = request.headers().get(ACCEPT).map(HeaderValue::as_bytes);
            if accept == Some(b"text/plain") {
                plain(StatusCode::OK, TEXT, text::render(&status))
            } else {
                json(StatusCode::OK, &status)
            }
        }
    }
}

fn metrics(desk: &Desk) -> Answer {
    match desk.metrics.render() {
        Ok(text) => plain(StatusCode::OK, METRICS, text),
        Err(failed) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics",
            &failed.to_string(),
        ),
    }
}

/// What a command's body says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    actor: Option<String>,
    /// Of an advance only.
    #[serde(default)]
    force: bool,
}

async fn command(request: Request<Incoming>, desk: &Desk, verb: Verb) -> Answer {
    let config = &desk.handle.snapshot().config;
    let token = config.admin_token.as_ref();
    if let Err(denied) = guard::may_change(request.headers(), desk.address, token) {
        return refuse(denied);
    }
    let from = request.extensions().get().copied();
    let body = Limited::new(request.into_body(), BODY_BYTES).collect();
    let Ok(Ok(body)) = tokio::time::timeout(BODY, body).await else {
        let message = "The body did not arrive, or is larger than 64 KiB.";
        return error(StatusCode::BAD_REQUEST, "body", message);
    };
    let Asked {
        reason,
        actor,
        force,
    } = match serde_json::from_slice(&body.to_bytes()) {
        Ok(asked) => asked,
        Err(wrong) => {
            let message = format!("Send {{\"reason\":\"…\"}} as JSON: {wrong}.");
            return error(StatusCode::BAD_REQUEST, "body", &message);
        }
    };
    let verb = match (verb, force) {
        (Verb::Advance { .. }, force) => Verb::Advance { force },
        (verb, false) => verb,
        (verb, true) => {
            let message = format!("There is nothing to force about {}.", verb.name());
            return error(StatusCode::BAD_REQUEST, "body", &message);
        }
    };
    let command = Command {
        verb,
        reason,
        actor: named(actor, from),
    };
    match desk.handle.command(command).await {
        Ok(applied) => json(StatusCode::OK, &applied),
        Err(refusal) => error(status_of(&refusal), refusal.code(), &refusal.to_string()),
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who gave a command: the name that was sent, and the address unless it is this machine's.
fn named(actor: Option<String>, from: Option<Peer>) -> String {
    let actor = actor.filter(|actor| !actor.trim().is_empty());
    let actor = actor.unwrap_or_else(|| ACTOR.to_owned());
    match from.map(|Peer(from)| from.to_canonical()) {
        Some(from) if !from.is_loopback() => format!("{actor} from {from}"),
        Some(_) | None => actor,
    }
}

const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::ReasonMissing | Refusal::TooLong => StatusCode::BAD_REQUEST,
        Refusal::Rollout(_) | Refusal::StateLocked => StatusCode::CONFLICT,
        Refusal::NotSaved { .. }
        | Refusal::StateFailing { .. }
        | Refusal::StateUnread
        | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The page, under the policy that admits its own styles and scripts and nothing else.
fn html(desk: &Desk, snapshot: &Arc<Snapshot>) -> Answer {
    let config = &snapshot.config;
    let (html, policy) = page::render(&Start {
        live: Live::new(desk, snapshot),
        config: InForce::new(config),
        history: desk.pulse.points(),
        points_max: POINTS_MAX,
        changes: guard::Changes::over(desk.address, config.admin_token.as_ref()),
    });
    let mut answer = plain(StatusCode::OK, HTML, html);
    // Hashes and words: nothing in it is no header value.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// What is in force, now and whenever it changes. It is the last answer of its connection: a next
/// stream could not last as long on one that is older.
fn events(desk: &Arc<Desk>, opened: Option<Opened>) -> Answer {
    let Some(body) = live::follow(desk, opened) else {
        return error(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_watchers",
            "Too many pages watch this process; close some, or read /api/status.",
        );
    };
    let mut answer = plain(StatusCode::OK, EVENTS, Bytes::new());
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, close);
    *answer.body_mut() = body;
    answer
}

fn refuse(denied: Denied) -> Answer {
    error(StatusCode::FORBIDDEN, denied.code(), &denied.to_string())
}

fn wrong_method(allowed: &'static str) -> Answer {
    let mut answer = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &format!("Use {allowed} here."),
    );
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// What went wrong, for programs and for people.
#[derive(Debug, Serialize)]
struct Failure<'a> {
    error: Cause<'a>,
}

#[derive(Debug, Serialize)]
struct Cause<'a> {
    code: &'a str,
    message: &'a str,
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    json(
        status,
        &Failure {
            error: Cause { code, message },
        },
    )
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            plain(status, JSON, body)
        }
        // Only a map with keys that are no text cannot be encoded, and there is none.
        Err(failed) => plain(StatusCode::INTERNAL_SERVER_ERROR, TEXT, failed.to_string()),
    }
}

fn plain(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).boxed());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_from_another_machine_is_named_with_it() {
        let of = |actor: Option<&str>, from: Option<&str>| {
            let from = from.map(|from| Peer(from.parse().expect("an address")));
            named(actor.map(str::to_owned), from)
        };
        assert_eq!(of(Some("alice@pod-1"), Some("127.0.0.1")), "alice@pod-1");
        assert_eq!(of(Some("alice"), Some("::ffff:127.0.0.1")), "alice");
        assert_eq!(of(Some("alice"), Some("10.1.2.3")), "alice from 10.1.2.3");
        assert_eq!(of(Some(" "), Some("2001:db8::1")), "api from 2001:db8::1");
        assert_eq!(of(None, None), "api");
    }
}
