//! A running crossfade between the two emulated providers, and a caller.
//!
//! Everything listens on port 0 of the loopback. Sockets run in real time; the rule clock stands
//! still until a test steps it, so a ten-minute breach takes milliseconds and no test sleeps.

use bytes::{Bytes, BytesMut};
use crossfade::app::{App, Setup};
use crossfade::clock::{RuleClock, Stepper};
use crossfade::controller::{Applied, Command, Refusal, Verb};
use crossfade::demo::emulator::bedrock::ErrorKind;
use crossfade::demo::emulator::{
    BedrockEmulator, Captured, Credentials, Ended, OpenAiEmulator, bedrock, openai,
};
use crossfade::snapshot::{Hold, Snapshot};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;

pub(crate) mod bodies;
pub(crate) mod collector;
pub(crate) mod sidecar;

/// crossfade with its two providers, its file and its clock.
pub(crate) struct World {
    pub(crate) openai: OpenAiEmulator,
    pub(crate) bedrock: BedrockEmulator,
    pub(crate) stepper: Stepper,
    pub(crate) dir: TempDir,
    app: Option<App>,
    clock: RuleClock,
    config: String,
}

/// The port of the machine itself, chosen by the system.
pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl World {
    /// Starts everything with `percent` and the defaults.
    pub(crate) async fn at(percent: u8) -> Self {
        Self::with(&format!(
            "rollout: {{ percent: {percent}, sticky: none }}\n"
        ))
        .await
    }

    /// Starts everything; `rest` is what the file says beside listeners, providers and models.
    pub(crate) async fn with(rest: &str) -> Self {
        let openai = OpenAiEmulator::start(ANY_PORT).await.expect("a free port");
        let bedrock = BedrockEmulator::start(ANY_PORT, Credentials::default())
            .await
            .expect("a free port");
        bodies::record(&bedrock, bodies::Source::EndToEnd);
        let dir = TempDir::new().expect("a temporary directory");
        let (clock, stepper) = RuleClock::stepped();
        let mut world = Self {
            openai,
            bedrock,
            stepper,
            dir,
            app: None,
            clock,
            config: rest.to_owned(),
        };
        world.write_config(rest);
        world.start().await;
        world
    }

    /// The path of `rollout.yaml`.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("rollout.yaml")
    }

    /// The path of the state file.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.dir.path().join("crossfade.state.json")
    }

    /// The file with `rest` behind listeners, providers and models.
    pub(crate) fn config_with(&self, rest: &str) -> String {
        format!(
            "listen: 127.0.0.1:0\n\
             admin: 127.0.0.1:0\n\
             original: {{ url: '{}' }}\n\
             bedrock:\n\
             \x20 region: us-east-1\n\
             \x20 endpoint: '{}'\n\
             \x20 models:\n\
             \x20   gpt-4o-mini: amazon.nova-lite-v1:0\n\
             \x20   gpt-4o: {{ model: 'us.anthropic.claude-haiku-4-5-20251001-v1:0' }}\n\
             {rest}",
            self.openai.base_url(),
            self.bedrock.base_url(),
        )
    }

    /// Replaces `rollout.yaml`; the watcher will see it.
    pub(crate) fn write_config(&mut self, rest: &str) {
        rest.clone_into(&mut self.config);
        std::fs::write(self.file(), self.config_with(rest)).expect("the directory is writable");
    }

    /// Starts crossfade on what is in the directory.
    pub(crate) async fn start(&mut self) {
        let setup = Setup {
            config_path: self.file(),
            require_state: false,
            clock: self.clock.clone(),
            credentials: Some(credentials()),
            env: Arc::new(|_| None),
        };
        self.app = Some(App::start(setup).await.expect("crossfade starts"));
        // Until the state file is read and written nothing goes to Bedrock.
        self.wait_for(|now| {
            !now.holds.contains(Hold::StateWrite) || now.holds.contains(Hold::StateLocked)
        })
        .await;
    }

    /// Ends crossfade as a killed process ends: nothing is drained.
    pub(crate) async fn kill(&mut self) {
        if let Some(app) = self.app.take() {
            app.abort().await;
        }
    }

    /// The running crossfade.
    pub(crate) fn app(&self) -> &App {
        self.app.as_ref().expect("crossfade runs")
    }

    /// Stops crossfade as SIGTERM does, and lets go of it.
    pub(crate) async fn take_and_drain(mut self) {
        self.take_app().drain().await;
    }

    /// Takes the running crossfade out, to drain it.
    pub(crate) fn take_app(&mut self) -> App {
        self.app.take().expect("crossfade runs")
    }

    /// Where the app's calls go.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.app().listen().expect("a TCP listener")
    }

    /// What is in force.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.app().controller().snapshot()
    }

    /// Returns once what is in force satisfies `condition`.
    pub(crate) async fn wait_for(
        &self,
        mut condition: impl FnMut(&Snapshot) -> bool,
    ) -> Arc<Snapshot> {
        let mut changes = self.app().controller().changes();
        loop {
            changes.mark_unchanged();
            let snapshot = self.snapshot();
            if condition(&snapshot) {
                return snapshot;
            }
            changes.changed().await.expect("the controller runs");
        }
    }

    /// Gives a command as an operator does.
    pub(crate) async fn command(&self, verb: Verb, reason: &str) -> Result<Applied, Refusal> {
        let command = Command {
            verb,
            reason: reason.to_owned(),
            actor: "test".to_owned(),
        };
        self.app().controller().command(command).await
    }

    /// A chat call with `fields` on top of a model and one user message.
    pub(crate) async fn chat(&self, fields: Value) -> Answer {
        self.send(chat_request(fields)).await
    }

    /// Sends a request to the data port and reads its answer to the end.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        Answer::read(self.open(request).await).await
    }

    /// Sends a request to the data port; its answer is still to be read.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        open(self.listen(), request).await
    }

    /// A streamed chat call of which the first bytes are there.
    pub(crate) async fn begun_stream(&self) -> Response<Incoming> {
        let mut response = self.open(chat_request(json!({"stream": true}))).await;
        let first = response.body_mut().frame().await.expect("a frame");
        assert!(first.expect("no error").is_data());
        response
    }

    /// Lets Bedrock go on: a stream that it held must come to its proper end.
    pub(crate) async fn finishes(&self, held: Response<Incoming>) {
        self.bedrock.release();
        let rest = held.into_body().collect().await.expect("a whole answer");
        assert!(rest.to_bytes().ends_with(b"data: [DONE]\n\n"));
    }

    /// Waits until Bedrock has seen a caller leave.
    pub(crate) async fn caller_leaves(&self) {
        let left = |seen: &[Captured]| seen.iter().any(|call| call.ended == Ended::ClientLeft);
        self.bedrock.wait_until(left).await;
    }

    /// That `calls` of Bedrock's were cancelled, and none judged.
    pub(crate) async fn has_only_cancelled(&self, calls: usize) {
        self.stepper.advance(5_000).await;
        let total = self.status().await["arms"]["bedrock"]["total"].clone();
        assert_eq!(
            (&total["cancelled"], &total["judged"]),
            (&json!(calls), &json!(0)),
            "{total}"
        );
    }

    /// A call of the admin port.
    pub(crate) async fn admin(&self, request: Request<Full<Bytes>>) -> Answer {
        Answer::read(open(self.app().admin(), request).await).await
    }

    /// `/api/status`.
    pub(crate) async fn status(&self) -> Value {
        let request = Request::get("/api/status").header("host", "127.0.0.1");
        self.admin(request.body(Full::default()).expect("a request"))
            .await
            .json()
    }
}

