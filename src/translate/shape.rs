//! What an answer must look like, whatever the events say.

/// What the app asked the answer to be; made by [`eligible`](super::eligible).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyShape {
    /// The model's name as the app knows it.
    pub model: String,
    /// Whether it is streamed.
    pub stream: bool,
    /// Whether a streamed one ends with its usage.
    pub include_usage: bool,
    /// Whether the app looks at `service_tier`: it sent one.
    pub service_tier: bool,
    /// Whether the cap is the mapping's: the app sent none.
    pub own_cap: bool,
    /// How tool calls are told.
    pub mode: Mode,
    /// Whether the model's reasoning is told, as `reasoning_content`.
    pub reasoning: bool,
    /// Whether a leading `<thinking>` block is left out of the text.
    pub strip_thinking: bool,
}

/// How tool calls are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As `tool_calls`.
    Tools,
    /// As the one `function_call` of apps that send `functions`.
    LegacyFunction,
    /// The call is the answer: its arguments follow the schema that the answer must have.
    SchemaTool,
    /// There are none, and the text is JSON: a fence around it is no part of it.
    JsonText,
}

/// How a whole answer ended, where its operator should know more than the app is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As the app is told.
    #[default]
    Usual,
    /// At the mapping's cap, though the app asked for none: OpenAI might have said more.
    OwnCap,
    /// For a reason that is not known, in the service's word (its beginning). The app is told the
    /// one that fits the answer.
    UnknownReason(Box<str>),
}

/// What tells one answer from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `chatcmpl-…`, unique; tool calls may get ids that are derived from it.
    pub id: String,
    /// When the call came, in seconds since 1970.
    pub created_unix_s: u64,
}
