//! Answers: events into chunks, events into one answer.

use crate::measure::Case;
use crossfade::converse::Event;
use crossfade::translate::{Fold, Identity, Mode, ReplyShape, StreamWriter};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::hint::black_box;
use std::rc::Rc;

/// The events of an answer: type and payload.
type Events = Rc<[(&'static str, String)]>;

/// One chunk of a running stream, and whole answers.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        chunk("a chunk of text", &text(" remarkable")),
        chunk("a chunk of 1 KiB", &text(&"remarkable ".repeat(93))),
        chunk("a chunk of arguments", &arguments("{\\\"query\\\":")),
        streamed("a stream of 200 chunks", 200),
        folded("an answer of 200 chunks", 200),
        folded("an answer of 20,000 chunks", 20_000),
    ]
}

/// Ever longer answers.
pub(crate) fn counts() -> Vec<Case> {
    let counts = [10, 100, 1000, 10_000, 100_000];
    let streamed = counts.map(|n| streamed(&format!("{n} chunks"), n));
    let folded = counts.map(|n| folded(&format!("{n} chunks folded"), n));
    streamed.into_iter().chain(folded).collect()
}

fn text(text: &str) -> (&'static str, String) {
    let payload = json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abcdefghijk"});
    ("contentBlockDelta", payload.to_string())
}

fn arguments(json: &str) -> (&'static str, String) {
    let payload =
        json!({"contentBlockIndex": 1, "delta": {"toolUse": {"input": json}}, "p": "abc"});
    ("contentBlockDelta", payload.to_string())
}

fn shape() -> ReplyShape {
    ReplyShape {
        model: "gpt-4o".to_owned(),
        stream: true,
        include_usage: true,
        service_tier: false,
        own_cap: false,
        reasoning: false,
        strip_thinking: false,
        mode: Mode::Tools,
    }
}

fn identity() -> Identity {
    Identity {
        id: "chatcmpl-0123456789abcdef0123456789abcdef".to_owned(),
        created_unix_s: 1_700_000_000,
    }
}

/// An answer that has begun: text, then a call.
fn opening() -> [(&'static str, String); 2] {
    let tool = json!({"toolUse": {"toolUseId": "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "name": "f"}});
    let start = json!({"contentBlockIndex": 1, "start": tool});
    [
        ("messageStart", json!({"role": "assistant"}).to_string()),
        ("contentBlockStart", start.to_string()),
    ]
}

fn answer(chunks: usize) -> Events {
    let usage = json!({"inputTokens": 10, "outputTokens": chunks, "totalTokens": 10 + chunks});
    let mut events = vec![("messageStart", json!({"role": "assistant"}).to_string())];
    events.resize(chunks + 1, text(" remarkable"));
    events.push((
        "contentBlockStop",
        json!({"contentBlockIndex": 0}).to_string(),
    ));
    events.push(("messageStop", json!({"stopReason": "end_turn"}).to_string()));
    events.push(("metadata", json!({"usage": usage}).to_string()));
    events.into()
}

fn chunk(name: &str, event: &(&'static str, String)) -> Case {
    let events: Events = vec![event.clone()].into();
    let mut writer = StreamWriter::new(shape(), identity());
    let mut out = Vec::with_capacity(64 << 10);
    for (kind, payload) in opening() {
        push(&mut writer, kind, &payload, &mut out);
    }
    case(name, 1, &events, move |events| {
        for (kind, payload) in events {
            out.clear();
            push(&mut writer, kind, payload, &mut out);
        }
        black_box(&out);
    })
}

fn push(writer: &mut StreamWriter, kind: &str, payload: &str, out: &mut Vec<u8>) {
    if let Ok(Some(event)) = Event::parse(kind, payload.as_bytes()) {
        black_box(writer.push(event, out).is_ok());
    }
}

fn streamed(name: &str, chunks: usize) -> Case {
    case(name, chunks, &answer(chunks), |events| {
        let mut writer = StreamWriter::new(shape(), identity());
        // Written and emptied like a connection's.
        let mut out = Vec::new();
        for (kind, payload) in events {
            push(&mut writer, kind, payload, &mut out);
            if out.len() > 4096 {
                out.clear();
            }
        }
        black_box(writer.finish(&mut out).is_ok());
    })
}

fn folded(name: &str, chunks: usize) -> Case {
    case(name, chunks, &answer(chunks), |events| {
        let mut fold = Fold::new(shape(), identity());
        for (kind, payload) in events {
            if let Ok(Some(event)) = Event::parse(kind, payload.as_bytes()) {
                black_box(fold.push(event).is_ok());
                black_box(fold.len());
            }
        }
        black_box(fold.finish().ok());
    })
}

fn case(
    name: &str,
    items: usize,
    events: &Events,
    mut run: impl FnMut(&[(&'static str, String)]) + 'static,
) -> Case {
    let [own, scanned, grown] = std::array::from_fn(|_| Rc::clone(events));
    Case {
        name: name.to_owned(),
        bytes: events.iter().map(|(_, payload)| payload.len()).sum(),
        items,
        run: Box::new(move || run(&own)),
        scan: Box::new(move || {
            for (_, payload) in &*scanned {
                black_box(serde_json::from_str::<IgnoredAny>(payload).ok());
            }
        }),
        tree: Box::new(move || {
            for (_, payload) in &*grown {
                black_box(chunk_by_tree(payload));
            }
        }),
    }
}

/// The obvious way to a chunk.
fn chunk_by_tree(payload: &str) -> String {
    let event: Value = serde_json::from_str(payload).unwrap_or_default();
    let delta = json!({"content": event["delta"]["text"]});
    json!({
        "id": "chatcmpl-0123456789abcdef0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}],
        "usage": null,
    })
    .to_string()
}
