//! What holds for any request and for any events.

use super::{Allowance, Fault, Fold, Identity, Mode, ReplyShape, StreamWriter, Target, eligible};
use crate::converse::Event;
use crate::demo::emulator::Recorder;
use crate::fuzz::reply;
use crate::openai::ChatRequest;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;

fn target() -> impl Strategy<Value = Target> {
    let ids = [
        "amazon.nova-lite-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-sonnet-4-6",
        "anthropic.claude-opus-4-7",
        "us.meta.llama3-3-70b-instruct-v1:0",
        "openai.gpt-oss-120b-1:0",
        "mistral.mixtral-8x7b-instruct-v0:1",
        "somebody.something-v1:0",
        "us.amazon.nova-2-lite-v1:0",
        "amazon.nova-micro-v1:0",
        "anthropic.claude-opus-4-1-20250805-v1:0",
        "anthropic.claude-opus-5-5",
        "deepseek.v3-v1:0",
        "qwen.qwen3-32b-v1:0",
        "openai.gpt-5.6",
        "moonshotai.kimi-k2-thinking",
    ];
    let count = Allowance::ALL.len();
    (select(ids.to_vec()), subsequence(Allowance::ALL, 0..=count)).prop_map(|(id, allowed)| {
        let mut target = Target::new(id, None).unwrap();
        target.allow = allowed.into_iter().collect();
        target
    })
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!("hello")),
        1 => Just(json!("")),
        1 => Just(json!(" \n")),
        1 => Just(Value::Null),
        1 => any::<String>().prop_map(Value::from),
        1 => Just(json!([{"type": "text", "text": "a"}, {"type": "text", "text": " "}])),
        1 => Just(json!([{"type": "refusal", "refusal": "no"}])),
        1 => Just(json!([])),
    ]
}

/// A picture or a document, with a text beside it.
fn media() -> impl Strategy<Value = Value> {
    let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==";
    let pdf = "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK";
    let parts = vec![
        json!({"type": "image_url", "image_url": {"url": png}}),
        json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
        json!({"type": "file", "file": {"filename": "My (1).pdf", "file_data": pdf}}),
    ];
    (select(parts), any::<bool>()).prop_map(|(part, first)| {
        let text = json!({"type": "text", "text": "what is it?"});
        if first {
            json!([part, text])
        } else {
            json!([text, part])
        }
    })
}

/// What a user says, and what the assistant says to it or calls for it.
fn exchange() -> impl Strategy<Value = Vec<Value>> {
    let said = prop_oneof![6 => text(), 1 => media()];
    let said = said.prop_map(|c| json!({"role": "user", "content": c}));
    let answer = text().prop_map(|c| vec![json!({"role": "assistant", "content": c})]);
    let system = text().prop_map(|c| vec![json!({"role": "system", "content": c})]);
    let function = text().prop_map(|c| {
        let call = json!({"name": "f", "arguments": "{}"});
        vec![
            json!({"role": "assistant", "content": c, "function_call": call}),
            json!({"role": "function", "name": "f", "content": c}),
        ]
    });
    let rest = prop_oneof![4 => answer, 1 => system, 6 => round(), 1 => function];
    (said, rest).prop_map(|(said, mut rest)| {
        rest.insert(0, said);
        rest
    })
}

/// Calls and their results, in any order.
fn round() -> impl Strategy<Value = Vec<Value>> {
    let nested = "{\"a\":[1,{\"b\":2.50}]}";
    let arguments =
        prop_oneof![9 => Just("{}"), 3 => Just(""), 9 => Just(nested), 1 => Just("[1]")];
    let calls = prop::collection::vec((select(&["f", "g"][..]), arguments, text()), 1..4);
    (text(), calls, any::<bool>()).prop_map(|(said, calls, backwards)| {
        let call = |(index, (name, arguments, _)): (usize, &(&str, &str, Value))| {
            let function = json!({"name": name, "arguments": arguments});
            json!({"id": format!("c/{index}"), "type": "function", "function": function})
        };
        let made: Vec<Value> = calls.iter().enumerate().map(call).collect();
        let mut messages = vec![json!({"role": "assistant", "content": said, "tool_calls": made})];
        let result = |(index, (_, _, text)): (usize, &(&str, &str, Value))| {
            json!({"role": "tool", "tool_call_id": format!("c/{index}"), "content": text})
        };
        messages.extend(calls.iter().enumerate().map(result));
        if backwards {
            messages[1..].reverse();
        }
        messages
    })
}

