//! Requests of all sizes: parsed, judged, keyed and written for Bedrock.

use crate::measure::Case;
use crossfade::openai::ChatRequest;
use crossfade::translate::{Target, eligible};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::hint::black_box;
use std::rc::Rc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The default of `limits.body`.
const BODY_MAX: usize = 32 * MIB;

/// What apps send.
pub(crate) fn cases() -> Vec<Case> {
    let sentence = "Summarise \"this\":\nthe quick brown fox — naïve, 12.5 % — jumps. ";
    vec![
        case("200 B", 1, prompt(sentence, 200)),
        case("8 KiB", 1, prompt(sentence, 8 * KIB)),
        case("200 KiB", 1, prompt(sentence, 200 * KIB)),
        case(
            "200 KiB, escaped to ASCII",
            1,
            ascii(&prompt("naïve 😀 ", 100 * KIB)),
        ),
        case("32 MiB", 1, prompt(sentence, BODY_MAX)),
        case("20 tools", 20, tools(20)),
        case("20 images of 256 KiB", 20, images(20, 256 * KIB)),
        case("20 calls and results", 20, calls(20)),
    ]
}

/// One prompt, ever longer.
pub(crate) fn sizes() -> Vec<Case> {
    let sizes = [KIB, 8 * KIB, 64 * KIB, 512 * KIB, 4 * MIB, BODY_MAX];
    let sizes = sizes.map(|size| case(&format!("{} KiB", size / KIB), 1, prompt("Go on.\n", size)));
    sizes.into_iter().collect()
}

/// Ever more of something.
pub(crate) fn counts() -> Vec<Case> {
    let messages = [10, 100, 1000, 10_000];
    let messages = messages.map(|n| case(&format!("{n} messages"), n, conversation(n)));
    let tools = [1, 8, 64, 128].map(|n| case(&format!("{n} tools"), n, tools(n)));
    let calls = [2, 20, 200, 2000].map(|n| case(&format!("{n} calls"), n, calls(n)));
    messages.into_iter().chain(tools).chain(calls).collect()
}

/// Bodies that are nothing but small things, as large as a body may be.
pub(crate) fn crowds() -> Vec<Case> {
    let part = r#"{"type":"text","text":"a"},"#;
    let keys = |count: usize| {
        let mut members = String::new();
        for key in 0..count {
            let _ = write!(members, "\"{key:x}\":1,");
        }
        members
    };
    let schema = |members: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{{members}"type":"object"}}}}}}]}}"#
        )
    };
    vec![
        crowd("empty messages", r#"{"messages":["#, "{},", "{}]}"),
        crowd(
            "messages of a letter",
            r#"{"messages":["#,
            r#"{"role":"user","content":"a"},"#,
            r#"{"role":"user","content":"a"}]}"#,
        ),
        crowd(
            "parts of a letter",
            r#"{"messages":[{"role":"user","content":["#,
            part,
            r#"{"type":"text","text":"a"}]}]}"#,
        ),
        crowd(
            "empty calls",
            r#"{"messages":[{"tool_calls":["#,
            "{},",
            "{}]}]}",
        ),
        crowd("empty tools", r#"{"tools":["#, "{},", "{}]}"),
        crowd("stops", r#"{"stop":["#, r#""","#, r#"""]}"#),
        case("members of a schema", 1, schema(&keys(3_000_000))),
        case(
            "levels",
            1,
            format!(
                r#"{{"x":{}{}}}"#,
                "[".repeat(BODY_MAX / 2),
                "]".repeat(BODY_MAX / 2 - 8)
            ),
        ),
    ]
}

fn crowd(name: &str, head: &str, item: &str, tail: &str) -> Case {
    let count = (BODY_MAX - head.len() - tail.len()) / item.len();
    case(name, count, format!("{head}{}{tail}", item.repeat(count)))
}

fn case(name: &str, items: usize, body: String) -> Case {
    let body: Rc<str> = body.into();
    let (scanned, grown) = (Rc::clone(&body), Rc::clone(&body));
    let target = Target::new("us.anthropic.claude-haiku-4-5-20251001-v1:0", None);
    Case {
        name: name.to_owned(),
        bytes: body.len(),
        items,
        run: Box::new(move || {
            if let (Ok(request), Ok(target)) = (ChatRequest::parse(body.as_bytes()), &target) {
                black_box(request.conversation_key());
                black_box(
                    eligible(&request, target)
                        .map(|call| call.converse_body())
                        .ok(),
                );
            }
        }),
        scan: Box::new(move || {
            black_box(serde_json::from_str::<IgnoredAny>(&scanned).ok());
        }),
        tree: Box::new(move || {
            let tree = serde_json::from_str::<Value>(&grown);
            black_box(tree.map(|tree| tree.to_string()).ok());
        }),
    }
}

/// A request of about `bytes` that repeats a sentence.
fn prompt(sentence: &str, bytes: usize) -> String {
    let text = sentence.repeat(bytes.saturating_sub(140) / (sentence.len() + 3) + 1);
    json!({
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "You are a careful assistant."},
            {"role": "user", "content": text},
        ],
    })
    .to_string()
}

/// The same request as Python's `json` writes it.
fn ascii(request: &str) -> String {
    let mut text = String::new();
    for letter in request.chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

fn conversation(count: usize) -> String {
    let messages: Vec<Value> = (0..count)
        .map(|n| {
            let role = ["assistant", "user"][(count - n) % 2];
            json!({"role": role, "content": format!("Message {n} says no more than this.")})
        })
        .collect();
    let opening = json!({"role": "user", "content": "Hello."});
    let messages = [vec![opening], messages].concat();
    json!({"model": "gpt-4o", "messages": messages}).to_string()
}

fn tool(n: usize) -> Value {
    json!({"type": "function", "function": {
        "name": format!("look_up_{n}"),
        "description": "Looks something up in one of the catalogues and says where it is kept.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                "order": {"type": "string", "enum": ["newest", "oldest", "best"]},
                "filter": {
                    "type": "object",
                    "properties": {"kind": {"type": "string"}, "year": {"type": "integer"}},
                },
            },
            "required": ["query"],
        },
    }})
}

fn tools(count: usize) -> String {
    let tools: Vec<Value> = (0..count).map(tool).collect();
    let messages = json!([{"role": "user", "content": "Where is it?"}]);
    json!({"model": "gpt-4o", "messages": messages, "tools": tools}).to_string()
}

fn images(count: usize, bytes: usize) -> String {
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ";
    let url = format!("data:image/png;base64,{png}{}", "AAAA".repeat(bytes / 3));
    let mut parts = vec![json!({"type": "text", "text": "What is on these?"})];
    parts.resize(
        count + 1,
        json!({"type": "image_url", "image_url": {"url": url}}),
    );
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": parts}]}).to_string()
}

fn calls(count: usize) -> String {
    let mut messages = vec![json!({"role": "user", "content": "Where is it?"})];
    for n in 0..count {
        let id = format!("call_{n:020}");
        let arguments = r#"{"query":"it","limit":5,"filter":{"kind":"book","year":1999}}"#;
        let function = json!({"name": "look_up_0", "arguments": arguments});
        let call = json!({"id": id, "type": "function", "function": function});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        let result = "On the third shelf, beside the window.";
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
    }
    json!({"model": "gpt-4o", "messages": messages, "tools": [tool(0)]}).to_string()
}
