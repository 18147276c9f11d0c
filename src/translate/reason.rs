//! Why a call stays with the original: a closed set, for metrics and the `x-crossfade-reason`
//! header.
//!
//! Most reasons are found here, by [`eligible`](super::eligible); the last group belongs to the
//! proxy, which knows the connection and the configuration. Kept together so that a label exists
//! once.

/// Declares the enum, its list and its names from one table.
macro_rules! reasons {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, )*) => {
        /// Why a call stays with the original.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $( $(#[$doc])* $variant, )*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The reason's name in headers, metrics and messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }
        }
    };
}

reasons! {
    /// The body is no chat request; the original says what is wrong with it.
    Malformed = "malformed",
    /// A field that is not known: dropping it could change the meaning.
    UnknownField = "unknown_field",
    /// A role that is not known.
    UnknownRole = "unknown_role",
    /// A kind of content part that is not known.
    UnknownPart = "unknown_part",
    /// A field of Azure's own.
    AzureExtension = "azure_extension",
    /// Request and answer are to be moderated.
    Moderation = "moderation",
    /// The web is to be searched.
    WebSearch = "web_search",
    /// The answer is to be kept by OpenAI.
    Store = "store",
    /// The answer is to be spoken.
    AudioOutput = "audio_output",
    /// More than one answer.
    NGt1 = "n_gt_1",
    /// Log probabilities.
    Logprobs = "logprobs",
    /// Biased tokens.
    LogitBias = "logit_bias",
    /// A frequency or presence penalty.
    Penalty = "penalty",
    /// A cap below the least that the model takes.
    MaxTokens = "max_tokens",
    /// A temperature above Bedrock's highest, 1.
    TemperatureRange = "temperature_range",
    /// Sampling parameters that the model refuses.
    SamplingConflict = "sampling_conflict",
    /// Stop sequences that the model refuses.
    StopUnsupported = "stop_unsupported",
    /// A JSON answer without a schema.
    JsonObject = "json_object",
    /// A JSON schema that the model cannot be held to.
    JsonSchema = "json_schema",
    /// No messages.
    NoMessages = "no_messages",
    /// The conversation does not begin and end with something that a user said.
    NoUserTurn = "no_user_turn",
    /// A system message where the model takes none.
    SystemPosition = "system_position",
    /// It ends with the assistant's words: Bedrock would go on with them, OpenAI begins anew.
    AssistantPrefill = "assistant_prefill",
    /// A spoken answer that only OpenAI has.
    AssistantAudio = "assistant_audio",
    /// Sound.
    AudioInput = "audio_input",
    /// A file that only OpenAI has.
    FileId = "file_id",
    /// A file of a kind that the model does not read.
    FileType = "file_type",
    /// A file that is too large, or too many of them.
    FileSize = "file_size",
    /// An image by address: Bedrock takes bytes only, and nothing is fetched.
    ImageUrlRemote = "image_url_remote",
    /// An image of a format that Bedrock does not take.
    ImageFormat = "image_format",
    /// An image that is too large, or too many of them.
    ImageLimit = "image_limit",
    /// An image for a model that cannot see.
    ImageUnsupported = "image_unsupported",
    /// A tool that takes free text.
    CustomTool = "custom_tool",
    /// Tools for a model that has none.
    ToolsUnsupported = "tools_unsupported",
    /// Tools for a model that cannot stream their use.
    StreamToolsUnsupported = "stream_tools_unsupported",
    /// A choice of tools that the model does not know.
    ToolChoiceUnsupported = "tool_choice_unsupported",
    /// A tool whose schema the model does not take.
    ToolSchema = "tool_schema",
    /// A tool whose name Bedrock does not take.
    ToolName = "tool_name",
    /// Tool calls and results that do not pair up as the model wants them.
    ToolHistory = "tool_history",
    /// Tool calls in the conversation, but no tools.
    ToolHistoryWithoutTools = "tool_history_without_tools",
    /// At most one tool call, of a model that cannot be told so.
    ParallelToolCalls = "parallel_tool_calls",
    /// Functions, for a model that may call several at once.
    LegacyFunctions = "legacy_functions",
    /// The proxy: more tokens than the model's context window, as Bedrock said.
    ContextWindow = "context_window",
    /// The proxy: no room for another Bedrock call.
    Busy = "busy",
    /// The proxy: AWS credentials are still being looked up for the first time.
    Starting = "starting",
    /// The proxy: the caller may not cause a Bedrock call.
    Caller = "caller",
    /// The proxy: not JSON.
    ContentType = "content_type",
    /// The proxy: a compressed body.
    ContentEncoding = "content_encoding",
    /// The proxy: a larger body than is held.
    RequestSize = "request_size",
    /// The proxy: a body that takes long to arrive is not waited for.
    SlowBody = "slow_body",
    /// The proxy: a model that nothing is mapped to.
    UnmappedModel = "unmapped_model",
}
