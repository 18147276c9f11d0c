//! The emulators as their real clients see them: the AWS SDK, and a plain HTTP client.

use super::bedrock::{Behaviour as Aws, ErrorKind, ExceptionKind};
use super::openai::Behaviour as Gpt;
use super::{BedrockEmulator, Credentials, Ended, OpenAiEmulator, Rule, Settings};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, Message, StopReason,
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

const MODEL: &str = "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0";

fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

async fn bedrock() -> (BedrockEmulator, Client) {
    let own = Credentials::default();
    let emulator = BedrockEmulator::start(anywhere(), own.clone())
        .await
        .unwrap();
    let keys = aws_credential_types::Credentials::new(
        own.access_key_id,
        own.secret_access_key,
        own.session_token,
        None,
        "test",
    );
    let config = aws_sdk_bedrockruntime::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(own.region))
        .endpoint_url(emulator.base_url())
        .credentials_provider(keys)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    (emulator, Client::from_conf(config))
}

fn user(text: &str) -> Message {
    let text = ContentBlock::Text(text.to_owned());
    Message::builder()
        .role(ConversationRole::User)
        .content(text)
        .build()
        .unwrap()
}

/// Text and stop reason of a stream, or the error's code.
async fn streamed(client: &Client) -> Result<(String, Option<StopReason>), String> {
    let call = client
        .converse_stream()
        .model_id(MODEL)
        .messages(user("Hello?"))
        .send()
        .await;
    let mut stream = match call {
        Ok(output) => output.stream,
        Err(error) => {
            let error = error.into_service_error();
            return Err(error.meta().code().unwrap_or("no code").to_owned());
        }
    };
    let (mut text, mut stop) = (String::new(), None);
    loop {
        match stream.recv().await {
            Ok(None) => return Ok((text, stop)),
            Ok(Some(ConverseStreamOutput::ContentBlockDelta(event))) => {
                if let Some(ContentBlockDelta::Text(piece)) = event.delta() {
                    text.push_str(piece);
                }
            }
            Ok(Some(ConverseStreamOutput::MessageStop(event))) => stop = Some(event.stop_reason),
            Ok(Some(_)) => {}
            Err(error) => {
                // The SDK gives these errors no code; their variant's name is it.
                let shown = error.as_service_error().map(|error| format!("{error:?}"));
                let name = shown.as_deref().and_then(|shown| shown.split('(').next());
                return Err(name.unwrap_or("transport").to_owned());
            }
        }
    }
}

#[tokio::test]
async fn the_sdk_reads_the_same_answer_streamed_and_not() {
    let (emulator, client) = bedrock().await;
    let output = client
        .converse()
        .model_id(MODEL)
        .messages(user("Hello?"))
        .send()
        .await
        .unwrap();
    let message = output.output().unwrap().as_message().unwrap();
    let whole = message.content()[0].as_text().unwrap().clone();
    assert!(output.usage().unwrap().total_tokens() > 3);
    let (text, stop) = streamed(&client).await.unwrap();
    assert_eq!((text, stop), (whole, Some(StopReason::EndTurn)));

    let requests = emulator.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].model, MODEL);
    assert!(
        requests[0]
            .target
            .contains("%2Fus.amazon.nova-lite-v1%3A0/converse")
    );
    assert_eq!(requests[1].status, Some(200));
    assert!(requests.iter().all(|request| request.refused.is_none()));
}

#[tokio::test]
async fn every_error_reaches_the_sdk_under_its_name() {
    let (emulator, client) = bedrock().await;
    for (kind, code) in [
        (ErrorKind::Throttling, "ThrottlingException"),
        (ErrorKind::Internal, "InternalServerException"),
        (ErrorKind::Unavailable, "ServiceUnavailableException"),
        (ErrorKind::Validation, "ValidationException"),
        (ErrorKind::ContextOverflow, "ValidationException"),
        (ErrorKind::ModelId, "ValidationException"),
        (ErrorKind::OnDemand, "ValidationException"),
        (ErrorKind::AccessDenied, "AccessDeniedException"),
        (ErrorKind::NotFound, "ResourceNotFoundException"),
        (ErrorKind::ModelTimeout, "ModelTimeoutException"),
        (ErrorKind::ModelError, "ModelErrorException"),
        (ErrorKind::NotReady, "ModelNotReadyException"),
        (ErrorKind::ExpiredToken, "ExpiredTokenException"),
        (ErrorKind::UnrecognizedClient, "UnrecognizedClientException"),
        (ErrorKind::Quota, "ServiceQuotaExceededException"),
        (ErrorKind::Conflict, "ConflictException"),
    ] {
        emulator.once(Aws::Error {
            kind,
            message: None,
            original_status: None,
            retry_after_ms: None,
        });
        assert_eq!(streamed(&client).await, Err(code.to_owned()));
    }
    assert!(streamed(&client).await.is_ok());
}

