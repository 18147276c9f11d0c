//! The emulated OpenAI (and Azure OpenAI): chat completions, models, embeddings.
//!
//! Any other call is answered with what was received (an echo), so that a test can compare what it
//! sent with what came out behind a proxy: method, target, header lines, length and hash of the
//! body. The echo's own `set-cookie` and `x-echo` lines come more than once. A path ending in
//! `/echo-body` sends the body back as it comes, and an `Upgrade: websocket` is accepted and echoed
//! byte for byte.

use super::log::{Ticket, sha256_hex};
use super::script::{Script, Step};
use super::server::{Dropped, Exchange};
use super::{Answering, Core, Emulator, Provider, json_answer, prose, run, set, target};
use answer::Answer;
use behaviour::{Fault, Played};
use bytes::Bytes;
use error::ApiError;
use http::header::{CONTENT_TYPE, HeaderName, SET_COOKIE, UPGRADE};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

mod answer;
mod behaviour;
mod error;

pub use behaviour::Behaviour;

/// OpenAI.
#[derive(Debug)]
pub struct OpenAi;

/// The emulated OpenAI.
pub type OpenAiEmulator = Emulator<OpenAi>;

impl OpenAiEmulator {
    /// Listens on `addr`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(addr: SocketAddr) -> io::Result<Self> {
        run(OpenAi, addr).await
    }
}

impl Provider for OpenAi {
    type Behaviour = Behaviour;
}

impl Answering for OpenAi {
    async fn answer(
        core: Arc<Core<Self>>,
        mut exchange: Exchange,
    ) -> Result<Response<Script>, Dropped> {
        let upgrade = exchange.request.headers().get(UPGRADE);
        if upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            let ticket = core.enter(&exchange, &[]);
            return Ok(echo_upgrade(&core, exchange, ticket));
        }
        if exchange.request.uri().path().ends_with("/echo-body") {
            let ticket = core.enter(&exchange, &[]);
            return Ok(echo_body(exchange, ticket));
        }
        let body = exchange.body().await?;
        let ticket = core.enter(&exchange, &body);
        let call = Call::of(&exchange);
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        let model = call.model(&request).to_owned();
        ticket.model(&model);
        let behaviour = core.pick(&model, &ticket).unwrap_or(Behaviour::Normal);
        let mut played = behaviour.played();
        let ticket = played.before.play(ticket).await?;
        let (mut response, after) = if let Some(error) = played.error.take() {
            at_once(error.response())
        } else {
            let answered = call.answer(&core, &exchange, &request, &body, &played);
            answered.unwrap_or_else(|error| {
                ticket.refused(&error.message);
                at_once(error.response())
            })
        };
        tokio::time::sleep(after).await;
        let id = format!("req_{}", core.request_id(&ticket));
        set(&mut response, "x-request-id", &id);
        set(&mut response, "openai-version", "2020-10-01");
        set(&mut response, "openai-processing-ms", "12");
        set(&mut response, "openai-organization", "emulated");
        Ok(core.finished(response, ticket))
    }
}

/// An answer, and how long after the request its head comes.
type Timed = (Response<Script>, Duration);

const fn at_once(response: Response<Script>) -> Timed {
    (response, Duration::ZERO)
}

/// What a request wants.
enum Call {
    /// A chat completion; on Azure the path names the deployment.
    Chat { deployment: Option<String> },
    /// The list of models.
    Models,
    /// Embeddings.
    Embeddings { deployment: Option<String> },
    /// Something else.
    Other,
}

impl Call {
    fn of(exchange: &Exchange) -> Self {
        let path = exchange.request.uri().path().trim_end_matches('/');
        let deployed = path
            .strip_prefix("/openai/deployments/")
            .and_then(|rest| rest.split_once('/'));
        let (deployment, operation) = match deployed {
            Some((deployment, operation)) => (Some(deployment.to_owned()), operation),
            None => {
                let path = path.strip_prefix("/openai").unwrap_or(path);
                (None, path.strip_prefix("/v1/").unwrap_or_default())
            }
        };
        match (exchange.request.method(), operation) {
            (&Method::POST, "chat/completions") => Self::Chat { deployment },
            (&Method::POST, "embeddings") => Self::Embeddings { deployment },
            (&Method::GET, "models") => Self::Models,
            (_, _) => Self::Other,
        }
    }

