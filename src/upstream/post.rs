//! One POST to a receiver outside the calls' way: a webhook, a gate, a collector of spans.
//!
//! What they share: who is asking, a bound on the whole try, an answer that is read up to a limit so
//! that its connection can be used again, and words that never show the URL, which may hold a key.
//! Redirects are not followed: whoever was configured is told, and nobody else. What an answer
//! means is for whoever asks.

use super::body::RequestBody;
use super::retry_after;
use super::transport::Transport;
use super::with_causes;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::uri::Authority;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Collected, Limited};
use std::time::Duration;

/// The first wait after a failure.
const BACKOFF: Duration = Duration::from_secs(1);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// When the receiver wants to be asked again, if it says so.
    pub(crate) retry_after: Option<Duration>,
    /// Its body; empty if it broke off or is too long.
    pub(crate) body: Bytes,
}

/// The URL of a receiver.
///
/// # Errors
///
/// That there is none; without saying which, since its path may hold a key.
pub(crate) fn uri(tls: bool, authority: &Authority, target: &str) -> Result<Uri, String> {
    Uri::builder()
        .scheme(if tls { "https" } else { "http" })
        .authority(authority.clone())
        .path_and_query(target)
        .build()
        .map_err(|_| "its URL cannot be used".to_owned())
}

/// A POST to `uri`.
///
/// # Errors
///
/// If the URL names no host.
pub(crate) fn request(
    uri: Uri,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Result<Request<RequestBody>, String> {
    let host = uri
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .ok_or("its URL has no usable host")?;
    Request::post(uri)
        .header(HOST, host)
        .header(USER_AGENT, concat!("crossfade/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, content_type)
        .body(RequestBody::Held(body.into()))
        .map_err(|error| error.to_string())
}

/// Sends it and reads the answer, all `within` that time and up to so many bytes.
///
/// # Errors
///
/// Why there is no answer, in words.
pub(crate) async fn send(
    transport: &Transport,
    request: Request<RequestBody>,
    within: Duration,
    answer_bytes: usize,
) -> Result<Answer, String> {
    let exchange = async {
        let answer = transport.send(request).await;
        let (head, body) = answer.map_err(|error| with_causes(&error))?.into_parts();
        let body = Limited::new(body, answer_bytes).collect().await;
        Ok(Answer {
            status: head.status,
            retry_after: retry_after::read(&head.headers),
            body: body.map(Collected::to_bytes).unwrap_or_default(),
        })
    };
    let late = |_| format!("no answer within {} s", within.as_secs());
    tokio::time::timeout(within, exchange).await.map_err(late)?
}

/// A status that is no success, in words.
pub(crate) fn refusal(status: StatusCode) -> String {
    if status.is_redirection() {
        format!("it answers {status}; redirects are not followed")
    } else {
        format!("it answers {status}")
    }
}

/// How long to wait after so many failures in a row: 1 s, 2 s, 4 s and so on up to `max`.
pub(crate) fn backoff(failed_tries: u32, max: Duration) -> Duration {
    let doublings = failed_tries.saturating_sub(1).min(16);
    BACKOFF.saturating_mul(1 << doublings).min(max)
}
