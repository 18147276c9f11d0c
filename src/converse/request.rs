//! The body of a Converse request, as it is serialised.
//!
//! Values borrow from wherever the app's words are; what is JSON already is embedded as it is, so
//! that schemas and arguments keep the order of their keys (models generate in that order, and
//! prompt caches compare bytes). Fields that are empty are left out: the service refuses empty
//! lists.

mod native;
mod tool;

pub use native::{AdditionalFields, Effort, NativeToolChoice, NovaReasoning, Thinking};
pub use tool::{InputSchema, NamedTool, Tool, ToolChoice, ToolConfig, ToolSpec};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A body of ConverseStream.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConverseRequest<'a> {
    /// What the operator of the app says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<SystemBlock<'a>>,
    /// The turns, user and assistant by turns, the first a user's.
    pub messages: Vec<Turn<'a>>,
    /// Caps and sampling.
    pub inference_config: InferenceConfig<'a>,
    /// The tools; none: no tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig<'a>>,
    /// What only the model itself knows.
    #[serde(skip_serializing_if = "AdditionalFields::is_empty")]
    pub additional_model_request_fields: AdditionalFields<'a>,
    /// The form of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<OutputConfig<'a>>,
    /// The queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Tier>,
    /// Labels in the invocation log.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "pairs")]
    pub request_metadata: Vec<Pair<'a>>,
}

/// A label: key and value.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pairs<S: Serializer>(pairs: &[Pair<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// A string: the app's own token, or one of ours.
#[derive(Clone)]
pub enum Text<'a> {
    /// With quotes and escapes, as it was.
    Token(&'a RawValue),
    /// Yet to be escaped.
    Plain(Cow<'a, str>),
}

impl PartialEq for Text<'_> {
    /// Whether it is written the same.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one.get() == other.get(),
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Token(_), Self::Plain(_)) | (Self::Plain(_), Self::Token(_)) => false,
        }
    }
}

impl Eq for Text<'_> {}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Token(token) => token.serialize(serializer),
            Self::Plain(text) => text.serialize(serializer),
        }
    }
}

impl fmt::Debug for Text<'_> {
    /// Not what it says: it may be a prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Plain(_) => "Plain",
        })
    }
}

/// JSON that is embedded as it is.
#[derive(Clone)]
pub enum Json<'a> {
    /// The app's own, or made from it.
    Raw(Cow<'a, RawValue>),
    /// `{}`.
    EmptyObject,
}

impl Json<'_> {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Raw(json) => json.get(),
            Self::EmptyObject => "{}",
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(json) => json.serialize(serializer),
            Self::EmptyObject => Empty {}.serialize(serializer),
        }
    }
}

impl fmt::Debug for Json<'_> {
    /// Not what it says: it may be part of a prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

/// A number, with the digits that it had.
#[derive(Clone, Copy, Debug)]
pub enum Number<'a> {
    /// The app's own.
    Token(&'a RawValue),
    /// 1.
    One,
}

impl Serialize for Number<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Token(token) => token.serialize(serializer),
            Self::One => serializer.serialize_u32(1),
        }
    }
}

/// An object without members, where the name of the variant says it all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Empty {}

/// A block of the system prompt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SystemBlock<'a> {
    /// Text.
    Text(Text<'a>),
    /// The cache may end here.
    CachePoint(CachePoint),
}

/// The end of a prefix that the service may cache.
#[derive(Debug)]
pub struct CachePoint;

impl Serialize for CachePoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("type", "default")])
    }
}

/// What one side said.
#[derive(Debug, Serialize)]
pub struct Turn<'a> {
    /// Which side.
    pub role: Speaker,
    /// What it said; never empty in a body.
    pub content: Vec<Block<'a>>,
}

/// A side of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Speaker {
    /// The person, and the results of tools.
    User,
    /// The model.
    Assistant,
}

/// A part of a turn.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Block<'a> {
    /// Text.
    Text(Text<'a>),
    /// An image.
    Image(Image<'a>),
    /// A document.
    Document(Document<'a>),
    /// A call of a tool.
    ToolUse(ToolUse<'a>),
    /// What a tool answered.
    ToolResult(ToolResult<'a>),
    /// The cache may end here.
    CachePoint(CachePoint),
}

/// An image.
#[derive(Debug, Serialize)]
pub struct Image<'a> {
    /// What the bytes are.
    pub format: ImageFormat,
    /// The bytes.
    pub source: Source<'a>,
}

/// The formats of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

/// A document.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// What the bytes are.
    pub format: DocumentFormat,
    /// Unique in the body.
    pub name: String,
    /// The bytes.
    pub source: Source<'a>,
}

/// The formats of documents; OpenAI takes only this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentFormat {
    /// PDF.
    Pdf,
}

/// Bytes, as standard base64.
#[derive(Serialize)]
pub struct Source<'a> {
    /// The base64.
    pub bytes: Cow<'a, str>,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} characters)", self.bytes.len())
    }
}

/// A call of a tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse<'a> {
    /// What its result refers to.
    pub tool_use_id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// An object.
    pub input: Json<'a>,
}

/// What a tool answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult<'a> {
    /// Which call.
    pub tool_use_id: Cow<'a, str>,
    /// The answer; may be empty.
    pub content: Vec<ResultBlock<'a>>,
}

/// A part of what a tool answered. Always text: models read results in JSON worse.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ResultBlock<'a> {
    /// Text.
    Text(Text<'a>),
}

/// Caps and sampling.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InferenceConfig<'a> {
    /// The most tokens of the answer; none only where the model wants none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number<'a>>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Number<'a>>,
    /// What ends the answer; none of them empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<Text<'a>>,
}

/// The form of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputConfig<'a> {
    /// What the text must be.
    pub text_format: TextFormat<'a>,
}

/// What the text of the answer must be.
#[derive(Debug, Serialize)]
pub struct TextFormat<'a> {
    /// `json_schema`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The details.
    pub structure: Structure<'a>,
}

/// The details of a text format.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Structure<'a> {
    /// JSON that follows a schema.
    JsonSchema(JsonSchema<'a>),
}

/// A schema that the answer must follow.
#[derive(Debug, Serialize)]
pub struct JsonSchema<'a> {
    /// The schema's JSON, as a string.
    pub schema: Text<'a>,
    /// Its name.
    pub name: Text<'a>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<'a>>,
}

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// `flex` or `priority`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}
