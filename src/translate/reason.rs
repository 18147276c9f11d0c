//! Why a call stays with the original: a closed set, for metrics and the `x-crossfade-reason`
//! header, each with what it means and what would make such a call move.
//!
//! Most reasons are found here, by [`eligible`](super::eligible); the last group belongs to the
//! proxy, which knows the connection and the configuration. Kept together so that a label exists
//! once.

use super::Allowance;

/// Declares the enum, its list, its names and its sentences from one table.
macro_rules! reasons {
    ($( $variant:ident = $name:literal: $meaning:literal, $remedy:literal; )*) => {
        /// Why a call stays with the original.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $( #[doc = $meaning] $variant, )*
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

            /// What it means, as a sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $( Self::$variant => $meaning, )*
                }
            }

            /// What would make such a call move, as a sentence for people.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $( Self::$variant => $remedy, )*
                }
            }
        }
    };
}

reasons! {
    Malformed = "malformed":
        "The body is no valid chat request; the original says what is wrong with it.",
        "Correct the request: the original refuses it too.";
    UnknownField = "unknown_field":
        "It has a field or a value that crossfade does not know; to drop it could change the meaning.",
        "Leave the field out, or wait for a version of crossfade that knows it.";
    UnknownRole = "unknown_role":
        "A message has a role that crossfade does not know.",
        "Use system, developer, user, assistant, tool or function.";
    UnknownPart = "unknown_part":
        "A message has a kind of content part that crossfade does not know.",
        "Use text, image_url or file parts.";
    AzureExtension = "azure_extension":
        "It uses an extension of Azure's own, such as data_sources.",
        "Do the retrieval in the app instead; Bedrock has no counterpart.";
    Moderation = "moderation":
        "Request and answer are to be moderated, and the answer would have to say the result.",
        "Leave `moderation` out.";
    WebSearch = "web_search":
        "The model is to search the web.",
        "Leave `web_search_options` out; such calls belong to the original.";
    Store = "store":
        "OpenAI is to keep the answer, to be fetched later.",
        "Send `store: false`, or leave it out.";
    AudioOutput = "audio_output":
        "The answer is to be spoken.",
        "Ask for text only; such calls belong to the original.";
    NGt1 = "n_gt_1":
        "More than one answer is asked for, and Converse gives one.",
        "Send `n: 1`, or make several calls.";
    Logprobs = "logprobs":
        "Log probabilities are asked for, and Converse has none.",
        "Leave `logprobs` and `top_logprobs` out.";
    LogitBias = "logit_bias":
        "Tokens are biased, and Converse cannot do that.",
        "Leave `logit_bias` out.";
    Penalty = "penalty":
        "It has a frequency or presence penalty, which Converse does not know.",
        "Leave the penalties out or send 0, or accept that they are dropped.";
    MaxTokens = "max_tokens":
        "The cap of the answer is not one that the model takes.",
        "Ask for as many tokens as the model's least and no more than its most.";
    TemperatureRange = "temperature_range":
        "The temperature is above 1, the highest that Bedrock takes.",
        "Send at most 1, or accept that it is lowered to 1.";
    SamplingConflict = "sampling_conflict":
        "The model does not take this temperature or top_p, or not both of them.",
        "Leave them out, or accept that they are dropped.";
    StopUnsupported = "stop_unsupported":
        "The model refuses such a stop sequence: Claude those of white space only, others any.",
        "Leave it out, or map the model to another family.";
    JsonObject = "json_object":
        "JSON without a schema is asked for, which Bedrock cannot enforce.",
        "Send a `json_schema`, or accept a sentence in the system prompt instead (not beside tools).";
    JsonSchema = "json_schema":
        "The answer must follow a JSON schema that this model cannot be held to.",
        "Keep to the keywords that Bedrock compiles, send no tools beside it, or map the model to one \
         with native structured output.";
    Reasoning = "reasoning":
        "The reasoning effort that is asked for cannot be passed on as it is.",
        "Leave `reasoning_effort` out, or take `reasoning_effort` out of the mapping's `refuse`.";
    RefusedLoss = "refused_loss":
        "It would lose something that the mapping's `refuse` does not allow to be lost.",
        "Take that loss out of the mapping's `refuse`, or leave the field out.";
    NoMessages = "no_messages":
        "It has no messages.",
        "Send at least one message of a user.";
    NoUserTurn = "no_user_turn":
        "The conversation does not begin and end with something that a user said.",
        "Begin and end with a user's message that is not blank.";
    SystemPosition = "system_position":
        "It has a system message where the model, or the mapping's `refuse`, takes none.",
        "Put system messages at the head, or map the model to one that takes them.";
    AssistantPrefill = "assistant_prefill":
        "It ends with the assistant's words: Bedrock would go on with them, OpenAI begins anew.",
        "End with a user's message, or accept the difference where the model can do it.";
    AssistantAudio = "assistant_audio":
        "The conversation refers to a spoken answer that only OpenAI has.",
        "Play the words back as text.";
    AudioInput = "audio_input":
        "A message has sound in it.",
        "Send a transcript; such calls belong to the original.";
    FileId = "file_id":
        "A message refers to a file that only OpenAI has.",
        "Send the PDF itself, as `file_data`.";
    FileType = "file_type":
        "A message has a file that the model does not read, or a PDF without a text beside it.",
        "Send a PDF with a text in the same message, to a model that reads documents.";
    FileSize = "file_size":
        "A file is larger than 4.5 MB, or a turn has more than 5 of them.",
        "Send fewer or smaller files.";
    ImageUrlRemote = "image_url_remote":
        "An image is given by address: Bedrock takes bytes only, and crossfade fetches nothing.",
        "Send the image itself, as a `data:` URL.";
    ImageFormat = "image_format":
        "An image is neither PNG, JPEG, GIF nor WebP.",
        "Convert it.";
    ImageLimit = "image_limit":
        "An image is larger than 3.75 MB or 8,000 pixels a side, or there are more than 20.",
        "Send fewer or smaller images.";
    ImageUnsupported = "image_unsupported":
        "It has an image, and the model cannot see.",
        "Map the model to one that can, such as amazon.nova-lite-v1:0.";
    CustomTool = "custom_tool":
        "It has a tool that takes free text; Bedrock's take JSON.",
        "Make it a function.";
    ToolsUnsupported = "tools_unsupported":
        "It has tools, and the model has none.",
        "Map the model to one with tools.";
    StreamToolsUnsupported = "stream_tools_unsupported":
        "It has tools, and the model cannot stream their use; crossfade always streams from Bedrock.",
        "Map the model to one that streams tools, such as Nova or Claude.";
    ToolChoiceUnsupported = "tool_choice_unsupported":
        "The model does not know this choice of tools.",
        "Send `tool_choice: auto`, or map the model to one that knows it.";
    ToolSchema = "tool_schema":
        "A tool's schema has something that the model does not take.",
        "Give the schema `type: object` at its top, without alternatives there and without recursion.";
    ToolName = "tool_name":
        "A tool's name is not made of 1 to 64 letters, digits, `_` and `-`.",
        "Rename the tool: the original refuses it too.";
    ToolHistory = "tool_history":
        "The conversation's tool calls and results do not pair up as the model wants them.",
        "Answer each call in the turn that follows, with arguments that are a JSON object, and put \
         nothing else beside results (Claude takes text beside them).";
    ToolHistoryWithoutTools = "tool_history_without_tools":
        "The conversation has tool calls, but the request defines no tools.",
        "Send the tools again with each call.";
    ParallelToolCalls = "parallel_tool_calls":
        "At most one tool call is asked for, and this model cannot be told so.",
        "Leave `parallel_tool_calls` out, or map the model to Claude.";
    LegacyFunctions = "legacy_functions":
        "It uses `functions`, and this model may call several at once, which that form cannot say.",
        "Use `tools`, or map the model to Claude.";
    ContextWindow = "context_window":
        "Bedrock said that it is longer than the model's context window.",
        "Map the model to one with a larger window, or send less.";
    Busy = "busy":
        "There was no room for another Bedrock call.",
        "Raise `limits.buffered` or `limits.in_flight`.";
    Throttled = "throttled":
        "Bedrock throttles the model, and named the moment from which it may be asked again.",
        "Wait: this passes within a minute. If it comes back, raise the model's quota or lower the share.";
    Breaker = "breaker":
        "The local breaker is open: most of this process's own Bedrock calls failed.",
        "See the log for what failed; one call is tried by itself, and its success ends it.";
    Starting = "starting":
        "AWS credentials were still being looked up for the first time.",
        "Wait: this passes.";
    Caller = "caller":
        "The caller may not cause a Bedrock call.",
        "List the app's key in `callers`, or the name that it calls in `hosts`.";
    ContentType = "content_type":
        "The content type is not JSON.",
        "Send `content-type: application/json`.";
    ContentEncoding = "content_encoding":
        "The body is compressed.",
        "Send it as it is.";
    RequestSize = "request_size":
        "The body is larger than crossfade holds.",
        "Raise `limits.body`.";
    SlowBody = "slow_body":
        "The body took too long to arrive, and was not waited for.",
        "Send it faster: it must be there within 30 s.";
    UnmappedModel = "unmapped_model":
        "Nothing is mapped to this model.",
        "Add it to `bedrock.models`.";
}

impl Reason {
    /// The allowance with which such calls can move, where there is one.
    pub fn allowance(self) -> Option<Allowance> {
        Allowance::ALL
            .iter()
            .copied()
            .find(|allowance| allowance.lifts() == Some(self))
    }
}
