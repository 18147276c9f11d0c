//! What crossfade says of itself: logs to stderr, metrics to whoever asks.
//!
//! Modules report through the typed events of [`events`], each of which writes its log line and
//! counts its metric in one place; so logs and metrics cannot disagree. No event has a field for a
//! prompt, an answer, a key or a header. This file sets logging up: JSON lines, or a readable form
//! where stderr is a terminal. Lines go through a bounded queue to a thread of their own, because
//! a full pipe must not stop a call: what does not fit is dropped and counted.

use json::JsonLines;
use prometheus::IntCounter;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

pub mod events;
mod json;
pub mod metrics;

/// The environment variables that choose what is logged, the first one that is set counts.
/// Their syntax is `tracing`'s for targets and levels: `info`, `crossfade=debug,warn`.
pub const FILTER_VARIABLES: [&str; 2] = ["CROSSFADE_LOG", "RUST_LOG"];

/// How many lines wait for a slow reader of stderr; about 4 MB of call lines.
const QUEUE_LINES: usize = 8_192;

/// How long lines are gathered under load; the first after a quiet time is written at once.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end of the process waits for a reader that does not read.
const FLUSH: Duration = Duration::from_secs(1);

/// Starts logging for the whole process. Keep what is returned until the end: dropping it writes
/// what still waits. A second call (tests) changes nothing.
///
/// `filter` is the value of the first of [`FILTER_VARIABLES`] that is set; one that cannot be read
/// is reported and `info` is used.
///
/// # Errors
///
/// The writer's thread could not be started.
pub fn start(filter: Option<&str>, dropped: IntCounter) -> io::Result<LogGuard> {
    let (queue, lines) = sync_channel(QUEUE_LINES);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write_lines(&lines))?;
    let parsed = filter.map(|text| text.parse::<Targets>().map_err(|error| (text, error)));
    let usual = || Targets::new().with_default(DEFAULT_LEVEL);
    let (chosen, refused) = match parsed {
        None => (usual(), None),
        Some(Ok(chosen)) => (chosen, None),
        Some(Err((text, error))) => (usual(), Some((text, error))),
    };
    let writer = LogWriter {
        queue: queue.clone(),
        dropped,
    };
    let lines = if io::stderr().is_terminal() {
        let lines = fmt::layer().with_writer(writer).with_target(false);
        lines.compact().boxed()
    } else {
        JsonLines(move |line| writer.send(line)).boxed()
    };
    let ours = filter_fn(|event| may_be_logged(event.target(), *event.level()));
    // An error here says that logging was started before: then it works.
    let _ = registry().with(chosen).with(ours).with(lines).try_init();
    if let Some((text, error)) = refused {
        tracing::warn!(filter = text, %error, "The log filter cannot be read; info is used.");
    }
    Ok(LogGuard { queue })
}

/// What other crates say below `info` may be a request, an answer or a header: it is never logged,
/// whatever the filter asks for.
fn may_be_logged(target: &str, level: Level) -> bool {
    let ours = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    ours || level <= Level::INFO
}

/// Everything that an operator needs, and nothing for each byte of a call.
const DEFAULT_LEVEL: Level = Level::INFO;

/// Writes what still waits when it is dropped, unless nobody reads for a second.
#[derive(Debug)]
pub struct LogGuard {
    queue: SyncSender<Item>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        // A full queue means that nobody reads: then there is nothing to wait for.
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH);
        }
    }
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Writes what comes, all that waits with one call. After each write it pauses: a line that comes
/// meanwhile wakes nobody, which is most of what a line costs under load.
fn write_lines(lines: &Receiver<Item>) {
    let mut stderr = io::stderr();
    let mut batch = Vec::new();
    while let Ok(first) = lines.recv() {
        for item in std::iter::once(first).chain(lines.try_iter()) {
            match item {
                Item::Line(line) => batch.extend_from_slice(&line),
                Item::Flush(done) => {
                    write_batch(&mut stderr, &mut batch);
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
        }
        write_batch(&mut stderr, &mut batch);
        std::thread::park_timeout(PAUSE);
    }
}

fn write_batch(stderr: &mut io::Stderr, batch: &mut Vec<u8>) {
    // Nowhere is left to report that stderr cannot be written.
    let _ = stderr.write_all(batch);
    batch.clear();
}

/// Hands each line to the writer's thread without waiting.
#[derive(Clone, Debug)]
struct LogWriter {
    queue: SyncSender<Item>,
    dropped: IntCounter,
}

impl LogWriter {
    fn send(&self, line: Vec<u8>) {
        match self.queue.try_send(Item::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped.inc(),
        }
    }
}

impl Write for LogWriter {
    /// The formatter writes each event with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_crates_never_log_what_they_carry() {
        for (target, level, expected) in [
            ("crossfade", Level::TRACE, true),
            ("crossfade::proxy", Level::DEBUG, true),
            ("crossfade_like", Level::DEBUG, false),
            ("aws_smithy_runtime::client", Level::WARN, true),
            ("aws_smithy_runtime::client", Level::INFO, true),
            ("aws_smithy_runtime::client", Level::DEBUG, false),
            ("hyper_util::client", Level::TRACE, false),
        ] {
            assert_eq!(may_be_logged(target, level), expected, "{target} {level}");
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let dropped = IntCounter::new("dropped", "for this test").expect("well-formed");
        // Nobody reads.
        let (queue, _lines) = sync_channel(2);
        let mut writer = LogWriter {
            queue,
            dropped: dropped.clone(),
        };
        for _ in 0..5 {
            assert_eq!(writer.write(b"line\n").expect("never fails"), 5);
        }
        assert_eq!(dropped.get(), 3);
    }
}
