//! Who is told what: the destinations of `notify`, and the names of what can be told.

use super::secret::Secret;
use http::uri::Authority;
use std::fmt;

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// What is sent.
    pub form: Form,
    /// Plain or TLS.
    pub tls: bool,
    /// `HOST` or `HOST:PORT`; the only part of the URL that is ever shown.
    pub authority: Authority,
    /// Path and query: with Slack and others the path is the key.
    pub target: Secret,
    /// What it is told, in the order of [`Kind::ALL`].
    pub events: Vec<Kind>,
}

/// What a destination is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// CloudEvents 1.0 in structured mode, signed if there is a secret.
    CloudEvent {
        /// Of the HMAC-SHA256 signature.
        secret: Option<Secret>,
    },
    /// A message as Slack's incoming webhooks take it.
    Slack,
}

impl Form {
    /// The form's name in status and messages; the key that configures it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CloudEvent { .. } => "webhook",
            Self::Slack => "slack",
        }
    }
}

impl fmt::Display for Notify {
    /// As status and messages name it, without its path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.form.name(), self.authority)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What the journal records and a destination can be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind, the most urgent first.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The name in the journal, in `notify.events` and behind `dev.crossfade.`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }
        }
    };
}

kinds! {
    /// A rule or a person took everything back.
    RolledBack = "rolled_back",
    /// A person cleared a rollback.
    Rearmed = "rearmed",
    /// A new attempt runs without a rollback before it, or is found after a start.
    AttemptStarted = "attempt_started",
    /// The machine begins to climb the stages.
    Armed = "armed",
    /// The next stage is in force.
    StageAdvanced = "stage_advanced",
    /// Only a gate is missing to go on.
    GateWaiting = "gate_waiting",
    /// The webhook gate has not been able to tell for ten minutes.
    GateUnknown = "gate_unknown",
    /// A day without enough calls to judge the stage.
    Stalled = "stalled",
    /// 100 % has baked.
    Finished = "finished",
    /// A person froze the stage.
    Paused = "paused",
    /// A person ended the pause.
    Resumed = "resumed",
    /// A rule found what stops an automatic advance until a person takes note.
    Cautioned = "cautioned",
    /// Something keeps the share at 0 although no rollback does.
    Held = "held",
    /// It no longer does.
    Released = "released",
    /// A trip on throttling put the stage before in force again.
    SteppedBack = "stepped_back",
    /// The original breaks the latency limit itself: that rule does not watch.
    RuleUnreachable = "rule_unreachable",
    /// It keeps the limit again.
    RuleReachable = "rule_reachable",
    /// The local breaker keeps calls from Bedrock for a while.
    BreakerOpened = "local_breaker_open",
    /// It lets them go again.
    BreakerClosed = "local_breaker_closed",
    /// An edit changed the share in force.
    PercentChanged = "percent_changed",
    /// The state file cannot be written.
    StateFailing = "state_failing",
    /// It can again.
    StateHealed = "state_healed",
    /// The configuration file is refused; the last accepted one stays.
    ConfigRefused = "config_refused",
    /// The process started; at most six an hour have a line, as of those that stopped.
    Started = "started",
    /// The process was asked to stop.
    Stopping = "stopping",
    /// An edit of the configuration is in force.
    ConfigChanged = "config_changed",
    /// A person's command was not followed.
    CommandRefused = "command_refused",
    /// A rule is breached.
    ClockStarted = "clock_started",
    /// It is not any more.
    ClockReset = "clock_reset",
    /// The journal begins, or had to be mended.
    Journal = "journal",
}

impl Kind {
    /// Whether it is of the process and not of the rollout.
    pub const fn is_life(self) -> bool {
        matches!(self, Self::Started | Self::Stopping)
    }

    /// Whether a destination is told that does not say what it wants: what a person must know.
    pub const fn by_default(self) -> bool {
        match self {
            Self::RolledBack
            | Self::Rearmed
            | Self::AttemptStarted
            | Self::Armed
            | Self::StageAdvanced
            | Self::GateWaiting
            | Self::GateUnknown
            | Self::Stalled
            | Self::Finished
            | Self::Paused
            | Self::Resumed
            | Self::Cautioned
            | Self::Held
            | Self::Released
            | Self::SteppedBack
            | Self::RuleUnreachable
            | Self::BreakerOpened
            | Self::PercentChanged
            | Self::StateFailing
            | Self::StateHealed
            | Self::ConfigRefused => true,
            Self::Started
            | Self::Stopping
            | Self::ConfigChanged
            | Self::CommandRefused
            | Self::ClockStarted
            | Self::ClockReset
            | Self::RuleReachable
            | Self::BreakerClosed
            | Self::Journal => false,
        }
    }
}
