//! Log lines as JSON: one object a line, its fields in the order in which they were given.
//!
//! Every call has a line, so what a line costs every call pays: the layer of `tracing-subscriber`
//! took a quarter of a forwarded call's time, most of it in checking again that text is text. Here
//! a line is built in one buffer that is kept for the next one, with `serde_json`'s escaping.

use crate::clock;
use humantime::format_rfc3339_micros;
use serde::Serialize;
use std::cell::Cell;
use std::fmt::Debug;
use std::io::Write;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// A layer that gives each event's line, with its line break, to a function.
#[derive(Debug)]
pub(super) struct JsonLines<F>(pub(super) F);

thread_local! {
    /// The room of the thread's last line.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S: Subscriber, F: Fn(&[u8]) + 'static> Layer<S> for JsonLines<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // A thread that ends has no room to keep.
        let mut line = Line(ROOM.try_with(Cell::take).unwrap_or_default());
        line.0.clear();
        let at = format_rfc3339_micros(clock::wall());
        // Writing to a vector cannot fail, here and below.
        let _ = write!(line.0, r#"{{"timestamp":"{at}","#);
        let _ = write!(line.0, r#""level":"{}""#, event.metadata().level());
        event.record(&mut line);
        line.0.extend_from_slice(b"}\n");
        (self.0)(&line.0);
        let Line(mut room) = line;
        room.shrink_to(KEPT_BYTES);
        let _ = ROOM.try_with(|kept| kept.set(room));
    }
}

/// A line that is being built.
struct Line(Vec<u8>);

impl Line {
    fn add(&mut self, field: &Field, value: impl Serialize) {
        self.0.extend_from_slice(b",\"");
        // Names are ours: nothing in them needs an escape.
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.extend_from_slice(b"\":");
        let _ = serde_json::to_writer(&mut self.0, &value);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }
}

/// Room that is kept for the next line; the line of a call is about half of it.
const KEPT_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_line_is_an_object_whatever_its_text_says() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let layer = JsonLines(move |line: &[u8]| {
            sink.lock().expect("not poisoned").push(line.to_vec());
        });
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let name = "a \"b\"\n\u{7}é";
            let none: Option<&str> = None;
            tracing::warn!(
                name,
                none,
                some = Some(3),
                half = 0.5,
                yes = true,
                "said {name}"
            );
        });
        let lines = lines.lock().expect("not poisoned");
        let [line] = &lines[..] else {
            panic!("one event, one line: {lines:?}")
        };
        let text = std::str::from_utf8(line).expect("text");
        let rest = text
            .strip_prefix(r#"{"timestamp":""#)
            .expect("the time first");
        let (at, rest) = rest.split_once('"').expect("its end");
        humantime::parse_rfc3339(at).expect("a moment");
        let escaped = r#"a \"b\"\n\u0007é"#;
        let expected = format!(
            ",\"level\":\"WARN\",\"message\":\"said {escaped}\",\"name\":\"{escaped}\",\"some\":3,\"half\":0.5,\"yes\":true}}\n"
        );
        assert_eq!(rest, expected);
    }
}
