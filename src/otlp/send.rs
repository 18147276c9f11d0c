//! One try: the request, and what its answer means.
//!
//! OTLP over HTTP, in its binary form, by <https://opentelemetry.io/docs/specs/otlp/>: 429, 502,
//! 503, 504 and no answer at all may be cured by a later try, every other refusal may not. How it
//! is carried is in `upstream::post`.

use super::message::ExportTraceServiceResponse;
use crate::config::traces::Traces;
use crate::upstream::body::RequestBody;
use crate::upstream::post;
use crate::upstream::transport::Transport;
use bytes::Bytes;
use http::{Request, StatusCode};
use prost::Message;
use std::time::Duration;

/// How long a whole try may take: the specification's default.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of an answer is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// How much of what the collector says is repeated.
const SAID_CHARS: usize = 200;

/// What became of an export.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was taken, but for so many spans.
    Taken {
        /// Spans that the collector does not want.
        rejected: u64,
        /// Why.
        why: String,
    },
    /// A later try may help.
    Later {
        /// What happened, without the URL.
        why: String,
        /// When the collector wants to be asked again, if it says so.
        wait: Option<Duration>,
    },
    /// No later try will.
    Refused {
        /// What happened, without the URL.
        why: String,
    },
}

/// Sends one export.
pub(super) async fn send(transport: &Transport, to: &Traces, body: Bytes) -> Sent {
    let request = match request(to, body) {
        Ok(request) => request,
        Err(why) => return Sent::Refused { why },
    };
    match post::send(transport, request, PATIENCE, ANSWER_BYTES).await {
        Ok(answer) => judge(answer.status, answer.retry_after, &answer.body),
        Err(why) => Sent::Later { why, wait: None },
    }
}

/// What an answer means.
fn judge(status: StatusCode, wait: Option<Duration>, body: &[u8]) -> Sent {
    let why = post::refusal(status);
    match status {
        _ if status.is_success() => taken(body),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Sent::Later { why, wait },
        _ => Sent::Refused { why },
    }
}

/// What was taken. An answer in another form says nothing else.
fn taken(body: &[u8]) -> Sent {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    let said = partial.error_message.chars();
    Sent::Taken {
        rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
        why: said.filter(|c| !c.is_control()).take(SAID_CHARS).collect(),
    }
}

fn request(to: &Traces, body: Bytes) -> Result<Request<RequestBody>, String> {
    let uri = post::uri(to.tls, &to.authority, to.path.0.as_str())?;
    let mut request = post::request(uri, "application/x-protobuf", body)?;
    for (name, value) in &to.headers {
        if let Some(value) = crate::config::traces::header_value(value) {
            request.headers_mut().append(name, value);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::super::message::ExportTracePartialSuccess;
    use super::*;

    #[test]
    fn only_what_the_specification_lists_is_tried_again() {
        let wait = Some(Duration::from_secs(7));
        for (status, again) in [
            (429, true),
            (502, true),
            (503, true),
            (504, true),
            (301, false),
            (400, false),
            (401, false),
            (404, false),
            (413, false),
            (500, false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            match judge(status, wait, b"") {
                Sent::Later { wait: told, .. } => assert!(again && told == wait, "{status}"),
                Sent::Refused { why } => assert!(!again && why.contains(status.as_str())),
                Sent::Taken { .. } => panic!("{status}"),
            }
        }
    }

    #[test]
    fn what_a_collector_rejects_is_known() {
        let none = Sent::Taken {
            rejected: 0,
            why: String::new(),
        };
        assert_eq!(judge(StatusCode::OK, None, b""), none);
        assert_eq!(judge(StatusCode::OK, None, b"{}"), none);
        let answer = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: 2,
                error_message: "too old\n".to_owned(),
            }),
        };
        let some = Sent::Taken {
            rejected: 2,
            why: "too old".to_owned(),
        };
        assert_eq!(judge(StatusCode::OK, None, &answer.encode_to_vec()), some);
    }
}