#[tokio::test]
async fn every_fault_inside_a_stream_reaches_the_sdk() {
    let (emulator, client) = bedrock().await;
    for (kind, code) in [
        (ExceptionKind::Internal, "internalServerException"),
        (ExceptionKind::ModelStreamError, "modelStreamErrorException"),
        (ExceptionKind::Validation, "validationException"),
        (ExceptionKind::Throttling, "throttlingException"),
        (ExceptionKind::Unavailable, "serviceUnavailableException"),
    ] {
        emulator.once(Aws::StreamException {
            kind,
            after: 2,
            original_status: None,
        });
        let seen = streamed(&client).await.unwrap_err();
        assert!(seen.eq_ignore_ascii_case(code), "{seen}");
    }
    for fault in [
        Aws::Cut { after: 2 },
        Aws::BadCrc { after: 2 },
        Aws::BadPayload { after: 2 },
    ] {
        emulator.once(fault.clone());
        assert!(streamed(&client).await.is_err(), "{fault:?}");
    }
    emulator
        .wait_until(|requests| requests[5].ended == Ended::Cut)
        .await;
    emulator.once(Aws::NoMessageStop);
    assert_eq!(streamed(&client).await.unwrap().1, None);
    for harmless in [
        Aws::UnknownEvent { after: 2 },
        Aws::NoMetadata,
        Aws::Fragment { bytes: 3 },
    ] {
        emulator.once(harmless.clone());
        assert_eq!(
            streamed(&client).await.unwrap().1,
            Some(StopReason::EndTurn),
            "{harmless:?}"
        );
    }
}

#[tokio::test]
async fn text_is_whole_however_it_is_cut() {
    let (emulator, client) = bedrock().await;
    let text = "Zażółć 👩‍👩‍👧‍👦 नमस्ते \u{2028} \"q\" \\ é".to_owned();
    emulator.once(Aws::Text {
        text: text.clone(),
        piece: Some(1),
    });
    assert_eq!(streamed(&client).await.unwrap().0, text);
}

#[tokio::test]
async fn a_held_answer_goes_on_when_it_is_released() {
    let (emulator, client) = bedrock().await;
    emulator.once(Aws::Hold { after: 2 });
    let call = client
        .converse_stream()
        .model_id(MODEL)
        .messages(user("Hello?"))
        .send()
        .await;
    let mut stream = call.unwrap().stream;
    assert!(stream.recv().await.unwrap().is_some());
    assert!(stream.recv().await.unwrap().is_some());
    assert_eq!(emulator.requests()[0].ended, Ended::Open);
    emulator.release();
    while stream.recv().await.unwrap().is_some() {}
    emulator
        .wait_until(|requests| requests[0].ended == Ended::Complete)
        .await;
}

#[tokio::test]
async fn a_caller_who_leaves_is_noticed() {
    let (emulator, client) = bedrock().await;
    emulator.once(Aws::Stall { after: 1 });
    let call = client
        .converse_stream()
        .model_id(MODEL)
        .messages(user("Hello?"))
        .send()
        .await;
    drop(call);
    emulator
        .wait_until(|requests| requests[0].ended == Ended::ClientLeft)
        .await;
}

#[tokio::test]
async fn refused_connections_are_accepted_again() {
    let (emulator, client) = bedrock().await;
    assert!(streamed(&client).await.is_ok());
    emulator.refuse().await.unwrap();
    assert_eq!(streamed(&client).await, Err("no code".to_owned()));
    let (status, _) = post(
        &emulator.control_url(),
        "/__emulator/listening",
        r#"{"listening":true}"#,
    )
    .await;
    assert_eq!(status, 200);
    assert!(streamed(&client).await.is_ok());
    assert_eq!(emulator.count(), 2);
}

#[tokio::test]
async fn a_clock_that_is_ahead_refuses_and_says_its_time() {
    let (emulator, client) = bedrock().await;
    emulator.set(Settings {
        clock_offset_s: 3_600,
        ..Settings::default()
    });
    assert_eq!(
        streamed(&client).await,
        Err("InvalidSignatureException".to_owned())
    );
    assert!(
        emulator.requests()[0]
            .refused
            .as_deref()
            .unwrap()
            .contains("Signature expired")
    );
}

