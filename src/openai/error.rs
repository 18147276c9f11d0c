//! The error body of OpenAI, as JSON and as an event of a stream.
//!
//! Both SDKs read `error.message`, `type`, `param` and `code`, and raise on a stream's event that
//! has `error`; nothing else makes them notice that a stream broke.

use serde::Serialize;
use std::borrow::Cow;

/// `{"error":{"message":…,"type":…,"param":…,"code":…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    error: Inner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Inner {
    message: Cow<'static, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl ErrorBody {
    /// An error without `param`. The message is for the caller: nothing of AWS belongs into it.
    pub fn new(
        message: impl Into<Cow<'static, str>>,
        kind: &'static str,
        code: Option<&'static str>,
    ) -> Self {
        Self {
            error: Inner {
                message: message.into(),
                kind,
                param: None,
                code,
            },
        }
    }

    /// The same, naming the parameter that is at fault.
    #[must_use]
    pub const fn with_param(mut self, param: &'static str) -> Self {
        self.error.param = Some(param);
        self
    }

    /// `error.code`.
    pub const fn code(&self) -> Option<&'static str> {
        self.error.code
    }

    /// `error.type`.
    pub const fn kind(&self) -> &'static str {
        self.error.kind
    }

    /// `error.message`.
    pub fn message(&self) -> &str {
        &self.error.message
    }

    /// The body of an answer.
    pub fn to_json(&self) -> Vec<u8> {
        // Cannot fail: strings only. An empty body would still be an error to the SDKs.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The last event of a stream that broke: nothing follows it, `[DONE]` neither.
    pub fn sse_frame(&self) -> Vec<u8> {
        let mut frame = b"data: ".to_vec();
        frame.extend_from_slice(&self.to_json());
        frame.extend_from_slice(b"\n\n");
        frame
    }
}
