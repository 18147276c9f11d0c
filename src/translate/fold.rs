//! Events in, one `chat.completion` out.

use super::answer::{Answer, Finish, Piece};
use super::shape::{Ending, Identity, Mode, ReplyShape};
use super::stream::write_json;
use super::usage::ReplyUsage;
use crate::converse::event::Usage;
use crate::converse::{Event, Fault};

/// Collects the events of one answer: the same pieces as [`StreamWriter`](super::StreamWriter)'s,
/// put together.
#[derive(Debug)]
pub struct Fold {
    answer: Answer,
    shape: ReplyShape,
    identity: Identity,
    /// Escaped.
    content: String,
    /// Escaped.
    reasoning: String,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    /// Escaped.
    arguments: String,
}

impl Fold {
    /// Before the first event.
    pub const fn new(shape: ReplyShape, identity: Identity) -> Self {
        Self {
            answer: Answer::new(&shape),
            shape,
            identity,
            content: String::new(),
            reasoning: String::new(),
            calls: Vec::new(),
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    ///
    /// If the event cannot be, or says that the model failed.
    pub fn push(&mut self, event: Event<'_>) -> Result<(), Fault> {
        let Self {
            answer,
            identity,
            content,
            reasoning,
            calls,
            ..
        } = self;
        answer.push(event, identity, &mut |piece| match piece {
            Piece::Reasoning(text) => reasoning.push_str(text),
            Piece::Text(text) => content.push_str(text),
            Piece::Call {
                number: _,
                id,
                name,
            } => calls.push(Call {
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: String::new(),
            }),
            Piece::Arguments { number, json } => {
                if let Some(call) = calls.get_mut(number) {
                    call.arguments.push_str(json);
                }
            }
            // The answer keeps it.
            Piece::Finish(_) => {}
        })
    }

    /// How many bytes the answer holds so far; the caller bounds it.
    pub fn len(&self) -> usize {
        self.content.len()
            + self
                .calls
                .iter()
                .map(|call| call.name.len() + call.arguments.len())
                .sum::<usize>()
    }

    /// Whether it holds nothing yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the answer is complete: the reason to stop came, only its usage may follow.
    pub const fn is_complete(&self) -> bool {
        self.answer.is_complete()
    }

    /// How a complete answer ended.
    pub const fn ending(&self) -> &Ending {
        self.answer.ending()
    }

    /// Why a complete answer ended, in OpenAI's word.
    pub fn finish_reason(&self) -> Option<&'static str> {
        self.answer.finish().map(Finish::name)
    }

    /// What the call took; none before the service said it.
    pub const fn usage(&self) -> Option<Usage> {
        self.answer.usage()
    }

    /// The events ended: the answer's JSON.
    ///
    /// # Errors
    ///
    /// [`Fault::Truncated`] if the answer was not complete.
    pub fn finish(self) -> Result<Vec<u8>, Fault> {
        let finish = self.answer.finish().ok_or(Fault::Truncated)?;
        let mut out = Vec::with_capacity(self.len() + 512);
        out.extend_from_slice(b"{\"id\":");
        write_json(&self.identity.id, &mut out);
        out.extend_from_slice(b",\"object\":\"chat.completion\",\"created\":");
        write_json(&self.identity.created_unix_s, &mut out);
        out.extend_from_slice(b",\"model\":");
        write_json(&self.shape.model, &mut out);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"");
        self.write_message(&mut out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        write_json(finish.name(), &mut out);
        out.extend_from_slice(b"}]");
        if let Some(usage) = self.answer.usage() {
            out.extend_from_slice(b",\"usage\":");
            write_json(&ReplyUsage::from(usage), &mut out);
        }
        if self.shape.service_tier {
            let tier = self
                .answer
                .service_tier()
                .map_or("default", |tier| tier.name());
            out.extend_from_slice(b",\"service_tier\":");
            write_json(tier, &mut out);
        }
        out.extend_from_slice(b",\"system_fingerprint\":null}");
        Ok(out)
    }

    /// What is in the message besides its role.
    fn write_message(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"content\":");
        if self.content.is_empty() && !self.calls.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            write_escaped(&self.content, out);
        }
        out.extend_from_slice(b",\"refusal\":null");
        if !self.reasoning.is_empty() {
            out.extend_from_slice(b",\"reasoning_content\":");
            write_escaped(&self.reasoning, out);
        }
        if self.calls.is_empty() {
            return;
        }
        if self.shape.mode == Mode::LegacyFunction {
            // There is one: a second is a fault.
            for call in &self.calls {
                out.extend_from_slice(b",\"function_call\":");
                call.write_function(out);
            }
            return;
        }
        out.extend_from_slice(b",\"tool_calls\":[");
        for (number, call) in self.calls.iter().enumerate() {
            out.extend_from_slice(if number == 0 { b"" } else { b"," });
            out.extend_from_slice(b"{\"id\":");
            write_json(&call.id, out);
            out.extend_from_slice(b",\"type\":\"function\",\"function\":");
            call.write_function(out);
            out.push(b'}');
        }
        out.push(b']');
    }
}

impl Call {
    fn write_function(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"name\":");
        write_json(&self.name, out);
        out.extend_from_slice(b",\"arguments\":");
        write_escaped(&self.arguments, out);
        out.push(b'}');
    }
}

/// Writes text that is escaped already.
fn write_escaped(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
