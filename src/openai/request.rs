//! A chat request, parsed once and borrowed from the body.
//!
//! [`ChatRequest::parse`] takes any body and either reads all of it or says [`Malformed`]: the
//! original then gets the call and says what it thinks. Ranges and meanings are not checked here.

use super::list::List;
use super::message::{Content, Message, PartKind, Role};
use super::object::object;
use super::token::{Number, Present, Raw, Text};
use super::tool::{Function, ResponseFormat, Tool, ToolChoice};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::str::Utf8Error;

/// A chat request.
#[derive(Debug)]
pub struct ChatRequest<'a> {
    body_bytes: usize,
    fields: Fields<'a>,
    model: Cow<'a, str>,
    user_key: Option<Cow<'a, str>>,
}

impl<'a> ChatRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// If it is no JSON object, a field that is known has a type that OpenAI does not take or
    /// occurs twice, a list has more items than any request needs, or something is no Unicode text.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        // The parser would look only at what it does not skip.
        let text = str::from_utf8(body).map_err(|error| Malformed::no_text(body, error))?;
        let fields: Fields<'a> =
            serde_json::from_str(text).map_err(|error| Malformed::of(&error))?;
        let model = fields.model.map(Text::decode).unwrap_or_default();
        let user_key = fields.safety_identifier.or(fields.user).map(Text::decode);
        Ok(Self {
            body_bytes: body.len(),
            fields,
            model,
            user_key,
        })
    }

    /// How long the body was, in bytes.
    pub const fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// The model that the app asks for; empty if the body names none (on Azure the path does).
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the answer is to be streamed.
    pub fn stream(&self) -> bool {
        self.fields.stream == Some(true)
    }

    /// Whether a streamed answer is to end with its usage.
    pub fn include_usage(&self) -> bool {
        self.fields
            .stream_options
            .as_ref()
            .is_some_and(|o| o.include_usage == Some(true))
    }

    /// Who uses the app: `safety_identifier`, else `user`.
    pub fn user_key(&self) -> Option<&str> {
        self.user_key.as_deref()
    }

    /// All fields.
    pub const fn fields(&self) -> &Fields<'a> {
        &self.fields
    }

    /// What a conversation begins with, the same in each of its turns: the first system or
    /// developer message and the first user message. None if there is neither.
    ///
    /// Frozen, like the hash that is made of it: a change moves running conversations to the other
    /// arm. Each of the two contributes its tag, and per text or other part a tag, the length as 8
    /// bytes big-endian, and the bytes; text counts decoded, so that it does not matter how an SDK
    /// escapes.
    pub fn conversation_key(&self) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        for (tag, message) in self.beginning() {
            if let Some(message) = message {
                key.push(tag);
                push_content(message, &mut key);
            }
        }
        (!key.is_empty()).then_some(key)
    }

    /// Whether there is a [`conversation_key`](Self::conversation_key).
    pub fn has_conversation(&self) -> bool {
        self.beginning()
            .iter()
            .any(|(_, message)| message.is_some())
    }

    /// The messages that a conversation is known by, with their tags.
    fn beginning(&self) -> [(u8, Option<&Message<'a>>); 2] {
        let messages = self.fields.messages.as_deref().unwrap_or_default();
        let first = |of: fn(Role) -> bool| messages.iter().find(|m| m.role.is_some_and(of));
        let system = first(|role| matches!(role, Role::System | Role::Developer));
        let user = first(|role| role == Role::User);
        [(b's', system), (b'u', user)]
    }
}

/// Appends what a message says to a conversation key.
fn push_content(message: &Message<'_>, key: &mut Vec<u8>) {
    let mut push = |tag: u8, bytes: &[u8]| {
        key.push(tag);
        key.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        key.extend_from_slice(bytes);
    };
    let parts = match &message.content {
        None => return,
        Some(Content::Text(text)) => return push(b't', text.decode().as_bytes()),
        Some(Content::Parts(parts)) => parts,
    };
    for part in parts {
        match &part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) => push(b't', text.decode().as_bytes()),
            PartKind::Image(image) => push(b'i', token_bytes(image.url)),
            PartKind::Audio(audio) => push(b'a', audio.json().as_bytes()),
            PartKind::File(file) => push(b'f', token_bytes(file.file_data.or(file.file_id))),
            PartKind::Unknown => push(b'?', b""),
        }
    }
}

fn token_bytes(text: Option<Text<'_>>) -> &[u8] {
    text.map(|text| text.escaped().as_bytes())
        .unwrap_or_default()
}

/// Why a body is no chat request. Has nothing of the body in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    problem: Problem,
    line: usize,
    column: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Encoding,
    Syntax,
    Ends,
    Field,
}

impl Malformed {
    fn no_text(body: &[u8], error: Utf8Error) -> Self {
        let (before, _) = body.split_at(error.valid_up_to());
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        Self {
            problem: Problem::Encoding,
            line: 1 + memchr::memchr_iter(b'\n', before).count(),
            column: 1 + before.len() - line_start,
        }
    }

