//! `docs/translation.md`: what crosses and what stays, from the code's own closed sets and from the
//! translation itself.

use super::page;
use crossfade::converse::{Event, Fault};
use crossfade::openai::ChatRequest;
use crossfade::translate::capability::Column;
use crossfade::translate::{
    Allowance, Eligible, Family, Fold, Identity, Loss, Reason, Target, eligible, error,
};
use serde_json::{Value, json};
use std::fmt::Write;

/// The models of the examples: how they are called, and as what they are mapped.
const MODELS: [(&str, &str); 2] = [
    ("Nova Lite", "amazon.nova-lite-v1:0"),
    (
        "Claude Haiku 4.5",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    ),
];

fn tool() -> Value {
    json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
}

/// What an app may send: how the page says it, and the fields.
fn examples() -> Vec<(&'static str, Value)> {
    let schema = json!({"type": "json_schema", "json_schema": {
        "name": "s", "strict": true,
        "schema": {"type": "object", "properties": {"a": {"type": "string"}},
                   "required": ["a"], "additionalProperties": false},
    }});
    let messages = |list: Value| json!({ "messages": list });
    let part = |part: Value| {
        messages(json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]))
    };
    let image = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
    let pdf = json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"});
    vec![
        ("`temperature: 0.2`", json!({"temperature": 0.2})),
        ("`temperature: 1.5`", json!({"temperature": 1.5})),
        (
            "`temperature: 0.2, top_p: 0.9`",
            json!({"temperature": 0.2, "top_p": 0.9}),
        ),
        (
            "`max_completion_tokens: 500`",
            json!({"max_completion_tokens": 500}),
        ),
        ("`max_tokens: 100000`", json!({"max_tokens": 100_000})),
        ("`stop: [\"END\"]`", json!({"stop": ["END"]})),
        ("`seed: 7`", json!({"seed": 7})),
        ("`user: \"u1\"`", json!({"user": "u1"})),
        ("`n: 2`", json!({"n": 2})),
        ("`logprobs: true`", json!({"logprobs": true})),
        ("`logit_bias: {…}`", json!({"logit_bias": {"50256": -100}})),
        (
            "`frequency_penalty: 0.5`",
            json!({"frequency_penalty": 0.5}),
        ),
        (
            "`reasoning_effort: low`",
            json!({"reasoning_effort": "low"}),
        ),
        ("`verbosity: low`", json!({"verbosity": "low"})),
        ("`service_tier: flex`", json!({"service_tier": "flex"})),
        ("`metadata: {…}`", json!({"metadata": {"team": "x"}})),
        ("`store: true`", json!({"store": true})),
        (
            "`web_search_options: {}`",
            json!({"web_search_options": {}}),
        ),
        (
            "`modalities: [text, audio]`",
            json!({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
        ),
        (
            "`response_format: json_object`",
            json!({"response_format": {"type": "json_object"}}),
        ),
        (
            "`response_format: json_schema`",
            json!({"response_format": schema}),
        ),
        ("`tools`", json!({"tools": tool()})),
        (
            "`tools`, `tool_choice: required`",
            json!({"tools": tool(), "tool_choice": "required"}),
        ),
        (
            "`tools`, `tool_choice: none`",
            json!({"tools": tool(), "tool_choice": "none"}),
        ),
        (
            "`tools`, `parallel_tool_calls: false`",
            json!({"tools": tool(), "parallel_tool_calls": false}),
        ),
        (
            "a system message",
            messages(
                json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]),
            ),
        ),
        (
            "a system message in the middle",
            messages(json!([
                {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
                {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go on"},
            ])),
        ),
        (
            "a last message of the assistant",
            messages(
                json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "He"}]),
            ),
        ),
        (
            "an image as `data:`",
            image(
                "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\
                 awAAAABJRU5ErkJggg==",
            ),
        ),
        ("an image by address", image("https://example.com/a.png")),
        ("a PDF", part(json!({"type": "file", "file": pdf}))),
        (
            "a file by id",
            part(json!({"type": "file", "file": {"file_id": "file-1"}})),
        ),
        (
            "sound",
            part(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})),
        ),
    ]
}

