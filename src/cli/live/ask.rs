//! One minimal call of a model, over crossfade's own path to Bedrock.
//!
//! The same keys, endpoint, signature, transport and event reader as a call of the app's; the body
//! is the smallest that a chat model takes. The answer is read to its end, within the timeouts that
//! calls have. Nothing is tried twice.

use super::diagnosis::Cause;
use crate::clock;
use crate::config::{self, Timeouts};
use crate::converse::Event;
use crate::converse::event::Usage;
use crate::converse::request::{Block, ConverseRequest, InferenceConfig, Speaker, Text, Turn};
use crate::converse::{Fault, ServiceError};
use crate::outcome::{self, Class};
use crate::upstream::Failure;
use crate::upstream::bedrock::Bedrock;
use crate::upstream::frames::EventStream;
use crate::upstream::pool::AnswerBody;
use std::borrow::Cow;
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::Instant;

/// A model that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// From the request to the first piece of the answer, in milliseconds.
    pub(super) first_token_ms: u64,
    /// What it took, if the service said.
    pub(super) usage: Option<Usage>,
}

/// A model that did not.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it means.
    pub(super) cause: Cause,
    /// What the service said, or what happened.
    pub(super) detail: String,
    /// What the service said, for its ARNs.
    pub(super) error: Option<Box<ServiceError>>,
    /// How far this machine's clock is behind the service's, in seconds, as far as that is known.
    pub(super) skew_s: i64,
}

/// Calls a model, and reads its answer. `min_output` is the fewest tokens that it can be asked for.
///
/// # Errors
///
/// Why there is no whole answer.
pub(super) async fn ask(
    bedrock: &Bedrock,
    to: &config::Bedrock,
    model: &str,
    min_output: u32,
    timeouts: Timeouts,
) -> Result<Answered, Refusal> {
    let sent = clock::io_now();
    let first = (sent + timeouts.first_token).min(sent + timeouts.total);
    let answer = bedrock.converse_stream(to, model, body(min_output));
    let events = match tokio::time::timeout_at(first, answer).await {
        Ok(events) => events?,
        Err(_) => return Err(Refusal::late("no answer", timeouts.first_token)),
    };
    read(events, sent, timeouts).await
}

/// The smallest request that any chat model takes.
fn body(min_output: u32) -> Vec<u8> {
    let request = ConverseRequest {
        messages: vec![Turn {
            role: Speaker::User,
            content: vec![Block::Text(Text::Plain(Cow::Borrowed("Hi")))],
        }],
        inference_config: InferenceConfig {
            max_tokens: Some(min_output),
            ..InferenceConfig::default()
        },
        ..ConverseRequest::default()
    };
    // There is nothing in it that cannot be written.
    serde_json::to_vec(&request).unwrap_or_default()
}

async fn read(
    mut events: EventStream<AnswerBody>,
    sent: Instant,
    timeouts: Timeouts,
) -> Result<Answered, Refusal> {
    let total = sent + timeouts.total;
    let (mut first_token_ms, mut usage, mut stopped) = (None, None, false);
    loop {
        let (by, patience) = match first_token_ms {
            None => (sent + timeouts.first_token, timeouts.first_token),
            Some(_) => (clock::io_now() + timeouts.idle, timeouts.idle),
        };
        let message = poll_fn(|cx| events.poll_message(cx));
        let message = match tokio::time::timeout_at(by.min(total), message).await {
            Ok(message) => message?,
            Err(_) if by < total => return Err(Refusal::late("no event", patience)),
            Err(_) => return Err(Refusal::late("no end of the answer", timeouts.total)),
        };
        let Some(message) = message else { break };
        match message.event()? {
            Some(Event::BlockDelta { .. }) => {
                first_token_ms.get_or_insert_with(|| ms(clock::io_now() - sent));
            }
            Some(Event::MessageStop { .. }) => stopped = true,
            Some(Event::Metadata { usage: counted, .. }) => usage = counted,
            Some(Event::MessageStart | Event::BlockStart { .. } | Event::BlockStop { .. })
            | None => {}
        }
    }
    if !stopped {
        return Err(Failure::from(Fault::Truncated).into());
    }
    Ok(Answered {
        // One that has nothing to say is done at once.
        first_token_ms: first_token_ms.unwrap_or_else(|| ms(clock::io_now() - sent)),
        usage,
    })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Refusal {
    fn late(what: &str, patience: Duration) -> Self {
        Self {
            cause: Cause::Timeout,
            detail: format!("{what} within {}", humantime::format_duration(patience)),
            error: None,
            skew_s: 0,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let Failure {
            fault,
            detail,
            retry_after: _,
            error,
        } = failure;
        let cause = match (&error, fault) {
            (Some(error), _) => Cause::of(error),
            (None, outcome::Fault::Counted(class)) => of_class(class),
            (None, outcome::Fault::Refused | outcome::Fault::ContextWindow) => Cause::Refused,
        };
        let detail = match &error {
            // Whole, where the log has its beginning: this is the caller's own terminal.
            Some(error) => said(error),
            None => detail,
        };
        Self {
            cause,
            detail,
            error,
            skew_s: 0,
        }
    }
}

/// What a failure without words of the service means.
const fn of_class(class: Class) -> Cause {
    match class {
        Class::Network => Cause::Connection,
        Class::Stall => Cause::Timeout,
        Class::Truncated | Class::Malformed => Cause::BadAnswer,
        Class::Server => Cause::ServiceFault,
        Class::Throttle => Cause::Throttled,
        Class::Config => Cause::Unknown,
        Class::Incompatible => Cause::Refused,
    }
}

/// The service's words, fit for a terminal.
fn said(error: &ServiceError) -> String {
    let ServiceError {
        status,
        code,
        message,
        original_status: _,
    } = error;
    if code.is_empty() {
        return format!("HTTP status {status}, and no error of AWS");
    }
    let words = message
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_MAX);
    format!("{code} ({status}): {}", words.collect::<String>())
}

/// Characters; the longest messages name a principal, a resource and a policy.
const MESSAGE_MAX: usize = 2_000;
