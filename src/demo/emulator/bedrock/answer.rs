//! What the emulated models answer: blocks, as one object or as events.

use crate::demo::emulator::log::sha256_hex;
use crate::demo::emulator::{prose, sample};
use serde_json::{Value, json};

/// What a behaviour changes about the content.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// This text instead of an own one.
    pub(super) text: Option<String>,
    /// Characters to a text delta; none: words.
    pub(super) piece: Option<usize>,
    /// So many tool calls, whatever the question.
    pub(super) tool_calls: Option<usize>,
    /// Tool calls without arguments.
    pub(super) no_arguments: bool,
    /// A text before the tool calls.
    pub(super) text_before_tools: bool,
    /// A reasoning block; whether it is encrypted.
    pub(super) reasoning: Option<bool>,
    /// No block at all.
    pub(super) no_content: bool,
    /// This stop reason.
    pub(super) stop_reason: Option<String>,
    /// Cache tokens, read and written.
    pub(super) cache: (u64, u64),
    /// How many of the last events are left out.
    pub(super) leave_out: usize,
}

#[derive(Debug)]
enum Block {
    Text(String),
    Tool {
        id: String,
        name: String,
        input: Option<Value>,
    },
    Reasoning(String),
    Redacted,
}

/// What stands for encrypted reasoning, in base64.
const REDACTED: &str = "ZW11bGF0ZWQ=";

/// A finished answer, not yet on the wire.
#[derive(Debug)]
pub(super) struct Answer {
    blocks: Vec<Block>,
    stop_reason: String,
    usage: Value,
    piece: Option<usize>,
    leave_out: usize,
}

/// One event: its type and payload.
pub(super) type Event = (&'static str, Value);

impl Answer {
    /// Answers `request`, whose bytes are `body`.
    pub(super) fn to(request: &Value, body: &[u8], wish: &Wish) -> Self {
        let question = last_user_text(request);
        let digest = sha256_hex(body);
        let mut blocks = Vec::new();
        let mut stop_reason = "end_turn";
        match wish.reasoning {
            Some(true) => blocks.push(Block::Redacted),
            Some(false) => {
                blocks.push(Block::Reasoning(
                    "The person wants a short answer.".to_owned(),
                ));
            }
            None => {}
        }
        let tools = tool_blocks(request, &question, wish, &digest);
        if tools.is_empty() || wish.text_before_tools {
            let (text, end) = text(request, &question, wish.text.as_deref());
            stop_reason = match end {
                prose::End::Whole => "end_turn",
                prose::End::MaxTokens => "max_tokens",
                prose::End::StopSequence => "stop_sequence",
            };
            blocks.push(Block::Text(text));
        }
        if !tools.is_empty() {
            stop_reason = "tool_use";
            blocks.extend(tools);
        }
        if wish.no_content {
            blocks.clear();
        }
        Self {
            usage: usage(request, &blocks, wish.cache),
            blocks,
            stop_reason: wish
                .stop_reason
                .clone()
                .unwrap_or_else(|| stop_reason.to_owned()),
            piece: wish.piece,
            leave_out: wish.leave_out,
        }
    }

    /// The answer of `Converse`.
    pub(super) fn converse(&self) -> Value {
        let blocks = self.blocks.iter().map(|block| match block {
            Block::Text(text) => json!({"text": text}),
            Block::Tool { id, name, input } => {
                let input = input.clone().unwrap_or_else(|| json!({}));
                json!({"toolUse": {"toolUseId": id, "name": name, "input": input}})
            }
            Block::Reasoning(text) => json!({"reasoningContent": {"reasoningText":
                {"text": text, "signature": "emulated"}}}),
            Block::Redacted => json!({"reasoningContent": {"redactedContent": REDACTED}}),
        });
        json!({
            "output": {"message": {"role": "assistant", "content": blocks.collect::<Value>()}},
            "stopReason": self.stop_reason, "usage": self.usage, "metrics": {"latencyMs": 42},
        })
    }

    /// The events of `ConverseStream`.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = vec![("messageStart", json!({"role": "assistant"}))];
        for (index, block) in self.blocks.iter().enumerate() {
            let delta = |delta: Value| {
                (
                    "contentBlockDelta",
                    json!({"contentBlockIndex": index, "delta": delta}),
                )
            };
            match block {
                Block::Text(text) => {
                    let pieces = self.pieces(text).into_iter();
                    events.extend(pieces.map(|piece| delta(json!({"text": piece}))));
                }
                Block::Tool { id, name, input } => {
                    let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                    let start = json!({"contentBlockIndex": index, "start": start});
                    events.push(("contentBlockStart", start));
                    if let Some(input) = input {
                        let fragment = |text: &str| delta(json!({"toolUse": {"input": text}}));
                        events.push(fragment(""));
                        let whole = input.to_string();
                        events.extend(by_characters(&whole, 7).iter().map(|text| fragment(text)));
                    }
                }
                Block::Reasoning(text) => {
                    let reasoning = |inner: Value| delta(json!({"reasoningContent": inner}));
                    let pieces = prose::pieces(text).into_iter();
                    events.extend(pieces.map(|piece| reasoning(json!({"text": piece}))));
                    events.push(reasoning(json!({"signature": "emulated"})));
                }
                Block::Redacted => {
                    events.push(delta(
                        json!({"reasoningContent": {"redactedContent": REDACTED}}),
                    ));
                }
            }
            events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
        }
        events.push(("messageStop", json!({"stopReason": self.stop_reason})));
        events.push((
            "metadata",
            json!({"usage": self.usage, "metrics": {"latencyMs": 42}}),
        ));
        events.truncate(events.len().saturating_sub(self.leave_out));
        for (at, (_, payload)) in events.iter_mut().enumerate() {
            pad(payload, at);
        }
        events
    }

    fn pieces(&self, text: &str) -> Vec<String> {
        match self.piece {
            Some(characters) => by_characters(text, characters.max(1)),
            // Models send more than one token at a time.
            None => prose::pieces(text)
                .chunks(2)
                .map(<[&str]>::concat)
                .collect(),
        }
    }
}

