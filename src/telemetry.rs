//! What crossfade says of itself: logs to stderr, metrics to whoever asks, and of sampled calls what
//! their spans are made of ([`trace`]).
//!
//! Modules report through the typed events of [`events`], each of which writes its log line and
//! counts its metric in one place; so logs and metrics cannot disagree. No event has a field for a
//! prompt, an answer, a key or a header. This file sets logging up: JSON lines, or a readable form
//! where stderr is a terminal. How a line gets to stderr without anybody waiting is in [`lines`].

use json::JsonLines;
use lines::Lines;
use prometheus::IntCounter;
use std::io::{self, IsTerminal};
use tracing::Level;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

pub mod events;
mod json;
mod lines;
pub mod metrics;
mod panics;
pub mod trace;

/// The environment variables that choose what is logged, the first one that is set counts.
/// Their syntax is `tracing`'s for targets and levels: `info`, `crossfade=debug,warn`.
pub const FILTER_VARIABLES: [&str; 2] = ["CROSSFADE_LOG", "RUST_LOG"];

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
    let lines = Lines::new(dropped);
    lines.write_to_stderr()?;
    let parsed = filter.map(|text| text.parse::<Targets>().map_err(|error| (text, error)));
    let usual = || Targets::new().with_default(DEFAULT_LEVEL);
    let (chosen, refused) = match parsed {
        None => (usual(), None),
        Some(Ok(chosen)) => (chosen, None),
        Some(Err((text, error))) => (usual(), Some((text, error))),
    };
    let writer = lines.clone();
    let layer = if io::stderr().is_terminal() {
        let readable = fmt::layer().with_writer(writer).with_target(false);
        readable.compact().boxed()
    } else {
        JsonLines(move |line: &[u8]| writer.send(line)).boxed()
    };
    let ours = filter_fn(|event| may_be_logged(event.target(), *event.level()));
    // An error here says that logging was started before: then it works.
    let _ = registry().with(chosen).with(ours).with(layer).try_init();
    std::panic::set_hook(Box::new(panics::report));
    if let Some((text, error)) = refused {
        tracing::warn!(filter = text, %error, "The log filter cannot be read; info is used.");
    }
    Ok(LogGuard { lines })
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
    lines: Lines,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.lines.flush();
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
}
