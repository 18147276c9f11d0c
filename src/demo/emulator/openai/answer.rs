//! What the emulated OpenAI answers to a chat completion request: as one object or as chunks.

use super::ApiError;
use crate::demo::emulator::log::sha256_hex;
use crate::demo::emulator::{prose, sample};
use serde_json::{Value, json};

/// A finished answer, not yet on the wire.
#[derive(Debug)]
pub(super) struct Answer {
    id: String,
    created: u64,
    model: String,
    content: Option<String>,
    tool_calls: Vec<ToolCall>,
    finish: &'static str,
    choices: u64,
    usage: Value,
    include_usage: bool,
    /// Whether chunks were asked for.
    pub(super) stream: bool,
}

#[derive(Debug)]
struct ToolCall {
    id: String,
    name: String,
    arguments: String,
}

/// What a behaviour changes about the content.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// This text instead of an own one.
    pub(super) text: Option<String>,
    /// So many tool calls, whatever the question.
    pub(super) tool_calls: Option<usize>,
}

impl Answer {
    /// Answers `request`; `path_model` is Azure's deployment.
    pub(super) fn to(
        request: &Value,
        body: &[u8],
        path_model: Option<&str>,
        created: u64,
        wish: &Wish,
    ) -> Result<Self, ApiError> {
        let model = check(request, path_model)?;
        let question = last_user_text(request);
        let digest = sha256_hex(body);
        let tool_calls = tool_calls(request, &question, wish.tool_calls, &digest);
        let (content, finish) = if tool_calls.is_empty() {
            let (text, end) = content(request, &question, wish.text.as_deref());
            (
                Some(text),
                if end == prose::End::MaxTokens {
                    "length"
                } else {
                    "stop"
                },
            )
        } else {
            (None, "tool_calls")
        };
        let choices = request
            .get("n")
            .and_then(Value::as_u64)
            .unwrap_or(1)
            .clamp(1, 16);
        let written: u64 = tool_calls
            .iter()
            .map(|call| 9 + prose::tokens(&call.arguments))
            .sum();
        let written = written + content.as_deref().map_or(0, prose::tokens);
        Ok(Self {
            id: format!("chatcmpl-{}", digest.get(..29).unwrap_or_default()),
            created,
            model: snapshot(model),
            usage: usage(prompt_tokens(request), written * choices),
            content,
            tool_calls,
            finish,
            choices,
            include_usage: request.pointer("/stream_options/include_usage") == Some(&json!(true)),
            stream: request.get("stream") == Some(&json!(true)),
        })
    }

    /// The `chat.completion` object.
    pub(super) fn completion(&self) -> Value {
        let mut message = json!({
            "role": "assistant", "content": self.content, "refusal": null, "annotations": [],
        });
        if let (false, Some(message)) = (self.tool_calls.is_empty(), message.as_object_mut()) {
            let calls = self.tool_calls.iter().map(|call| {
                json!({"id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments}})
            });
            message.insert("tool_calls".to_owned(), calls.collect());
        }
        let choice = |index| {
            json!({"index": index, "message": message, "logprobs": null,
                "finish_reason": self.finish})
        };
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created,
            "model": self.model, "choices": (0..self.choices).map(choice).collect::<Value>(),
            "usage": self.usage, "service_tier": "default", "system_fingerprint": FINGERPRINT,
        })
    }

    /// The chunks, without the final `[DONE]`.
    pub(super) fn chunks(&self) -> Vec<Value> {
        let mut chunks: Vec<Value> = (0..self.choices)
            .flat_map(|index| self.choice_chunks(index))
            .collect();
        if self.include_usage {
            let mut last = self.chunk(0, &json!({}), None);
            if let Some(last) = last.as_object_mut() {
                last.insert("choices".to_owned(), json!([]));
                last.insert("usage".to_owned(), self.usage.clone());
            }
            chunks.push(last);
        }
        chunks
    }

    fn choice_chunks(&self, index: u64) -> Vec<Value> {
        let content = if self.content.is_some() {
            json!("")
        } else {
            Value::Null
        };
        let role = json!({"role": "assistant", "content": content, "refusal": null});
        let mut chunks = vec![self.chunk(index, &role, None)];
        for piece in prose::pieces(self.content.as_deref().unwrap_or_default()) {
            chunks.push(self.chunk(index, &json!({"content": piece}), None));
        }
        for (at, call) in self.tool_calls.iter().enumerate() {
            let start = json!({"tool_calls": [{"index": at, "id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": ""}}]});
            chunks.push(self.chunk(index, &start, None));
            let characters: Vec<char> = call.arguments.chars().collect();
            for fragment in characters.chunks(6) {
                let fragment: String = fragment.iter().collect();
                let delta =
                    json!({"tool_calls": [{"index": at, "function": {"arguments": fragment}}]});
                chunks.push(self.chunk(index, &delta, None));
            }
        }
        chunks.push(self.chunk(index, &json!({}), Some(self.finish)));
        chunks
    }

    fn chunk(&self, index: u64, delta: &Value, finish: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created,
            "model": self.model, "service_tier": "default", "system_fingerprint": FINGERPRINT,
            "choices": [{"index": index, "delta": delta, "logprobs": null,
                "finish_reason": finish}],
        });
        if let (true, Some(chunk)) = (self.include_usage, chunk.as_object_mut()) {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        chunk
    }
}

const FINGERPRINT: &str = "fp_emulator";