/// The service hides the length of what it sends behind a throw-away member.
fn pad(payload: &mut Value, at: usize) {
    let alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if let Some(payload) = payload.as_object_mut() {
        let padding = alphabet.get(..1 + at * 17 % 48).unwrap_or_default();
        payload.insert("p".to_owned(), json!(padding));
    }
}

fn by_characters(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(size)
        .map(|chunk| chunk.iter().collect())
        .collect()
}

fn blocks(message: &Value) -> impl Iterator<Item = &Value> {
    message
        .get("content")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn messages(request: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    request
        .get("messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text_of(message: &Value) -> String {
    blocks(message)
        .filter_map(|block| block.get("text")?.as_str())
        .collect()
}

fn last_user_text(request: &Value) -> String {
    let mut users = messages(request)
        .rev()
        .filter(|message| message.get("role") == Some(&json!("user")));
    users.next().map(text_of).unwrap_or_default()
}

/// The first result of the last message, if it brings one.
fn tool_result(request: &Value) -> Option<String> {
    let last = messages(request).next_back()?;
    let result = blocks(last).find_map(|block| block.get("toolResult"))?;
    Some(
        blocks(result)
            .map(|content| match content.get("text") {
                Some(text) => text.as_str().unwrap_or_default().to_owned(),
                None => content
                    .get("json")
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            })
            .collect(),
    )
}

fn text(request: &Value, question: &str, wished: Option<&str>) -> (String, prose::End) {
    let schema = request.pointer("/outputConfig/textFormat/structure/jsonSchema/schema");
    let schema = schema
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok());
    let text = match (wished, schema, tool_result(request)) {
        (Some(text), _, _) => text.to_owned(),
        (None, Some(schema), _) => sample::instance(&schema, "").to_string(),
        (None, None, Some(result)) => format!("The tool says: {result}"),
        (None, None, None) if is_told_to_write_json(request) => {
            let answer = prose::answer("bedrock", question);
            sample::object_asked_for(question, &answer).to_string()
        }
        (None, None, None) => prose::answer("bedrock", question),
    };
    let inference = request.get("inferenceConfig").unwrap_or(&Value::Null);
    let cap = inference.get("maxTokens").and_then(Value::as_u64);
    let stops = inference
        .get("stopSequences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    prose::ended(
        text,
        cap,
        &stops.filter_map(Value::as_str).collect::<Vec<_>>(),
    )
}

/// Whether a system text demands JSON.
fn is_told_to_write_json(request: &Value) -> bool {
    let system = request.get("system").and_then(Value::as_array);
    let mut texts = system
        .into_iter()
        .flatten()
        .filter_map(|block| block.get("text")?.as_str());
    texts.any(|text| text.contains("JSON object"))
}

/// The calls that a model would make: when told to, or when the question asks for it.
fn tool_blocks(request: &Value, question: &str, wish: &Wish, digest: &str) -> Vec<Block> {
    let tools = request
        .pointer("/toolConfig/tools")
        .and_then(Value::as_array);
    let specs: Vec<&Value> = tools
        .into_iter()
        .flatten()
        .filter_map(|tool| tool.get("toolSpec"))
        .collect();
    let name = |spec: &Value| {
        spec.get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let choice = request
        .pointer("/toolConfig/toolChoice")
        .unwrap_or(&Value::Null);
    let heard = question.to_lowercase();
    let asked =
        |spec: &&&Value| heard.contains("weather") || heard.contains(&name(spec).to_lowercase());
    let named = choice.pointer("/tool/name").and_then(Value::as_str);
    let chosen = match named {
        Some(named) => specs.iter().find(|spec| name(spec) == named),
        None if choice.get("any").is_some() => specs.iter().find(asked).or_else(|| specs.first()),
        None if wish.tool_calls.is_some() => specs.first(),
        None if wish.text.is_some() || tool_result(request).is_some() => None,
        None => specs.iter().find(asked),
    };
    let Some(spec) = chosen else {
        return Vec::new();
    };
    let count = wish.tool_calls.unwrap_or_else(|| calls_asked_for(&heard));
    let schema = spec.pointer("/inputSchema/json").unwrap_or(&Value::Null);
    let input = sample::arguments(schema, &name(spec), question);
    let empty = wish.no_arguments || input.as_object().is_some_and(serde_json::Map::is_empty);
    (0..count)
        .map(|at| Block::Tool {
            id: format!("tooluse_{}{at}", digest.get(..21).unwrap_or_default()),
            name: name(spec),
            input: (!empty).then(|| input.clone()),
        })
        .collect()
}

/// How many calls a question wants.
fn calls_asked_for(question: &str) -> usize {
    if question.contains("parallel") { 2 } else { 1 }
}

fn usage(request: &Value, answered: &[Block], (read, write): (u64, u64)) -> Value {
    let system = request
        .get("system")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let system = system
        .filter_map(|block| block.get("text")?.as_str())
        .map(prose::tokens);
    let asked = messages(request).map(|message| 3 + prose::tokens(&text_of(message)));
    let input = 2 + system.chain(asked).sum::<u64>();
    let output = answered.iter().map(|block| match block {
        Block::Text(text) | Block::Reasoning(text) => prose::tokens(text),
        Block::Tool { input, .. } => {
            12 + input
                .as_ref()
                .map_or(0, |input| prose::tokens(&input.to_string()))
        }
        Block::Redacted => 20,
    });
    let output: u64 = output.sum();
    let mut usage = json!({"inputTokens": input, "outputTokens": output,
        "totalTokens": input + output + read + write});
    if let (true, Some(usage)) = (read + write > 0, usage.as_object_mut()) {
        usage.insert("cacheReadInputTokens".to_owned(), json!(read));
        usage.insert("cacheWriteInputTokens".to_owned(), json!(write));
    }
    usage
}
