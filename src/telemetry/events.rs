//! Typed events: one `emit` writes the log line and counts the metric.
//!
//! The fields are numbers, names from closed enums, model names, request ids and the service's own
//! word for why an answer ended. No event carries
//! a prompt, an answer, a key or a header, so none can be logged by mistake. Text that a caller
//! chose (the model's name, a request id) is cut to [`FOREIGN_TEXT`] bytes; the JSON formatter
//! escapes it.

pub mod notices;

use super::metrics::{Eligibility, FailoverOutcome, Metrics, TokenKind, verdict_labels};
use super::trace::{SpanId, TraceId};
use crate::clock;
use crate::outcome::{Arm, Fault, Verdict};
use crate::rollout::Transition;
use crate::snapshot::Hold;
use crate::translate::Ending;
use std::net::SocketAddr;
use std::time::Duration;

/// The most bytes of a text that a caller chose which a log line repeats.
const FOREIGN_TEXT: usize = 128;

/// A chat call is over: the one line that it gets.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Names the call everywhere.
    pub request_id: &'a str,
    /// What the original calls it, if it was asked and said so.
    pub original_request_id: Option<&'a str>,
    /// The model that the app asked for.
    pub model: &'a str,
    /// The model that Bedrock was asked for, if it was.
    pub bedrock_model: Option<&'a str>,
    /// Whether Bedrock could have honoured it.
    pub eligibility: Eligibility,
    /// Whether the app asked for a stream.
    pub stream: bool,
    /// Whether the request chose its arm: then it enters no statistics of the rollout.
    pub forced: bool,
    /// The status that the app saw; none: it left before.
    pub status: Option<u16>,
    /// Bedrock's part, if it had one.
    pub bedrock: Option<Part>,
    /// The original's part, if it had one.
    pub original: Option<Part>,
    /// Why the original was asked after Bedrock, and what came of it.
    pub failover: Option<(Fault, FailoverOutcome)>,
    /// What Bedrock counted, if it said so.
    pub tokens: Option<Tokens>,
    /// How Bedrock's answer ended.
    pub ending: &'a Ending,
    /// From the end of the request's head to the end of the answer.
    pub took: Duration,
    /// Its trace and its span, if it is traced.
    pub trace: Option<(TraceId, SpanId)>,
}

/// What one arm did for a call.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// How it ended.
    pub verdict: Verdict,
    /// From dispatch to the first token (Bedrock), to the first body bytes of a streamed answer
    /// (original).
    pub first_token: Option<Duration>,
    /// From dispatch to the end.
    pub took: Duration,
}

/// Bedrock's usage report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the request, read anew.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// Of the request, read from the prompt cache.
    pub cache_read: u64,
    /// Of the request, written to the prompt cache.
    pub cache_write: u64,
}

impl Call<'_> {
    /// Counts the call and writes its line. Whether it was eligible and where it was split to are
    /// counted when they are known, not here; tokens are counted of forced calls too, because they
    /// cost as much.
    pub fn emit(&self, metrics: &Metrics) {
        if !self.forced {
            self.count(metrics);
        }
        if let Some(tokens) = self.tokens {
            metrics.tokens(TokenKind::Input, tokens.input);
            metrics.tokens(TokenKind::Output, tokens.output);
            metrics.tokens(TokenKind::CacheRead, tokens.cache_read);
            metrics.tokens(TokenKind::CacheWrite, tokens.cache_write);
        }
        metrics.ending(self.ending);
        self.log();
    }

    fn count(&self, metrics: &Metrics) {
        for (arm, part) in [(Arm::Bedrock, self.bedrock), (Arm::Original, self.original)] {
            let Some(part) = part else { continue };
            metrics.call(arm, part.verdict);
            if let Some(first_token) = part.first_token {
                metrics.first_token(arm, first_token);
            }
            // An answer that was cut off says nothing about how long answers take.
            if part.verdict == Verdict::Ok {
                metrics.call_took(arm, part.took);
            }
        }
        if let Some((fault, outcome)) = self.failover {
            metrics.failover(fault, outcome);
        }
    }

    fn log(&self) {
        let bedrock = self.bedrock.map(Line::of);
        let original = self.original.map(Line::of);
        // The arm whose answer the app saw: the original's, wherever it was asked. None was asked
        // for a call that we refused, or whose caller left before its body was whole.
        let arm = match (self.original, self.bedrock) {
            (Some(_), _) => Some(Arm::Original),
            (None, Some(_)) => Some(Arm::Bedrock),
            (None, None) => None,
        };
        let (ending, stop_reason) = match self.ending {
            Ending::Usual => (None, None),
            Ending::OwnCap => (Some("own_cap"), None),
            Ending::UnknownReason(word) => (Some("unknown_reason"), Some(cut(word))),
        };
        let (trace_id, span_id) = self.trace.unzip();
        let trace_id = trace_id.map(|id| id.to_string());
        let span_id = span_id.map(|id| id.to_string());
        tracing::info!(
            event = "call",
            request_id = cut(self.request_id),
            original_request_id = self.original_request_id.map(cut),
            arm = arm.map(Arm::name),
            model = cut(self.model),
            bedrock_model = self.bedrock_model,
            status = self.status,
            stream = self.stream,
            forced = self.forced,
            eligibility = self.eligibility.name(),
            failover = self.failover.map(|(fault, _)| fault.name()),
            failover_outcome = self.failover.map(|(_, outcome)| outcome.name()),
            bedrock_verdict = bedrock.as_ref().map(|line| line.verdict),
            bedrock_first_token_ms = bedrock.as_ref().and_then(|line| line.first_token_ms),
            bedrock_ms = bedrock.as_ref().map(|line| line.ms),
            original_verdict = original.as_ref().map(|line| line.verdict),
            original_first_body_ms = original.as_ref().and_then(|line| line.first_token_ms),
            original_ms = original.as_ref().map(|line| line.ms),
            input_tokens = self.tokens.map(|tokens| tokens.input),
            output_tokens = self.tokens.map(|tokens| tokens.output),
            ending,
            stop_reason,
            ms = clock::millis(self.took),
            trace_id,
            span_id,
        );
    }
}

