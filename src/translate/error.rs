//! What a service error means, and what the app may read of it.
//!
//! AWS's own words go to the operator's log only: they name accounts, ARNs and rights. The app gets
//! a sentence of ours, and never a 401, 403 or 404: its own credential is fine, and the SDKs would
//! not try again.

use crate::converse::{Fault, ServiceError};
use crate::openai::ErrorBody;
use std::borrow::Cow;

/// What a service error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The service failed, or said something that nothing else explains.
    Server,
    /// The service is overloaded.
    Unavailable,
    /// The model took too long.
    Timeout,
    /// The model failed.
    Model,
    /// The model failed inside a stream.
    ModelStream,
    /// The model is still being loaded.
    NotReady,
    /// Too many calls or tokens.
    Throttle,
    /// A quota of the account is used up.
    Quota,
    /// A missing right, an unknown or retired model.
    Config,
    /// The credentials are wrong: refresh once.
    Credentials,
    /// The credentials have expired: refresh once.
    CredentialsExpired,
    /// This clock and the service's differ: correct it by the answer's `Date`.
    ClockSkew,
    /// The service refuses the body.
    Validation,
    /// The prompt is longer than the model's context window.
    ContextWindow,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Server,
        Self::Unavailable,
        Self::Timeout,
        Self::Model,
        Self::ModelStream,
        Self::NotReady,
        Self::Throttle,
        Self::Quota,
        Self::Config,
        Self::Credentials,
        Self::CredentialsExpired,
        Self::ClockSkew,
        Self::Validation,
        Self::ContextWindow,
    ];
}

/// What a service error means: told from its name, where that is not enough from its words, and
/// without a name from its status.
pub fn kind(error: &ServiceError) -> Kind {
    let code = error.code.as_str();
    match code.strip_suffix("Exception").unwrap_or(code) {
        "Throttling" | "ThrottledRequest" | "TooManyRequests" | "RequestLimitExceeded" => {
            Kind::Throttle
        }
        "ServiceQuotaExceeded" => Kind::Quota,
        "ModelNotReady" => Kind::NotReady,
        "ServiceUnavailable" => Kind::Unavailable,
        "InternalServer" | "InternalFailure" | "InternalServerError" | "Conflict" => Kind::Server,
        "ModelTimeout" => Kind::Timeout,
        "ModelStreamError" => Kind::ModelStream,
        "ModelError" => match error.original_status {
            Some(400..=499) => refusal(&error.message),
            Some(_) | None => Kind::Model,
        },
        "Validation" | "Serialization" => refusal(&error.message),
        "ResourceNotFound"
        | "AccessDenied"
        | "NotAuthorized"
        | "FTUFormNotFilled"
        | "UnknownOperation"
        | "MissingAuthenticationToken" => Kind::Config,
        "ExpiredToken" | "TokenRefreshRequired" => Kind::CredentialsExpired,
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => Kind::ClockSkew,
        "SignatureDoesNotMatch" | "InvalidSignature" if is_skew(&error.message) => Kind::ClockSkew,
        "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "InvalidSignature"
        | "IncompleteSignature" => {
            if contains(&error.message, "expired") {
                Kind::CredentialsExpired
            } else {
                Kind::Credentials
            }
        }
        _ => kind_of_status(error.status),
    }
}

/// What a refusal of the body means.
fn refusal(message: &str) -> Kind {
    let overflow = CONTEXT_OVERFLOW
        .iter()
        .any(|words| contains_all(message, words));
    let model = MODEL_REFUSED
        .iter()
        .any(|words| contains_all(message, words));
    match (overflow, model) {
        (true, _) => Kind::ContextWindow,
        (false, true) => Kind::Config,
        (false, false) => Kind::Validation,
    }
}

/// What a status means where the error has no name that is known: a proxy in between answers so.
const fn kind_of_status(status: u16) -> Kind {
    match status {
        400 | 413 | 422 => Kind::Validation,
        401 | 403 | 404 => Kind::Config,
        408 | 504 => Kind::Timeout,
        424 => Kind::Model,
        429 => Kind::Throttle,
        503 => Kind::Unavailable,
        _ => Kind::Server,
    }
}