/// An error of Bedrock's, in its own words.
pub(crate) fn failing(kind: ErrorKind) -> bedrock::Behaviour {
    bedrock::Behaviour::Error {
        kind,
        message: None,
        original_status: None,
        retry_after_ms: None,
    }
}

/// An error of the original's.
pub(crate) fn original_failing() -> openai::Behaviour {
    openai::Behaviour::Error {
        status: 500,
        message: None,
        code: None,
        retry_after_s: None,
    }
}

/// The keys that the emulator accepts.
pub(crate) fn credentials() -> aws_credential_types::Credentials {
    let dummy = Credentials::default();
    aws_credential_types::Credentials::new(
        dummy.access_key_id,
        dummy.secret_access_key,
        dummy.session_token,
        None,
        "test",
    )
}

/// A chat call as an SDK sends it.
pub(crate) fn chat_request(fields: Value) -> Request<Full<Bytes>> {
    let mut body = json!({
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say something."}],
    });
    let (Some(all), Some(more)) = (body.as_object_mut(), fields.as_object()) else {
        panic!("fields are an object");
    };
    all.extend(more.clone());
    Request::post("/v1/chat/completions")
        .header("Host", "127.0.0.1")
        .header("Authorization", "Bearer test-app-key")
        .header("Content-Type", "application/json")
        .body(Full::from(body.to_string()))
        .expect("a request")
}

/// Sends a request on a connection of its own.
pub(crate) async fn open<B>(address: SocketAddr, request: Request<B>) -> Response<Incoming>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TcpStream::connect(address).await.expect("somebody listens");
    let (mut sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .handshake::<_, B>(TokioIo::new(stream))
        .await
        .expect("a connection");
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.expect("an answer");
    // The connection lives as long as its sender; the body is read after it is gone.
    tokio::spawn(async move { sender.ready().await });
    response
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body ended as it should; a cut connection does not.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let mut bytes = BytesMut::new();
        let complete = loop {
            match body.frame().await {
                None => break true,
                Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => break false,
            }
        };
        Self {
            status: head.status,
            headers: head.headers,
            body: bytes.freeze(),
            complete,
        }
    }

    /// A header as text; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a text"))
    }

    /// The arm that answered.
    pub(crate) fn arm(&self) -> &str {
        self.header("x-crossfade-arm")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("no JSON ({error}): {}", self.text());
        })
    }

    /// The data of each server-sent event; `[DONE]` included.
    pub(crate) fn events(&self) -> Vec<&str> {
        let events = self
            .text()
            .split("\n\n")
            .map(str::trim)
            .filter(|event| !event.is_empty());
        events
            .map(|event| event.strip_prefix("data: ").expect("only data lines"))
            .collect()
    }

    /// The chunks of a stream, without `[DONE]`.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let events = self.events().into_iter().filter(|event| *event != "[DONE]");
        events
            .map(|event| serde_json::from_str(event).expect("JSON"))
            .collect()
    }

    /// The text of a streamed or whole answer.
    pub(crate) fn content(&self) -> String {
        if self.header("content-type").starts_with("text/event-stream") {
            let chunks = self.chunks();
            let deltas = chunks
                .iter()
                .map(|chunk| &chunk["choices"][0]["delta"]["content"]);
            return deltas.filter_map(Value::as_str).collect();
        }
        self.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}