    fn of(error: &serde_json::Error) -> Self {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => Problem::Ends,
            serde_json::error::Category::Data => Problem::Field,
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => {
                Problem::Syntax
            }
        };
        Self {
            problem,
            line: error.line(),
            column: error.column(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Encoding => "no UTF-8",
            Problem::Syntax => "no JSON",
            Problem::Ends => "JSON that ends too early",
            Problem::Field => {
                "a field of a wrong type, twice the same field, or a list that is too long"
            }
        };
        write!(f, "{problem} at line {} column {}", self.line, self.column)
    }
}

impl std::error::Error for Malformed {}

object! {
    /// The fields of a chat request, in the order of the API reference.
    pub struct Fields<'a> {
        /// What is asked for.
        "model" => model: Text<'a>,
        /// The conversation.
        "messages" => messages: List<Message<'a>>,
        /// The most tokens of the answer, reasoning included.
        "max_completion_tokens" => max_completion_tokens: Number<'a>,
        /// The same, older.
        "max_tokens" => max_tokens: Number<'a>,
        /// 0 to 2.
        "temperature" => temperature: Number<'a>,
        /// 0 to 1.
        "top_p" => top_p: Number<'a>,
        /// What ends the answer.
        "stop" => stop: Stop<'a>,
        /// How many answers.
        "n" => n: Number<'a>,
        /// For answers that repeat.
        "seed" => seed: Number<'a>,
        /// Whether the answer has log probabilities.
        "logprobs" => logprobs: bool,
        /// How many alternatives of each token.
        "top_logprobs" => top_logprobs: Number<'a>,
        /// Token → bias.
        "logit_bias" => logit_bias: Raw<'a>,
        /// -2 to 2.
        "frequency_penalty" => frequency_penalty: Number<'a>,
        /// -2 to 2.
        "presence_penalty" => presence_penalty: Number<'a>,
        /// The form of the answer.
        "response_format" => response_format: ResponseFormat<'a>,
        /// What the model may call.
        "tools" => tools: List<Tool<'a>>,
        /// Which of them.
        "tool_choice" => tool_choice: ToolChoice<'a>,
        /// What the model may call, before there were tools.
        "functions" => functions: List<Function<'a>>,
        /// Which of them.
        "function_call" => function_call: ToolChoice<'a>,
        /// Whether several tools may be called in one turn.
        "parallel_tool_calls" => parallel_tool_calls: bool,
        /// How much to think.
        "reasoning_effort" => reasoning_effort: Text<'a>,
        /// How much to say.
        "verbosity" => verbosity: Text<'a>,
        /// Text, sound.
        "modalities" => modalities: List<Text<'a>>,
        /// The voice.
        "audio" => audio: Present,
        /// What most of the answer will be.
        "prediction" => prediction: Present,
        /// Which queue.
        "service_tier" => service_tier: Text<'a>,
        /// Whether the provider keeps the answer.
        "store" => store: bool,
        /// Labels of a kept answer.
        "metadata" => metadata: Raw<'a>,
        /// Who uses the app, older.
        "user" => user: Text<'a>,
        /// Who uses the app.
        "safety_identifier" => safety_identifier: Text<'a>,
        /// What calls share a cache.
        "prompt_cache_key" => prompt_cache_key: Present,
        /// How the cache works.
        "prompt_cache_options" => prompt_cache_options: Present,
        /// How long it lasts.
        "prompt_cache_retention" => prompt_cache_retention: Present,
        /// Whether the answer is streamed.
        "stream" => stream: bool,
        /// How it is streamed.
        "stream_options" => stream_options: StreamOptions<'a>,
        /// Whether request and answer are moderated.
        "moderation" => moderation: Present,
        /// A search of the web.
        "web_search_options" => web_search_options: Present,
        /// Azure: retrieval.
        "data_sources" => data_sources: Present,
        /// Azure: who asks.
        "user_security_context" => user_security_context: Present,
        /// Azure: vision.
        "enhancements" => enhancements: Present,
    }
}

object! {
    /// How an answer is streamed.
    pub struct StreamOptions<'a> {
        /// Whether the last chunk has the usage.
        "include_usage" => include_usage: bool,
        /// Whether chunks are padded.
        "include_obfuscation" => include_obfuscation: bool,
    }
}

/// What ends an answer.
#[derive(Debug)]
pub enum Stop<'a> {
    /// One text.
    One(Text<'a>),
    /// Any of several.
    Many(Vec<Text<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Stop<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        if let Some(text) = Text::new(raw) {
            return Ok(Self::One(text));
        }
        serde_json::from_str(raw.get())
            .map(|texts: List<_>| Self::Many(texts.into_vec()))
            .map_err(|_| D::Error::custom("stop"))
    }
}

#[cfg(test)]
mod tests;