fn tool() -> impl Strategy<Value = Value> {
    let closed = json!({"type": "object", "properties": {"x": {}}, "additionalProperties": false});
    let mut referring = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}});
    referring["$defs"] = json!({"X": {"type": "null"}});
    let parameters = vec![
        Value::Null,
        json!({}),
        closed,
        json!({"type": "array"}),
        referring,
    ];
    (select(&["f", "g", "h i"][..]), select(parameters)).prop_map(|(name, parameters)| {
        let function = json!({"name": name, "parameters": parameters});
        json!({"type": "function", "function": function})
    })
}

/// Fields that are often right.
fn field() -> impl Strategy<Value = (&'static str, Value)> {
    let one_of = |key: &'static str, values: &[Value]| {
        select(values.to_vec()).prop_map(move |value| (key, value))
    };
    let named = json!({"type": "function", "function": {"name": "f"}});
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let json_schema = json!({"name": "r", "schema": schema});
    prop_oneof![
        (0..25_u32).prop_map(|t| ("temperature", json!(f64::from(t) / 10.0))),
        (0..11_u32).prop_map(|t| ("top_p", json!(f64::from(t) / 10.0))),
        (-1..40_000_i64).prop_map(|n| ("max_tokens", json!(n))),
        any::<bool>().prop_map(|v| ("stream", json!(v))),
        any::<bool>().prop_map(|v| ("parallel_tool_calls", json!(v))),
        prop::collection::vec(tool(), 0..3).prop_map(|v| ("tools", json!(v))),
        one_of(
            "stop",
            &[json!("END"), json!(["", "\n"]), json!([]), Value::Null]
        ),
        one_of(
            "tool_choice",
            &["auto", "none", "required"].map(Value::from)
        ),
        one_of("tool_choice", &[named]),
        one_of(
            "reasoning_effort",
            &["none", "low", "high", "max", "odd"].map(Value::from)
        ),
        one_of(
            "response_format",
            &["text", "json_object"].map(|kind| json!({"type": kind}))
        ),
        one_of(
            "response_format",
            &[json!({"type": "json_schema", "json_schema": json_schema})]
        ),
        one_of("metadata", &[json!({"a": "b"}), json!({"a": 1}), json!([])]),
    ]
}

fn request() -> impl Strategy<Value = Value> {
    let exchanges = prop::collection::vec(exchange(), 0..4);
    let last = prop_oneof![3 => Just(true), 1 => Just(false)];
    let fields = prop::collection::vec(field(), 0..3);
    (exchanges, last, fields, damage()).prop_map(|(exchanges, last, fields, damage)| {
        let mut messages = exchanges.concat();
        if last {
            messages.push(json!({"role": "user", "content": "and now?"}));
        }
        damage.apply(&mut messages);
        let tools = ["f", "g"].map(|name| json!({"type": "function", "function": {"name": name}}));
        let mut request = json!({"model": "m", "messages": messages, "tools": tools});
        for (key, value) in fields {
            request[key] = value;
        }
        request
    })
}

/// What happens to a list that was right; mostly nothing.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Lose(prop::sample::Index),
    Double(prop::sample::Index),
    Move(prop::sample::Index, prop::sample::Index),
}

