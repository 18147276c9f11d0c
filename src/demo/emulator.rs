//! The two providers, emulated: real HTTP/1.1 servers on a port of this machine.
//!
//! The demo shows crossfade on them and the tests use them as counterparts. An emulator answers as
//! its provider does, checks what arrives as the provider does, keeps what it received, and
//! misbehaves on request. Both are driven from Rust ([`Emulator`]'s methods) and over HTTP
//! ([`control`]). Nothing here uses crossfade's own translation: an emulator that shared its mistakes
//! would prove nothing.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use behaviour::Rules;
use http::{Response, StatusCode};
use log::{Log, Ticket, sha256_hex};
use script::Script;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server::{App, Dropped, Exchange, Server};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;

pub mod bedrock;
pub mod behaviour;
mod control;
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

    /// What this exchange is called: 32 hexadecimal digits.
    fn request_id(&self, ticket: &Ticket) -> String {
        let mut id = sha256_hex(format!("{}{}", ticket.seq(), self.unix_ms()).as_bytes());
        id.truncate(32);
        id
    }

    /// The last of an exchange: dates the answer and notes how it goes on.
    fn finished(&self, mut response: Response<Script>, ticket: Ticket) -> Response<Script> {
        if let Some(date) = self.http_date() {
            set(&mut response, http::header::DATE.as_str(), &date);
        }
        ticket.status(response.status().as_u16());
        response.map(|body| body.noted(ticket))
    }

    /// Ends at the next [`Emulator::release`].
    fn released(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut release = self.release.subscribe();
        async move {
            // An error means that the emulator is gone, and everything with it.
            let _ = release.changed().await;
        }
    }
}

/// The provider's port.
struct Data<P: Provider>(Arc<Core<P>>);

impl<P: Answering> App for Data<P> {
    async fn answer(self: Arc<Self>, mut exchange: Exchange) -> Result<Response<Script>, Dropped> {
        if exchange.request.uri().path().starts_with(control::PATH) {
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

fn set(response: &mut Response<Script>, name: &'static str, value: &str) {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        let name = http::header::HeaderName::from_static(name);
        response.headers_mut().insert(name, value);
    }
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
