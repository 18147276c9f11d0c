//! What can go wrong with OpenAI.

use super::ApiError;
use super::answer::Wish;
use crate::demo::emulator::behaviour::Before;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What can go wrong with OpenAI. `after` counts the chunks sent before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "behaviour", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// Nothing does.
    Normal,
    /// An error answer in OpenAI's shape.
    Error {
        /// The HTTP status.
        status: u16,
        /// `error.message`.
        #[serde(default)]
        message: Option<String>,
        /// `error.code`.
        #[serde(default)]
        code: Option<String>,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// Waits before the head of the answer.
    Delay {
        /// How long.
        ms: u64,
    },
    /// Waits between the head and the first chunk.
    SlowFirstToken {
        /// How long.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Drop,
    /// Falls silent.
    Stall {
        /// Chunks before.
        #[serde(default)]
        after: usize,
    },
    /// Falls silent until [`release`](crate::demo::emulator::Emulator::release).
    Hold {
        /// Chunks before.
        #[serde(default)]
        after: usize,
    },
    /// Closes the connection in the middle.
    Cut {
        /// Chunks before.
        #[serde(default)]
        after: usize,
    },
    /// An error frame inside the stream, and no `[DONE]`.
    ErrorFrame {
        /// Chunks before.
        #[serde(default)]
        after: usize,
    },
    /// The stream ends without `[DONE]`.
    NoDone,
    /// Answers with this text.
    Text {
        /// The text.
        text: String,
    },
    /// Calls the first tool.
    ToolUse {
        /// How many times.
        calls: usize,
    },
}

/// A behaviour, sorted by when it matters.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Before the request is looked at.
    pub(super) before: Before,
    /// Instead of an answer.
    pub(super) error: Option<ApiError>,
    /// About what is said.
    pub(super) wish: Wish,
    /// Before the first chunk.
    pub(super) first_token: Duration,
    /// So many chunks into the answer.
    pub(super) fault: Option<(usize, Fault)>,
    /// Whether `[DONE]` is left out.
    pub(super) no_done: bool,
}

/// What happens in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Silence without end.
    Silence,
    /// Silence until the release.
    Hold,
    /// The end of the connection.
    Cut,
    /// An error frame, and the end.
    ErrorFrame,
}

impl Behaviour {
    /// Sorts this behaviour by when it matters.
    pub(super) fn played(self) -> Played {
        let none = Played::default();
        let fault = |after, fault| Played {
            fault: Some((after, fault)),
            ..Played::default()
        };
        match self {
            Self::Normal => none,
            Self::Error {
                status,
                message,
                code,
                retry_after_s,
            } => {
                let error = ApiError::asked(status, message, code, retry_after_s);
                Played {
                    error: Some(error),
                    ..none
                }
            }
            Self::Delay { ms } => Played {
                before: Before::Delay(Duration::from_millis(ms)),
                ..none
            },
            Self::SlowFirstToken { ms } => Played {
                first_token: Duration::from_millis(ms),
                ..none
            },
            Self::Hang => Played {
                before: Before::Hang,
                ..none
            },
            Self::Drop => Played {
                before: Before::Drop,
                ..none
            },
            Self::Stall { after } => fault(after, Fault::Silence),
            Self::Hold { after } => fault(after, Fault::Hold),
            Self::Cut { after } => fault(after, Fault::Cut),
            Self::ErrorFrame { after } => fault(after, Fault::ErrorFrame),
            Self::NoDone => Played {
                no_done: true,
                ..none
            },
            Self::Text { text } => Played {
                wish: Wish {
                    text: Some(text),
                    tool_calls: None,
                },
                ..none
            },
            Self::ToolUse { calls } => Played {
                wish: Wish {
                    text: None,
                    tool_calls: Some(calls),
                },
                ..none
            },
        }
    }
}
