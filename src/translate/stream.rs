//! Events in, server-sent events out.
//!
//! A chunk is a fixed beginning, a delta and a fixed end: the fixed parts are made once, a delta is
//! written straight into the buffer that goes to the app, and text is copied as the JSON that it
//! already is. The first chunk, which only names the role, waits for the first that says something:
//! until then another provider can still answer.

use super::answer::{Answer, Finish, Piece};
use super::shape::{Ending, Identity, Mode, ReplyShape};
use super::usage::ReplyUsage;
use crate::converse::event::Usage;
use crate::converse::{Event, Fault};
use serde::Serialize;

/// Turns the events of one answer into the chunks of a stream.
#[derive(Debug)]
pub struct StreamWriter {
    answer: Answer,
    frame: Frame,
    identity: Identity,
    include_usage: bool,
    service_tier: bool,
}

impl StreamWriter {
    /// Before the first event.
    pub fn new(shape: ReplyShape, identity: Identity) -> Self {
        Self {
            answer: Answer::new(&shape),
            frame: Frame::new(&shape, &identity),
            identity,
            include_usage: shape.include_usage,
            service_tier: shape.service_tier,
        }
    }

    /// Takes an event and appends what the app is to read of it to `out`: whole server-sent events,
    /// often none.
    ///
    /// # Errors
    ///
    /// If the event cannot be, or says that the model failed. The stream is over then; if it was
    /// [committed](Self::committed), an error frame is to follow.
    pub fn push(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let frame = &mut self.frame;
        self.answer
            .push(event, &self.identity, &mut |piece| frame.write(&piece, out))
    }

    /// Whether a content or tool chunk was written: from then on no other provider can answer the
    /// call. Role and reason to finish alone do not commit.
    pub const fn committed(&self) -> bool {
        self.frame.committed
    }

    /// Whether the answer is complete: the reason to stop came, only its usage may follow.
    pub const fn is_complete(&self) -> bool {
        self.answer.is_complete()
    }

    /// The events ended: writes the usage, if it was asked for and came, and `[DONE]`.
    ///
    /// # Errors
    ///
    /// [`Fault::Truncated`] if the answer was not complete.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.answer.is_complete() {
            return Err(Fault::Truncated);
        }
        if let (true, Some(usage)) = (self.include_usage, self.answer.usage()) {
            out.extend_from_slice(&self.frame.head);
            out.extend_from_slice(b",\"choices\":[]");
            if self.service_tier {
                let tier = self
                    .answer
                    .service_tier()
                    .map_or("default", |tier| tier.name());
                out.extend_from_slice(b",\"service_tier\":");
                write_json(tier, out);
            }
            out.extend_from_slice(b",\"usage\":");
            write_json(&ReplyUsage::from(usage), out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        Ok(())
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
}

/// The parts of a chunk that are always the same.
#[derive(Debug)]
struct Frame {
    /// From `data: ` to before `choices`.
    head: Vec<u8>,
    /// From after the reason to finish to the empty line.
    tail: &'static [u8],
    legacy: bool,
    /// Whether the role was told.
    started: bool,
    /// Whether that said that there is no content, before it was known.
    says_null: bool,
    /// Whether content or a call was.
    committed: bool,
}

impl Frame {
    fn new(shape: &ReplyShape, identity: &Identity) -> Self {
        let mut head = b"data: {\"id\":".to_vec();
        write_json(&identity.id, &mut head);
        head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        write_json(&identity.created_unix_s, &mut head);
        head.extend_from_slice(b",\"model\":");
        write_json(&shape.model, &mut head);
        head.extend_from_slice(b",\"system_fingerprint\":null");
        Self {
            head,
            tail: if shape.include_usage {
                b"}],\"usage\":null}\n\n"
            } else {
                b"}]}\n\n"
            },
            legacy: shape.mode == Mode::LegacyFunction,
            started: false,
            says_null: false,
            committed: false,
        }
    }

    fn write(&mut self, piece: &Piece<'_>, out: &mut Vec<u8>) {
        self.committed |= match piece {
            Piece::Text(_) | Piece::Call { .. } | Piece::Arguments { .. } => true,
            Piece::Reasoning(_) | Piece::Finish(_) => false,
        };
        if !self.started {
            self.started = true;
            self.says_null = matches!(piece, Piece::Reasoning(_));
            // An answer that begins with a call has no content, unless text follows.
            let content = match piece {
                Piece::Call { .. } | Piece::Reasoning(_) => "null",
                Piece::Text(_) | Piece::Arguments { .. } | Piece::Finish(_) => "\"\"",
            };
            self.chunk(out, None, |out| {
                out.extend_from_slice(b"\"role\":\"assistant\",\"content\":");
                out.extend_from_slice(content.as_bytes());
                out.extend_from_slice(b",\"refusal\":null");
            });
        }
        match piece {
            Piece::Reasoning(text) => self.chunk(out, None, |out| {
                out.extend_from_slice(b"\"reasoning_content\":\"");
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }),
            Piece::Text(text) => self.chunk(out, None, |out| {
                out.extend_from_slice(b"\"content\":\"");
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }),
            Piece::Call { name, .. } if self.legacy => self.chunk(out, None, |out| {
                out.extend_from_slice(b"\"function_call\":{\"name\":");
                write_json(name, out);
                out.extend_from_slice(b",\"arguments\":\"\"}");
            }),
            Piece::Call { number, id, name } => self.chunk(out, None, |out| {
                write_number(*number, out);
                out.extend_from_slice(b",\"id\":");
                write_json(id, out);
                out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
                write_json(name, out);
                out.extend_from_slice(b",\"arguments\":\"\"}}]");
            }),
            Piece::Arguments { json, .. } if self.legacy => self.chunk(out, None, |out| {
                out.extend_from_slice(b"\"function_call\":{\"arguments\":\"");
                out.extend_from_slice(json.as_bytes());
                out.extend_from_slice(b"\"}");
            }),
            Piece::Arguments { number, json } => self.chunk(out, None, |out| {
                write_number(*number, out);
                out.extend_from_slice(b",\"function\":{\"arguments\":\"");
                out.extend_from_slice(json.as_bytes());
                out.extend_from_slice(b"\"}}]");
            }),
            // An answer of reasoning alone has empty content, as the folded one has.
            Piece::Finish(finish) if self.says_null && !self.committed => {
                self.chunk(out, Some(*finish), |out| {
                    out.extend_from_slice(b"\"content\":\"\"");
                });
            }
            Piece::Finish(finish) => self.chunk(out, Some(*finish), |_| {}),
        }
    }

    /// Writes a chunk with what `delta` writes between the braces of its delta.
    fn chunk(&self, out: &mut Vec<u8>, finish: Option<Finish>, delta: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":{");
        delta(out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        match finish {
            None => out.extend_from_slice(b"null"),
            Some(finish) => write_json(finish.name(), out),
        }
        out.extend_from_slice(self.tail);
    }
}

/// `"tool_calls":[{"index":…`.
fn write_number(number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Cannot fail: a vector takes everything, and nothing that is written here has a key that is no
/// string.
pub(super) fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}