/// One arm's part as a log line has it.
struct Line {
    verdict: &'static str,
    first_token_ms: Option<u64>,
    ms: u64,
}

impl Line {
    fn of(part: Part) -> Self {
        let verdict = match verdict_labels(part.verdict) {
            (verdict, "") => verdict,
            (_, class) => class,
        };
        Self {
            verdict,
            first_token_ms: part.first_token.map(clock::millis),
            ms: clock::millis(part.took),
        }
    }
}

/// What the controller reports: of the rollout, of the configuration and of the state file.
#[derive(Clone, Copy, Debug)]
pub enum Control<'a> {
    /// The rollout core changed something, and it is on disk where it must be.
    Transition(&'a Transition),
    /// A rollback from before this start still holds.
    StillRolledBack {
        /// What it said then.
        sentence: &'a str,
    },
    /// Something began or ceased to hold the share at 0.
    Hold {
        /// What.
        hold: Hold,
        /// Whether it holds from now on.
        on: bool,
    },
    /// A configuration is in force.
    ConfigAccepted {
        /// How many were accepted since the start.
        generation: u64,
        /// SHA-256 of the file, in hex.
        hash: &'a str,
        /// Keys whose new value needs a restart.
        restart_needed: &'a [&'static str],
        /// What is valid but probably not meant.
        warnings: &'a [String],
    },
    /// The configuration file cannot be used; the last accepted one stays in force.
    ConfigRefused {
        /// One mistake each.
        problems: &'a [String],
    },
    /// The state file or the configuration's copy cannot be read or written; said once.
    StateFailing {
        /// What the system says.
        problem: &'a str,
        /// The rollback that a restart would forget.
        unsaved: Option<&'a str>,
    },
    /// The state file holds again what must be remembered.
    StateHealed,
    /// A person's command was not followed.
    CommandRefused {
        /// Which one.
        command: &'static str,
        /// Who gave it.
        actor: &'a str,
        /// Why not, and what to do instead.
        why: &'a str,
    },
}

impl Control<'_> {
    /// Writes the event's line and counts what is counted.
    pub fn emit(self, metrics: &Metrics) {
        match self {
            Self::Transition(transition) => emit_transition(transition, metrics),
            Self::StillRolledBack { sentence } => {
                tracing::warn!(event = "still_rolled_back", "{sentence}");
            }
            Self::Hold { hold, on: true } => {
                tracing::warn!(event = "held", hold = hold.name(), "{}", hold.sentence());
            }
            Self::Hold { hold, on: false } => {
                tracing::info!(event = "released", hold = hold.name(), "No longer holds.");
            }
            Self::ConfigAccepted {
                generation,
                hash,
                restart_needed,
                warnings,
            } => {
                tracing::info!(
                    event = "config_accepted",
                    generation,
                    hash,
                    restart_needed = restart_needed.join(","),
                    "The configuration is in force."
                );
                for warning in warnings {
                    tracing::warn!(event = "config_warning", "{warning}");
                }
            }
            Self::ConfigRefused { problems } => {
                for problem in problems {
                    tracing::error!(event = "config_refused", "{problem}");
                }
            }
            Self::StateFailing { problem, unsaved } => {
                tracing::error!(event = "state_failing", unsaved, "{problem}");
            }
            Self::StateHealed => {
                tracing::info!(
                    event = "state_healed",
                    "The state file is up to date again."
                );
            }
            Self::CommandRefused {
                command,
                actor,
                why,
            } => {
                tracing::warn!(
                    event = "command_refused",
                    command,
                    actor = cut(actor),
                    "{why}"
                );
            }
        }
    }
}

