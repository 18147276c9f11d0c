//! The two providers, emulated: real HTTP/1.1 servers on a port of this machine.
//!
//! The demo shows crossfade on them and the tests use them as counterparts. An emulator answers as
//! its provider does, checks what arrives as the provider does, keeps what it received, and
//! misbehaves on request. Both are driven from Rust ([`Emulator`]'s methods) and over HTTP:
//!
//! | call | does |
//! |---|---|
//! | `POST /__emulator/behaviour` | adds a rule, or a list of them, behind the others |
//! | `PUT /__emulator/behaviour` | replaces all rules |
//! | `GET`, `DELETE /__emulator/behaviour` | lists, clears the rules |
//! | `GET /__emulator/state` | how it is: `{"requests", "behaviour"}`, a number and the rules |
//! | `GET /__emulator/requests?since=N` | what was received: `{"count", "requests"}` |
//! | `DELETE /__emulator/requests` | forgets it |
//! | `POST /__emulator/release` | lets every answer that is held go on |
//! | `POST /__emulator/settings` | [`Settings`]; keys that are left out keep their value |
//! | `POST /__emulator/listening` | `{"listening": false}` refuses connections, `true` ends that |
//!
//! All this works on the provider's own port and on a second one ([`Emulator::control_url`]) that
//! stays open when the first refuses. Nothing here uses crossfade's own translation: an emulator
//! that shared its mistakes would prove nothing.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use behaviour::Rules;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use log::{Log, Ticket};
use script::Script;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use server::{App, Dropped, Exchange, Server};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;

pub mod bedrock;
pub mod behaviour;
mod converse_rules;
mod desk;
mod frames;
mod log;
pub mod openai;
mod prose;
mod record;
mod sample;
mod script;
mod server;
mod sigv4;
mod tap;

pub use bedrock::BedrockEmulator;
pub use behaviour::Rule;
pub use desk::Desk;
pub use log::{BODY, Captured, Ended, KEPT};
pub use openai::OpenAiEmulator;
pub use record::Recorder;
pub use sigv4::Credentials;

/// How an emulator behaves in general.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// From the request to the first piece of an answer, in milliseconds.
    pub first_token_ms: u64,
    /// Between two pieces of a streamed answer, in milliseconds.
    pub gap_ms: u64,
    /// How far the emulator's clock is ahead (or, negative, behind), in seconds; shown in `Date`.
    pub clock_offset_s: i64,
}

/// What makes one emulator different from the other.
pub trait Provider: fmt::Debug + Send + Sync + Sized + 'static {
    /// What can go wrong.
    type Behaviour: Clone + fmt::Debug + DeserializeOwned + Serialize + Send + Sync;
}

/// How a provider answers.
trait Answering: Provider {
    /// One exchange that is no control call.
    fn answer(
        core: Arc<Core<Self>>,
        exchange: Exchange,
    ) -> impl Future<Output = Result<Response<Script>, Dropped>> + Send;
}

/// What an emulator's servers share.
#[derive(Debug)]
struct Core<P: Provider> {
    provider: P,
    log: Log,
    rules: Mutex<Rules<P::Behaviour>>,
    settings: Mutex<Settings>,
    release: watch::Sender<()>,
    /// The provider's port, for the control calls; set once it is bound.
    data: OnceLock<server::Commands>,
}

