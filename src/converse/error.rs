//! What can go wrong with an answer of Bedrock.

use serde::Deserialize;
use std::fmt;

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The events ended without a stop reason.
    Truncated,
    /// An event that cannot be, or output that the model itself calls malformed; says which.
    Malformed(&'static str),
    /// The service said so inside the stream.
    Exception(ServiceError),
}

impl fmt::Display for Fault {
    /// For the operator; an exception's message is AWS's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the stream ended without a stop reason"),
            Self::Malformed(what) => write!(f, "malformed output: {what}"),
            Self::Exception(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

/// An error of the service, from an HTTP answer or from inside a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status; inside a stream the one that the exception has otherwise.
    pub status: u16,
    /// The error's name, for example `ThrottlingException`; empty if the answer names none.
    pub code: String,
    /// What AWS says about it: for the operator, never for the app. Empty if it says nothing.
    pub message: String,
    /// The status that the model itself answered with.
    pub original_status: Option<u16>,
}

/// The body of an error, in every spelling that AWS uses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: Option<String>,
    #[serde(rename = "Message")]
    message_upper: Option<String>,
    #[serde(rename = "__type")]
    kind: Option<String>,
    code: Option<String>,
    #[serde(rename = "originalStatusCode")]
    original_status: Option<u16>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
}

impl Body {
    fn parse(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    fn text(&mut self) -> String {
        let own = self
            .message
            .take()
            .or_else(|| self.message_upper.take())
            .unwrap_or_default();
        match self.original_message.take() {
            Some(original) if own.is_empty() => original,
            Some(original) => format!("{own}: {original}"),
            None => own,
        }
    }
}

impl ServiceError {
    /// The error of an HTTP answer. `x_amzn_errortype` is the header of that name; it may carry a
    /// namespace before `#` and an address after `:`. A body that is no JSON is no message.
    pub fn from_http(status: u16, x_amzn_errortype: Option<&str>, body: &[u8]) -> Self {
        let mut body = Body::parse(body);
        let kind = body.kind.take().or_else(|| body.code.take());
        let code = x_amzn_errortype
            .or(kind.as_deref())
            .map(bare_code)
            .unwrap_or_default();
        Self {
            status,
            code,
            message: body.text(),
            original_status: body.original_status,
        }
    }

    /// The error of an exception frame; `exception_type` is the header `:exception-type` (or the
    /// `:error-code` of an error frame).
    pub fn from_exception(exception_type: &str, payload: &[u8]) -> Self {
        let mut body = Body::parse(payload);
        let code = bare_code(exception_type);
        let status = match code.as_str() {
            "ValidationException" => 400,
            "AccessDeniedException" => 403,
            "ResourceNotFoundException" => 404,
            "ModelTimeoutException" => 408,
            "ModelStreamErrorException" | "ModelErrorException" => 424,
            "ThrottlingException" | "ModelNotReadyException" => 429,
            "ServiceUnavailableException" => 503,
            _ => 500,
        };
        Self {
            status,
            code,
            message: body.text(),
            original_status: body.original_status,
        }
    }
}

/// The name in `namespace#Name:address`, its first letter upper-case (inside streams it is not).
fn bare_code(code: &str) -> String {
    let code = code.rsplit_once('#').map_or(code, |(_, name)| name);
    let code = code.split_once(':').map_or(code, |(name, _)| name).trim();
    let mut letters = code.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: Option<&str>, body: &str, code: &str, message: &str) {
        let error = ServiceError::from_http(400, header, body.as_bytes());
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            (code, message)
        );
    }

    #[test]
    fn every_spelling_of_an_http_error() {
        check(
            Some("ValidationException"),
            r#"{"message":"no"}"#,
            "ValidationException",
            "no",
        );
        check(
            Some("ThrottlingException:http://internal.amazon.com/coral/com.amazon.x/"),
            r#"{"Message":"slow down"}"#,
            "ThrottlingException",
            "slow down",
        );
        check(
            None,
            r#"{"__type":"com.amazon.coral#ExpiredToken"}"#,
            "ExpiredToken",
            "",
        );
        check(
            None,
            r#"{"code":"NotAuthorized","message":null}"#,
            "NotAuthorized",
            "",
        );
        check(None, "<html>", "", "");
        check(Some(""), "", "", "");
        check(None, "[]", "", "");
    }

    #[test]
    fn exceptions_of_a_stream_get_the_status_that_they_have_otherwise() {
        let error = ServiceError::from_exception(
            "modelStreamErrorException",
            br#"{"message":"m","originalStatusCode":500,"originalMessage":"o"}"#,
        );
        assert_eq!(
            (error.status, error.code.as_str()),
            (424, "ModelStreamErrorException")
        );
        assert_eq!(
            (error.message.as_str(), error.original_status),
            ("m: o", Some(500))
        );
        let status = |kind| ServiceError::from_exception(kind, b"").status;
        assert_eq!(status("throttlingException"), 429);
        assert_eq!(status("validationException"), 400);
        assert_eq!(status("serviceUnavailableException"), 503);
        assert_eq!(status("internalServerException"), 500);
        assert_eq!(status("somethingNew"), 500);
    }
}
