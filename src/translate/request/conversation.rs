//! The messages: OpenAI's list becomes a system prompt and turns that alternate.
//!
//! The rules are Bedrock's own, not OpenAI's: the first turn is the user's and so is the last, no
//! block is blank, every call has its result in the next turn, and what may stand beside calls and
//! results depends on the model. Neighbours of one role are merged block by block. Nothing is
//! invented to fill a gap: a conversation that does not fit stays.

mod calls;

use super::Losses;
use super::cache::POINTS_MAX;
use super::content::{self, DOCUMENTS_MAX, Kind, Media};
use super::fields::refuse;
use super::json;
use crate::converse::request::{
    Block, CachePoint, ResultBlock, Speaker, SystemBlock, Text, ToolResult, Turn,
};
use crate::openai::message::{Message, Role};
use crate::openai::request::Fields;
use crate::openai::token;
use crate::translate::capability::{Cache, StopRule, Turns};
use crate::translate::{Allowance, Loss, Reason, Target};
use calls::{Answers, Calls};
use std::borrow::Cow;

/// The messages, translated.
#[derive(Debug, Default)]
pub(super) struct Conversation<'r> {
    pub(super) system: Vec<SystemBlock<'r>>,
    pub(super) turns: Vec<Turn<'r>>,
    /// The tools that were called in it.
    pub(super) called: Vec<Cow<'r, str>>,
}

/// Translates the messages.
pub(super) fn translate<'r>(
    fields: &'r Fields<'r>,
    target: &'r Target,
    losses: &mut Losses,
) -> Result<Conversation<'r>, Reason> {
    let messages = fields.messages.as_deref().unwrap_or_default();
    refuse(messages.is_empty(), Reason::NoMessages)?;
    let mut builder = Builder {
        target,
        losses,
        done: Conversation::default(),
        calls: Calls::new(target.capabilities.tool_ids),
        media: Media::default(),
        documents: 0,
        user_name: None,
        cache_points: 0,
        ends_blank: false,
        in_conversation: false,
    };
    if let Some(prefix) = target
        .system_prefix
        .as_deref()
        .filter(|text| !text.trim().is_empty())
    {
        builder
            .done
            .system
            .push(SystemBlock::Text(Text::Plain(Cow::Borrowed(prefix))));
    }
    for (index, message) in messages.iter().enumerate() {
        builder.message(index, message)?;
    }
    builder.finish()
}

struct Builder<'r, 'l> {
    target: &'r Target,
    losses: &'l mut Losses,
    done: Conversation<'r>,
    calls: Calls<'r>,
    media: Media,
    /// The documents of the last turn.
    documents: usize,
    /// The one name that users have so far.
    user_name: Option<Cow<'r, str>>,
    cache_points: usize,
    /// Whether the last message was a user's and blank.
    ends_blank: bool,
    /// Whether there was a message that is no system message.
    in_conversation: bool,
}

