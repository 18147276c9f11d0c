//! Answers that crossfade itself writes, and the body types of all answers.
//!
//! Every error that the app sees is OpenAI-shaped; what the operator needs is in the log. Errors
//! that a retry may cure carry no `x-should-retry`, so that the SDKs decide as they do without
//! crossfade.

use super::forward::ForwardBody;
use super::stream::StreamBody;
use crate::openai::error::ErrorBody;
use crate::upstream::original::Unanswered;
use crate::upstream::pool::AnswerBody;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of an answer.
pub(crate) enum ReplyBody {
    /// Written by crossfade; empty once sent.
    Held(Bytes),
    /// The original's, as it comes.
    Forward(ForwardBody),
    /// Bedrock's, translated.
    Stream(Box<StreamBody<AnswerBody>>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Held(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Held(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Forward(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(body) => Pin::new(body).poll_frame(cx).map(|frame| {
                frame.map(|frame| match frame {
                    Ok(frame) => Ok(frame),
                    Err(never) => match never {},
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Held(bytes) => bytes.is_empty(),
            Self::Forward(body) => body.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Held(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Forward(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Tells the app which failure of Bedrock's made the original answer.
pub(super) const FAILOVER_HEADER: HeaderName = HeaderName::from_static("x-crossfade-failover");

/// Tells the app why the call stayed with the original.
pub(super) const REASON_HEADER: HeaderName = HeaderName::from_static("x-crossfade-reason");

/// Names the call.
pub(super) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// An OpenAI-shaped error.
pub(crate) fn error(status: StatusCode, body: &ErrorBody) -> Response<ReplyBody> {
    held(status, "application/json", Bytes::from(body.to_json()))
}

/// An error for a request that is the caller's to mend.
pub(super) fn refuse(status: StatusCode, text: &'static str) -> Response<ReplyBody> {
    error(status, &ErrorBody::new(text, "invalid_request_error", None))
}

/// The original gave no answer. What happened is for the log.
pub(super) fn unanswered(why: &Unanswered) -> Response<ReplyBody> {
    match why {
        Unanswered::Unreachable(_) => {
            let text = "The upstream provider could not be reached.";
            error(
                StatusCode::BAD_GATEWAY,
                &ErrorBody::new(text, "server_error", Some("upstream_connect")),
            )
        }
        // Read only by a caller whose body is broken: one that left reads nothing.
        Unanswered::CallerLeft(_) => refuse(StatusCode::BAD_REQUEST, "The body is broken."),
    }
}

/// The process stops before the call was answered.
pub(crate) fn stopping() -> Response<ReplyBody> {
    let text = "This proxy is restarting; try again.";
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        &ErrorBody::new(text, "server_error", Some("proxy_stopping")),
    )
}

/// A whole Bedrock answer: JSON, or the short stream of a model that said nothing.
pub(super) fn whole(streamed: bool, body: Bytes) -> Response<ReplyBody> {
    let kind = if streamed {
        EVENT_STREAM
    } else {
        "application/json"
    };
    held(StatusCode::OK, kind, body)
}

/// The head of a streamed Bedrock answer.
pub(super) fn stream(body: StreamBody<AnswerBody>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Stream(Box::new(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would otherwise collect the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn held(status: StatusCode, kind: &'static str, body: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Held(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The content type of a stream of server-sent events.
pub(super) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
