//! The tools of a chat request, which of them the model may call, and the form of the answer.

use super::list::{Item, List};
use super::object::object;
use super::token::{Present, Raw, Text};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

object! {
    /// One tool.
    pub struct Tool<'a> {
        /// `function` or `custom`.
        "type" => kind: Text<'a>,
        /// The function.
        "function" => function: Function<'a>,
        /// A tool that takes free text.
        "custom" => custom: Present,
    }
}

object! {
    /// A function that the model may call.
    pub struct Function<'a> {
        /// Its name.
        "name" => name: Text<'a>,
        /// What it is for.
        "description" => description: Text<'a>,
        /// The JSON Schema of its arguments.
        "parameters" => parameters: Raw<'a>,
        /// Whether the arguments must follow the schema.
        "strict" => strict: bool,
    }
}

impl Item for Tool<'_> {}

impl Item for Function<'_> {}

/// Which tools the model may call.
#[derive(Debug)]
pub enum ToolChoice<'a> {
    /// `none`, `auto` or `required`.
    Mode(Text<'a>),
    /// Something more exact.
    Exact(ExactChoice<'a>),
}

object! {
    /// A choice that names tools.
    pub struct ExactChoice<'a> {
        /// `function`, `allowed_tools` or `custom`.
        "type" => kind: Text<'a>,
        /// The one function that must be called.
        "function" => function: Named<'a>,
        /// The tools that may be called.
        "allowed_tools" => allowed_tools: AllowedTools<'a>,
        /// The custom tool that must be called.
        "custom" => custom: Present,
        /// The one function that must be called, before there were tools.
        "name" => name: Text<'a>,
    }
}

object! {
    /// A name.
    pub struct Named<'a> {
        /// The name.
        "name" => name: Text<'a>,
    }
}

object! {
    /// A subset of the tools.
    pub struct AllowedTools<'a> {
        /// `auto` or `required`.
        "mode" => mode: Text<'a>,
        /// Which.
        "tools" => tools: List<AllowedTool<'a>>,
    }
}

object! {
    /// A tool of a subset.
    pub struct AllowedTool<'a> {
        /// `function` or `custom`.
        "type" => kind: Text<'a>,
        /// The function.
        "function" => function: Named<'a>,
        /// The custom tool.
        "custom" => custom: Present,
    }
}

impl Item for AllowedTool<'_> {}

impl<'de: 'a, 'a> Deserialize<'de> for ToolChoice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        if let Some(text) = Text::new(raw) {
            return Ok(Self::Mode(text));
        }
        serde_json::from_str(raw.get())
            .map(Self::Exact)
            .map_err(|_| D::Error::custom("tool choice"))
    }
}

object! {
    /// The form that the answer must have.
    pub struct ResponseFormat<'a> {
        /// `text`, `json_object` or `json_schema`.
        "type" => kind: Text<'a>,
        /// The schema.
        "json_schema" => json_schema: JsonSchema<'a>,
    }
}

object! {
    /// A schema that the answer must follow.
    pub struct JsonSchema<'a> {
        /// Its name.
        "name" => name: Text<'a>,
        /// What it is for.
        "description" => description: Text<'a>,
        /// The JSON Schema.
        "schema" => schema: Raw<'a>,
        /// Whether the answer must follow it exactly.
        "strict" => strict: bool,
    }
}