impl<'r> Builder<'r, '_> {
    fn message(&mut self, index: usize, message: &'r Message<'r>) -> Result<(), Reason> {
        let role = message.role.ok_or(Reason::Malformed)?;
        refuse(role == Role::Unknown, Reason::UnknownRole)?;
        refuse(message.unknown, Reason::UnknownField)?;
        refuse(message.audio.is_some(), Reason::AssistantAudio)?;
        let calls = message.tool_calls.is_some() || message.function_call.is_some();
        let assistants = calls || message.refusal.is_some();
        refuse(assistants && role != Role::Assistant, Reason::Malformed)?;
        refuse(
            message.tool_call_id.is_some() && role != Role::Tool,
            Reason::Malformed,
        )?;
        let replayed = message.reasoning.is_some()
            || message.reasoning_content.is_some()
            || message.annotations.is_some()
            || message.parsed.is_some();
        self.losses.add_if(replayed, Loss::ReplayedExtras);
        self.name(role, message);
        match role {
            Role::System | Role::Developer => return self.system(message),
            Role::User => self.user(message)?,
            Role::Assistant => self.assistant(index, message)?,
            Role::Tool => {
                let id = message.tool_call_id.ok_or(Reason::Malformed)?;
                self.result(message, &Answers::Call(id))?;
            }
            Role::Function => {
                let name = message.name.ok_or(Reason::Malformed)?;
                self.result(message, &Answers::Function(name))?;
            }
            Role::Unknown => return Err(Reason::UnknownRole),
        }
        self.in_conversation = true;
        Ok(())
    }

    /// Converse has no place for names. One name says little; several tell people apart.
    fn name(&mut self, role: Role, message: &Message<'r>) {
        // A function's name is how its result is matched.
        let Some(name) = message.name.filter(|_| role != Role::Function) else {
            return;
        };
        self.losses.add(Loss::Name);
        if role == Role::User {
            let name = name.decode();
            let other = self.user_name.as_ref().is_some_and(|first| *first != name);
            self.losses.add_if(other, Loss::Names);
            self.user_name.get_or_insert(name);
        }
    }

    fn system(&mut self, message: &'r Message<'r>) -> Result<(), Reason> {
        let content = message.content.as_ref().ok_or(Reason::Malformed)?;
        for (text, cache_breakpoint) in content::texts(content)? {
            self.losses
                .add_if(self.in_conversation, Loss::HoistedSystem);
            self.done
                .system
                .push(SystemBlock::Text(Text::Token(text.token())));
            if self.cache_point(cache_breakpoint) {
                self.done.system.push(SystemBlock::CachePoint(CachePoint));
            }
        }
        Ok(())
    }

    fn user(&mut self, message: &'r Message<'r>) -> Result<(), Reason> {
        let content = message.content.as_ref().ok_or(Reason::Malformed)?;
        let pieces = content::pieces(content)?;
        self.ends_blank = pieces.is_empty();
        if pieces.is_empty() {
            return Ok(());
        }
        refuse(self.calls.waits(), Reason::ToolHistory)?;
        let has_text = pieces
            .iter()
            .any(|piece| matches!(piece.kind, Kind::Text(_)));
        let mut blocks = Vec::with_capacity(pieces.len());
        for piece in pieces {
            blocks.push(match piece.kind {
                Kind::Text(text) => Block::Text(Text::Token(text.token())),
                Kind::Refusal(_) => return Err(Reason::Malformed),
                Kind::Image(image) => self.media.image(image, self.target, self.losses)?,
                Kind::File(file) => {
                    let block = self.media.file(file, self.target, self.losses)?;
                    // Bedrock wants words beside a document; ours would change the prompt.
                    refuse(!has_text, Reason::FileType)?;
                    block
                }
            });
            if self.cache_point(piece.cache_breakpoint) {
                blocks.push(Block::CachePoint(CachePoint));
            }
        }
        let documents = blocks
            .iter()
            .filter(|b| matches!(b, Block::Document(_)))
            .count();
        let mut turn = self.take_turn(Speaker::User);
        // Results come first. (Looking further would take too long: a turn may be made of a million
        // messages.)
        let beside_results = matches!(turn.content.first(), Some(Block::ToolResult(_)));
        turn.content.append(&mut blocks);
        self.done.turns.push(turn);
        self.documents += documents;
        refuse(self.documents > DOCUMENTS_MAX, Reason::FileSize)?;
        let mixed = self.target.capabilities.turns == Turns::Mixed;
        refuse(beside_results && !mixed, Reason::ToolHistory)
    }

    fn assistant(&mut self, index: usize, message: &'r Message<'r>) -> Result<(), Reason> {
        self.ends_blank = false;
        refuse(self.calls.waits(), Reason::ToolHistory)?;
        let mut blocks = Vec::new();
        for piece in message
            .content
            .as_ref()
            .map(content::pieces)
            .transpose()?
            .unwrap_or_default()
        {
            match piece.kind {
                Kind::Text(text) => blocks.push(Block::Text(Text::Token(text.token()))),
                Kind::Refusal(text) => self.refusal(text, &mut blocks),
                Kind::Image(_) | Kind::File(_) => return Err(Reason::Malformed),
            }
            if self.cache_point(piece.cache_breakpoint) {
                blocks.push(Block::CachePoint(CachePoint));
            }
        }
        if let Some(text) = message.refusal.filter(|text| !text.is_blank()) {
            self.refusal(text, &mut blocks);
        }
        let calls = self.calls.of(index, message)?;
        let called = !calls.is_empty();
        self.losses
            .add_if(message.function_call.is_some(), Loss::LegacyFunctions);
        blocks.extend(calls.into_iter().map(Block::ToolUse));
        if blocks.is_empty() {
            return Ok(());
        }
        let mut turn = self.take_turn(Speaker::Assistant);
        turn.content.append(&mut blocks);
        let pure = self.target.capabilities.turns == Turns::Pure;
        let beside_calls = called
            && pure
            && turn
                .content
                .iter()
                .any(|block| !matches!(block, Block::ToolUse(_)));
        self.done.turns.push(turn);
        refuse(beside_calls, Reason::ToolHistory)
    }

    fn refusal(&mut self, text: token::Text<'r>, blocks: &mut Vec<Block<'r>>) {
        self.losses.add(Loss::Refusal);
        blocks.push(Block::Text(Text::Token(text.token())));
    }

    /// A result, which belongs to a call of the turn before.
    fn result(&mut self, message: &'r Message<'r>, answers: &Answers<'r>) -> Result<(), Reason> {
        self.ends_blank = false;
        let texts = match (&message.content, answers) {
            (Some(content), _) => content::texts(content)?,
            // Only the content of the older kind may be null.
            (None, Answers::Function(_)) => Vec::new(),
            (None, Answers::Call(_)) => return Err(Reason::Malformed),
        };
        self.losses
            .add_if(texts.iter().any(|(_, cache)| *cache), Loss::PromptCache);
        let text =
            |(text, _): (token::Text<'r>, bool)| ResultBlock::Text(Text::Token(text.token()));
        let content: Vec<ResultBlock<'r>> = texts.into_iter().map(text).collect();
        if self.repeats(answers, &content) {
            return Ok(());
        }
        let tool_use_id = self.calls.answer(answers)?;
        let mut turn = self.take_turn(Speaker::User);
        turn.content.push(Block::ToolResult(ToolResult {
            tool_use_id,
            content,
        }));
        self.done.turns.push(turn);
        Ok(())
    }

    /// Whether this turn has the result already, word for word.
    fn repeats(&self, answers: &Answers<'r>, content: &[ResultBlock<'r>]) -> bool {
        let (Answers::Call(id), Some(turn)) = (answers, self.done.turns.last()) else {
            return false;
        };
        let id = self.calls.named(*id);
        // Results come first, and there are no more of them than there were calls.
        let mut results = turn.content.iter().map_while(|block| {
            if let Block::ToolResult(result) = block {
                Some(result)
            } else {
                None
            }
        });
        results.any(|result| result.tool_use_id == id && result.content == content)
    }

    /// Takes the last turn away, if it is this side's; else a new one. To be pushed again.
    fn take_turn(&mut self, role: Speaker) -> Turn<'r> {
        self.done
            .turns
            .pop_if(|turn| turn.role == role)
            .unwrap_or_else(|| {
                self.documents = 0;
                Turn {
                    role,
                    content: Vec::new(),
                }
            })
    }

    /// Whether a cache point goes here.
    fn cache_point(&mut self, asked: bool) -> bool {
        let possible = self.target.allow.contains(Allowance::PromptCache)
            && self.target.capabilities.cache != Cache::Unsupported
            && self.cache_points < POINTS_MAX;
        self.cache_points += usize::from(asked && possible);
        self.losses.add_if(asked && !possible, Loss::PromptCache);
        asked && possible
    }

    /// How the conversation begins and ends.
    fn finish(mut self) -> Result<Conversation<'r>, Reason> {
        refuse(self.calls.waits(), Reason::ToolHistory)?;
        let first = self.done.turns.first().map(|turn| turn.role);
        refuse(first != Some(Speaker::User), Reason::NoUserTurn)?;
        let allowed = self.target.allow.contains(Allowance::Prefill);
        let claude = self.target.capabilities.stop == StopRule::NotBlank;
        if let Some(last) = self
            .done
            .turns
            .last_mut()
            .filter(|t| t.role == Speaker::Assistant)
        {
            refuse(self.ends_blank, Reason::NoUserTurn)?;
            let possible = allowed && self.target.capabilities.prefill;
            refuse(!possible, Reason::AssistantPrefill)?;
            if claude {
                trim_last(last);
            }
        }
        self.done.called = self.calls.called;
        Ok(self.done)
    }
}

/// Claude refuses words to go on with that end in white space.
fn trim_last(turn: &mut Turn<'_>) {
    if let Some(Block::Text(Text::Token(token))) = turn.content.last()
        && let Some(text) = json::string(token)
    {
        let trimmed = Cow::Owned(text.trim_end().to_owned());
        turn.content.pop();
        turn.content.push(Block::Text(Text::Plain(trimmed)));
    }
}
