//! One answer, event by event: what the stream and the folded answer have in common.
//!
//! Events become [`Piece`]s, the smallest things that an app can be told. All rules about the order
//! of events, the numbering of tool calls and the reason to finish are here, once, so that a
//! streamed and a folded answer cannot differ.

use super::fence::Fence;
use super::ids;
use super::shape::{Ending, Identity, Mode, ReplyShape};
use super::thinking::Thinking;
use crate::converse::Fault;
use crate::converse::event::{BlockStart, Delta, Event, Fragment, ServiceTier, StopReason, Usage};
use std::borrow::Cow;

/// The smallest thing that an app can be told. Text is escaped JSON, without quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Reasoning, before what it led to; not empty.
    Reasoning(&'a str),
    /// More of `content`; not empty.
    Text(&'a str),
    /// A tool call begins. They are numbered from 0 without gaps.
    Call {
        number: usize,
        id: &'a str,
        name: &'a str,
    },
    /// More of a call's arguments; not empty.
    Arguments { number: usize, json: &'a str },
    /// The answer is complete.
    Finish(Finish),
}

/// Why an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    ToolCalls,
    FunctionCall,
    ContentFilter,
}

impl Finish {
    /// The word of OpenAI.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::FunctionCall => "function_call",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// How far an answer is.
#[derive(Debug)]
pub(super) struct Answer {
    mode: Mode,
    /// Whether the app sent no cap.
    own_cap: bool,
    ending: Ending,
    finish: Option<Finish>,
    /// Of [`Mode::JsonText`] only.
    fence: Fence,
    /// Where a leading block of thinking is left out.
    thinking: Option<Thinking>,
    /// Reasoning that was not told yet, escaped; none: it is not told at all.
    reasoning: Option<String>,
    stage: Stage,
    calls: Vec<Call>,
    usage: Option<Usage>,
    service_tier: Option<ServiceTier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing came.
    Expected,
    /// Blocks come.
    Running,
    /// The reason to stop came; only metadata may follow.
    Stopped,
}

/// A tool call; its number is its place in the list.
#[derive(Debug)]
struct Call {
    /// Bedrock's index of the block.
    block: u32,
    open: bool,
    has_arguments: bool,
}

/// Far above the longest reasoning of any model, in bytes: what bounds what is held back.
const REASONING_MAX: usize = 4 << 20;

/// More calls than any model makes in one turn: what bounds the list.
const CALLS_MAX: usize = 256;

impl Answer {
    pub(super) const fn new(shape: &ReplyShape) -> Self {
        Self {
            mode: shape.mode,
            own_cap: shape.own_cap,
            ending: Ending::Usual,
            finish: None,
            fence: Fence::new(),
            thinking: if shape.strip_thinking {
                Some(Thinking::new())
            } else {
                None
            },
            reasoning: if shape.reasoning {
                Some(String::new())
            } else {
                None
            },
            stage: Stage::Expected,
            calls: Vec::new(),
            usage: None,
            service_tier: None,
        }
    }

    pub(super) const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    pub(super) const fn service_tier(&self) -> Option<ServiceTier> {
        self.service_tier
    }

    pub(super) const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Why the answer is complete, once it is.
    pub(super) const fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// Whether the reason to stop came.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Stopped)
    }

    /// Takes an event and tells what it means to the app.
    pub(super) fn push(
        &mut self,
        event: Event<'_>,
        identity: &Identity,
        tell: &mut impl FnMut(Piece<'_>),
    ) -> Result<(), Fault> {
        let before = self.stage;
        if before == Stage::Stopped && !matches!(event, Event::Metadata { .. }) {
            return Err(Fault::Malformed("an event after the stop reason"));
        }
        if before == Stage::Expected && !matches!(event, Event::Metadata { .. }) {
            self.stage = Stage::Running;
        }
        match event {
            Event::MessageStart if before == Stage::Running => {
                Err(Fault::Malformed("a second messageStart"))
            }
            Event::MessageStart => Ok(()),
            Event::BlockStart { index, start } => self.start(index, start, identity, tell),
            Event::BlockDelta { index, delta } => self.delta(index, delta, tell),
            Event::BlockStop { index } => {
                self.close(|call| call.block == index, tell);
                Ok(())
            }
            Event::MessageStop { reason } => self.stop(reason, tell),
            Event::Metadata {
                usage,
                service_tier,
            } => {
                self.usage = usage.or(self.usage);
                self.service_tier = service_tier.or(self.service_tier);
                Ok(())
            }
        }
    }

    fn start(
        &mut self,
        block: u32,
        start: BlockStart<'_>,
        identity: &Identity,
        tell: &mut impl FnMut(Piece<'_>),
    ) -> Result<(), Fault> {
        let (id, name) = match start {
            BlockStart::Empty => return Ok(()),
            BlockStart::ToolUse { id, name } => (id, name),
            BlockStart::ServerTool => {
                return Err(Fault::Malformed("a server tool that was not asked for"));
            }
            BlockStart::Foreign => return Err(Fault::Malformed("a block that is no answer")),
        };
        let number = self.calls.len();
        if self.calls.iter().any(|call| call.block == block) {
            return Err(Fault::Malformed("a block that begins twice"));
        }
        let allowed = match self.mode {
            Mode::Tools => CALLS_MAX,
            Mode::LegacyFunction | Mode::SchemaTool => 1,
            Mode::JsonText => 0,
        };
        if number >= allowed {
            return Err(Fault::Malformed("more tool calls than the answer can hold"));
        }
        self.flush(tell);
        self.calls.push(Call {
            block,
            open: true,
            has_arguments: false,
        });
        if self.mode != Mode::SchemaTool {
            let id = ids::outgoing(&id, &identity.id, number);
            tell(Piece::Call {
                number,
                id: &id,
                name: &name,
            });
        }
        Ok(())
    }

    fn delta(
        &mut self,
        block: u32,
        delta: Delta<'_>,
        tell: &mut impl FnMut(Piece<'_>),
    ) -> Result<(), Fault> {
        match delta {
            // Its text comes as text, its place has no counterpart.
            Delta::Citation => Ok(()),
            Delta::Reasoning(text) => self.reason(text),
            Delta::Foreign => Err(Fault::Malformed("a delta that is no answer")),
            Delta::Text(text) => {
                if self.calls.iter().any(|call| call.block == block) {
                    return Err(Fault::Malformed("text inside a tool call"));
                }
                self.text(text, tell);
                Ok(())
            }
            Delta::ToolInput(json) => {
                let schema_tool = self.mode == Mode::SchemaTool;
                let call = self
                    .calls
                    .iter_mut()
                    .enumerate()
                    .find(|(_, call)| call.block == block && call.open);
                let Some((number, call)) = call else {
                    return Err(Fault::Malformed("input of a tool call that did not begin"));
                };
                if !json.is_empty() {
                    call.has_arguments = true;
                    tell(argument_piece(schema_tool, number, json.escaped()));
                }
                Ok(())
            }
        }
    }

    /// Keeps reasoning until it is known what it led to: alone it says nothing that could not come
    /// from another provider.
    fn reason(&mut self, text: Option<Fragment<'_>>) -> Result<(), Fault> {
        let (Some(held), Some(text)) = (&mut self.reasoning, text) else {
            return Ok(());
        };
        held.push_str(text.escaped());
        if held.len() > REASONING_MAX {
            return Err(Fault::Malformed("more reasoning than any model gives"));
        }
        Ok(())
    }

    /// Tells what was held back, as something else follows.
    fn flush(&mut self, tell: &mut impl FnMut(Piece<'_>)) {
        self.tell_reasoning(tell);
        if let Some(thinking) = &mut self.thinking {
            let held = thinking.finish();
            self.tell_text(&held, tell);
        }
    }

    fn tell_reasoning(&mut self, tell: &mut impl FnMut(Piece<'_>)) {
        if let Some(held) = self.reasoning.as_mut().filter(|held| !held.is_empty()) {
            tell(Piece::Reasoning(held));
            held.clear();
        }
    }

    fn text(&mut self, text: Fragment<'_>, tell: &mut impl FnMut(Piece<'_>)) {
        let text = match &mut self.thinking {
            Some(thinking) => thinking.push(text.escaped()),
            None => Cow::Borrowed(text.escaped()),
        };
        if !text.is_empty() {
            self.tell_reasoning(tell);
        }
        self.tell_text(&text, tell);
    }

    fn tell_text(&mut self, text: &str, tell: &mut impl FnMut(Piece<'_>)) {
        match self.mode {
            Mode::Tools | Mode::LegacyFunction if text.is_empty() => {}
            Mode::Tools | Mode::LegacyFunction => tell(Piece::Text(text)),
            // What the model says besides is no part of the answer that the schema describes.
            Mode::SchemaTool => {}
            Mode::JsonText => {
                if let Some(text) = self.fence.push(text) {
                    tell(Piece::Text(&text));
                }
            }
        }
    }

    /// Closes the open calls that `which` names. One without arguments gets an empty object:
    /// clients parse what they collected.
    fn close(&mut self, which: impl Fn(&Call) -> bool, tell: &mut impl FnMut(Piece<'_>)) {
        let schema_tool = self.mode == Mode::SchemaTool;
        for (number, call) in self.calls.iter_mut().enumerate() {
            if call.open && which(call) {
                call.open = false;
                if !call.has_arguments {
                    tell(argument_piece(schema_tool, number, "{}"));
                }
            }
        }
    }

    fn stop(
        &mut self,
        reason: StopReason<'_>,
        tell: &mut impl FnMut(Piece<'_>),
    ) -> Result<(), Fault> {
        let done = match (self.mode, self.calls.is_empty()) {
            (Mode::Tools, false) => Finish::ToolCalls,
            (Mode::LegacyFunction, false) => Finish::FunctionCall,
            (Mode::Tools | Mode::LegacyFunction | Mode::SchemaTool | Mode::JsonText, _) => {
                Finish::Stop
            }
        };
        let finish = match &reason {
            StopReason::EndTurn | StopReason::ToolUse | StopReason::Unknown(_) => done,
            StopReason::StopSequence => Finish::Stop,
            StopReason::MaxTokens | StopReason::ContextWindowExceeded => Finish::Length,
            StopReason::GuardrailIntervened | StopReason::ContentFiltered => Finish::ContentFilter,
            StopReason::MalformedModelOutput => return Err(Fault::Malformed("model output")),
            StopReason::MalformedToolUse => return Err(Fault::Malformed("tool use")),
        };
        if self.mode == Mode::SchemaTool && self.calls.is_empty() && finish == Finish::Stop {
            return Err(Fault::Malformed("an answer without the schema's tool"));
        }
        self.flush(tell);
        self.close(|_| true, tell);
        if let Some(text) = self.fence.finish() {
            tell(Piece::Text(&text));
        }
        self.stage = Stage::Stopped;
        self.ending = match reason {
            StopReason::MaxTokens if self.own_cap => Ending::OwnCap,
            StopReason::Unknown(word) => Ending::UnknownReason(beginning(&word).into()),
            StopReason::EndTurn
            | StopReason::ToolUse
            | StopReason::MaxTokens
            | StopReason::StopSequence
            | StopReason::GuardrailIntervened
            | StopReason::ContentFiltered
            | StopReason::MalformedModelOutput
            | StopReason::MalformedToolUse
            | StopReason::ContextWindowExceeded => Ending::Usual,
        };
        self.finish = Some(finish);
        tell(Piece::Finish(finish));
        Ok(())
    }
}

/// As much of a stop reason as is remembered: the known ones are half as long.
fn beginning(word: &str) -> &str {
    word.get(..word.floor_char_boundary(64)).unwrap_or_default()
}

/// Arguments, which are the answer itself where a schema's tool was forced.
const fn argument_piece(schema_tool: bool, number: usize, json: &str) -> Piece<'_> {
    if schema_tool {
        Piece::Text(json)
    } else {
        Piece::Arguments { number, json }
    }
}
