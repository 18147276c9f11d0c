//! The emulated Amazon Bedrock runtime: `Converse` and `ConverseStream`.
//!
//! A request goes through the checks of the service, in its order: who calls (`sigv4`), what is
//! called, whether the body is one that the service takes (`converse_rules`). Then the behaviour
//! that was asked for is played, or an ordinary answer given, as JSON or as event-stream frames.

use super::converse_rules;
use super::frames;
use super::record::Recorder;
use super::script::{Script, Step};
use super::server::{Dropped, Exchange};
use super::sigv4::{self, Credentials, Received};
use super::{Answering, Core, Emulator, Provider, json_answer, run, set, target};
use answer::{Answer, Event};
use behaviour::{Fault, Instead, Played};
use bytes::Bytes;
use error::ServiceError;
use http::header::CONTENT_TYPE;
use http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

mod answer;
mod behaviour;
mod error;

pub use behaviour::{Behaviour, ErrorKind, ExceptionKind};

/// Amazon Bedrock.
#[derive(Debug)]
pub struct Bedrock {
    credentials: Credentials,
    recorder: OnceLock<Recorder>,
}

/// The emulated Amazon Bedrock.
pub type BedrockEmulator = Emulator<Bedrock>;

impl BedrockEmulator {
    /// Listens on `addr` (port 0 takes a free one) for callers with `credentials`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(addr: SocketAddr, credentials: Credentials) -> io::Result<Self> {
        let recorder = OnceLock::new();
        let bedrock = Bedrock {
            credentials,
            recorder,
        };
        run(bedrock, addr).await
    }

    /// Writes every Converse request from now on to a file as well; the first file given is the one.
    pub fn record(&self, recorder: Recorder) {
        // A second file is of no use.
        let _ = self.core.provider.recorder.set(recorder);
    }
}

impl Provider for Bedrock {
    type Behaviour = Behaviour;
}

impl Answering for Bedrock {
    async fn answer(
        core: Arc<Core<Self>>,
        mut exchange: Exchange,
    ) -> Result<Response<Script>, Dropped> {
        let body = exchange.body().await?;
        let ticket = core.enter(&exchange, &body);
        let call = Call::of(&exchange);
        let model = call.as_ref().map_or("", |call| call.model.as_str());
        ticket.model(model);
        if let (Some(call), Some(recorder)) = (&call, core.provider.recorder.get())
            && let Err(error) = recorder.add(call.operation.name(), model, &body)
        {
            ticket.refused(&format!("it cannot be recorded: {error}"));
            return Err(Dropped::on_purpose(ticket));
        }
        let behaviour = core.pick(model, &ticket).unwrap_or(Behaviour::Normal);
        let mut played = behaviour.played();
        let ticket = played.before.play(ticket).await?;
        let (mut response, after) = match core.check(&exchange, call.as_ref(), &body) {
            Err(error) => {
                ticket.refused(&format!("{}: {}", error.code, error.message));
                (error_response(&error), Duration::ZERO)
            }
            Ok((operation, request)) => match played.instead.take() {
                Some(instead) => (instead_response(&instead), Duration::ZERO),
                None => answer_response(&core, operation, &request, &body, &played),
            },
        };
        tokio::time::sleep(after).await;
        let id = core.request_id(&ticket);
        let part = |range| id.get(range).unwrap_or_default();
        let id = [
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ]
        .join("-");
        set(&mut response, "x-amzn-requestid", &id);
        Ok(core.finished(response, ticket))
    }
}

/// The two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Converse,
    ConverseStream,
}

impl Operation {
    /// Its name in the path.
    const fn name(self) -> &'static str {
        match self {
            Self::Converse => "converse",
            Self::ConverseStream => "converse-stream",
        }
    }
}

/// An operation on a model.
#[derive(Debug)]
struct Call {
    operation: Operation,
    model: String,
}

impl Call {
    fn of(exchange: &Exchange) -> Option<Self> {
        let path = exchange.request.uri().path().strip_prefix("/model/")?;
        let (model, operation) = path.split_once('/')?;
        let operation = match (exchange.request.method(), operation) {
            (&Method::POST, "converse") => Operation::Converse,
            (&Method::POST, "converse-stream") => Operation::ConverseStream,
            (_, _) => return None,
        };
        let model = percent_decode_str(model).decode_utf8().ok()?.into_owned();
        Some(Self { operation, model })
    }
}

impl Core<Bedrock> {
    /// The checks before any model sees the request.
    fn check(
        &self,
        exchange: &Exchange,
        call: Option<&Call>,
        body: &Bytes,
    ) -> Result<(Operation, Value), ServiceError> {
        let target = target(exchange);
        let received = Received {
            method: exchange.request.method().as_str(),
            target: &target,
            headers: &exchange.headers,
            body,
        };
        sigv4::check(received, &self.provider.credentials, self.unix_ms())
            .map_err(|refusal| ServiceError::new(refusal.status, refusal.code, refusal.message))?;
        let call = call.ok_or_else(|| {
            ServiceError::new(404, "UnknownOperationException", "No such operation.")
        })?;
        let kind = exchange.request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            let message = format!("Content-Type must be application/json, not {kind:?}.");
            return Err(ServiceError::new(
                415,
                "UnsupportedMediaTypeException",
                message,
            ));
        }
        let request: Value = serde_json::from_slice(body)
            .map_err(|error| ServiceError::new(400, "SerializationException", error.to_string()))?;
        let streamed = call.operation == Operation::ConverseStream;
        converse_rules::check(&call.model, streamed, &request).map_err(ServiceError::validation)?;
        Ok((call.operation, request))
    }
}

