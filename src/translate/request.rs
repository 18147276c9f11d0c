//! Whether Bedrock can honour a call, and with what body.
//!
//! One reading of the field tables, in a fixed order, so that a call has one reason:
//!
//! 1. top-level keys: Azure's own, then unknown ones (`fields`);
//! 2. fields that have no counterpart, in the order of the API reference (`fields`);
//! 3. caps, sampling and stop sequences (`sampling`);
//! 4. the form of the answer (`format`);
//! 5. tools: names and schemas, then the choice, then parallel calls (`tools`);
//! 6. the messages, first to last (`conversation`): role, keys, parts, calls and results; then how
//!    the conversation begins and ends;
//! 7. what concerns tools and conversation together, and whether the model can stream tools;
//! 8. what would be lost and the operator refuses to lose.
//!
//! Nothing is dropped that could change what the answer means. What is dropped or changed without
//! that is a [`Loss`].

mod cache;
mod content;
mod conversation;
mod fields;
mod format;
mod json;
mod media;
mod reasoning;
mod sampling;
mod schema;
mod tools;

use super::capability::Tools;
use super::{Allowance, Loss, Mode, Reason, ReplyShape, Target};
use crate::converse::request::{ConverseRequest, SystemBlock, Text};
use crate::openai::ChatRequest;
use format::Format;
use std::borrow::Cow;
use tools::Offer;

#[cfg(any(test, fuzzing))]
pub(crate) use json::is_sound;

/// Decides whether `target` can honour `request`.
///
/// # Errors
///
/// The reason why not; of several, the first in the order that the module documents.
pub fn eligible<'r>(
    request: &'r ChatRequest<'r>,
    target: &'r Target,
) -> Result<Eligible<'r>, Reason> {
    let fields = request.fields();
    let mut losses = Losses::default();
    fields::check(fields, target, &mut losses)?;
    let mut body = ConverseRequest {
        inference_config: sampling::config(fields, target, &mut losses)?,
        service_tier: fields::service_tier(fields, target, &mut losses)?,
        request_metadata: fields::metadata(fields, target, &mut losses)?,
        ..ConverseRequest::default()
    };
    let format = format::translate(fields, target, &mut losses)?;
    let mut offer = tools::offer(fields, target, &mut losses)?;
    let conversation = conversation::translate(fields, target, &mut losses)?;
    body.system = conversation.system;
    body.messages = conversation.turns;

    let mut mode = if fields.functions.is_some() {
        Mode::LegacyFunction
    } else {
        Mode::Tools
    };
    match format {
        Format::Text => {}
        Format::JsonObject => {
            body.system
                .push(SystemBlock::Text(Text::Plain(Cow::Borrowed(
                    format::JSON_SENTENCE,
                ))));
            mode = Mode::JsonText;
        }
        Format::Native(config) => body.output_config = Some(config),
        // A history of calls needs the tools of the app; those and this one do not mix.
        Format::Tool(_) if !conversation.called.is_empty() => {
            return Err(Reason::ToolHistoryWithoutTools);
        }
        Format::Tool(spec) => {
            offer = Offer::forced(spec);
            mode = Mode::SchemaTool;
        }
    }
    offer.check_history(&conversation.called)?;
    if !target.capabilities.system && !body.system.is_empty() {
        return Err(Reason::SystemPosition);
    }
    if offer.config.is_some() && target.capabilities.tools != Tools::Streamed {
        return Err(Reason::StreamToolsUnsupported);
    }
    reasoning::apply(
        fields,
        target,
        &offer,
        &conversation.called,
        &mut body,
        &mut losses,
    )?;
    sampling::fill(fields, target, &mut body);
    body.additional_model_request_fields.tool_choice = offer.native_choice;
    body.tool_config = offer.config;
    if target.allow.contains(Allowance::PromptCache) {
        cache::mark(target, &mut body);
    }
    let refused = losses.0.iter().find(|loss| target.refuse.contains(**loss));
    if let Some(loss) = refused {
        return Err(loss.reason());
    }
    let shape = ReplyShape {
        model: request.model().to_owned(),
        stream: request.stream(),
        include_usage: request.include_usage(),
        service_tier: fields.service_tier.is_some(),
        own_cap: fields.max_completion_tokens.is_none() && fields.max_tokens.is_none(),
        mode,
        reasoning: target.allow.contains(Allowance::ReasoningContent),
        strip_thinking: target.allow.contains(Allowance::StripThinking),
    };
    Ok(Eligible {
        app_bytes: request.body_bytes(),
        body,
        losses: losses.0,
        shape,
    })
}

/// A call that Bedrock can honour.
#[derive(Debug)]
pub struct Eligible<'r> {
    /// How long the app's body is.
    app_bytes: usize,
    body: ConverseRequest<'r>,
    losses: Vec<Loss>,
    shape: ReplyShape,
}

impl Eligible<'_> {
    /// The body to send; equal requests give equal bytes.
    pub fn converse_body(&self) -> Vec<u8> {
        // Most of it is the app's own text: one allocation, not twenty.
        let mut json = Vec::with_capacity(self.app_bytes + ADDED_BYTES);
        // Cannot fail: there is no map whose keys are no strings.
        let _ = serde_json::to_writer(&mut json, &self.body);
        json
    }

    /// What is lost on the way, each once, for counting.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// What the answer must look like.
    pub fn shape(&self) -> ReplyShape {
        self.shape.clone()
    }
}

/// What a short body grows by: caps, and the names of blocks.
const ADDED_BYTES: usize = 256;

/// The losses of one translation.
#[derive(Debug, Default)]
struct Losses(Vec<Loss>);

impl Losses {
    fn add(&mut self, loss: Loss) {
        if !self.0.contains(&loss) {
            self.0.push(loss);
        }
    }

    fn add_if(&mut self, lost: bool, loss: Loss) {
        if lost {
            self.add(loss);
        }
    }
}