    fn model<'r>(&'r self, request: &'r Value) -> &'r str {
        match self {
            Self::Chat {
                deployment: Some(deployment),
            }
            | Self::Embeddings {
                deployment: Some(deployment),
            } => deployment,
            Self::Chat { .. } | Self::Embeddings { .. } => request
                .get("model")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            Self::Models | Self::Other => "",
        }
    }

    fn answer(
        &self,
        core: &Core<OpenAi>,
        exchange: &Exchange,
        request: &Value,
        body: &Bytes,
        played: &Played,
    ) -> Result<Timed, ApiError> {
        if !matches!(self, Self::Other) {
            check_key(exchange)?;
        }
        match self {
            Self::Chat { deployment } => {
                let created = core.unix_ms() / 1000;
                let answer =
                    Answer::to(request, body, deployment.as_deref(), created, &played.wish)?;
                Ok(chat_response(core, &answer, played))
            }
            Self::Models => Ok(at_once(json_answer(StatusCode::OK, &models()))),
            Self::Embeddings { .. } => {
                Ok(at_once(json_answer(StatusCode::OK, &embeddings(request)?)))
            }
            Self::Other => Ok(at_once(echo(exchange, body))),
        }
    }
}

/// Any key will do; none will not.
fn check_key(exchange: &Exchange) -> Result<(), ApiError> {
    let headers = exchange.request.headers();
    if headers.contains_key(http::header::AUTHORIZATION) || headers.contains_key("api-key") {
        return Ok(());
    }
    let message = "You didn't provide an API key. You need to provide your API key in an \
                   Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
    Err(ApiError {
        status: 401,
        ..ApiError::invalid(message, None, None)
    })
}

fn chat_response(core: &Core<OpenAi>, answer: &Answer, played: &Played) -> Timed {
    let settings = core.settings();
    let first = Duration::from_millis(settings.first_token_ms) + played.first_token;
    let gap = Duration::from_millis(settings.gap_ms);
    let chunks = answer.chunks();
    if answer.stream {
        let mut steps = Vec::new();
        if !first.is_zero() {
            steps.push(Step::pause(first));
        }
        stream_steps(core, chunks, played, gap, &mut steps);
        let body = Script::chunked(steps);
        return (
            typed(body, "text/event-stream; charset=utf-8"),
            Duration::ZERO,
        );
    }
    let after = first + gap * u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    let completion = Bytes::from(answer.completion().to_string());
    let body = match played.fault {
        None => Script::full(completion),
        Some((_, fault)) => {
            let half = completion.len() / 2;
            let fault = match fault {
                Fault::Silence => Step::forever(),
                Fault::Hold => Step::Wait(Box::pin(core.released())),
                Fault::Cut | Fault::ErrorFrame => Step::Abort,
            };
            let (start, end) = (completion.slice(..half), completion.slice(half..));
            Script::chunked([Step::Data(start), fault, Step::Data(end)])
        }
    };
    (typed(body, "application/json"), after)
}

fn stream_steps(
    core: &Core<OpenAi>,
    chunks: Vec<Value>,
    played: &Played,
    gap: Duration,
    steps: &mut Vec<Step>,
) {
    let frame = |json: Value| Step::Data(Bytes::from(format!("data: {json}\n\n")));
    for (at, chunk) in chunks.into_iter().enumerate() {
        match played.fault.filter(|(after, _)| *after == at) {
            Some((_, Fault::Silence)) => steps.push(Step::forever()),
            Some((_, Fault::Hold)) => steps.push(Step::Wait(Box::pin(core.released()))),
            Some((_, Fault::Cut)) => steps.push(Step::Abort),
            Some((_, Fault::ErrorFrame)) => {
                steps.push(frame(ApiError::asked(500, None, None, None).body()));
                return;
            }
            None if at > 0 && !gap.is_zero() => steps.push(Step::pause(gap)),
            None => {}
        }
        steps.push(frame(chunk));
    }
    if !played.no_done {
        steps.push(Step::Data(Bytes::from_static(b"data: [DONE]\n\n")));
    }
}

