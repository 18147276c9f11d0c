//! What a translation loses without changing what the answer means: counted, never silent.

use super::{Allowance, Reason};

/// Declares the enum, its list, its names and its sentences from one table.
macro_rules! losses {
    ($( $variant:ident = $name:literal: $meaning:literal; )*) => {
        /// Something that Bedrock is not told, or is told otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Loss {
            $( #[doc = $meaning] $variant, )*
        }

        impl Loss {
            /// Every loss.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The loss's name in configuration, metrics and messages.
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
        }
    };
}

losses! {
    HoistedSystem = "hoisted_system":
        "A system message inside the conversation moved to its head.";
    MaxTokensClamped = "max_tokens_clamped":
        "The cap was lowered to the most that the model can say.";
    TemperatureClamped = "temperature_clamped":
        "`temperature` was lowered to 1, the highest that Bedrock takes.";
    SamplingDropped = "sampling_dropped":
        "`temperature` or `top_p` was dropped: the model takes only one of them, or none.";
    Penalty = "penalty":
        "`frequency_penalty` or `presence_penalty` was dropped: Converse has no such knob.";
    Seed = "seed":
        "`seed` was dropped: equal requests may get different answers.";
    Verbosity = "verbosity":
        "`verbosity` was dropped: the answer may be longer or shorter.";
    Prediction = "prediction":
        "`prediction` was dropped: it only makes OpenAI faster.";
    ServiceTier = "service_tier":
        "`service_tier` was dropped: the usual queue serves the call.";
    Metadata = "metadata":
        "`metadata` was dropped, or part of it.";
    User = "user":
        "`user` or `safety_identifier` was dropped: Bedrock is not told who uses the app.";
    PromptCache = "prompt_cache":
        "`prompt_cache_key` or its like was dropped: OpenAI's cache has no counterpart.";
    ReasoningEffort = "reasoning_effort":
        "`reasoning_effort` was dropped, or changed to what the model knows.";
    ReplayedExtras = "replayed_extras":
        "Reasoning or annotations in the conversation were dropped: only who wrote them can read them.";
    Name = "name":
        "The `name` of a message was dropped: Converse has no place for it.";
    Names = "names":
        "Several different `name`s were dropped: the model cannot tell the people apart.";
    Refusal = "refusal":
        "A refusal in the conversation became text.";
    ImageDetail = "image_detail":
        "`detail` of an image was dropped: the model looks as closely as it always does.";
    ToolStrict = "tool_strict":
        "`strict` of a tool was dropped: the model may stray from the schema.";
    ToolChoiceNone = "tool_choice_none":
        "`tool_choice: none` became: no tools; the model does not know of them.";
    AllowedTools = "allowed_tools":
        "`allowed_tools` became a shorter list of tools.";
    ToolSchema = "tool_schema":
        "A tool's schema lost or changed keywords that the model refuses.";
    JsonSchemaAsTool = "json_schema_as_tool":
        "The schema of the answer became a tool that must be called; the app sees plain content.";
    JsonSchemaOneOf = "json_schema_one_of":
        "`oneOf` in the schema of the answer became `anyOf`: an answer may fit several of them.";
    JsonObject = "json_object":
        "`json_object` became a sentence of the system prompt.";
    FileName = "file_name":
        "A neutral name replaced that of a file.";
    LegacyFunctions = "legacy_functions":
        "`functions` became tools.";
}

impl Loss {
    /// The allowance that made this translation possible, or that would carry the field over.
    pub const fn allowance(self) -> Option<Allowance> {
        match self {
            Self::TemperatureClamped => Some(Allowance::TemperatureClamp),
            Self::SamplingDropped => Some(Allowance::SamplingConflict),
            Self::Penalty => Some(Allowance::Penalty),
            Self::ServiceTier => Some(Allowance::ServiceTier),
            Self::Metadata => Some(Allowance::Metadata),
            Self::PromptCache => Some(Allowance::PromptCache),
            Self::ReasoningEffort => Some(Allowance::Reasoning),
            Self::JsonObject => Some(Allowance::JsonObject),
            Self::HoistedSystem
            | Self::MaxTokensClamped
            | Self::Seed
            | Self::Verbosity
            | Self::Prediction
            | Self::User
            | Self::ReplayedExtras
            | Self::Name
            | Self::Names
            | Self::Refusal
            | Self::ImageDetail
            | Self::ToolStrict
            | Self::ToolChoiceNone
            | Self::AllowedTools
            | Self::ToolSchema
            | Self::JsonSchemaAsTool
            | Self::JsonSchemaOneOf
            | Self::FileName
            | Self::LegacyFunctions => None,
        }
    }

    /// The reason to stay where the operator refuses this loss.
    pub const fn reason(self) -> Reason {
        match self {
            Self::HoistedSystem => Reason::SystemPosition,
            Self::MaxTokensClamped => Reason::MaxTokens,
            Self::TemperatureClamped => Reason::TemperatureRange,
            Self::SamplingDropped => Reason::SamplingConflict,
            Self::Penalty => Reason::Penalty,
            Self::ReasoningEffort => Reason::Reasoning,
            Self::ToolStrict | Self::ToolSchema => Reason::ToolSchema,
            Self::ToolChoiceNone | Self::AllowedTools => Reason::ToolChoiceUnsupported,
            Self::JsonSchemaAsTool | Self::JsonSchemaOneOf => Reason::JsonSchema,
            Self::JsonObject => Reason::JsonObject,
            Self::LegacyFunctions => Reason::LegacyFunctions,
            Self::Seed
            | Self::Verbosity
            | Self::Prediction
            | Self::ServiceTier
            | Self::Metadata
            | Self::User
            | Self::PromptCache
            | Self::ReplayedExtras
            | Self::Name
            | Self::Names
            | Self::Refusal
            | Self::ImageDetail
            | Self::FileName => Reason::RefusedLoss,
        }
    }

    /// The loss of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|loss| loss.name() == name)
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A set of losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossSet(u64);

impl LossSet {
    /// Whether it is in the set.
    pub const fn contains(self, loss: Loss) -> bool {
        self.0 & loss.bit() != 0
    }
}

impl FromIterator<Loss> for LossSet {
    fn from_iter<I: IntoIterator<Item = Loss>>(losses: I) -> Self {
        Self(losses.into_iter().fold(0, |set, loss| set | loss.bit()))
    }
}
