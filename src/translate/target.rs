//! What a mapped model is, and what its operator allows.

use super::capability::Capabilities;
use super::defaults::Defaults;
use super::family::Family;
use super::loss::LossSet;
use super::reason::Reason;
use std::fmt;

/// A Bedrock model, as the configuration maps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What goes into the path (percent-encoded there): an id, a profile, or an ARN.
    pub model_id: String,
    /// Which row of the capability table applies.
    pub family: Family,
    /// What the model can do; by default what the table says.
    pub capabilities: Capabilities,
    /// The cap that is sent when the app sends none, in tokens; at least 1.
    pub max_tokens: u32,
    /// The lossy translations that the operator accepts.
    pub allow: Allow,
    /// The losses that the operator does not accept: such calls stay.
    pub refuse: LossSet,
    /// Sampling parameters that are sent when the app sends none.
    pub defaults: Defaults,
    /// A system text before those of the app; blank is none.
    pub system_prefix: Option<String>,
}

impl Target {
    /// The target of a model id. `family` says which row of the capability table applies; without
    /// it that is told from the id, and an id that no row knows gets the careful row.
    ///
    /// # Errors
    ///
    /// If `family` is not known, if the id is an ARN that does not show its model and no family is
    /// given, or if it is of a kind that cannot serve chat calls.
    pub fn new(model_id: &str, family: Option<&str>) -> Result<Self, TargetError> {
        // An id that can be no target is one even where the family is given.
        let told = Family::of_model(model_id);
        let family = match (family, told) {
            (_, Err(TargetError::NotAModel)) => return Err(TargetError::NotAModel),
            (None, told) => told?,
            (Some(name), _) => Family::from_name(name)
                .ok_or_else(|| TargetError::UnknownFamily(name.to_owned()))?,
        };
        let capabilities = family.capabilities();
        Ok(Self {
            model_id: model_id.to_owned(),
            family,
            capabilities,
            max_tokens: usual_cap(&capabilities),
            allow: Allow::default(),
            refuse: LossSet::default(),
            defaults: Defaults::default(),
            system_prefix: None,
        })
    }

    /// The target with other capabilities than the table says, and the cap that goes with them.
    pub fn with_capabilities(self, capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            max_tokens: usual_cap(&capabilities),
            ..self
        }
    }
}

/// The cap where neither app nor operator gives one.
fn usual_cap(capabilities: &Capabilities) -> u32 {
    capabilities
        .max_output
        .map_or(UNKNOWN_CAP, |most| most.min(USUAL_CAP))
}

/// The cap where the app sends none. Without one Bedrock reserves quota for the most that the model
/// can say, which throttles small accounts at once; a small one cuts long tool arguments off. This
/// is the most that gpt-4o can say.
const USUAL_CAP: u32 = 16_384;

/// The cap where not even the model's maximum is known: nearly every model can say this much.
const UNKNOWN_CAP: u32 = 4096;

/// Declares the enum, its list, its names and its sentences from one table.
macro_rules! allowances {
    ($( $variant:ident = $name:literal: $meaning:literal; )*) => {
        /// A translation that is not made unless the operator accepts it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Allowance {
            $( #[doc = $meaning] $variant, )*
        }

        impl Allowance {
            /// Every allowance.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// Its name in configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }

            /// What it makes of a call, as a sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $( Self::$variant => $meaning, )*
                }
            }
        }
    };
}

allowances! {
    JsonObject = "json_object":
        "`response_format: json_object` becomes a sentence of the system prompt.";
    TemperatureClamp = "temperature_clamp":
        "A `temperature` above 1 becomes 1.";
    HoistedSystem = "hoisted_system":
        "A system message inside the conversation moves to its head. It does so by default; this name is \
         for who lists everything that he accepts.";
    SamplingConflict = "sampling_conflict":
        "`temperature` and `top_p` are dropped where the model takes neither.";
    Penalty = "penalty":
        "`frequency_penalty` and `presence_penalty` are dropped.";
    Prefill = "prefill":
        "A last message of the assistant is gone on with, where the model can.";
    Reasoning = "reasoning":
        "`reasoning_effort` switches thinking on, where the model has a switch.";
    ServiceTier = "service_tier":
        "`service_tier` is passed on; several models refuse any but the default.";
    Metadata = "metadata":
        "`metadata` becomes `requestMetadata`, and so lands in AWS's invocation logs.";
    ReasoningContent = "reasoning_content":
        "The model's reasoning is told as `reasoning_content`, a field that OpenAI does not have.";
    StripThinking = "strip_thinking":
        "A leading `<thinking>` block, which Nova likes to write, is left out of the answer.";
    PromptCache = "prompt_cache":
        "Cache points are set, which costs more where nothing is read back.";
}