fn emit_transition(transition: &Transition, metrics: &Metrics) {
    match transition {
        Transition::Tripped(rollback) | Transition::RolledBack(rollback) => {
            metrics.rollback(rollback.rule);
            tracing::error!(
                event = transition.name(),
                rule = rollback.rule.name(),
                from_percent = %rollback.from_percent,
                request_id = rollback.last_failure_request_id,
                actor = rollback.actor,
                reason = rollback.reason,
                "{transition}"
            );
        }
        Transition::ClockStarted { rule, .. } | Transition::ClockReset { rule, .. } => {
            tracing::warn!(
                event = transition.name(),
                rule = rule.name(),
                "{transition}"
            );
        }
        Transition::Rearmed { attempt, .. } | Transition::AttemptStarted { attempt, .. } => {
            tracing::warn!(
                event = transition.name(),
                attempt = attempt.0,
                "{transition}"
            );
        }
        Transition::CeilingHeld { .. }
        | Transition::GateUnknown { .. }
        | Transition::Stalled { .. }
        | Transition::Cautioned(_)
        | Transition::SteppedBack { .. }
        | Transition::RuleUnreachable { .. }
        | Transition::BreakerOpened { .. }
        | Transition::Refused(_) => {
            tracing::warn!(event = transition.name(), "{transition}");
        }
        Transition::Paused { by, .. } => {
            tracing::warn!(
                event = transition.name(),
                actor = by.actor,
                reason = by.reason,
                "{transition}"
            );
        }
        Transition::Resumed { actor, reason, .. } => {
            tracing::warn!(event = transition.name(), actor, reason, "{transition}");
        }
        Transition::Advanced(step) => {
            let by = step.by.as_ref();
            tracing::warn!(
                event = transition.name(),
                from_percent = %step.from,
                to_percent = %step.to,
                actor = by.map(|by| by.actor.as_str()),
                reason = by.map(|by| by.reason.as_str()),
                "{transition}"
            );
        }
        Transition::ClimbStarted { .. }
        | Transition::GateWaiting { .. }
        | Transition::Finished { .. }
        | Transition::AlreadyPaused(_)
        | Transition::AlreadyRolledBack(_)
        | Transition::PercentChanged { .. }
        | Transition::RuleReachable
        | Transition::BreakerClosed
        | Transition::RecordRead { .. } => {
            tracing::info!(event = transition.name(), "{transition}");
        }
    }
}

/// What the process reports of its own life.
#[derive(Clone, Copy, Debug)]
pub enum Process<'a> {
    /// It starts.
    Started {
        /// Its version.
        version: &'static str,
    },
    /// The ports are open.
    Listening {
        /// The data port.
        listen: &'a str,
        /// The admin port.
        admin: &'a SocketAddr,
    },
    /// AWS credentials were found, renewed, or could not be.
    Credentials {
        /// Whether a valid set is at hand.
        healthy: bool,
        /// What the chain says, without the material.
        detail: &'a str,
    },
    /// It was asked to stop.
    Draining,
    /// It ends.
    Stopped {
        /// Whether everything that ran was finished.
        finished: bool,
    },
}

impl Process<'_> {
    /// Writes the event's line and counts what is counted.
    pub fn emit(self, metrics: &Metrics) {
        match self {
            Self::Started { version } => {
                tracing::info!(event = "started", version, "crossfade starts.");
            }
            Self::Listening { listen, admin } => {
                tracing::info!(event = "listening", listen, %admin, "The ports are open.");
            }
            Self::Credentials { healthy, detail } => {
                metrics.credentials(healthy);
                if healthy {
                    tracing::info!(event = "credentials", healthy, "{detail}");
                } else {
                    tracing::warn!(event = "credentials", healthy, "{detail}");
                }
            }
            Self::Draining => {
                tracing::info!(event = "draining", "Asked to stop; finishing what runs.");
            }
            Self::Stopped { finished } => {
                tracing::info!(event = "stopped", finished, "crossfade ends.");
            }
        }
    }
}

/// The beginning of a text that a caller chose.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(FOREIGN_TEXT))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
