//! `rollout.yaml`, validated: what every other module works from.
//!
//! Reading has two steps in two types. `raw` is what was written; [`resolve`] turns it into
//! [`Config`], where nothing is optional that must be set and no value is out of range, or into
//! all mistakes at once ([`Problems`]). [`watch`] notices that the file changed. The defaults, each
//! with its reason, are in [`defaults`].

use crate::rollout::Advance;
use crate::rollout::plan::Rules;
use crate::split::Percent;
use crate::translate::Target;
use problems::Problems;
use problems::Warning;
use secret::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod address;
pub mod defaults;
mod line;
pub mod notify;
pub mod problems;
mod raw;
pub mod resolve;
pub mod schema;
pub mod secret;
mod section;
pub mod shape;
pub mod traces;
mod values;
pub mod watch;
pub(crate) mod words;

pub(crate) use address::is_loopback;
pub(crate) use values::shown_size;

#[cfg(test)]
mod tests;

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the app's calls come in.
    pub listen: Listen,
    /// Where people and Prometheus look.
    pub admin: SocketAddr,
    /// What changes over the admin port need where it is not loopback: `CROSSFADE_ADMIN_TOKEN`, or
    /// the content of `CROSSFADE_ADMIN_TOKEN_FILE`. None: there they are refused.
    pub admin_token: Option<Secret>,
    /// The provider that the app used before.
    pub original: Original,
    /// Where the share goes.
    pub bedrock: Bedrock,
    /// How much goes there, and who.
    pub rollout: Rollout,
    /// When it is taken back.
    pub rules: Rules,
    /// How long a Bedrock call may take.
    pub timeouts: Timeouts,
    /// What one process may hold.
    pub limits: Limits,
    /// How long a stop waits for what runs.
    pub drain: Duration,
    /// Names besides IP literals and `localhost` that callers may use in `Host`; lower case.
    pub hosts: Vec<String>,
    /// SHA-256 of the app keys that may cause a Bedrock call; none: whoever reaches a loopback
    /// listener may.
    pub callers: Option<Vec<[u8; 32]>>,
    /// Who is told what happens.
    pub notify: Vec<notify::Notify>,
    /// Where a call's spans go; none: there are none.
    pub traces: Option<traces::Traces>,
    /// Where the latch lives.
    pub state: PathBuf,
    /// What is valid but probably not meant.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// The keys whose new value takes a restart to be in force.
    pub fn restart_needed(&self, new: &Self) -> Vec<&'static str> {
        RESTART
            .into_iter()
            .filter_map(|(key, differs)| differs(self, new).then_some(key))
            .collect()
    }

    /// The keys of which any new value takes one.
    pub fn restart_keys() -> impl Iterator<Item = &'static str> {
        RESTART.into_iter().map(|(key, _)| key)
    }

    /// This configuration as the running process can follow it: with the old values of what takes a
    /// restart.
    ///
    /// # Errors
    ///
    /// If it would be unsafe there: without `callers` on a public listener that stays until then.
    pub fn keeping(mut self, running: &Self) -> Result<Self, Problems> {
        self.listen.clone_from(&running.listen);
        self.admin = running.admin;
        self.state.clone_from(&running.state);
        match resolve::public_listener(&self.listen, self.callers.as_deref()) {
            Some(problem) => Err(problem.into()),
            None => Ok(self),
        }
    }
}

/// What takes a restart, with whether two configurations differ in it.
const RESTART: [(&str, Differs); 3] = [
    ("listen", |old, new| old.listen != new.listen),
    ("admin", |old, new| old.admin != new.admin),
    ("state", |old, new| old.state != new.state),
];

type Differs = fn(&Config, &Config) -> bool;

/// The data listener's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `HOST:PORT`.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    /// As the file writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The original provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Plain or TLS.
    pub tls: bool,
    /// `HOST` or `HOST:PORT`, as it goes into the `Host` header.
    pub authority: http::uri::Authority,
    /// What precedes every target; empty or `/…` without a trailing slash.
    pub path_prefix: String,
    /// The key that replaces the app's; none: the app's own goes through.
    pub api_key: Option<Secret>,
    /// Which header carries a key.
    pub dialect: Dialect,
}

/// Which of the two services the original is; told from the host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `Authorization: Bearer`.
    OpenAi,
    /// `api-key`.
    Azure,
}

/// The Bedrock side.
#[derive(Clone, Debug)]
pub struct Bedrock {
    /// The AWS region.
    pub region: String,
    /// An endpoint instead of the SDK's own: `bedrock.endpoint`, else
    /// `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`.
    pub endpoint: Option<http::Uri>,
    /// What the app asks for → what Bedrock serves.
    pub models: BTreeMap<String, Arc<Mapping>>,
}

/// One mapped model.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The Bedrock model and what it can do.
    pub target: Target,
    /// A first-token limit that differs for this model.
    pub first_token: Option<Duration>,
}

/// The share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// `rollout.percent`, before `USE_AWS_PERCENT`.
    pub percent: Percent,
    /// The listed stages, ascending.
    pub stages: Vec<Percent>,
    /// Whether the machine climbs them, and how.
    pub advance: Advance,
    /// Where the `webhook` gate is asked, if there is one.
    pub webhook: Option<Webhook>,
    /// What makes two calls go to the same arm.
    pub sticky: Sticky,
    /// Who falls into which bucket.
    pub salt: Arc<str>,
    /// `rollout.attempt`, 1 or more.
    pub attempt: u64,
    /// Whether `x-crossfade-arm` in a request forces an arm.
    pub allow_override: bool,
    /// The environment's switches.
    pub switches: Switches,
}

impl Rollout {
    /// The most that the operator allows: a switch that holds the share at 0 takes none of it
    /// away.
    pub fn allowed(&self) -> Percent {
        let second = self.switches.use_aws_percent;
        second.map_or(self.percent, |second| self.percent.min(second))
    }

    /// The most that may go to Bedrock, before any rollback.
    pub fn ceiling(&self) -> Percent {
        if self.switches.force_original {
            Percent::ZERO
        } else {
            self.allowed()
        }
    }
}

/// A gate that is asked over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// What is called, with POST.
    pub url: http::Uri,
    /// How long the answer may take; then it is unknown.
    pub timeout: Duration,
}

/// The environment switches of a hand-written proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `FORCE_OPENAI_PROVIDER=true`.
    pub force_original: bool,
    /// `USE_AWS_PERCENT`.
    pub use_aws_percent: Option<Percent>,
}

/// What makes two calls go to the same arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// The first system or developer message and the first user message.
    Conversation,
    /// `safety_identifier`, else `user`.
    User,
    /// A request header.
    Header(http::HeaderName),
    /// A fresh draw for each call.
    None,
}

impl fmt::Display for Sticky {
    /// As the file writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation => f.write_str("conversation"),
            Self::User => f.write_str("user"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// The Bedrock arm's timeouts; of the original only the connect time is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// DNS, TCP and TLS together.
    pub connect: Duration,
    /// From dispatch to the first content or tool chunk.
    pub first_token: Duration,
    /// Between two events.
    pub idle: Duration,
    /// From dispatch to the end.
    pub total: Duration,
}

/// What one process may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest chat body that is read whole, in bytes; a larger one streams to the original.
    pub body: usize,
    /// All bodies held at one time, in bytes.
    pub buffered: usize,
    /// Bedrock calls in flight.
    pub in_flight: usize,
    /// Connections of callers.
    pub connections: usize,
}