/// A request with these fields.
fn request(fields: &Value) -> String {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    let all = request.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("fields").clone());
    request.to_string()
}

/// The body that Bedrock is sent.
fn body(eligible: &Eligible<'_>) -> Value {
    serde_json::from_slice(&eligible.converse_body()).expect("JSON")
}

/// What becomes of a request: what is sent besides the plain one, what is lost, or why it stays.
fn becomes(fields: &Value, target: &Target) -> String {
    let plain = request(&json!({}));
    let plain = ChatRequest::parse(plain.as_bytes()).expect("a request");
    let plain = body(&eligible(&plain, target).expect("it moves"));
    let text = request(fields);
    let request = ChatRequest::parse(text.as_bytes()).expect("a request");
    let eligible = match eligible(&request, target) {
        Ok(eligible) => eligible,
        Err(reason) => return format!("stays: `{}`", reason.name()),
    };
    let mut parts = Vec::new();
    difference(&plain, &body(&eligible), "", &mut parts);
    let losses = eligible.losses().iter().map(|loss| loss.name());
    parts.extend(losses.map(|loss| format!("loses `{loss}`")));
    if parts.is_empty() {
        parts.push("moves".to_owned());
    }
    parts.join("<br>")
}

/// What is in `made` and not in `plain`: a path, with what stands there if that is short.
fn difference(plain: &Value, made: &Value, path: &str, parts: &mut Vec<String>) {
    if plain == made {
        return;
    }
    if let (Value::Object(plain), Value::Object(made)) = (plain, made) {
        for (key, value) in made {
            let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
            difference(plain.get(key).unwrap_or(&Value::Null), value, &path, parts);
        }
        return;
    }
    let value = made.to_string();
    parts.push(if value.len() <= 30 {
        format!("`{path}: {value}`")
    } else {
        format!("`{path}`")
    });
}