/// Why Bedrock would refuse `request` for `model`, in its words.
#[cfg(any(test, fuzzing))]
pub(crate) fn refusal(model: &str, request: &Value) -> Option<String> {
    converse_rules::check(model, true, request).err()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running emulator; dropping it closes its ports and connections.
#[derive(Debug)]
pub struct Emulator<P: Provider> {
    core: Arc<Core<P>>,
    data: Server,
    control: Server,
}

/// Starts both servers of an emulator.
async fn run<P: Answering>(provider: P, addr: SocketAddr) -> io::Result<Emulator<P>> {
    let core = Arc::new(Core {
        provider,
        log: Log::new(),
        rules: Mutex::default(),
        settings: Mutex::default(),
        release: watch::Sender::new(()),
        data: OnceLock::new(),
    });
    let data = Server::start(addr, Arc::new(Data(core.clone()))).await?;
    // It was empty until here.
    let _ = core.data.set(data.commands());
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let control = Server::start(local, Arc::new(Control(core.clone()))).await?;
    Ok(Emulator {
        core,
        data,
        control,
    })
}

impl<P: Provider> Emulator<P> {
    /// Where the provider listens.
    pub const fn addr(&self) -> SocketAddr {
        self.data.addr()
    }

    /// `http://HOST:PORT` of the provider.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// `http://HOST:PORT` of the control calls; open even while the provider refuses connections.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control.addr())
    }

    /// Adds a rule behind the others.
    pub fn add(&self, rule: Rule<P::Behaviour>) {
        lock(&self.core.rules).add(rule);
    }

    /// Plays `behaviour` for every call until [`repair`](Self::repair).
    pub fn always(&self, behaviour: P::Behaviour) {
        self.add(Rule::always(behaviour));
    }

    /// Plays `behaviour` for the next call.
    pub fn once(&self, behaviour: P::Behaviour) {
        self.add(Rule::times(behaviour, 1));
    }

    /// What `GET /__emulator/state` answers.
    pub fn state(&self) -> Value {
        self.core.state()
    }

    /// Clears every rule.
    pub fn repair(&self) {
        lock(&self.core.rules).clear();
    }

    /// Lets every answer that is held go on.
    pub fn release(&self) {
        self.core.release.send_replace(());
    }

    /// Changes the pace or the clock.
    pub fn set(&self, settings: Settings) {
        *lock(&self.core.settings) = settings;
    }

    /// The kept requests, oldest first.
    pub fn requests(&self) -> Vec<Captured> {
        self.core.log.since(0)
    }

    /// How many requests came since the start or the last clear, kept or not.
    pub fn count(&self) -> u64 {
        self.core.log.count()
    }

    /// Forgets what was received.
    pub fn clear_requests(&self) {
        self.core.log.clear();
    }

    /// Returns once the kept requests satisfy `condition`.
    pub async fn wait_until(&self, mut condition: impl FnMut(&[Captured]) -> bool) {
        let mut changes = self.core.log.changes();
        loop {
            changes.mark_unchanged();
            if condition(&self.core.log.since(0)) || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Refuses connections and closes the open ones.
    ///
    /// # Errors
    /// Never in practice; the emulator's task would have to be gone.
    pub async fn refuse(&self) -> io::Result<()> {
        self.data.listen(false).await
    }

    /// Accepts connections again, on the same port.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn accept(&self) -> io::Result<()> {
        self.data.listen(true).await
    }

    /// Closes everything and returns when it is closed.
    pub async fn stop(self) {
        self.data.stop().await;
        self.control.stop().await;
    }
}

impl<P: Provider> Core<P> {
    fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    /// The emulator's own time, in Unix milliseconds.
    fn unix_ms(&self) -> u64 {
        let offset = self.settings().clock_offset_s.saturating_mul(1000);
        crate::clock::unix_ms().saturating_add_signed(offset)
    }

    /// The emulator's own time for `Date`.
    fn http_date(&self) -> Option<String> {
        let seconds = i64::try_from(self.unix_ms() / 1000).ok()?;
        DateTime::from_secs(seconds).fmt(Format::HttpDate).ok()
    }

    /// Enters a request into the log.
    fn enter(&self, exchange: &Exchange, body: &[u8]) -> Ticket {
        let captured = Captured {
            seq: 0,
            unix_ms: self.unix_ms(),
            method: exchange.request.method().to_string(),
            target: target(exchange),
            headers: exchange.headers.clone(),
            body: Vec::new(),
            body_len: 0,
            body_sha256: String::new(),
            model: String::new(),
            behaviour: "normal".to_owned(),
            refused: None,
            status: None,
            ended: Ended::Open,
        };
        self.log.enter(captured, body)
    }

    /// The behaviour that a call for `model` meets.
    fn pick(&self, model: &str, ticket: &Ticket) -> Option<P::Behaviour> {
        let behaviour = lock(&self.rules).pick(model)?;
        let json = serde_json::to_value(&behaviour).unwrap_or_default();
        ticket.behaviour(json.get("behaviour").and_then(Value::as_str).unwrap_or("?"));
        Some(behaviour)
    }

    /// Ends at the next [`Emulator::release`].
    fn released(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut release = self.release.subscribe();
        async move {
            // An error means that the emulator is gone, and everything with it.
            let _ = release.changed().await;
        }
    }

    /// Answers a control call.
    async fn control(&self, exchange: &mut Exchange) -> Result<Response<Script>, Dropped> {
        let body = exchange.body().await?;
        let method = exchange.request.method();
        let uri = exchange.request.uri();
        let path = uri.path().strip_prefix(CONTROL).unwrap_or_default();
        let answer = match (method, path) {
            (&Method::POST, "behaviour") => self.add_rules(&body, false),
            (&Method::PUT, "behaviour") => self.add_rules(&body, true),
            (&Method::GET, "behaviour") => Ok(json!(lock(&self.rules).list())),
            (&Method::DELETE, "behaviour") => {
                lock(&self.rules).clear();
                Ok(json!([]))
            }
            (&Method::GET, "state") => Ok(self.state()),
            (&Method::GET, "requests") => {
                let since = uri.query().and_then(|query| query.strip_prefix("since="));
                let since = since.and_then(|since| since.parse().ok()).unwrap_or(0);
                Ok(json!({"count": self.log.count(), "requests": self.log.since(since)}))
            }
            (&Method::DELETE, "requests") => {
                self.log.clear();
                Ok(json!({"count": 0}))
            }
            (&Method::POST, "release") => {
                self.release.send_replace(());
                Ok(json!({}))
            }
            (&Method::POST, "settings") => self.change_settings(&body),
            (&Method::POST, "listening") => self.change_listening(&body).await,
            (_, _) => {
                return Ok(json_answer(
                    StatusCode::NOT_FOUND,
                    &json!({"error": "no such call"}),
                ));
            }
        };
        Ok(match answer {
            Ok(json) => json_answer(StatusCode::OK, &json),
            Err(error) => json_answer(StatusCode::BAD_REQUEST, &json!({"error": error})),
        })
    }

    /// How many requests came, and what is played.
    fn state(&self) -> Value {
        json!({"requests": self.log.count(), "behaviour": lock(&self.rules).list()})
    }

    fn add_rules(&self, body: &Bytes, replace: bool) -> Result<Value, String> {
        let json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let added = Rule::list_from_json(json)?;
        let mut rules = lock(&self.rules);
        if replace {
            rules.clear();
        }
        added.into_iter().for_each(|rule| rules.add(rule));
        Ok(json!(rules.list()))
    }

    fn change_settings(&self, body: &Bytes) -> Result<Value, String> {
        let change: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut settings = lock(&self.settings);
        let mut merged = json!(*settings);
        if let (Some(merged), Some(change)) = (merged.as_object_mut(), change.as_object()) {
            merged.extend(change.clone());
        }
        *settings = serde_json::from_value(merged).map_err(|error| error.to_string())?;
        Ok(json!(*settings))
    }

    async fn change_listening(&self, body: &Bytes) -> Result<Value, String> {
        #[derive(Deserialize)]
        struct Change {
            listening: bool,
        }
        let Change { listening } =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let data = self.data.get().ok_or("not started yet")?;
        data.listen(listening)
            .await
            .map_err(|error| error.to_string())?;
        Ok(json!({"listening": listening}))
    }
}

/// Where the control calls are.
const CONTROL: &str = "/__emulator/";

/// The provider's port.
struct Data<P: Provider>(Arc<Core<P>>);

impl<P: Answering> App for Data<P> {
    async fn answer(self: Arc<Self>, mut exchange: Exchange) -> Result<Response<Script>, Dropped> {
        if exchange.request.uri().path().starts_with(CONTROL) {
            self.0.control(&mut exchange).await
        } else {
            P::answer(self.0.clone(), exchange).await
        }
    }
}

/// The port of the control calls alone.
struct Control<P: Provider>(Arc<Core<P>>);

impl<P: Provider> App for Control<P> {
    async fn answer(self: Arc<Self>, mut exchange: Exchange) -> Result<Response<Script>, Dropped> {
        self.0.control(&mut exchange).await
    }
}

/// Path and query as sent.
fn target(exchange: &Exchange) -> String {
    let uri = exchange.request.uri();
    uri.path_and_query()
        .map_or_else(|| uri.to_string(), ToString::to_string)
}

fn json_answer(status: StatusCode, json: &Value) -> Response<Script> {
    let mut response = Response::new(Script::full(json.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests;
