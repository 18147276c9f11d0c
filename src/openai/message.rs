//! The messages of a chat request.
//!
//! A message is read with every field that OpenAI documents, whatever its role; which role may have
//! which is checked where the message is translated.

use super::list::{Item, List};
use super::object::object;
use super::token::{Present, Raw, Text};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

object! {
    /// One message.
    pub struct Message<'a> {
        /// Who speaks.
        "role" => role: Role,
        /// What is said.
        "content" => content: Content<'a>,
        /// Which of several users or tools.
        "name" => name: Text<'a>,
        /// The functions that the assistant called.
        "tool_calls" => tool_calls: List<ToolCall<'a>>,
        /// Which call a `tool` message answers.
        "tool_call_id" => tool_call_id: Text<'a>,
        /// The function that the assistant called, before there were tools.
        "function_call" => function_call: FunctionCall<'a>,
        /// What the assistant said instead of an answer.
        "refusal" => refusal: Text<'a>,
        /// A spoken answer, by reference.
        "audio" => audio: Present,
        /// Citations that the app plays back; no part of the prompt.
        "annotations" => annotations: Present,
        /// Reasoning that the app plays back; not OpenAI's own.
        "reasoning" => reasoning: Present,
        /// Reasoning that the app plays back; not OpenAI's own.
        "reasoning_content" => reasoning_content: Present,
        /// The answer as the SDK's `parse()` read it, played back beside its text.
        "parsed" => parsed: Present,
    }
}

impl Item for Message<'_> {
    fn items(&self) -> usize {
        let parts = match &self.content {
            Some(Content::Parts(parts)) => parts.len(),
            Some(Content::Text(_)) | None => 0,
        };
        1 + parts + self.tool_calls.as_ref().map_or(0, |calls| calls.len())
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The operator of the app.
    System,
    /// The same, in newer words.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// The result of a function call, before there were tools.
    Function,
    /// None that OpenAI documents.
    Unknown,
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match &*Text::deserialize(deserializer)?.decode() {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            "function" => Self::Function,
            _ => Self::Unknown,
        })
    }
}

/// What a message says.
#[derive(Debug)]
pub enum Content<'a> {
    /// One text.
    Text(Text<'a>),
    /// Several parts.
    Parts(Vec<Part<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Text, by far the most frequent, is delimited once; only arrays are read a second time.
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        if let Some(text) = Text::new(raw) {
            return Ok(Self::Text(text));
        }
        serde_json::from_str(raw.get())
            .map(|parts: List<_>| Self::Parts(parts.into_vec()))
            .map_err(|_| D::Error::custom("content"))
    }
}

/// One part of a message.
#[derive(Debug)]
pub struct Part<'a> {
    /// What it is.
    pub kind: PartKind<'a>,
    /// Whether a prompt cache may end after it.
    pub cache_breakpoint: bool,
    /// Whether it has a key that is not known, or that belongs to another kind.
    pub unknown: bool,
}

impl Item for Part<'_> {}

/// What a part is.
#[derive(Debug)]
pub enum PartKind<'a> {
    /// Text.
    Text(Text<'a>),
    /// An image, by data URL or by address.
    Image(ImageUrl<'a>),
    /// Sound.
    Audio(Raw<'a>),
    /// A document, inline or by reference.
    File(File<'a>),
    /// What the assistant said instead of an answer.
    Refusal(Text<'a>),
    /// None that OpenAI documents.
    Unknown,
}

object! {
    /// An image.
    pub struct ImageUrl<'a> {
        /// `data:…` or an address.
        "url" => url: Text<'a>,
        /// How closely to look.
        "detail" => detail: Text<'a>,
    }
}

object! {
    /// A document.
    pub struct File<'a> {
        /// `data:…` or bare base64.
        "file_data" => file_data: Text<'a>,
        /// A document that is stored at OpenAI.
        "file_id" => file_id: Text<'a>,
        /// The name that a person gave it.
        "filename" => filename: Text<'a>,
    }
}

object! {
    /// The keys of all kinds of parts.
    struct PartFields<'a> {
        "type" => kind: Text<'a>,
        "text" => text: Text<'a>,
        "image_url" => image_url: ImageUrl<'a>,
        "input_audio" => input_audio: Raw<'a>,
        "file" => file: File<'a>,
        "refusal" => refusal: Text<'a>,
        "prompt_cache_breakpoint" => prompt_cache_breakpoint: Present,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = PartFields::deserialize(deserializer)?;
        let own = usize::from(fields.text.is_some())
            + usize::from(fields.image_url.is_some())
            + usize::from(fields.input_audio.is_some())
            + usize::from(fields.file.is_some())
            + usize::from(fields.refusal.is_some());
        let missing = || D::Error::custom("a part lacks what its type says");
        let kind = fields.kind.ok_or_else(missing)?;
        let kind = match &*kind.decode() {
            "text" => PartKind::Text(fields.text.ok_or_else(missing)?),
            "image_url" => PartKind::Image(fields.image_url.ok_or_else(missing)?),
            "input_audio" => PartKind::Audio(fields.input_audio.ok_or_else(missing)?),
            "file" => PartKind::File(fields.file.ok_or_else(missing)?),
            "refusal" => PartKind::Refusal(fields.refusal.ok_or_else(missing)?),
            _ => PartKind::Unknown,
        };
        Ok(Self {
            kind,
            cache_breakpoint: fields.prompt_cache_breakpoint.is_some(),
            unknown: fields.unknown || own > 1,
        })
    }
}

object! {
    /// A call of the assistant, as the app plays it back.
    pub struct ToolCall<'a> {
        /// What the result refers to.
        "id" => id: Text<'a>,
        /// `function` or `custom`.
        "type" => kind: Text<'a>,
        /// What is called.
        "function" => function: FunctionCall<'a>,
        /// A call of a custom tool.
        "custom" => custom: Present,
        /// Left over from collecting a stream; no meaning.
        "index" => index: Present,
    }
}

impl Item for ToolCall<'_> {}

object! {
    /// A function and what it is called with.
    pub struct FunctionCall<'a> {
        /// The function.
        "name" => name: Text<'a>,
        /// A JSON object, as text.
        "arguments" => arguments: Text<'a>,
        /// The same as the SDK's `parse()` read it; no meaning of its own.
        "parsed_arguments" => parsed_arguments: Present,
    }
}
