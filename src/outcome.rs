//! What a call came to on an arm: the vocabulary in which the data path reports to the controller.
//!
//! One call on the Bedrock arm sends three bookings: that it was dispatched, that its first token
//! came, and how it ended. The rollout core turns them into counters; nothing here counts or
//! decides. Which fault of a provider becomes which [`Class`] is decided where the fault is seen
//! (`upstream`), by the table of outcomes in `ARCHITECTURE.md`.

use serde::Deserialize;
use serde::Serialize;
use std::sync::Arc;

/// The provider that a call was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// OpenAI or Azure OpenAI, where the app's calls went before.
    Original,
    /// Amazon Bedrock.
    Bedrock,
}

impl Arm {
    /// Both arms, in the order in which they are listed everywhere.
    pub const ALL: [Self; 2] = [Self::Original, Self::Bedrock];

    /// The arm's name in configuration, headers, metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Bedrock => "bedrock",
        }
    }
}

/// A point on the rule clock: milliseconds, monotonic, from an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleTime(pub u64);

impl RuleTime {
    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `ms` milliseconds later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// The number of a try; re-arming starts the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u64);

/// Identifies a call within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Why a Bedrock call counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A 5xx, 424 or 408 of the service, or the exception of that meaning inside the stream.
    Server,
    /// 429: the arm could not serve.
    Throttle,
    /// A missing right, an unknown or retired model, missing or expired credentials.
    Config,
    /// Connect, DNS, TLS, reset, or a damaged frame.
    Network,
    /// The stream ended without a stop reason, or broke after its first token.
    Truncated,
    /// No first token in time, or silence between tokens.
    Stall,
    /// An answer that is no answer: an empty body, malformed output of the model.
    Malformed,
    /// Bedrock refused a call that the original accepted.
    Incompatible,
}

impl Class {
    /// Every class, in label order.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Throttle,
        Self::Config,
        Self::Network,
        Self::Truncated,
        Self::Stall,
        Self::Malformed,
        Self::Incompatible,
    ];

    /// The class's name in headers, metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Throttle => "throttle",
            Self::Config => "config",
            Self::Network => "network",
            Self::Truncated => "truncated",
            Self::Stall => "stall",
            Self::Malformed => "malformed",
            Self::Incompatible => "incompatible",
        }
    }
}

/// How a call ended on its arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A complete answer; a content-filter stop is one.
    Ok,
    /// Counts against the arm.
    Failure(Class),
    /// Refused for what the call is, by Bedrock and by the original too (or nobody else was
    /// asked): counts against nobody.
    Rejected,
    /// Longer than the model's context window: judged nowhere.
    ContextWindow,
    /// The caller left first.
    Cancelled,
}

/// Why Bedrock did not answer a call, before it is known what that counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Bedrock's fault.
    Counted(Class),
    /// Bedrock refused the request. Whether rightly is known when the original has answered it.
    Refused,
    /// The request is longer than the model's context window; nobody's fault.
    ContextWindow,
}

impl Fault {
    /// Every fault, in label order.
    pub fn all() -> impl Iterator<Item = Self> {
        Class::ALL
            .into_iter()
            .map(Self::Counted)
            .chain([Self::Refused, Self::ContextWindow])
    }

    /// The label of `x-crossfade-failover`, of metrics and of the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted(class) => class.name(),
            Self::Refused => "refused",
            Self::ContextWindow => "context_window",
        }
    }

    /// The verdict, given whether the original accepted the same call; `None`: it was not asked,
    /// or could not say. Only a refusal is adjudicated so.
    pub const fn verdict(self, accepted: Option<bool>) -> Verdict {
        match (self, accepted) {
            (Self::Counted(class), _) => Verdict::Failure(class),
            (Self::Refused, Some(true)) => Verdict::Failure(Class::Incompatible),
            (Self::Refused, Some(false) | None) => Verdict::Rejected,
            (Self::ContextWindow, _) => Verdict::ContextWindow,
        }
    }
}

/// One report of the data path about one call.
#[derive(Clone, Debug)]
pub struct Booking {
    /// When it happened, on the rule clock.
    pub at: RuleTime,
    /// The attempt that was in force when the call was split.
    pub attempt: Attempt,
    /// Which call.
    pub call: CallId,
    /// What happened.
    pub event: CallEvent,
}

/// What happened to a call.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// The call is on its way to Bedrock.
    Dispatched {
        /// The call's request id: one that never ends can be named too.
        request_id: Arc<str>,
    },
    /// Bedrock's first content or tool chunk arrived.
    FirstToken,
    /// Bedrock has refused the call; the verdict waits for the original's answer to it. Meanwhile
    /// the call is neither fast nor slow.
    Refused,
    /// Bedrock's part in the call is over. Sent exactly once for each dispatched call.
    Ended {
        /// How it ended.
        verdict: Verdict,
        /// The first 8 bytes of the split key's hash: repeated refusals of one odd prompt are
        /// counted once a minute. Of other ends it may be 0, as nobody asks for it.
        key: u64,
        /// The call's request id, for the sentence of a trip.
        request_id: Arc<str>,
    },
    /// A call that the original answered, whole: its side of the comparison.
    Original {
        /// How it ended.
        verdict: Verdict,
        /// Whether any bytes of the answer's body came.
        heard: bool,
        /// From dispatch to the first body bytes of a streamed answer; none for others.
        first_body_ms: Option<u64>,
        /// From dispatch to the end.
        took_ms: u64,
    },
}

impl CallEvent {
    /// How Bedrock's part in the call ended, if it did.
    pub const fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Ended { verdict, .. } => Some(*verdict),
            Self::Dispatched { .. } | Self::FirstToken | Self::Refused | Self::Original { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_is_listed_once_in_the_order_of_the_labels() {
        assert!(Class::ALL.is_sorted());
        let names: BTreeSet<_> = Class::ALL.map(Class::name).into();
        assert_eq!(names.len(), Class::ALL.len());
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index, "counters are kept by this number");
            // The state file and the status page use the names of metrics and messages.
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
        for arm in Arm::ALL {
            assert_eq!(serde_json::to_value(arm).unwrap(), arm.name());
        }
    }

    #[test]
    fn time_does_not_run_backwards() {
        let (early, late) = (RuleTime(1_000), RuleTime(1_500));
        assert_eq!((late.since(early), early.since(late)), (500, 0));
        assert_eq!(RuleTime(u64::MAX).plus(1), RuleTime(u64::MAX));
    }
}
