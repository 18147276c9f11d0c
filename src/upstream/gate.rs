//! Asks a webhook gate whether the share may be raised.
//!
//! One POST with what the rollout knows, and only the status of the answer counts: 2xx is a yes,
//! 403 a no, and everything else, no answer in time included, says nothing. A redirection is not
//! followed: it would carry the question to a place that nobody configured. No call of the app
//! waits for any of this.

use super::body::RequestBody;
use super::transport::Transport;
use super::with_causes;
use crate::config::Webhook;
use crate::rollout::{GateAnswer, Question};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};

/// Puts `question` to the gate.
pub(crate) async fn ask(
    transport: &Transport,
    webhook: &Webhook,
    question: &Question,
) -> GateAnswer {
    let unknown = |problem: String| GateAnswer::Unknown { problem };
    let request = match request(webhook, question) {
        Ok(request) => request,
        Err(problem) => return unknown(problem),
    };
    let answer = tokio::time::timeout(webhook.timeout, transport.send(request)).await;
    match answer {
        Err(_) => unknown(format!("no answer within {:?}", webhook.timeout)),
        Ok(Err(error)) => unknown(with_causes(&error)),
        Ok(Ok(answer)) => match answer.status() {
            status if status.is_success() => GateAnswer::Yes,
            StatusCode::FORBIDDEN => GateAnswer::No,
            status => unknown(format!("it answers {status}")),
        },
    }
}

fn request(webhook: &Webhook, question: &Question) -> Result<Request<RequestBody>, String> {
    let host = webhook
        .url
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .ok_or("its URL has no usable host")?;
    let body = serde_json::to_vec(question).map_err(|error| error.to_string())?;
    let json = HeaderValue::from_static("application/json");
    let agent = HeaderValue::from_static(concat!("crossfade/", env!("CARGO_PKG_VERSION")));
    let mut request = Request::new(RequestBody::Held(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = webhook.url.clone();
    for (name, value) in [(HOST, host), (CONTENT_TYPE, json), (USER_AGENT, agent)] {
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}
