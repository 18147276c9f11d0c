//! `toolConfig`: what the model may call.

use super::{CachePoint, Empty, Json, Text};
use serde::Serialize;
use std::borrow::Cow;

/// The tools.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'a> {
    /// At least one.
    pub tools: Vec<Tool<'a>>,
    /// Which of them; none: the model decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
}

/// A tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool<'a> {
    /// A function.
    ToolSpec(ToolSpec<'a>),
    /// The cache may end here.
    CachePoint(CachePoint),
}

/// A function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it is for; never blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<'a>>,
    /// The form of its arguments.
    pub input_schema: InputSchema<'a>,
    /// Whether the arguments must follow the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// The form of a tool's arguments.
#[derive(Debug, Serialize)]
pub struct InputSchema<'a> {
    /// A JSON Schema of an object.
    pub json: Json<'a>,
}

/// Which tools the model may call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolChoice<'a> {
    /// It must call one.
    Any(Empty),
    /// It must call this one.
    Tool(NamedTool<'a>),
}

/// A tool by its name.
#[derive(Debug, Serialize)]
pub struct NamedTool<'a> {
    /// The name.
    pub name: Cow<'a, str>,
}
