//! Errors as OpenAI answers them.

use super::set;
use crate::demo::emulator::json_answer;
use crate::demo::emulator::script::Script;
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// An error as OpenAI answers it.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) kind: &'static str,
    pub(super) param: Option<String>,
    pub(super) code: Option<String>,
    pub(super) retry_after_s: Option<u64>,
}

impl ApiError {
    pub(super) fn invalid(message: &str, param: Option<&str>, code: Option<&str>) -> Self {
        Self {
            status: 400,
            message: message.to_owned(),
            kind: "invalid_request_error",
            param: param.map(str::to_owned),
            code: code.map(str::to_owned),
            retry_after_s: None,
        }
    }

    pub(super) fn json() -> Self {
        let message = "We could not parse the JSON body of your request. (HINT: This likely means \
                       you aren't using your HTTP library correctly. The OpenAI API expects a JSON \
                       payload, but what was sent was not valid JSON.)";
        Self::invalid(message, None, None)
    }

    /// The error that a behaviour asks for.
    pub(super) fn asked(
        status: u16,
        message: Option<String>,
        code: Option<String>,
        retry_after_s: Option<u64>,
    ) -> Self {
        let (kind, default, default_code) = match status {
            429 => (
                "requests",
                "Rate limit reached for requests. Please try again later.",
                Some("rate_limit_exceeded"),
            ),
            401 => (
                "invalid_request_error",
                "Incorrect API key provided.",
                Some("invalid_api_key"),
            ),
            400..500 => ("invalid_request_error", "The request was refused.", None),
            503 => ("server_error", "The engine is currently overloaded.", None),
            _ => (
                "server_error",
                "The server had an error while processing your request. Sorry about that!",
                None,
            ),
        };
        let error = Self::invalid(message.as_deref().unwrap_or(default), None, None);
        let code = code.or_else(|| default_code.map(str::to_owned));
        Self {
            status,
            kind,
            code,
            retry_after_s,
            ..error
        }
    }

    pub(super) fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param,
            "code": self.code}})
    }

    pub(super) fn response(&self) -> Response<Script> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = json_answer(status, &self.body());
        if let Some(seconds) = self.retry_after_s {
            set(&mut response, RETRY_AFTER.as_str(), &seconds.to_string());
        }
        response
    }
}
