//! What a rule found that is no reason to take everything back, but one to stop and look.
//!
//! A caution stops the automatic advance and is told to people. It stands until one of them takes
//! note of it (`resume`), also over a restart: what was found does not become untrue by waiting.

use super::RuleName;
use serde::Deserialize;
use serde::Serialize;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caution {
    /// The rule that made it.
    pub rule: RuleName,
    /// What kind it is.
    pub kind: CautionKind,
    /// What was seen and what to do, for a person.
    pub sentence: String,
    /// When, on the wall clock.
    pub at_unix_ms: u64,
}

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CautionKind {
    /// Bedrock does worse than the original.
    Worse,
    /// Callers leave most calls before the first token.
    Left,
    /// The rule tripped, but the original is in an outage itself and worse.
    OriginalDown,
    /// The rule tripped on throttling, and the share went one stage back.
    SteppedBack,
}

impl CautionKind {
    /// Whether a person should look at once: calls are failing now.
    pub const fn urgent(self) -> bool {
        match self {
            Self::Worse | Self::SteppedBack => false,
            Self::Left | Self::OriginalDown => true,
        }
    }
}