impl Allowance {
    /// The allowance of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|allowance| allowance.name() == name)
    }

    /// The reason to stay that it lifts; none: without it such calls move too, but otherwise.
    pub const fn lifts(self) -> Option<Reason> {
        match self {
            Self::JsonObject => Some(Reason::JsonObject),
            Self::TemperatureClamp => Some(Reason::TemperatureRange),
            Self::SamplingConflict => Some(Reason::SamplingConflict),
            Self::Penalty => Some(Reason::Penalty),
            Self::Prefill => Some(Reason::AssistantPrefill),
            Self::Reasoning => Some(Reason::Reasoning),
            Self::HoistedSystem
            | Self::ServiceTier
            | Self::Metadata
            | Self::ReasoningContent
            | Self::StripThinking
            | Self::PromptCache => None,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of allowances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow(u32);

impl Allow {
    /// Adds one.
    pub const fn insert(&mut self, allowance: Allowance) {
        self.0 |= allowance.bit();
    }

    /// Whether it is in the set.
    pub const fn contains(self, allowance: Allowance) -> bool {
        self.0 & allowance.bit() != 0
    }
}

impl FromIterator<Allowance> for Allow {
    fn from_iter<I: IntoIterator<Item = Allowance>>(allowances: I) -> Self {
        let mut allow = Self::default();
        allowances
            .into_iter()
            .for_each(|allowance| allow.insert(allowance));
        allow
    }
}

/// Why a model id is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// `family` names no row of the table.
    UnknownFamily(String),
    /// The ARN does not show which model is behind it.
    FamilyNeeded,
    /// Not a model that answers chat calls.
    NotAModel,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFamily(family) => write!(f, "{family:?} is no family that is known"),
            Self::FamilyNeeded => {
                f.write_str("this ARN does not show which model is behind it: set `family`")
            }
            Self::NotAModel => f.write_str("this is no model that answers chat calls"),
        }
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_cap_is_the_models_own_up_to_16k() {
        let cap = |id| Target::new(id, None).map(|target| target.max_tokens);
        assert_eq!(cap("amazon.nova-lite-v1:0"), Ok(10_000));
        assert_eq!(cap("anthropic.claude-sonnet-5"), Ok(16_384));
        assert_eq!(cap("writer.palmyra-x5-v1:0"), Ok(4096));
        let target = Target::new("writer.palmyra-x5-v1:0", None).unwrap();
        let larger = Capabilities {
            max_output: Some(8192),
            ..target.capabilities
        };
        assert_eq!(target.with_capabilities(larger).max_tokens, 8192);
    }

    #[test]
    fn a_given_family_wins_but_makes_no_model_of_a_prompt() {
        let arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc";
        let target = Target::new(arn, Some("nova-pro")).unwrap();
        assert!(target.capabilities.images);
        assert_eq!(Target::new(arn, None), Err(TargetError::FamilyNeeded));
        assert_eq!(
            Target::new(arn, Some("nonsense")),
            Err(TargetError::UnknownFamily("nonsense".to_owned()))
        );
        let prompt = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABC";
        assert_eq!(
            Target::new(prompt, Some("nova-pro")),
            Err(TargetError::NotAModel)
        );
    }

    #[test]
    fn allowances_are_a_set_with_names() {
        let mut allow = Allow::default();
        for &allowance in Allowance::ALL {
            assert!(!allow.contains(allowance));
            allow.insert(allowance);
            assert!(allow.contains(allowance));
            assert_eq!(Allowance::from_name(allowance.name()), Some(allowance));
        }
        assert_eq!(Allowance::from_name("everything"), None);
        for name in [
            "json_object",
            "temperature_clamp",
            "hoisted_system",
            "prefill",
        ] {
            assert!(Allowance::from_name(name).is_some(), "{name}");
        }
    }
}
