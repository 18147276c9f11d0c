//! The calls of a conversation, and which of them wait for their results.
//!
//! Bedrock wants each call answered in the turn that follows, and nothing else before that.

use crate::converse::request::{Json, ToolUse};
use crate::openai::message::{FunctionCall, Message, ToolCall};
use crate::openai::token::Text;
use crate::translate::capability::ToolIds;
use crate::translate::request::fields::refuse;
use crate::translate::request::json;
use crate::translate::request::tools::is_name;
use crate::translate::{Reason, ids};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The calls of a conversation.
#[derive(Debug)]
pub(super) struct Calls<'r> {
    form: ToolIds,
    /// Those of the last turn, if it is the assistant's or holds their results.
    awaited: Vec<Awaited<'r>>,
    /// The names of all tools that were called.
    pub(super) called: Vec<Cow<'r, str>>,
}

/// A call whose result must come.
#[derive(Debug)]
struct Awaited<'r> {
    id: Cow<'r, str>,
    /// The function, where the result names that instead of the id.
    function: Option<Cow<'r, str>>,
    answered: bool,
}

/// What a result says about its call.
pub(super) enum Answers<'r> {
    /// The call's id.
    Call(Text<'r>),
    /// The function's name, as it was before there were ids.
    Function(Text<'r>),
}

/// More calls than any model makes in one turn: what bounds the search for the one that a result
/// answers.
const CALLS_MAX: usize = 256;

impl<'r> Calls<'r> {
    pub(super) const fn new(form: ToolIds) -> Self {
        Self {
            form,
            awaited: Vec::new(),
            called: Vec::new(),
        }
    }

    /// Whether a result is missing.
    pub(super) fn waits(&self) -> bool {
        self.awaited.iter().any(|call| !call.answered)
    }

    /// The calls of a message, which are awaited from now on. `index` is the message's, from which
    /// calls of the older kind get their id.
    pub(super) fn of(
        &mut self,
        index: usize,
        message: &'r Message<'r>,
    ) -> Result<Vec<ToolUse<'r>>, Reason> {
        let mut uses = Vec::new();
        for call in message.tool_calls.as_deref().unwrap_or_default() {
            let (id, function) = function_of(call)?;
            uses.extend(self.call(&uses, id.decode(), function)?);
        }
        let legacy = message.function_call.as_ref();
        if let Some(function) = legacy {
            uses.extend(self.call(&uses, Cow::Owned(format!("fc_{index}")), function)?);
        }
        let awaited = |call: &ToolUse<'r>| Awaited {
            id: call.tool_use_id.clone(),
            function: legacy.map(|_| call.name.clone()),
            answered: false,
        };
        if !uses.is_empty() {
            self.awaited = uses.iter().map(awaited).collect();
        }
        Ok(uses)
    }

    /// A call; none if one of those before it says the same under the same id.
    fn call(
        &mut self,
        before: &[ToolUse<'r>],
        id: Cow<'r, str>,
        call: &'r FunctionCall<'r>,
    ) -> Result<Option<ToolUse<'r>>, Reason> {
        refuse(call.unknown, Reason::UnknownField)?;
        let name = call.name.ok_or(Reason::Malformed)?.decode();
        let tool_use_id = ids::incoming(id, self.form);
        let input = arguments(call.arguments)?;
        let twin = before.iter().find(|other| other.tool_use_id == tool_use_id);
        if let Some(twin) = twin {
            let same = twin.name == name && twin.input.as_str() == input.as_str();
            return if same {
                Ok(None)
            } else {
                Err(Reason::ToolHistory)
            };
        }
        refuse(before.len() >= CALLS_MAX, Reason::ToolHistory)?;
        // No tool that is offered has such a name.
        refuse(!is_name(&name), Reason::ToolHistory)?;
        if !self.called.contains(&name) {
            refuse(self.called.len() >= CALLS_MAX, Reason::ToolHistory)?;
            self.called.push(name.clone());
        }
        Ok(Some(ToolUse {
            tool_use_id,
            name,
            input,
        }))
    }

    /// The id that a result names.
    pub(super) fn named(&self, id: Text<'r>) -> Cow<'r, str> {
        ids::incoming(id.decode(), self.form)
    }

    /// The id of the call that a result answers.
    pub(super) fn answer(&mut self, answers: &Answers<'r>) -> Result<Cow<'r, str>, Reason> {
        let mut open = self.awaited.iter_mut().filter(|call| !call.answered);
        let call = match answers {
            Answers::Call(id) => {
                let id = ids::incoming(id.decode(), self.form);
                open.find(|call| call.id == id)
            }
            Answers::Function(name) => {
                let name = name.decode();
                open.find(|call| call.function.as_ref() == Some(&name))
            }
        };
        let call = call.ok_or(Reason::ToolHistory)?;
        call.answered = true;
        Ok(call.id.clone())
    }
}

/// The id and the function of a call.
fn function_of<'r>(call: &'r ToolCall<'r>) -> Result<(Text<'r>, &'r FunctionCall<'r>), Reason> {
    match call.kind.map(Text::decode).as_deref() {
        Some("custom") => return Err(Reason::CustomTool),
        // Some clients leave the type out of what they play back.
        Some("function") | None => {}
        Some(_) => return Err(Reason::UnknownField),
    }
    refuse(call.unknown, Reason::UnknownField)?;
    refuse(call.custom.is_some(), Reason::CustomTool)?;
    Ok((
        call.id.ok_or(Reason::Malformed)?,
        call.function.as_ref().ok_or(Reason::Malformed)?,
    ))
}

/// The arguments of a call as the object that Bedrock wants, keys in their order.
fn arguments<'r>(text: Option<Text<'r>>) -> Result<Json<'r>, Reason> {
    let text = text.ok_or(Reason::Malformed)?;
    if text.is_blank() {
        return Ok(Json::EmptyObject);
    }
    let input = match text.decode() {
        Cow::Borrowed(json) => serde_json::from_str::<&'r RawValue>(json).map(Cow::Borrowed),
        Cow::Owned(json) => RawValue::from_string(json).map(Cow::Owned),
    };
    let input = input.map_err(|_| Reason::ToolHistory)?;
    let is_object = input.get().starts_with('{') && json::is_sound(&input);
    refuse(!is_object, Reason::ToolHistory)?;
    Ok(Json::Raw(input))
}