fn error_response(error: &ServiceError) -> Response<Script> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = json_answer(status, &error.body());
    let kind = format!(
        "{}:http://internal.amazon.com/coral/com.amazon.bedrock/",
        error.code
    );
    set(&mut response, "x-amzn-errortype", &kind);
    if let Some(ms) = error.retry_after_ms {
        set(&mut response, "x-amz-retry-after", &ms.to_string());
    }
    response
}

fn instead_response(instead: &Instead) -> Response<Script> {
    match instead {
        Instead::Error(error) => error_response(error),
        Instead::EmptyObject => json_answer(StatusCode::OK, &json!({})),
        Instead::EmptyBody => Response::new(Script::full(Bytes::new())),
        Instead::Html(status) => {
            let page = "<html><body><h1>Service Unavailable</h1></body></html>";
            let mut response = Response::new(Script::full(page));
            *response.status_mut() =
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            set(&mut response, CONTENT_TYPE.as_str(), "text/html");
            response
        }
    }
}

/// The answer, and how long after the request its head comes.
fn answer_response(
    core: &Core<Bedrock>,
    operation: Operation,
    request: &Value,
    body: &Bytes,
    played: &Played,
) -> (Response<Script>, Duration) {
    let answer = Answer::to(request, body, &played.wish);
    let settings = core.settings();
    let first = Duration::from_millis(settings.first_token_ms) + played.first_token;
    let gap = Duration::from_millis(settings.gap_ms);
    let events = answer.events();
    match operation {
        Operation::Converse => {
            let after = first + gap * u32::try_from(events.len()).unwrap_or(u32::MAX);
            (whole_response(core, &answer, played), after)
        }
        Operation::ConverseStream => {
            let mut steps = Vec::new();
            if !first.is_zero() {
                steps.push(Step::pause(first));
            }
            stream_steps(core, events, played, gap, &mut steps);
            let mut response = Response::new(Script::chunked(steps));
            let kind = "application/vnd.amazon.eventstream";
            set(&mut response, CONTENT_TYPE.as_str(), kind);
            (response, Duration::ZERO)
        }
    }
}

/// `Converse`: faults of a stream become what they would be without one.
fn whole_response(core: &Core<Bedrock>, answer: &Answer, played: &Played) -> Response<Script> {
    let body = Bytes::from(answer.converse().to_string());
    let (start, end) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    let broken = |fault| Script::chunked([Step::Data(start), fault, Step::Data(end)]);
    let script = match &played.fault {
        Some((_, Fault::Exception(kind, original))) => {
            return error_response(&kind.as_http(*original));
        }
        Some((_, Fault::Error)) => {
            return error_response(&ServiceError::of(ErrorKind::Internal));
        }
        Some((_, Fault::Silence)) => broken(Step::forever()),
        Some((_, Fault::Hold)) => broken(Step::Wait(Box::pin(core.released()))),
        Some((_, Fault::Cut | Fault::CutInFrame | Fault::BadCrc | Fault::BadPayload)) => {
            broken(Step::Abort)
        }
        Some((_, Fault::UnknownEvent)) | None => Script::full(body),
    };
    let mut response = Response::new(script);
    set(&mut response, CONTENT_TYPE.as_str(), "application/json");
    response
}

fn stream_steps(
    core: &Core<Bedrock>,
    events: Vec<Event>,
    played: &Played,
    gap: Duration,
    steps: &mut Vec<Step>,
) {
    let send = |steps: &mut Vec<Step>, frame: Bytes| match played.fragment {
        Some(size) => {
            let starts = (0..frame.len()).step_by(size);
            let piece = |at| Step::Data(frame.slice(at..frame.len().min(at + size)));
            steps.extend(starts.map(piece));
        }
        None => steps.push(Step::Data(frame)),
    };
    let count = events.len();
    for (at, (kind, payload)) in events.into_iter().enumerate() {
        let frame = frames::event(kind, &payload);
        let fault = played
            .fault
            .as_ref()
            .filter(|(after, _)| at == (*after).min(count - 1));
        match fault.map(|(_, fault)| fault) {
            Some(Fault::Silence) => steps.push(Step::forever()),
            Some(Fault::Hold) => steps.push(Step::Wait(Box::pin(core.released()))),
            Some(Fault::Cut) => steps.push(Step::Abort),
            Some(Fault::CutInFrame) => {
                send(steps, frame.slice(..frame.len() / 2));
                return;
            }
            Some(Fault::Exception(kind, original)) => {
                send(
                    steps,
                    frames::exception(kind.wire_name(), &kind.payload(*original)),
                );
                return;
            }
            Some(Fault::Error) => {
                send(
                    steps,
                    frames::error("InternalFailure", "An internal error occurred."),
                );
                return;
            }
            Some(Fault::BadCrc) => {
                send(steps, frames::with_bad_crc(&frame));
                continue;
            }
            Some(Fault::BadPayload) => {
                send(
                    steps,
                    frames::raw_event(kind, "{\"contentBlockIndex\":".to_owned()),
                );
                continue;
            }
            Some(Fault::UnknownEvent) => {
                send(steps, frames::event("someLaterEvent", &json!({"x": 1})));
            }
            None => {}
        }
        if at > 0 && !gap.is_zero() {
            steps.push(Step::pause(gap));
        }
        send(steps, frame);
    }
}
