//! Bodies, written as text: what is odd about them no JSON library would write.

use serde_json::json;
use std::fmt::Write as _;

pub(super) const USER: &str = r#"{"role":"user","content":"hi"}"#;

/// A request with `fields` before its one message.
pub(super) fn with(fields: &str) -> Vec<u8> {
    format!(r#"{{"model":"gpt-4o-mini",{fields}"messages":[{USER}]}}"#).into_bytes()
}

/// A request with these messages.
pub(super) fn saying(messages: &str) -> Vec<u8> {
    format!(r#"{{"model":"gpt-4o-mini","messages":[{messages}]}}"#).into_bytes()
}

/// A request with this content, any JSON.
pub(super) fn content(content: &str) -> Vec<u8> {
    saying(&format!(r#"{{"role":"user","content":{content}}}"#))
}

fn tool(name: &str, parameters: &str) -> String {
    format!(r#"{{"type":"function","function":{{"name":"{name}","parameters":{parameters}}}}}"#)
}

/// A request with one tool.
pub(super) fn schema(parameters: &str) -> Vec<u8> {
    with(&format!(r#""tools":[{}],"#, tool("f", parameters)))
}

/// A request with this many tools.
pub(super) fn tools(count: usize) -> Vec<u8> {
    let tools: Vec<String> = (0..count).map(|n| tool(&format!("f{n}"), "{}")).collect();
    with(&format!(r#""tools":[{}],"#, tools.join(",")))
}

/// A request with a call in its history, and the call's result.
pub(super) fn calling(arguments: &str) -> Vec<u8> {
    let function = json!({"name": "f", "arguments": arguments});
    let calls = json!([{"id": "c", "type": "function", "function": function}]);
    let tools = tool("f", "{}");
    let call = format!(r#"{{"role":"assistant","tool_calls":{calls}}}"#);
    let result = r#"{"role":"tool","tool_call_id":"c","content":"1"}"#;
    let messages = format!("{USER},{call},{result}");
    format!(r#"{{"model":"gpt-4o-mini","tools":[{tools}],"messages":[{messages}]}}"#).into_bytes()
}

/// A schema of twice as many levels.
pub(super) fn nested(objects: usize) -> String {
    let open = r#"{"type":"object","properties":{"a":"#.repeat(objects);
    format!("{open}{{}}{}", "}}".repeat(objects))
}

/// A question about this many images.
pub(super) fn images(count: usize) -> Vec<u8> {
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let image =
        format!(r#",{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{png}"}}}}"#);
    let text = r#"{"type":"text","text":"What is on these?"}"#;
    content(&format!("[{text}{}]", image.repeat(count)))
}

/// `count` messages, question and answer by turns, the last a question.
pub(super) fn conversation(count: usize) -> Vec<u8> {
    let mut messages = String::new();
    for left in (0..count).rev() {
        let role = ["user", "assistant"][left % 2];
        let comma = if left == 0 { "" } else { "," };
        let _ = write!(messages, r#"{{"role":"{role}","content":"{left}"}}{comma}"#);
    }
    saying(&messages)
}

/// A request of exactly this many bytes.
pub(super) fn sized(bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes - content("\"\"").len());
    content(&format!("\"{text}\""))
}

/// The same with one byte that is in no UTF-8 text in the place of each `#`.
pub(super) fn broken(body: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| if *byte == b'#' { 0xff } else { *byte };
    body.iter().map(byte).collect()
}
