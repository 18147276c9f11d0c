//! Sends the spans of sampled calls to a collector, by OTLP over HTTP.
//!
//! One task, started with the first sampled call and beside all others; nobody waits for it. It
//! takes records from the bounded queue of `telemetry::trace`, gathers them for a second, makes
//! spans of them ([`spans`]) and sends them over a transport of its own ([`send`]). While the
//! collector is away one batch is tried again, later each time; then it is given up, and what the
//! queue cannot hold is dropped by those who fill it. All of that is counted, and status says why.
//! The configuration is read at each try, so an edit is in force with the next one.
//!
//! Why not the SDK: its processor brings threads, globals and a second HTTP client (or a blocking
//! one) along, for spans that are made in one place here and sent by a client that is there. Two
//! hundred lines and the crate for the encoding do it, with bounds that can be read.

use crate::clock::io_now;
use crate::config::traces::Traces;
use crate::snapshot::{Board, Snapshot};
use crate::telemetry::events::notices::Notice;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::queue::Feed;
use crate::telemetry::trace::{Record, Tracer};
use crate::upstream::post;
use crate::upstream::transport::Transport;
use arc_swap::ArcSwap;
use bytes::Bytes;
use message::{
    ExportTraceServiceRequest, InstrumentationScope, Resource, ResourceSpans, ScopeSpans, Value,
};
use prost::Message;
use send::Sent;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

mod message;
mod send;
mod spans;

#[cfg(test)]
mod tests;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long records are gathered; the first after a quiet time are sent at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls of one export: as many spans as OpenTelemetry's own batches have, 512, and some hundred
/// kilobytes.
const BATCH_CALLS: usize = 200;

/// The longest wait between two tries, unless the collector asks for a longer one.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// After so many tries, about two minutes, a batch is given up for the ones behind it.
const TRIES_MAX: u32 = 8;

/// What the sender is given.
#[derive(Clone)]
pub(crate) struct Setup {
    /// Where the configuration in force is.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// Where it is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Where it is shown.
    pub(crate) board: Arc<Board>,
    /// Gives fresh uniform numbers: many processes must not try again at the same moment.
    pub(crate) draw: fn() -> u64,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup")
    }
}

/// Where calls hand in their records; the sender is started with the first one.
pub(crate) fn tracer(setup: Setup) -> Tracer {
    let metrics = Arc::clone(&setup.metrics);
    Tracer::new(metrics, move |feed| {
        tokio::spawn(run(setup.clone(), feed));
    })
}

