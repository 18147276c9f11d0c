//! What a sampled call came to: all that its spans are made of, owned.
//!
//! Like an event of the log it has no field for a prompt, an answer, a key or a header; what a
//! caller chose is bounded.

use super::{SpanId, Trace, TraceId};
use crate::config::Dialect;
use crate::outcome::{Arm, Attempt, Fault};
use crate::split::Percent;
use crate::telemetry::events::{Part, Tokens};
use crate::telemetry::metrics::{Eligibility, FailoverOutcome};
use std::sync::Arc;
use std::time::Duration;

/// A call: begun with what is known of it at once, completed when it is over.
#[derive(Debug)]
pub struct Record {
    /// Its place in its trace.
    pub trace: Trace,
    /// From the end of the request's head to the end of the answer.
    pub took: Duration,
    /// The path as a pattern: no part of it was chosen by the caller.
    pub route: &'static str,
    /// Names the call everywhere.
    pub request_id: Arc<str>,
    /// What the original calls it, if it was asked and said so.
    pub original_request_id: Option<String>,
    /// The model that the app asked for; empty if the body was not read.
    pub model: String,
    /// Whether Bedrock could have honoured it.
    pub eligibility: Eligibility,
    /// Whether the app asked for a stream.
    pub stream: bool,
    /// Whether the request chose its arm.
    pub forced: bool,
    /// The status that the app saw; none: it left before.
    pub status: Option<u16>,
    /// The attempt that was in force when the call was split.
    pub attempt: Attempt,
    /// The share that was in force then.
    pub percent: Percent,
    /// The arm whose answer the app saw, if any was asked.
    pub arm: Option<Arm>,
    /// Why the original was asked after Bedrock, and what came of it.
    pub failover: Option<(Fault, FailoverOutcome)>,
    /// Bedrock's part.
    pub bedrock: Option<Asked>,
    /// The original's part.
    pub original: Option<Asked>,
    /// Which of the two services the original is.
    pub dialect: Dialect,
    /// Where the original is asked.
    pub original_server: Option<(String, u16)>,
    /// What Bedrock counted.
    pub tokens: Option<Tokens>,
    /// Why Bedrock's answer ended, in OpenAI's word, if it came to its end.
    pub finish: Option<&'static str>,
    /// The id of the answer that was made of Bedrock's.
    pub answer_id: Option<String>,
}

/// What one arm did.
#[derive(Debug)]
pub struct Asked {
    /// From the call's beginning to its dispatch.
    pub after: Duration,
    /// How it went.
    pub part: Part,
    /// What the arm was asked for; empty if that is not known.
    pub model: String,
    /// Whether it was asked for a stream.
    pub streamed: bool,
    /// The status of its answer, where that is known.
    pub status: Option<u16>,
    /// Where it was asked: host and port.
    pub server: Option<(String, u16)>,
}

impl Record {
    /// A call of which no more is known than that it came.
    pub const fn new(
        trace: Trace,
        route: &'static str,
        request_id: Arc<str>,
        percent: Percent,
    ) -> Self {
        Self {
            trace,
            took: Duration::ZERO,
            route,
            request_id,
            original_request_id: None,
            model: String::new(),
            eligibility: Eligibility::Unread,
            stream: false,
            forced: false,
            status: None,
            attempt: Attempt(0),
            percent,
            arm: None,
            failover: None,
            bedrock: None,
            original: None,
            dialect: Dialect::OpenAi,
            original_server: None,
            tokens: None,
            finish: None,
            answer_id: None,
        }
    }

    /// Its trace and the span of the whole call, for its line in the log.
    pub const fn names(&self) -> (TraceId, SpanId) {
        (self.trace.id, self.trace.call)
    }

    /// How many spans it makes: one for the call, and one for each arm that was asked.
    pub fn spans(&self) -> u64 {
        1 + u64::from(self.bedrock.is_some()) + u64::from(self.original.is_some())
    }
}