impl Damage {
    fn apply<T: Clone>(self, list: &mut Vec<T>) {
        if list.is_empty() {
            return;
        }
        match self {
            Self::None => {}
            Self::Lose(at) => drop(list.remove(at.index(list.len()))),
            Self::Double(at) => list.push(at.get(list).clone()),
            Self::Move(from, to) => {
                let item = list.remove(from.index(list.len()));
                list.insert(to.index(list.len() + 1), item);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => Just(Damage::None),
        1 => at().prop_map(Damage::Lose),
        1 => at().prop_map(Damage::Double),
        1 => (at(), at()).prop_map(|(from, to)| Damage::Move(from, to)),
    ]
}

/// Bedrock's rules for a conversation, read off the body.
fn check_conversation(body: &Value) {
    let turns = body["messages"].as_array().unwrap();
    let mut open: Vec<&Value> = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let role = if index % 2 == 0 { "user" } else { "assistant" };
        assert_eq!(turn["role"], role, "roles alternate, and the user begins");
        let blocks = turn["content"].as_array().unwrap();
        assert!(!blocks.is_empty(), "no turn is empty");
        let mut others = false;
        let mut answered = Vec::new();
        for block in blocks {
            if let Some(text) = block["text"].as_str() {
                assert!(!text.trim().is_empty(), "no text is blank");
            }
            let result = &block["toolResult"]["toolUseId"];
            if result.is_null() {
                others = true;
            } else {
                assert!(!others, "results come first");
                answered.push(result);
            }
        }
        open.sort_by_key(|id| id.to_string());
        answered.sort_by_key(|id| id.to_string());
        assert_eq!(open, answered, "each call has its result in the next turn");
        open = blocks
            .iter()
            .map(|b| &b["toolUse"]["toolUseId"])
            .filter(|id| !id.is_null())
            .collect();
    }
    assert!(open.is_empty(), "no call stays open");
    let has_calls = turns.iter().any(|turn| {
        turn["content"]
            .as_array()
            .unwrap()
            .iter()
            .any(|block| block.get("toolUse").is_some())
    });
    assert!(
        !has_calls || body.get("toolConfig").is_some(),
        "calls need tools"
    );
}

/// Where the bodies are kept for the judge of `tests/run strict`, if they are.
static RECORDER: LazyLock<Option<Recorder>> = LazyLock::new(|| {
    let folder = std::env::var_os("CROSSFADE_TEST_BODIES")?;
    let file = PathBuf::from(folder).join("properties.jsonl");
    Some(Recorder::append_to(&file).unwrap())
});

fn record(target: &Target, body: &[u8]) {
    if let Some(recorder) = &*RECORDER {
        let model = &target.model_id;
        recorder.add("converse-stream", model, body).unwrap();
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ChatRequest::parse(&body);
    }

    #[test]
    fn any_request_becomes_a_body_or_a_reason(request in request(), target in target()) {
        let body = request.to_string();
        let Ok(request) = ChatRequest::parse(body.as_bytes()) else { return Ok(()) };
        let first = eligible(&request, &target).map(|e| e.converse_body());
        let again = eligible(&request, &target).map(|e| e.converse_body());
        prop_assert_eq!(&first, &again);
        if let Ok(body) = first {
            record(&target, &body);
            let body: Value = serde_json::from_slice(&body).unwrap();
            check_conversation(&body);
        }
    }

    #[test]
    fn a_cut_or_changed_body_never_panics(
        request in request(),
        target in target(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = request.to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        for body in [&body[..], &body[..at]] {
            if let Ok(request) = ChatRequest::parse(body) {
                let _ = eligible(&request, &target).map(|e| e.converse_body());
                let _ = request.conversation_key();
            }
        }
    }

    #[test]
    fn a_stream_adds_up_to_the_folded_answer(
        events in events(),
        mode in select(&[Mode::Tools, Mode::LegacyFunction, Mode::SchemaTool, Mode::JsonText][..]),
        include_usage in any::<bool>(),
    ) {
        check_reply(&events, mode, include_usage);
    }
}

type Sent = (&'static str, Value);

/// The events of one block, its index yet to be set.
fn block() -> impl Strategy<Value = Vec<Sent>> {
    let word = select(&["a", "`", "```", "```json\n", "\n", "{}", ""][..]).prop_map(String::from);
    let words = prop::collection::vec(prop_oneof![any::<String>(), word], 0..5);
    let text = words.prop_map(|words| {
        words
            .into_iter()
            .map(|w| ("contentBlockDelta", json!({"delta": {"text": w}})))
            .collect()
    });
    let ids = select(&["tooluse_abcdefghijklmn", "call_0", "x"][..]);
    let fragments = prop::collection::vec(select(&["", "{", "\"a\":1}", "\u{e9}\\u00"][..]), 0..4);
    let tool = (ids, fragments).prop_map(|(id, fragments)| {
        let start = json!({"start": {"toolUse": {"toolUseId": id, "name": "f"}}});
        let input = |f| {
            (
                "contentBlockDelta",
                json!({"delta": {"toolUse": {"input": f}}}),
            )
        };
        let mut events = vec![("contentBlockStart", start)];
        events.extend(fragments.into_iter().map(input));
        events
    });
    let thought = json!({"delta": {"reasoningContent": {"text": "x"}}});
    prop_oneof![4 => text, 4 => tool, 1 => Just(vec![("contentBlockDelta", thought)])]
}

/// The events of an answer, as they should be or not quite.
fn events() -> impl Strategy<Value = Vec<Sent>> {
    let blocks = prop::collection::vec((block(), any::<bool>()), 0..4);
    let reasons = [
        "end_turn",
        "tool_use",
        "max_tokens",
        "content_filtered",
        "malformed_tool_use",
        "odd",
    ];
    let reason = select(reasons.to_vec());
    (blocks, reason, any::<bool>(), damage(), damage()).prop_map(
        |(blocks, reason, starts, first, second)| {
            let mut events: Vec<Sent> = Vec::new();
            if starts {
                events.push(("messageStart", json!({"role": "assistant"})));
            }
            for (index, (block, ends)) in blocks.into_iter().enumerate() {
                let end = ends.then(|| ("contentBlockStop", json!({})));
                for (kind, mut payload) in block.into_iter().chain(end) {
                    payload["contentBlockIndex"] = json!(index);
                    events.push((kind, payload));
                }
            }
            events.push(("messageStop", json!({"stopReason": reason})));
            let usage = json!({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3});
            events.push(("metadata", json!({"usage": usage})));
            first.apply(&mut events);
            second.apply(&mut events);
            events
        },
    )
}

fn feed(
    events: &[(&str, Value)],
    mut push: impl FnMut(Event<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for (kind, payload) in events {
        if let Some(event) = Event::parse(kind, payload.to_string().as_bytes())? {
            push(event)?;
        }
    }
    Ok(())
}

#[track_caller]
fn check_reply(events: &[(&str, Value)], mode: Mode, include_usage: bool) {
    let shape = ReplyShape {
        model: String::from("m\"odel"),
        stream: true,
        include_usage,
        service_tier: false,
        own_cap: true,
        mode,
        // Both ways; which usage goes with which does not matter.
        reasoning: include_usage,
        strip_thinking: include_usage,
    };
    let identity = Identity {
        id: String::from("chatcmpl-1"),
        created_unix_s: 7,
    };
    let mut writer = StreamWriter::new(shape.clone(), identity.clone());
    let mut out = Vec::new();
    let mut committed = Vec::new();
    let streamed = feed(events, |event| {
        let pushed = writer.push(event, &mut out);
        committed.push(writer.committed());
        pushed
    });
    let streamed = streamed.and_then(|()| writer.finish(&mut out));
    let mut fold = Fold::new(shape, identity);
    let mut said = Vec::new();
    let folded = feed(events, |event| {
        let pushed = fold.push(event);
        said.push(!fold.is_empty());
        pushed
    });
    // Content and calls commit, nothing else does.
    assert_eq!(committed, said);
    let folded = folded.and_then(|()| fold.finish());
    match folded {
        Ok(answer) => {
            assert_eq!(streamed, Ok(()));
            reply::check_whole(&out, &answer, include_usage);
        }
        Err(fault) => {
            assert_eq!(streamed, Err(fault));
            reply::check_broken(&out, include_usage);
        }
    }
}