/// The requested model, if the request is one that the provider takes.
fn check<'r>(request: &'r Value, path_model: Option<&'r str>) -> Result<&'r str, ApiError> {
    if !request.is_object() {
        return Err(ApiError::json());
    }
    let model = path_model
        .or_else(|| {
            request
                .get("model")
                .and_then(Value::as_str)
                .filter(|model| !model.is_empty())
        })
        .ok_or_else(|| ApiError::invalid("you must provide a model parameter", None, None))?;
    if model.contains("unknown") {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        return Err(ApiError {
            status: 404,
            ..ApiError::invalid(&message, None, Some("model_not_found"))
        });
    }
    let messages = request
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| {
            let code = Some("missing_required_parameter");
            ApiError::invalid(
                "Missing required parameter: 'messages'.",
                Some("messages"),
                code,
            )
        })?;
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, \
                       but got an empty array instead.";
        return Err(ApiError::invalid(
            message,
            Some("messages"),
            Some("empty_array"),
        ));
    }
    let known = [
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "function",
    ];
    for (at, message) in messages.iter().enumerate() {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !known.contains(&role) {
            let parameter = format!("messages[{at}].role");
            let text = format!(
                "Invalid value: '{role}'. Supported values are: 'system', \
                'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            return Err(ApiError::invalid(
                &text,
                Some(&parameter),
                Some("invalid_value"),
            ));
        }
    }
    let temperature = request
        .get("temperature")
        .and_then(Value::as_f64)
        .unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        let text = format!(
            "Invalid 'temperature': decimal {}. Expected a value {} 2, but got \
            {temperature} instead.",
            if temperature < 0.0 {
                "below minimum value"
            } else {
                "above maximum value"
            },
            if temperature < 0.0 {
                ">= 0 and <="
            } else {
                "<="
            }
        );
        return Err(ApiError::invalid(
            &text,
            Some("temperature"),
            Some("decimal_above_max_value"),
        ));
    }
    Ok(model)
}

/// The dated name that the service answers with.
fn snapshot(model: &str) -> String {
    match model {
        "gpt-4o-mini" => "gpt-4o-mini-2024-07-18".to_owned(),
        "gpt-4o" => "gpt-4o-2024-08-06".to_owned(),
        "gpt-3.5-turbo" => "gpt-3.5-turbo-0125".to_owned(),
        other => other.to_owned(),
    }
}

/// The text of a message's content, in either of its forms.
fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        Some(_) | None => String::new(),
    }
}

fn messages(request: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    request
        .get("messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn last_user_text(request: &Value) -> String {
    messages(request)
        .rev()
        .find(|message| message.get("role") == Some(&json!("user")))
        .map(text_of)
        .unwrap_or_default()
}

fn prompt_tokens(request: &Value) -> u64 {
    3 + messages(request)
        .map(|message| 4 + prose::tokens(&text_of(message)))
        .sum::<u64>()
}

fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

fn content(request: &Value, question: &str, wish: Option<&str>) -> (String, prose::End) {
    let format = request.get("response_format");
    let kind = format
        .and_then(|format| format.get("type"))
        .and_then(Value::as_str);
    let text = match kind {
        _ if wish.is_some() => wish.unwrap_or_default().to_owned(),
        Some("json_schema") => {
            let schema = format.and_then(|format| format.pointer("/json_schema/schema"));
            sample::instance(schema.unwrap_or(&Value::Null), "").to_string()
        }
        Some("json_object") => {
            let answer = prose::answer("openai", question);
            sample::object_asked_for(question, &answer).to_string()
        }
        Some(_) | None => match messages(request).last() {
            Some(result) if result.get("role") == Some(&json!("tool")) => {
                format!("The tool says: {}", text_of(result))
            }
            Some(_) | None => prose::answer("openai", question),
        },
    };
    let cap = ["max_completion_tokens", "max_tokens"];
    let cap = cap.iter().find_map(|key| request.get(key)?.as_u64());
    let stops: Vec<&str> = match request.get("stop") {
        Some(Value::String(stop)) => vec![stop],
        Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    prose::ended(text, cap, &stops)
}

/// The calls that a model would make: when told to, or when the question asks for it.
fn tool_calls(
    request: &Value,
    question: &str,
    wished: Option<usize>,
    digest: &str,
) -> Vec<ToolCall> {
    let tools = request
        .get("tools")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let functions: Vec<&Value> = tools
        .iter()
        .filter_map(|tool| tool.get("function"))
        .collect();
    let name = |function: &Value| {
        function
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let choice = request.get("tool_choice");
    let named = choice
        .and_then(|choice| choice.pointer("/function/name"))
        .and_then(Value::as_str);
    let answered = messages(request)
        .last()
        .is_some_and(|last| last.get("role") == Some(&json!("tool")));
    let heard = question.to_lowercase();
    let asked = |function: &&&Value| {
        heard.contains("weather") || heard.contains(&name(function).to_lowercase())
    };
    let chosen = match (named, choice.and_then(Value::as_str)) {
        (_, Some("none")) => None,
        (Some(named), _) => functions.iter().find(|function| name(function) == named),
        (None, Some("required")) => functions.iter().find(asked).or_else(|| functions.first()),
        (None, _) if wished.is_some() => functions.first(),
        (None, _) if answered => None,
        (None, _) => functions.iter().find(asked),
    };
    let Some(function) = chosen else {
        return Vec::new();
    };
    let count = wished.unwrap_or_else(|| if heard.contains("parallel") { 2 } else { 1 });
    let schema = function.get("parameters").unwrap_or(&Value::Null);
    let arguments = sample::arguments(schema, &name(function), question);
    (0..count)
        .map(|at| ToolCall {
            id: format!("call_{}{at}", digest.get(..23).unwrap_or_default()),
            name: name(function),
            arguments: arguments.to_string(),
        })
        .collect()
}
