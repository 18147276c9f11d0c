//! What the log says of a panic: where it was, and nothing of why.
//!
//! The text of a panic may quote what was being worked on (that of a string sliced in the middle of
//! a letter quotes the string), and that may be a prompt. So Rust's own report, which prints it, is
//! replaced.

use std::panic::PanicHookInfo;

/// The process's hook.
pub(super) fn report(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(tracing::field::display);
    tracing::error!(at, "A part of crossfade panicked; this is a bug.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::json::JsonLines;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_panic_is_reported_without_its_text() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let layer = JsonLines(move |line: &[u8]| {
            sink.lock().expect("not poisoned").extend_from_slice(line);
        });
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(report));
        let caught =
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                std::panic::catch_unwind(|| panic!("a prompt of somebody's"))
            });
        std::panic::set_hook(before);
        assert!(caught.is_err());
        let log = log.lock().expect("not poisoned");
        let line: serde_json::Value = serde_json::from_slice(&log).expect("one line");
        let at = line["at"].as_str().expect("a place");
        assert!(at.starts_with(file!()), "{at}");
        assert!(!line.to_string().contains("somebody"), "{line}");
    }
}
