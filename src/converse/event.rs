//! The events of ConverseStream.
//!
//! One frame of the stream is one event; text and tool input stay the JSON text that they were
//! ([`Fragment`]), because what is built of them is JSON again.

mod wire;

use super::error::Fault;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One event; borrows from the frame's payload.
#[derive(Debug)]
pub enum Event<'a> {
    /// The answer begins.
    MessageStart,
    /// A block begins; text and reasoning usually begin without.
    BlockStart {
        /// Which block of the message.
        index: u32,
        /// What it will be.
        start: BlockStart<'a>,
    },
    /// More of a block.
    BlockDelta {
        /// Which block of the message.
        index: u32,
        /// What came.
        delta: Delta<'a>,
    },
    /// A block is complete.
    BlockStop {
        /// Which block of the message.
        index: u32,
    },
    /// The answer is complete.
    MessageStop {
        /// Why it ended.
        reason: StopReason<'a>,
    },
    /// What it took.
    Metadata {
        /// The tokens, if they were counted.
        usage: Option<Usage>,
        /// The queue that served the call.
        service_tier: Option<ServiceTier>,
    },
}

impl<'a> Event<'a> {
    /// Reads the payload of an event frame; `event_type` is its header `:event-type`. None for a
    /// type that is not known: an event that a later version of the service adds.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`] if the payload is not what the type says.
    pub fn parse(event_type: &str, payload: &'a [u8]) -> Result<Option<Self>, Fault> {
        Ok(Some(match event_type {
            "messageStart" => {
                let start: wire::MessageStart<'_> = read(payload, "messageStart")?;
                if start.role != "assistant" {
                    return Err(Fault::Malformed("an answer that is not the assistant's"));
                }
                Self::MessageStart
            }
            "contentBlockStart" => {
                let event: wire::ContentBlockStart<'a> = read(payload, "contentBlockStart")?;
                Self::BlockStart {
                    index: event.index,
                    start: event.start.into(),
                }
            }
            "contentBlockDelta" => {
                let event: wire::ContentBlockDelta<'a> = read(payload, "contentBlockDelta")?;
                Self::BlockDelta {
                    index: event.index,
                    delta: event.delta.into(),
                }
            }
            "contentBlockStop" => {
                let event: wire::ContentBlockStop = read(payload, "contentBlockStop")?;
                Self::BlockStop { index: event.index }
            }
            "messageStop" => {
                let stop: wire::MessageStop<'a> = read(payload, "messageStop")?;
                Self::MessageStop {
                    reason: StopReason::of(stop.reason),
                }
            }
            "metadata" => {
                let metadata: wire::Metadata<'_> = read(payload, "metadata")?;
                Self::Metadata {
                    usage: metadata.usage,
                    service_tier: metadata
                        .service_tier
                        .map(|tier| ServiceTier::of(&tier.kind)),
                }
            }
            _ => return Ok(None),
        }))
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a [u8], what: &'static str) -> Result<T, Fault> {
    serde_json::from_slice(payload).map_err(|_| Fault::Malformed(what))
}

/// What a block will be.
#[derive(Debug)]
pub enum BlockStart<'a> {
    /// A call of a tool of ours.
    ToolUse {
        /// The call's id.
        id: Cow<'a, str>,
        /// The tool.
        name: Cow<'a, str>,
    },
    /// A tool that the service itself runs; it was not asked for.
    ServerTool,
    /// Nothing is said: text or reasoning.
    Empty,
    /// Something that an answer to a chat call cannot hold.
    Foreign,
}

/// More of a block.
#[derive(Debug)]
pub enum Delta<'a> {
    /// Text.
    Text(Fragment<'a>),
    /// JSON text of a tool's input.
    ToolInput(Fragment<'a>),
    /// Reasoning; none: its signature, or its encrypted form.
    Reasoning(Option<Fragment<'a>>),
    /// Where text comes from.
    Citation,
    /// Something that an answer to a chat call cannot hold.
    Foreign,
}

/// A piece of text as the JSON token that it was, well-formed: no lone surrogate hides in its
/// escapes. (The service sends whole letters, and seldom escapes them.)
#[derive(Clone, Copy)]
pub struct Fragment<'a>(&'a RawValue);

impl<'a> Fragment<'a> {
    /// The token without its quotes, escapes as they were.
    pub fn escaped(self) -> &'a str {
        let token = self.0.get();
        token
            .get(1..token.len().saturating_sub(1))
            .unwrap_or_default()
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.escaped().is_empty()
    }
}

impl fmt::Debug for Fragment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fragment({} bytes)", self.escaped().len())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fragment<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        let token = raw.get();
        // The scanner that delimits raw values does not look at surrogates.
        let surrogates = memchr::memmem::find(token.as_bytes(), b"\\u").is_some();
        let well_formed = token.starts_with('"')
            && (!surrogates || serde_json::from_str::<String>(token).is_ok());
        if well_formed {
            Ok(Self(raw))
        } else {
            Err(serde::de::Error::custom("not text"))
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason<'a> {
    /// The model was done.
    EndTurn,
    /// The model waits for its tools.
    ToolUse,
    /// The cap was reached.
    MaxTokens,
    /// One of the stop sequences came.
    StopSequence,
    /// A guardrail stepped in.
    GuardrailIntervened,
    /// The model's own filter stepped in.
    ContentFiltered,
    /// The model produced no valid text.
    MalformedModelOutput,
    /// The model produced no valid tool call.
    MalformedToolUse,
    /// The context window is full.
    ContextWindowExceeded,
    /// None that is documented, in its own word.
    Unknown(Cow<'a, str>),
}

impl<'a> StopReason<'a> {
    fn of(name: Cow<'a, str>) -> Self {
        match &*name {
            "end_turn" => Self::EndTurn,
            "tool_use" => Self::ToolUse,
            "max_tokens" => Self::MaxTokens,
            "stop_sequence" => Self::StopSequence,
            "guardrail_intervened" => Self::GuardrailIntervened,
            "content_filtered" => Self::ContentFiltered,
            "malformed_model_output" => Self::MalformedModelOutput,
            "malformed_tool_use" => Self::MalformedToolUse,
            "model_context_window_exceeded" => Self::ContextWindowExceeded,
            _ => Self::Unknown(name),
        }
    }
}

/// The queue that served a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTier {
    /// The usual one, or reserved capacity.
    Default,
    /// Cheaper and slower.
    Flex,
    /// Faster and dearer.
    Priority,
}

impl ServiceTier {
    /// The tier's name, which is the same to OpenAI's clients.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "flex" => Self::Flex,
            "priority" => Self::Priority,
            _ => Self::Default,
        }
    }
}

/// The tokens that a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Of the prompt, without those that a cache gave or took.
    pub input_tokens: u64,
    /// Of the answer, reasoning included.
    pub output_tokens: u64,
    /// All of them, the cache's included.
    #[serde(default)]
    pub total_tokens: u64,
    /// Of the prompt, read from a cache.
    #[serde(default)]
    pub cache_read_input_tokens: u64,
    /// Of the prompt, written to a cache.
    #[serde(default)]
    pub cache_write_input_tokens: u64,
}
