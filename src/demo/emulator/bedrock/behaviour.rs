//! What can go wrong with Bedrock.

use super::answer::Wish;
use super::error::ServiceError;
use crate::demo::emulator::behaviour::Before;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What can go wrong. `after` counts the events sent before, `messageStart` being the first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "behaviour", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// Nothing does.
    Normal,
    /// An error answer of the service.
    Error {
        /// Which one.
        kind: ErrorKind,
        /// The message, instead of the service's own.
        #[serde(default)]
        message: Option<String>,
        /// `originalStatusCode` of a [`ErrorKind::ModelError`].
        #[serde(default)]
        original_status: Option<u16>,
        /// `x-amz-retry-after`, in milliseconds.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// An HTML page with this status, as a load balancer answers.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// 200 with the JSON body `{}`.
    EmptyObject,
    /// 200 with no body at all.
    EmptyBody,
    /// Waits before the head of the answer.
    Delay {
        /// How long.
        ms: u64,
    },
    /// Waits between the head and the first event.
    SlowFirstToken {
        /// How long.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Drop,
    /// An exception inside the stream.
    StreamException {
        /// Which one.
        kind: ExceptionKind,
        /// Events before.
        #[serde(default)]
        after: usize,
        /// `originalStatusCode` of a [`ExceptionKind::ModelStreamError`].
        #[serde(default)]
        original_status: Option<u16>,
    },
    /// An error inside the stream that the service model does not know.
    StreamError {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// Falls silent.
    Stall {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// Falls silent until [`release`](crate::demo::emulator::Emulator::release).
    Hold {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// Closes the connection between two events.
    Cut {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// Ends the body properly, in the middle of a frame.
    CutInFrame {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// Damages a frame's checksum.
    BadCrc {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// A known event whose payload is no JSON.
    BadPayload {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// An event of a later service model, between the known ones.
    UnknownEvent {
        /// Events before.
        #[serde(default)]
        after: usize,
    },
    /// The stream ends properly, without `messageStop`.
    NoMessageStop,
    /// The stream ends without `metadata`.
    NoMetadata,
    /// Each piece of the body holds so many bytes, wherever that cuts it.
    Fragment {
        /// 1 or more.
        bytes: usize,
    },
    /// An answer with no content block.
    NoContent,
    /// Ends with this stop reason.
    StopReason {
        /// Any of the service's nine, or another word.
        reason: String,
    },
    /// Answers with this text.
    Text {
        /// The text.
        text: String,
        /// Characters to a delta; none: words.
        #[serde(default)]
        piece: Option<usize>,
    },
    /// Calls the first tool.
    ToolUse {
        /// How many times, in parallel.
        #[serde(default = "one")]
        calls: usize,
        /// Whether with arguments; without them the block has no delta.
        #[serde(default = "yes")]
        arguments: bool,
        /// Whether a text comes first.
        #[serde(default)]
        text: bool,
    },
    /// A reasoning block comes first.
    Reasoning {
        /// Whether it is encrypted.
        #[serde(default)]
        redacted: bool,
    },
    /// Reports cache tokens.
    Cache {
        /// `cacheReadInputTokens`.
        #[serde(default)]
        read: u64,
        /// `cacheWriteInputTokens`.
        #[serde(default)]
        write: u64,
    },
}

const fn one() -> usize {
    1
}

const fn yes() -> bool {
    true
}

/// The errors that come as an HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// `ThrottlingException`, 429.
    Throttling,
    /// `InternalServerException`, 500.
    Internal,
    /// `ServiceUnavailableException`, 503.
    Unavailable,
    /// `ValidationException`, 400, about the request.
    Validation,
    /// `ValidationException`, 400: longer than the context window.
    ContextOverflow,
    /// `ValidationException`, 400: no such model.
    ModelId,
    /// `ValidationException`, 400: only with an inference profile.
    OnDemand,
    /// `AccessDeniedException`, 403.
    AccessDenied,
    /// `ResourceNotFoundException`, 404: retired.
    NotFound,
    /// `ModelTimeoutException`, 408.
    ModelTimeout,
    /// `ModelErrorException`, 424.
    ModelError,
    /// `ModelNotReadyException`, 429.
    NotReady,
    /// `ExpiredTokenException`, 403.
    ExpiredToken,
    /// `UnrecognizedClientException`, 403.
    UnrecognizedClient,
    /// `ServiceQuotaExceededException`, 400.
    Quota,
    /// `ConflictException`, 400.
    Conflict,
}

/// The exceptions that come inside a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionKind {
    /// `internalServerException`.
    Internal,
    /// `modelStreamErrorException`.
    ModelStreamError,
    /// `validationException`.
    Validation,
    /// `throttlingException`.
    Throttling,
    /// `serviceUnavailableException`.
    Unavailable,
}

/// A behaviour, sorted by when it matters.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Before the request is looked at.
    pub(super) before: Before,
    /// Instead of an answer.
    pub(super) instead: Option<Instead>,
    /// About what is said.
    pub(super) wish: Wish,
    /// Before the first event.
    pub(super) first_token: Duration,
    /// So many events into the answer.
    pub(super) fault: Option<(usize, Fault)>,
    /// Bytes to a piece of the body.
    pub(super) fragment: Option<usize>,
}

/// What is answered instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// An error of the service.
    Error(ServiceError),
    /// Somebody else's page.
    Html(u16),
    /// `{}`.
    EmptyObject,
    /// Nothing.
    EmptyBody,
}

/// What happens in the middle of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Silence without end.
    Silence,
    /// Silence until the release.
    Hold,
    /// The end of the connection.
    Cut,
    /// The end of the body in the middle of a frame.
    CutInFrame,
    /// A modelled exception.
    Exception(ExceptionKind, Option<u16>),
    /// An unmodelled error.
    Error,
    /// The next frame is damaged.
    BadCrc,
    /// The next event has no JSON.
    BadPayload,
    /// An unknown event comes in between.
    UnknownEvent,
}

impl Behaviour {
    /// Sorts this behaviour by when it matters.
    pub(super) fn played(self) -> Played {
        let none = Played::default();
        let fault = |after, fault| Played {
            fault: Some((after, fault)),
            ..Played::default()
        };
        let instead = |instead| Played {
            instead: Some(instead),
            ..Played::default()
        };
        let before = |before| Played {
            before,
            ..Played::default()
        };
        let wish = |wish| Played {
            wish,
            ..Played::default()
        };
        match self {
            Self::Normal => none,
            Self::Error {
                kind,
                message,
                original_status,
                retry_after_ms,
            } => {
                let mut error = ServiceError::of(kind);
                error.message = message.unwrap_or(error.message);
                error.original_status = original_status.or(error.original_status);
                error.retry_after_ms = retry_after_ms;
                instead(Instead::Error(error))
            }
            Self::Html { status } => instead(Instead::Html(status)),
            Self::EmptyObject => instead(Instead::EmptyObject),
            Self::EmptyBody => instead(Instead::EmptyBody),
            Self::Delay { ms } => before(Before::Delay(Duration::from_millis(ms))),
            Self::SlowFirstToken { ms } => Played {
                first_token: Duration::from_millis(ms),
                ..none
            },
            Self::Hang => before(Before::Hang),
            Self::Drop => before(Before::Drop),
            Self::StreamException {
                kind,
                after,
                original_status,
            } => fault(after, Fault::Exception(kind, original_status)),
            Self::StreamError { after } => fault(after, Fault::Error),
            Self::Stall { after } => fault(after, Fault::Silence),
            Self::Hold { after } => fault(after, Fault::Hold),
            Self::Cut { after } => fault(after, Fault::Cut),
            Self::CutInFrame { after } => fault(after, Fault::CutInFrame),
            Self::BadCrc { after } => fault(after, Fault::BadCrc),
            Self::BadPayload { after } => fault(after, Fault::BadPayload),
            Self::UnknownEvent { after } => fault(after, Fault::UnknownEvent),
            Self::NoMessageStop => wish(Wish {
                leave_out: 2,
                ..Wish::default()
            }),
            Self::NoMetadata => wish(Wish {
                leave_out: 1,
                ..Wish::default()
            }),
            Self::Fragment { bytes } => Played {
                fragment: Some(bytes.max(1)),
                ..none
            },
            Self::NoContent => wish(Wish {
                no_content: true,
                ..Wish::default()
            }),
            Self::StopReason { reason } => wish(Wish {
                stop_reason: Some(reason),
                ..Wish::default()
            }),
            Self::Text { text, piece } => wish(Wish {
                text: Some(text),
                piece,
                ..Wish::default()
            }),
            Self::ToolUse {
                calls,
                arguments,
                text,
            } => wish(Wish {
                tool_calls: Some(calls),
                no_arguments: !arguments,
                text_before_tools: text,
                ..Wish::default()
            }),
            Self::Reasoning { redacted } => wish(Wish {
                reasoning: Some(redacted),
                ..Wish::default()
            }),
            Self::Cache { read, write } => wish(Wish {
                cache: (read, write),
                ..Wish::default()
            }),
        }
    }
}