fn fields() -> String {
    let targets = MODELS.map(|(_, id)| Target::new(id, None).expect("a model"));
    let mut table = String::from("| the app sends |");
    for (name, _) in MODELS {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|---|---|\n");
    for (told, fields) in examples() {
        let _ = write!(table, "| {told} |");
        for target in &targets {
            let _ = write!(table, " {} |", becomes(&fields, target));
        }
        table.push('\n');
    }
    table
}

/// Bedrock's stop reasons, as its service model lists them.
const STOPS: [&str; 9] = [
    "end_turn",
    "stop_sequence",
    "max_tokens",
    "model_context_window_exceeded",
    "tool_use",
    "content_filtered",
    "guardrail_intervened",
    "malformed_model_output",
    "malformed_tool_use",
];

/// What the app reads of an answer that ends so: a text, or the call of a tool.
fn ends(stop: &str) -> String {
    let target = Target::new(MODELS[0].1, None).expect("a model");
    let text = request(&json!({ "tools": tool() }));
    let request = ChatRequest::parse(text.as_bytes()).expect("a request");
    let shape = eligible(&request, &target).expect("it moves").shape();
    let identity = Identity {
        id: "chatcmpl-x".to_owned(),
        created_unix_s: 0,
    };
    let mut fold = Fold::new(shape, identity);
    let content = if stop == "tool_use" {
        let start = r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#;
        ("contentBlockStart", start)
    } else {
        let delta = r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#;
        ("contentBlockDelta", delta)
    };
    let stop = json!({ "stopReason": stop }).to_string();
    let events = [
        ("messageStart", r#"{"role":"assistant"}"#),
        content,
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("messageStop", &stop),
    ];
    let mut feed = || -> Result<(), Fault> {
        for (kind, payload) in events {
            if let Some(event) = Event::parse(kind, payload.as_bytes())? {
                fold.push(event)?;
            }
        }
        Ok(())
    };
    let answer = match feed() {
        Ok(()) => fold.finish(),
        Err(fault) => Err(fault),
    };
    match answer {
        Ok(answer) => {
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            let reason = &answer["choices"][0]["finish_reason"];
            format!("`finish_reason: {}`", reason.as_str().expect("a reason"))
        }
        Err(fault) => {
            let (status, body) = error::fault_reply(&fault);
            let code = body.code().unwrap_or_default();
            format!("a failure (`{code}`, {status}): the original answers")
        }
    }
}

fn stops() -> String {
    let mut table = String::from("| Bedrock ends with | the app reads |\n|---|---|\n");
    for stop in STOPS {
        let _ = writeln!(table, "| `{stop}` | {} |", ends(stop));
    }
    table
}

fn reasons() -> String {
    let mut table = String::from("| reason | means | to move such a call |\n|---|---|---|\n");
    for reason in Reason::ALL {
        let (name, meaning, remedy) = (reason.name(), reason.meaning(), reason.remedy());
        let _ = writeln!(table, "| `{name}` | {meaning} | {remedy} |");
    }
    table
}

fn losses() -> String {
    let mut table =
        String::from("| loss | means | refused, such a call stays as |\n|---|---|---|\n");
    for loss in Loss::ALL {
        let (name, meaning, reason) = (loss.name(), loss.meaning(), loss.reason().name());
        let _ = writeln!(table, "| `{name}` | {meaning} | `{reason}` |");
    }
    table
}

fn allowances() -> String {
    let mut table = String::from("| allow | does | such calls otherwise |\n|---|---|---|\n");
    for allowance in Allowance::ALL {
        let otherwise = allowance.lifts().map_or_else(
            || "move without it".to_owned(),
            |reason| format!("stay: `{}`", reason.name()),
        );
        let (name, meaning) = (allowance.name(), allowance.meaning());
        let _ = writeln!(table, "| `{name}` | {meaning} | {otherwise} |");
    }
    table
}

fn columns() -> String {
    let mut table = String::from("| key | says | values |\n|---|---|---|\n");
    for column in Column::all() {
        let (name, meaning, accepted) = (column.name(), column.meaning(), column.accepted());
        let _ = writeln!(table, "| `{name}` | {meaning} | {accepted} |");
    }
    table
}

/// The columns that are about tools; the others are in a table of their own, or none could be read.
const TOOLS: [&str; 7] = [
    "tools",
    "tool_choice",
    "single_call",
    "strict_tools",
    "tool_schema",
    "turns",
    "tool_ids",
];

fn families(shown: impl Fn(&str) -> bool) -> String {
    let columns: Vec<&Column> = Column::all().iter().filter(|it| shown(it.name())).collect();
    let mut table = String::from("| family |");
    for column in &columns {
        let _ = write!(table, " {} |", column.name());
    }
    let _ = writeln!(table, "\n|---|{}", "---|".repeat(columns.len()));
    for name in Family::names() {
        let capabilities = Family::from_name(name).expect("a family").capabilities();
        let _ = write!(table, "| `{name}` |");
        for column in &columns {
            let _ = match column.value(&capabilities).as_str() {
                "true" => write!(table, " yes |"),
                "false" => write!(table, " – |"),
                value => write!(table, " {value} |"),
            };
        }
        table.push('\n');
    }
    table
}

#[test]
fn what_is_translated_is_what_the_code_says() {
    let made = [
        ("fields", fields()),
        ("stops", stops()),
        ("reasons", reasons()),
        ("losses", losses()),
        ("allowances", allowances()),
        ("columns", columns()),
        ("families-tools", families(|name| TOOLS.contains(&name))),
        ("families-rest", families(|name| !TOOLS.contains(&name))),
    ];
    page::hold("docs/translation.md", &made);
}