async fn send(request: Request<Full<Bytes>>) -> (u16, http::HeaderMap, Bytes) {
    let client = Http::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await.unwrap().into_parts();
    (
        head.status.as_u16(),
        head.headers,
        body.collect().await.unwrap().to_bytes(),
    )
}

async fn post(base: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::post(format!("{base}{path}"))
        .header("authorization", "Bearer any")
        .body(Full::from(body.to_owned()));
    let (status, _, body) = send(request.unwrap()).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn chat(extra: Value) -> String {
    let mut chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]});
    chat.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    chat.to_string()
}

#[tokio::test]
async fn openai_answers_the_same_streamed_and_not() {
    let emulator = OpenAiEmulator::start(anywhere()).await.unwrap();
    for path in [
        "/v1/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/deployments/d/chat/completions?api-version=1",
    ] {
        let (status, whole) = post(&emulator.base_url(), path, &chat(json!({}))).await;
        assert_eq!(status, 200);
        let whole: Value = serde_json::from_str(&whole).unwrap();
        let wanted = chat(json!({"stream": true, "stream_options": {"include_usage": true}}));
        let (_, stream) = post(&emulator.base_url(), path, &wanted).await;
        assert!(stream.ends_with("data: [DONE]\n\n"));
        let chunks: Vec<Value> = stream
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        let text: String = chunks
            .iter()
            .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str())
            .collect();
        assert_eq!(
            Some(text.as_str()),
            whole
                .pointer("/choices/0/message/content")
                .unwrap()
                .as_str()
        );
        assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    }
    assert_eq!(emulator.requests().last().unwrap().model, "d");
}

#[tokio::test]
async fn openai_misbehaves_on_request() {
    let emulator = OpenAiEmulator::start(anywhere()).await.unwrap();
    let rule = r#"[{"behaviour": "error", "status": 429, "retry_after_s": 7, "times": 1},
        {"behaviour": "no_done", "times": 1}, {"behaviour": "error_frame", "after": 2}]"#;
    let (status, _) = post(&emulator.base_url(), "/__emulator/behaviour", rule).await;
    assert_eq!(status, 200);
    let ask = || async {
        let url = format!("{}/v1/chat/completions", emulator.base_url());
        let request = Request::post(url).header("api-key", "any");
        send(
            request
                .body(Full::from(chat(json!({"stream": true}))))
                .unwrap(),
        )
        .await
    };
    let (status, headers, body) = ask().await;
    assert_eq!(
        (status, headers["retry-after"].as_bytes()),
        (429, &b"7"[..])
    );
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    let (_, _, body) = ask().await;
    assert!(!String::from_utf8_lossy(&body).contains("[DONE]"));
    let (_, _, body) = ask().await;
    assert!(String::from_utf8_lossy(&body).contains("data: {\"error\""));
    emulator.repair();
    emulator.add(Rule::always(Gpt::Text {
        text: "Yes.".to_owned(),
    }));
    let (_, _, body) = ask().await;
    assert!(String::from_utf8_lossy(&body).contains("Yes."));
}

#[tokio::test]
async fn anything_else_is_echoed_with_its_head_as_sent() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let emulator = OpenAiEmulator::start(anywhere()).await.unwrap();
    let mut socket = tokio::net::TcpStream::connect(emulator.addr())
        .await
        .unwrap();
    for _ in 0..2 {
        let head = "PATCH /a%2Fb?x=1 HTTP/1.1\r\nhOST: h\r\nX-B: 1\r\nx-a: 2\r\nX-b: 3\r\n\
                    Content-Length: 2\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(b"hi").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            socket.read_buf(&mut answer).await.unwrap();
        }
        let text = String::from_utf8(answer).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let echo: Value = serde_json::from_str(body).unwrap();
        assert_eq!(echo["method"], "PATCH");
        assert_eq!(echo["target"], "/a%2Fb?x=1");
        let headers = json!([
            ["hOST", "h"],
            ["X-B", "1"],
            ["x-a", "2"],
            ["X-b", "3"],
            ["Content-Length", "2"]
        ]);
        assert_eq!(echo["headers"], headers);
        assert_eq!(
            echo["body_sha256"].as_str().unwrap().get(..8),
            Some("8f434346")
        );
    }
}

#[tokio::test]
async fn a_websocket_upgrade_is_echoed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let emulator = OpenAiEmulator::start(anywhere()).await.unwrap();
    let mut socket = tokio::net::TcpStream::connect(emulator.addr())
        .await
        .unwrap();
    let head = "GET /v1/realtime HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
                Upgrade: websocket\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_buf(&mut answer).await.unwrap();
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    socket.write_all(b"\x81ping").await.unwrap();
    let mut echo = [0; 5];
    socket.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x81ping");
}
