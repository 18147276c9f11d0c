//! What a translation loses without changing what the answer means: counted, never silent.

/// Declares the enum, its list and its names from one table.
macro_rules! losses {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, )*) => {
        /// Something that Bedrock is not told, or is told otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Loss {
            $( $(#[$doc])* $variant, )*
        }

        impl Loss {
            /// Every loss.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The loss's name in metrics and messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }
        }
    };
}

losses! {
    /// A system message inside the conversation moved to its head.
    SystemHoisted = "system_hoisted",
    /// The cap was lowered to the most that the model can say.
    MaxTokensClamped = "max_tokens_clamped",
    /// `temperature` was lowered to 1.
    TemperatureClamped = "temperature_clamped",
    /// `temperature` or `top_p` was dropped: the model takes only one, or none.
    SamplingDropped = "sampling_dropped",
    /// `frequency_penalty` or `presence_penalty` was dropped.
    Penalty = "penalty",
    /// `seed` was dropped.
    Seed = "seed",
    /// `verbosity` was dropped.
    Verbosity = "verbosity",
    /// `prediction` was dropped.
    Prediction = "prediction",
    /// `service_tier` was dropped.
    ServiceTier = "service_tier",
    /// `metadata` was dropped, or part of it.
    Metadata = "metadata",
    /// `user` or `safety_identifier` was dropped.
    User = "user",
    /// `prompt_cache_key` and its like were dropped.
    PromptCache = "prompt_cache",
    /// `reasoning_effort` was dropped, or changed to what the model knows.
    ReasoningEffort = "reasoning_effort",
    /// Reasoning or annotations in the conversation were dropped.
    ReplayedExtras = "replayed_extras",
    /// One `name` of a message was dropped.
    Name = "name",
    /// Several different `name`s were dropped.
    Names = "names",
    /// A refusal in the conversation became text.
    Refusal = "refusal",
    /// `detail` of an image was dropped.
    ImageDetail = "image_detail",
    /// `strict` of a tool was dropped.
    ToolStrict = "tool_strict",
    /// `tool_choice: none` became: no tools.
    ToolChoiceNone = "tool_choice_none",
    /// `allowed_tools` became a shorter list of tools.
    AllowedTools = "allowed_tools",
    /// A tool's schema lost or changed keywords that the model refuses.
    ToolSchema = "tool_schema",
    /// The schema of the answer became a tool that must be called.
    JsonSchemaAsTool = "json_schema_as_tool",
    /// `json_object` became a sentence of the system prompt.
    JsonObject = "json_object",
    /// A neutral name replaced that of a file.
    FileName = "file_name",
    /// `functions` became tools.
    LegacyFunctions = "legacy_functions",
}
