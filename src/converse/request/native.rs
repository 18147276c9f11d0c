//! `additionalModelRequestFields`: names and values of the models' own APIs, which Converse passes
//! on as they are.

use serde::Serialize;
use std::borrow::Cow;

/// What only the model itself knows: names and values of its own API.
#[derive(Debug, Default, Serialize)]
pub struct AdditionalFields<'a> {
    /// Claude: which tools, and that at most one is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<NativeToolChoice<'a>>,
    /// Claude: whether it thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Claude: how much it thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<Effort>,
    /// OpenAI's models on Bedrock: how much they think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Effort>,
    /// Open models: how much they think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    /// Nova 2: how much it thinks.
    #[serde(rename = "reasoningConfig", skip_serializing_if = "Option::is_none")]
    pub reasoning_config: Option<NovaReasoning>,
}

impl AdditionalFields<'_> {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                tool_choice: None,
                thinking: None,
                output_config: None,
                reasoning: None,
                reasoning_effort: None,
                reasoning_config: None,
            }
        )
    }
}

/// Claude's own choice of tools.
#[derive(Debug, Serialize)]
pub struct NativeToolChoice<'a> {
    /// `auto`, `any` or `tool`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The tool, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// At most one call.
    pub disable_parallel_tool_use: bool,
}

/// Whether Claude thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Thinking {
    /// As much as it finds right.
    Adaptive,
    /// Up to a budget.
    Enabled {
        /// In tokens: at least 1024, below the cap of the answer.
        budget_tokens: u32,
    },
}

/// How much a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effort {
    /// The model's own word.
    pub effort: &'static str,
}

/// How much Nova 2 thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NovaReasoning {
    /// `enabled`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `low`, `medium` or `high`.
    pub max_reasoning_effort: &'static str,
}