/// How the models behind Converse say that a prompt is too long: words that occur in this order.
const CONTEXT_OVERFLOW: &[&[&str]] = &[
    &["input is too long"],
    &["prompt is too long"],
    &["too many input tokens"],
    &["input tokens exceeded"],
    &["input token count", "exceed"],
    &["maximum context length"],
    &["exceeds the context window"],
    &["exceed", "model maximum"],
    &["expected maxlength:"],
    &["max_tokens", "exceed context limit"],
];

/// How the service says that it has no such model, or not this way: nothing is wrong with the body.
const MODEL_REFUSED: &[&[&str]] = &[
    &["model identifier is invalid"],
    &["on-demand throughput isn", "supported"],
    &["end of its life"],
    &["inference profile", "not found"],
    &["operation not allowed"],
];

fn is_skew(message: &str) -> bool {
    [
        "signature expired",
        "signature not yet current",
        "is now earlier than",
    ]
    .iter()
    .any(|words| contains(message, words))
}

/// Whether `words`, lower-case, occur in the message, whatever its case.
pub(crate) fn contains(message: &str, words: &str) -> bool {
    contains_all(message, &[words])
}

/// Whether all of `words`, lower-case, occur in the message in this order, whatever their case.
fn contains_all(message: &str, words: &[&str]) -> bool {
    let message = message.to_ascii_lowercase();
    let mut rest = message.as_str();
    words.iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// What the app reads if nothing else can answer the call: status and body.
pub fn reply(kind: Kind) -> (u16, ErrorBody) {
    let body = |message, kind, code| ErrorBody::new(Cow::Borrowed(message), kind, code);
    let server = |message, code| body(message, "server_error", code);
    let misconfigured = || {
        server(
            "The model provider is not set up.",
            Some("provider_misconfigured"),
        )
    };
    let unauthorised = || {
        server(
            "The model provider does not know this service.",
            Some("provider_auth"),
        )
    };
    match kind {
        Kind::Server => (500, server("The model provider failed.", None)),
        Kind::Unavailable => (
            503,
            server("The model provider is overloaded.", Some("overloaded")),
        ),
        Kind::Timeout => (504, server("The model took too long.", Some("timeout"))),
        Kind::Model => (502, server("The model failed.", Some("model_error"))),
        Kind::ModelStream => (502, server("The model failed.", Some("model_stream_error"))),
        Kind::NotReady => (
            503,
            server("The model is not ready yet.", Some("model_not_ready")),
        ),
        Kind::Throttle => (
            429,
            body(
                "Too many requests.",
                "rate_limit_error",
                Some("rate_limit_exceeded"),
            ),
        ),
        Kind::Quota => (
            429,
            body(
                "A quota is used up.",
                "insufficient_quota",
                Some("insufficient_quota"),
            ),
        ),
        Kind::Config => (502, misconfigured()),
        Kind::Credentials | Kind::CredentialsExpired | Kind::ClockSkew => (502, unauthorised()),
        Kind::Validation => (
            400,
            body(
                "The model does not accept this request.",
                "invalid_request_error",
                None,
            ),
        ),
        Kind::ContextWindow => (
            400,
            body(
                "The messages are longer than the model's context window.",
                "invalid_request_error",
                Some("context_length_exceeded"),
            )
            .with_param("messages"),
        ),
    }
}

/// What the app reads of an answer that came to nothing, if nothing else can answer the call.
pub fn fault_reply(fault: &Fault) -> (u16, ErrorBody) {
    match fault {
        Fault::Exception(error) => reply(kind(error)),
        Fault::Truncated => (502, interrupted()),
        Fault::Malformed(_) => (
            502,
            ErrorBody::new(
                "The model gave no valid answer.",
                "server_error",
                Some("malformed_output"),
            ),
        ),
    }
}

/// The error that ends a stream which broke after the app had read of it: cut off, or silent for
/// too long. For a [`Fault`] see [`fault_reply`].
pub fn interrupted() -> ErrorBody {
    ErrorBody::new(
        "The answer was interrupted.",
        "server_error",
        Some("upstream_stream_interrupted"),
    )
}

#[cfg(test)]
mod tests;
