use super::*;

#[track_caller]
fn check(status: u16, code: &str, message: &str, expected: Kind) {
    let error = ServiceError {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
        original_status: None,
    };
    assert_eq!(kind(&error), expected, "{error}");
}

#[test]
fn every_row_of_the_exception_table() {
    check(
        429,
        "ThrottlingException",
        "Too many tokens, please wait",
        Kind::Throttle,
    );
    check(429, "ModelNotReadyException", "", Kind::NotReady);
    check(503, "ServiceUnavailableException", "", Kind::Unavailable);
    check(500, "InternalServerException", "", Kind::Server);
    check(500, "InternalFailure", "", Kind::Server);
    check(408, "ModelTimeoutException", "", Kind::Timeout);
    check(
        424,
        "ModelErrorException",
        "invalid sequence as part of ToolUse",
        Kind::Model,
    );
    check(424, "ModelStreamErrorException", "", Kind::ModelStream);
    check(
        400,
        "ValidationException",
        "messages.1 is invalid",
        Kind::Validation,
    );
    check(
        404,
        "ResourceNotFoundException",
        "has reached the end of its life",
        Kind::Config,
    );
    check(403, "AccessDeniedException", "", Kind::Config);
    check(400, "NotAuthorized", "", Kind::Config);
    check(404, "FTUFormNotFilled", "", Kind::Config);
    check(403, "ExpiredTokenException", "", Kind::CredentialsExpired);
    check(403, "InvalidClientTokenId", "", Kind::Credentials);
    check(
        403,
        "UnrecognizedClientException",
        "The security token is invalid",
        Kind::Credentials,
    );
    check(403, "SignatureDoesNotMatch", "", Kind::Credentials);
    check(403, "IncompleteSignature", "", Kind::Credentials);
    check(400, "RequestExpired", "", Kind::ClockSkew);
    check(400, "ServiceQuotaExceededException", "", Kind::Quota);
    check(400, "ConflictException", "", Kind::Server);
}

#[test]
fn a_skewed_clock_is_told_from_a_wrong_secret() {
    let expired = "Signature expired: 20261121T000000Z is now earlier than 20261121T001000Z";
    check(403, "InvalidSignatureException", expired, Kind::ClockSkew);
    check(
        403,
        "SignatureDoesNotMatch",
        "Signature not yet current: …",
        Kind::ClockSkew,
    );
    check(
        403,
        "InvalidSignatureException",
        "does not match",
        Kind::Credentials,
    );
    let token = "The security token included in the request is expired";
    check(
        403,
        "UnrecognizedClientException",
        token,
        Kind::CredentialsExpired,
    );
}

#[test]
fn context_overflow_has_many_wordings() {
    for message in [
        "Input is too long for requested model.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Too many input tokens. Max input tokens: 8192",
        "Input Tokens Exceeded: Number of input tokens exceeds maximum length",
        "This model's maximum context length is 8192 tokens",
        "the request exceeds the context window",
        "The number of tokens you provided exceeded the model maximum of 128000",
        "expected maxLength: 400000, actual: 500000",
        "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000",
    ] {
        check(400, "ValidationException", message, Kind::ContextWindow);
    }
}

#[test]
fn a_refused_model_is_no_refused_body() {
    for message in [
        "The provided model identifier is invalid.",
        "Invocation of model ID x with on-demand throughput isn’t supported. Retry with …",
        "This model version has reached the end of its life.",
    ] {
        check(400, "ValidationException", message, Kind::Config);
    }
}

#[test]
fn a_models_own_4xx_is_a_refusal() {
    let mut error = ServiceError {
        status: 424,
        code: "ModelErrorException".to_owned(),
        message: "Input is too long".to_owned(),
        original_status: Some(400),
    };
    assert_eq!(kind(&error), Kind::ContextWindow);
    error.message = "no".to_owned();
    assert_eq!(kind(&error), Kind::Validation);
    error.original_status = Some(500);
    assert_eq!(kind(&error), Kind::Model);
}

#[test]
fn without_a_known_name_the_status_decides() {
    check(502, "", "<html>", Kind::Server);
    check(403, "", "", Kind::Config);
    check(429, "Whatever", "", Kind::Throttle);
    check(400, "Whatever", "", Kind::Validation);
}

#[test]
fn the_app_never_reads_of_a_wrong_credential() {
    for &kind in Kind::ALL {
        let (status, body) = reply(kind);
        assert!(matches!(status, 400 | 429 | 500 | 502..=504), "{kind:?}");
        assert_eq!(status == 400, body.kind() == "invalid_request_error");
        let json: serde_json::Value = serde_json::from_slice(&body.to_json()).unwrap();
        assert!(json["error"]["message"].is_string());
    }
    assert_eq!(reply(Kind::Throttle).1.code(), Some("rate_limit_exceeded"));
    assert_eq!(
        reply(Kind::ContextWindow).1.code(),
        Some("context_length_exceeded")
    );
}

#[test]
fn nothing_of_aws_reaches_the_app() {
    let error = ServiceError::from_exception(
        "modelStreamErrorException",
        br#"{"message":"arn:aws:bedrock:us-east-1:111122223333:x","originalStatusCode":500}"#,
    );
    let (status, body) = fault_reply(&Fault::Exception(error));
    assert_eq!((status, body.code()), (502, Some("model_stream_error")));
    let frame = String::from_utf8(body.sse_frame()).unwrap();
    assert!(!frame.contains("arn:") && !frame.contains("111122223333"));
    assert!(frame.starts_with("data: {\"error\":{") && frame.ends_with("}\n\n"));
    assert_eq!(
        fault_reply(&Fault::Truncated).1.code(),
        Some("upstream_stream_interrupted")
    );
    assert_eq!(
        fault_reply(&Fault::Malformed("x")).1.code(),
        Some("malformed_output")
    );
}
