//! Calls to the two providers.
//!
//! Both arms go over one [`transport`]: one [`pool`], one way to connect, one way to cancel (dropping
//! the answer). [`original`] forwards what the app sent; [`bedrock`] signs a Converse body and
//! reads the answer as events. [`gate`] asks whoever guards the next stage, and is no part of a
//! call; nor is [`reach`], which only connects. Nothing is retried here: failover is the retry, and `proxy` does it.

use crate::converse::{self, ServiceError};
use crate::outcome::{Class, Fault};
use std::fmt;
use std::time::Duration;

pub(crate) mod bedrock;
pub(crate) mod body;
pub(crate) mod credentials;
pub(crate) mod frames;
pub(crate) mod gate;
pub(crate) mod original;
pub(crate) mod pool;
pub(crate) mod post;
pub(crate) mod reach;
mod resolve;
mod retry_after;
mod signature;
pub(crate) mod transport;

/// Why Bedrock did not answer a call, and what that counts as.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What it counts as.
    pub(crate) fault: Fault,
    /// What happened, for the operator's log: never shown to the app, never a prompt.
    pub(crate) detail: String,
    /// How long the service asks not to be asked again, where it throttles and says so.
    pub(crate) retry_after: Option<Duration>,
    /// What the service said, whole: it names accounts and rights, so never for a log.
    pub(crate) error: Option<Box<ServiceError>>,
}

impl Failure {
    pub(crate) fn new(class: Class, detail: impl Into<String>) -> Self {
        Self {
            fault: Fault::Counted(class),
            detail: detail.into(),
            retry_after: None,
            error: None,
        }
    }
}

impl From<converse::Fault> for Failure {
    fn from(fault: converse::Fault) -> Self {
        match &fault {
            converse::Fault::Truncated => Self::new(Class::Truncated, fault.to_string()),
            converse::Fault::Malformed(_) => Self::new(Class::Malformed, fault.to_string()),
            converse::Fault::Exception(error) => bedrock::failure_of(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.name(), self.detail)
    }
}

/// An error and its causes on one line: the outermost text alone rarely names the fault.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
