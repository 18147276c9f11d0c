//! From the calls to whoever sends their spans: a bounded queue that nobody waits for.
//!
//! The sender's task is started with the first record, so that a process whose traces are off has
//! neither queue nor task, and one that is told to begin by an edit of the file needs no restart.
//! What does not fit is dropped and counted. When the last [`Tracer`] is gone the queue ends, and
//! its reader with it.

use super::Record;
use crate::telemetry::metrics::Metrics;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for a slow collector: OpenTelemetry's own number of spans, a few megabytes.
const QUEUE_MAX: usize = 2_048;

/// How long the end of the process waits for the last of them.
const LAST: Duration = Duration::from_secs(2);

/// The reader's side.
#[derive(Debug)]
pub struct Feed {
    /// The calls.
    pub records: mpsc::Receiver<Box<Record>>,
    /// Who waits until all that was recorded has been tried.
    pub flushes: mpsc::Receiver<oneshot::Sender<()>>,
}

/// What starts the reader.
type Start = Box<dyn Fn(Feed) + Send + Sync>;

/// Where calls hand in their records.
pub struct Tracer {
    ends: OnceLock<Ends>,
    start: Start,
    metrics: Arc<Metrics>,
}

struct Ends {
    records: mpsc::Sender<Box<Record>>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
}

impl Tracer {
    /// Nothing runs yet; `start` is called with the first record.
    pub fn new(metrics: Arc<Metrics>, start: impl Fn(Feed) + Send + Sync + 'static) -> Self {
        Self {
            ends: OnceLock::new(),
            start: Box::new(start),
            metrics,
        }
    }

    /// Hands in a call that is over.
    pub fn record(&self, record: Box<Record>) {
        let ends = self.ends.get_or_init(|| {
            let (records, calls) = mpsc::channel(QUEUE_MAX);
            let (flushes, asked) = mpsc::channel(1);
            (self.start)(Feed {
                records: calls,
                flushes: asked,
            });
            Ends { records, flushes }
        });
        if let Err(lost) = ends.records.try_send(record) {
            self.metrics.spans_dropped(lost.into_inner().spans());
        }
    }

    /// Returns when all that was recorded has been tried, or after two seconds.
    pub async fn flush(&self) {
        let Some(ends) = self.ends.get() else {
            return;
        };
        let flushed = async {
            let (done, wait) = oneshot::channel();
            if ends.flushes.send(done).await.is_ok() {
                // An error says that the reader is gone.
                let _ = wait.await;
            }
        };
        let _ = tokio::time::timeout(LAST, flushed).await;
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer")
    }
}