fn typed(body: Script, kind: &'static str) -> Response<Script> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn models() -> Value {
    let names = [
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-3.5-turbo",
        "text-embedding-3-small",
    ];
    let model = |name| json!({"id": name, "object": "model", "created": 1_715_367_049, "owned_by": "system"});
    json!({"object": "list", "data": names.map(model)})
}

/// Eight numbers for each input, from its hash.
fn embeddings(request: &Value) -> Result<Value, ApiError> {
    let inputs = match request.get("input") {
        Some(Value::Array(inputs)) => inputs.clone(),
        Some(input @ Value::String(_)) => vec![input.clone()],
        Some(_) | None => {
            let message = "Missing required parameter: 'input'.";
            return Err(ApiError::invalid(
                message,
                Some("input"),
                Some("missing_required_parameter"),
            ));
        }
    };
    let vector = |input: &Value| -> Vec<f64> {
        let digest = sha256_hex(input.to_string().as_bytes());
        digest
            .bytes()
            .take(8)
            .map(|byte| f64::from(byte) / 256.0)
            .collect()
    };
    let base64 = request.get("encoding_format") == Some(&json!("base64"));
    let encoded = |input: &Value| {
        let vector = vector(input);
        if !base64 {
            return json!(vector);
        }
        use base64::Engine as _;
        #[expect(clippy::cast_possible_truncation, reason = "the format holds f32")]
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|x| (*x as f32).to_le_bytes())
            .collect();
        json!(base64::engine::general_purpose::STANDARD.encode(bytes))
    };
    let data = inputs.iter().enumerate().map(
        |(at, input)| json!({"object": "embedding", "index": at, "embedding": encoded(input)}),
    );
    let tokens: u64 = inputs
        .iter()
        .map(|input| prose::tokens(&input.to_string()))
        .sum();
    Ok(json!({"object": "list", "data": data.collect::<Value>(),
        "model": request.get("model"), "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}))
}

/// What was received.
fn echo(exchange: &Exchange, body: &Bytes) -> Response<Script> {
    let received = json!({
        "method": exchange.request.method().as_str(),
        "target": target(exchange),
        "headers": exchange.headers,
        "body": String::from_utf8_lossy(body.get(..body.len().min(super::BODY)).unwrap_or_default()),
        "body_len": body.len(),
        "body_sha256": sha256_hex(body),
    });
    let mut response = json_answer(StatusCode::OK, &received);
    for (name, value) in [
        (SET_COOKIE, "first=1"),
        (SET_COOKIE, "second=2"),
        (ECHO, "One"),
        (ECHO, "two, THREE"),
    ] {
        response
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    response
}

/// A header that repeats, with values in mixed case.
const ECHO: HeaderName = HeaderName::from_static("x-echo");

/// The body back, as it comes.
fn echo_body(exchange: Exchange, ticket: Ticket) -> Response<Script> {
    ticket.status(200);
    let body = Script::chunked([Step::Echo(exchange.request.into_body())]).noted(ticket);
    let mut response = typed(body, "application/octet-stream");
    // The tap is not resumed: the next head would be missing.
    response
        .headers_mut()
        .insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// 101, and then every byte back.
fn echo_upgrade(
    core: &Core<OpenAi>,
    mut exchange: Exchange,
    mut ticket: Ticket,
) -> Response<Script> {
    ticket.status(101);
    let upgrade = hyper::upgrade::on(&mut exchange.request);
    let mut stopped = core.release.subscribe();
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        let closed = async { while stopped.changed().await.is_ok() {} };
        tokio::select! {
            copied = tokio::io::copy(&mut from, &mut to) => {
                if copied.is_ok() {
                    ticket.complete();
                }
            }
            () = closed => ticket.cut(),
        }
    });
    let mut response = Response::new(Script::full(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
        .headers_mut()
        .insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(
        http::header::CONNECTION,
        HeaderValue::from_static("Upgrade"),
    );
    response
}