/// Sends until the queue ends.
async fn run(setup: Setup, mut feed: Feed) {
    let mut sender = Sender {
        transport: Transport::new(CONNECT),
        setup,
        batch: Vec::new(),
        due: io_now(),
        tries: 0,
        failed_tries: 0,
        problem: None,
    };
    loop {
        let (waits, room) = (!sender.batch.is_empty(), sender.batch.len() < BATCH_CALLS);
        tokio::select! {
            Some(done) = feed.flushes.recv() => {
                sender.flush(&mut feed.records).await;
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
            record = feed.records.recv(), if room => match record {
                Some(record) => sender.take(*record),
                // Who is told to stop has flushed.
                None => return sender.give_up(),
            },
            () = sleep_until(sender.due), if waits => sender.deliver().await,
        }
    }
}

/// The task.
struct Sender {
    setup: Setup,
    transport: Transport,
    /// Gathered, and not taken by the collector.
    batch: Vec<Record>,
    /// When the batch is sent.
    due: Instant,
    /// How often this batch was tried.
    tries: u32,
    /// How often in a row the collector did not take one.
    failed_tries: u32,
    problem: Option<String>,
}

impl Sender {
    fn take(&mut self, record: Record) {
        self.batch.push(record);
        if self.batch.len() == BATCH_CALLS && self.failed_tries == 0 {
            self.due = io_now();
        }
    }

    /// Tries the batch once.
    async fn deliver(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let config = Arc::clone(&self.setup.snapshot.load().config);
        let Some(to) = &config.traces else {
            // They were switched off meanwhile.
            self.give_up();
            return self.heal(None);
        };
        let sent = send::send(&self.transport, to, encoded(to, &self.batch)).await;
        self.tries = self.tries.saturating_add(1);
        self.due = io_now() + PAUSE;
        match sent {
            Sent::Taken { rejected, why } => self.taken(to, rejected, &why),
            Sent::Later { why, wait } => {
                self.failed(to, why);
                self.due = io_now()
                    + wait.unwrap_or_else(|| backoff(self.failed_tries, (self.setup.draw)()));
                if self.tries >= TRIES_MAX {
                    self.give_up();
                }
            }
            Sent::Refused { why } => {
                self.failed(to, why);
                self.give_up();
            }
        }
    }

    fn taken(&mut self, to: &Traces, rejected: u64, why: &str) {
        let spans = self.spans();
        let rejected = rejected.min(spans);
        self.setup.metrics.spans_exported(spans - rejected);
        self.setup.metrics.spans_dropped(rejected);
        self.batch.clear();
        (self.tries, self.failed_tries) = (0, 0);
        if rejected > 0 {
            self.tell(to, format!("it rejects {rejected} of {spans} spans: {why}"));
        } else {
            self.heal(Some(to));
        }
    }

    fn failed(&mut self, to: &Traces, why: String) {
        self.setup.metrics.span_export_failed();
        self.failed_tries = self.failed_tries.saturating_add(1);
        self.tell(to, why);
    }

    /// Drops the batch.
    fn give_up(&mut self) {
        self.setup.metrics.spans_dropped(self.spans());
        self.batch.clear();
        self.tries = 0;
    }

    /// Says what is wrong, once for each cause.
    fn tell(&mut self, to: &Traces, why: String) {
        if self.problem.as_ref() != Some(&why) {
            let to = to.to_string();
            Notice::TracesFailing { to: &to, why: &why }.emit();
            self.setup.board.traces(Some(why.clone()));
            self.problem = Some(why);
        }
    }

    fn heal(&mut self, to: Option<&Traces>) {
        if self.problem.take().is_some() {
            self.setup.board.traces(None);
            if let Some(to) = to {
                let to = to.to_string();
                Notice::TracesHealed { to: &to }.emit();
            }
        }
    }

    /// Tries all that waits, each batch once, whatever it waits for.
    async fn flush(&mut self, records: &mut mpsc::Receiver<Box<Record>>) {
        loop {
            while self.batch.len() < BATCH_CALLS
                && let Ok(record) = records.try_recv()
            {
                self.batch.push(*record);
            }
            if self.batch.is_empty() {
                return;
            }
            self.deliver().await;
            if self.failed_tries > 0 {
                // It is away: the rest would fare no better.
                return;
            }
        }
    }

    /// How many spans wait.
    fn spans(&self) -> u64 {
        self.batch.iter().map(Record::spans).sum()
    }
}

/// An export of these calls.
fn encoded(to: &Traces, batch: &[Record]) -> Bytes {
    let resource = to.resource.iter();
    let resource = resource.map(|(key, value)| (key.as_str(), value.as_str()));
    let attributes = SDK.into_iter().chain(resource).map(|(key, value)| {
        let value = Value::Text(value.to_owned());
        spans::attribute(key, value)
    });
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: attributes.collect(),
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "crossfade".to_owned(),
                    version: VERSION.to_owned(),
                }),
                spans: batch.iter().flat_map(spans::of).collect(),
            }],
        }],
    };
    request.encode_to_vec().into()
}

/// How long to wait after so many failures in a row: 1 s, 2 s, 4 s and so on up to 30 s, of which a
/// fresh number draws the second half.
fn backoff(failed_tries: u32, drawn: u64) -> Duration {
    let half = post::backoff(failed_tries, BACKOFF_MAX) / 2;
    half + half.mul_f64(drawn as f64 / u64::MAX as f64)
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What every sender of telemetry says of its means.
const SDK: [(&str, &str); 4] = [
    ("service.version", VERSION),
    ("telemetry.sdk.name", "crossfade"),
    ("telemetry.sdk.language", "rust"),
    ("telemetry.sdk.version", VERSION),
];
