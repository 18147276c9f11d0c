//! Forwards what the app sent to the original provider.
//!
//! Nothing is added, parsed or reordered. Left out are the hop-by-hop headers, `Expect` (answered
//! already) and crossfade's own; changed are `Host` and, where `original.api_key` is configured,
//! the key.

use super::body::{BrokenByCaller, RequestBody};
use super::pool::AnswerBody;
use super::transport::{SendError, Transport};
use crate::config::{Dialect, Original};
use http::header::{
    AUTHORIZATION, CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use std::error::Error;
use std::fmt;

/// Sends the app's request on.
///
/// # Errors
///
/// Why there is no answer, and whose fault that is.
pub(crate) async fn send(
    transport: &Transport,
    original: &Original,
    mut head: Box<Parts>,
    body: RequestBody,
    hop: Hop,
) -> Result<Response<AnswerBody>, Unanswered> {
    head.uri = target(original, &head.uri).map_err(Unanswered::Unreachable)?;
    head.version = http::Version::HTTP_11;
    strip(&mut head.headers, hop);
    let host = HeaderValue::from_str(original.authority.as_str())
        .map_err(|_| Unanswered::Unreachable("original.url has no usable host".to_owned()))?;
    head.headers.insert(HOST, host);
    if let Some(key) = &original.api_key {
        replace_key(&mut head.headers, original.dialect, key.expose());
    }
    let request = Request::from_parts(*head, body);
    let mut response = transport.send(request).await.map_err(Unanswered::of)?;
    if hop == Hop::Ends || response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        strip(response.headers_mut(), Hop::Ends);
    }
    Ok(response)
}

/// Why the original gave no answer, for the operator's log.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// It could not be asked, or did not answer.
    Unreachable(String),
    /// The app left before it had sent its whole body, or sent a broken one.
    CallerLeft(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::CallerLeft(why) => f.write_str(why),
        }
    }
}

impl Unanswered {
    /// Tells the operator. A caller that left is no fault of the original's, and an everyday event.
    pub(crate) fn log(&self, request_id: Option<&str>) {
        match self {
            Self::Unreachable(why) => {
                tracing::warn!(request_id, why, "the original gave no answer");
            }
            Self::CallerLeft(why) => {
                tracing::debug!(request_id, why, "the caller left before its body was whole");
            }
        }
    }

    fn of(error: SendError) -> Self {
        let why = super::with_causes(&error);
        let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
        if causes.any(|cause| cause.is::<BrokenByCaller>()) {
            Self::CallerLeft(why)
        } else {
            Self::Unreachable(why)
        }
    }
}

/// Whether the headers of this connection also concern the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// An ordinary call.
    Ends,
    /// A protocol upgrade: `Connection` and `Upgrade` go along.
    Upgrades,
}

/// The original's URL with the path and query that the app asked for.
fn target(original: &Original, asked: &Uri) -> Result<Uri, String> {
    let path = asked.path_and_query().map_or("/", PathAndQuery::as_str);
    let scheme = if original.tls {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let builder = Uri::builder()
        .scheme(scheme)
        .authority(original.authority.clone());
    let built = if original.path_prefix.is_empty() {
        // The app's own bytes, not a copy.
        match asked.path_and_query() {
            Some(path) => builder.path_and_query(path.clone()),
            None => builder.path_and_query("/"),
        }
    } else {
        builder.path_and_query(format!("{}{path}", original.path_prefix))
    };
    built
        .build()
        .map_err(|error| format!("the target cannot be forwarded: {error}"))
}

/// Removes what belongs to one connection only (RFC 9110 §7.6.1) and what is ours. Most messages
/// have little of it, so the few names that are there are compared, not the many that could be.
fn strip(headers: &mut HeaderMap, hop: Hop) {
    let goes = |name: &HeaderName| match hop {
        Hop::Ends => STRIPPED.contains(name) || ENDING.contains(name),
        Hop::Upgrades => STRIPPED.contains(name),
    };
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| hop == Hop::Ends || *name != UPGRADE);
    let present = headers.keys().filter(|name| goes(name)).cloned();
    let names: Vec<HeaderName> = named.chain(present).collect();
    for name in names {
        headers.remove(name);
    }
}

fn replace_key(headers: &mut HeaderMap, dialect: Dialect, key: &str) {
    let (name, other, value) = match dialect {
        Dialect::OpenAi => (AUTHORIZATION, API_KEY, format!("Bearer {key}")),
        Dialect::Azure => (API_KEY, AUTHORIZATION, key.to_owned()),
    };
    headers.remove(other);
    // A key with a line break is refused by the configuration.
    if let Ok(mut value) = HeaderValue::from_str(&value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

/// Asks for an arm where `rollout.allow_override` is set, and tells it in an answer.
pub(crate) const ARM_HEADER: HeaderName = HeaderName::from_static("x-crossfade-arm");

/// Azure's header for a key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// What never goes on.
const STRIPPED: [HeaderName; 9] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    EXPECT,
    ARM_HEADER,
];

/// What goes on with a protocol upgrade only.
const ENDING: [HeaderName; 2] = [CONNECTION, UPGRADE];
