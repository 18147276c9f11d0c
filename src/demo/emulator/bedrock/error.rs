//! Bedrock's errors, with the service's names and words.

use super::behaviour::{ErrorKind, ExceptionKind};
use serde_json::{Value, json};

/// An error as an HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) original_status: Option<u16>,
    pub(super) retry_after_ms: Option<u64>,
}

impl ServiceError {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
            original_status: None,
            retry_after_ms: None,
        }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    /// The error with the service's own words.
    pub(super) fn of(kind: ErrorKind) -> Self {
        const AGAIN: &str = "The system encountered an unexpected error during processing. Try \
                             your request again.";
        const INVALID: &str = "ValidationException";
        let (status, code, message) = match kind {
            ErrorKind::Throttling => {
                let message = "Too many requests, please wait before trying again.";
                (429, "ThrottlingException", message)
            }
            ErrorKind::Internal => (500, "InternalServerException", AGAIN),
            ErrorKind::Unavailable => {
                let message = "Bedrock is unable to process your request.";
                (503, "ServiceUnavailableException", message)
            }
            ErrorKind::Validation => {
                let message = "The model returned the following errors: Malformed input request, \
                               please reformat your input and try again.";
                (400, INVALID, message)
            }
            ErrorKind::ContextOverflow => (400, INVALID, "Input is too long for requested model."),
            ErrorKind::ModelId => (400, INVALID, "The provided model identifier is invalid."),
            ErrorKind::OnDemand => {
                let message = "Invocation of model ID with on-demand throughput isn’t supported. \
                               Retry your request with the ID or ARN of an inference profile \
                               that contains this model.";
                (400, INVALID, message)
            }
            ErrorKind::AccessDenied => {
                let message = "You don't have access to the model with the specified model ID.";
                (403, "AccessDeniedException", message)
            }
            ErrorKind::NotFound => {
                let message = "This model version has reached the end of its life. Please refer \
                               to the AWS documentation for more details.";
                (404, "ResourceNotFoundException", message)
            }
            ErrorKind::ModelTimeout => (408, "ModelTimeoutException", "Model request timed out."),
            ErrorKind::ModelError => (424, "ModelErrorException", AGAIN),
            ErrorKind::NotReady => {
                let message = "Model is not ready for inference. Wait and try your request again.";
                (429, "ModelNotReadyException", message)
            }
            ErrorKind::ExpiredToken => {
                let message = "The security token included in the request is expired";
                (403, "ExpiredTokenException", message)
            }
            ErrorKind::UnrecognizedClient => {
                let message = "The security token included in the request is invalid.";
                (403, "UnrecognizedClientException", message)
            }
            ErrorKind::Quota => {
                let message = "Your request exceeds the service quota for your account.";
                (400, "ServiceQuotaExceededException", message)
            }
            ErrorKind::Conflict => {
                let message = "Error occurred because of a conflict while performing an operation.";
                (400, "ConflictException", message)
            }
        };
        let original_status = (kind == ErrorKind::ModelError).then_some(500);
        Self {
            original_status,
            ..Self::new(status, code, message)
        }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({"message": self.message});
        if let (Some(status), Some(body)) = (self.original_status, body.as_object_mut()) {
            body.insert("originalStatusCode".to_owned(), json!(status));
            body.insert("resourceName".to_owned(), json!("emulated"));
        }
        body
    }
}

impl ExceptionKind {
    /// The `:exception-type`.
    pub(super) const fn wire_name(self) -> &'static str {
        match self {
            Self::Internal => "internalServerException",
            Self::ModelStreamError => "modelStreamErrorException",
            Self::Validation => "validationException",
            Self::Throttling => "throttlingException",
            Self::Unavailable => "serviceUnavailableException",
        }
    }

    /// The payload.
    pub(super) fn payload(self, original_status: Option<u16>) -> Value {
        match self {
            Self::ModelStreamError => json!({
                "message": "The model stopped with an error while streaming.",
                "originalStatusCode": original_status.unwrap_or(500),
                "originalMessage": "The model failed.",
            }),
            Self::Internal | Self::Validation | Self::Throttling | Self::Unavailable => {
                json!({"message": self.as_http(original_status).message})
            }
        }
    }

    /// The same fault as an HTTP answer, for a call that is not streamed.
    pub(super) fn as_http(self, original_status: Option<u16>) -> ServiceError {
        let kind = match self {
            Self::Internal => ErrorKind::Internal,
            Self::ModelStreamError => ErrorKind::ModelError,
            Self::Validation => ErrorKind::Validation,
            Self::Throttling => ErrorKind::Throttling,
            Self::Unavailable => ErrorKind::Unavailable,
        };
        let error = ServiceError::of(kind);
        ServiceError {
            original_status: original_status.or(error.original_status),
            ..error
        }
    }
}
