//! The payloads of events, as they are written.
//!
//! Unions are objects with one of several keys; what is in a key that is not known becomes
//! `Foreign`, so that no part of an answer is lost unseen. Padding and metrics are passed over.

use super::{BlockStart, Delta, Fragment, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

#[derive(Deserialize)]
pub(super) struct MessageStart<'a> {
    #[serde(borrow)]
    pub(super) role: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct ContentBlockStart<'a> {
    #[serde(rename = "contentBlockIndex")]
    pub(super) index: u32,
    #[serde(borrow, default)]
    pub(super) start: StartUnion<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct StartUnion<'a> {
    #[serde(borrow, rename = "toolUse")]
    tool_use: Option<ToolUseStart<'a>>,
    #[serde(rename = "toolResult")]
    tool_result: Option<IgnoredAny>,
    image: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ToolUseStart<'a> {
    #[serde(borrow, rename = "toolUseId")]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: Option<IgnoredAny>,
}

impl<'a> From<StartUnion<'a>> for BlockStart<'a> {
    fn from(union: StartUnion<'a>) -> Self {
        match union {
            StartUnion {
                tool_result: Some(_),
                ..
            }
            | StartUnion { image: Some(_), .. } => Self::Foreign,
            StartUnion {
                tool_use: Some(ToolUseStart { kind: Some(_), .. }),
                ..
            } => Self::ServerTool,
            StartUnion {
                tool_use:
                    Some(ToolUseStart {
                        id,
                        name,
                        kind: None,
                    }),
                ..
            } => Self::ToolUse { id, name },
            StartUnion {
                tool_use: None,
                tool_result: None,
                image: None,
            } => Self::Empty,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ContentBlockDelta<'a> {
    #[serde(rename = "contentBlockIndex")]
    pub(super) index: u32,
    #[serde(borrow)]
    pub(super) delta: DeltaUnion<'a>,
}

#[derive(Deserialize)]
pub(super) struct DeltaUnion<'a> {
    #[serde(borrow)]
    text: Option<Fragment<'a>>,
    #[serde(borrow, rename = "toolUse")]
    tool_use: Option<ToolUseDelta<'a>>,
    #[serde(borrow, rename = "reasoningContent")]
    reasoning: Option<ReasoningDelta<'a>>,
    citation: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ReasoningDelta<'a> {
    #[serde(borrow)]
    text: Option<Fragment<'a>>,
}

#[derive(Deserialize)]
struct ToolUseDelta<'a> {
    #[serde(borrow)]
    input: Fragment<'a>,
}

impl<'a> From<DeltaUnion<'a>> for Delta<'a> {
    fn from(union: DeltaUnion<'a>) -> Self {
        match union {
            DeltaUnion {
                text: Some(text), ..
            } => Self::Text(text),
            DeltaUnion {
                tool_use: Some(tool),
                ..
            } => Self::ToolInput(tool.input),
            DeltaUnion {
                reasoning: Some(reasoning),
                ..
            } => Self::Reasoning(reasoning.text),
            DeltaUnion {
                citation: Some(_), ..
            } => Self::Citation,
            DeltaUnion {
                text: None,
                tool_use: None,
                reasoning: None,
                citation: None,
            } => Self::Foreign,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ContentBlockStop {
    #[serde(rename = "contentBlockIndex")]
    pub(super) index: u32,
}

#[derive(Deserialize)]
pub(super) struct MessageStop<'a> {
    #[serde(borrow, rename = "stopReason")]
    pub(super) reason: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    pub(super) usage: Option<Usage>,
    #[serde(borrow, rename = "serviceTier")]
    pub(super) service_tier: Option<Tier<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Tier<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
}
