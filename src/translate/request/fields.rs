//! Top-level fields that have no counterpart: some change the answer, and the call stays; the
//! others do not, and are dropped.

use super::Losses;
use super::json::{self, Members};
use crate::converse::request::{Pair, Tier};
use crate::openai::request::Fields;
use crate::openai::token::{Number, Text};
use crate::translate::{Allowance, Loss, Reason, Target};

/// Checks the fields that need nothing but themselves.
pub(super) fn check(
    fields: &Fields<'_>,
    target: &Target,
    losses: &mut Losses,
) -> Result<(), Reason> {
    let azure = fields.data_sources.is_some()
        || fields.user_security_context.is_some()
        || fields.enhancements.is_some();
    refuse(azure, Reason::AzureExtension)?;
    refuse(fields.unknown, Reason::UnknownField)?;
    if let Some(options) = &fields.stream_options {
        refuse(options.unknown, Reason::UnknownField)?;
        refuse(fields.stream != Some(true), Reason::Malformed)?;
    }
    refuse(
        fields.n.map(positive).transpose()?.is_some_and(|n| n > 1),
        Reason::NGt1,
    )?;
    refuse(fields.logprobs == Some(true), Reason::Logprobs)?;
    refuse(
        fields.top_logprobs.is_some_and(|n| n.value() != 0.0),
        Reason::Logprobs,
    )?;
    if let Some(biases) = fields.logit_bias {
        refuse(!biases.is_object(), Reason::Malformed)?;
        refuse(!json::is_empty_object(biases), Reason::LogitBias)?;
    }
    let penalised = [fields.frequency_penalty, fields.presence_penalty]
        .iter()
        .any(|penalty| penalty.is_some_and(|penalty| penalty.value() != 0.0));
    refuse(
        penalised && !target.allow.contains(Allowance::Penalty),
        Reason::Penalty,
    )?;
    losses.add_if(penalised, Loss::Penalty);
    modalities(fields)?;
    refuse(fields.audio.is_some(), Reason::AudioOutput)?;
    refuse(fields.store == Some(true), Reason::Store)?;
    refuse(fields.moderation.is_some(), Reason::Moderation)?;
    refuse(fields.web_search_options.is_some(), Reason::WebSearch)?;
    dropped(fields, losses)
}

/// Counts what is dropped: it steers cost, speed or book-keeping, or no more than the style.
fn dropped(fields: &Fields<'_>, losses: &mut Losses) -> Result<(), Reason> {
    losses.add_if(fields.seed.is_some(), Loss::Seed);
    losses.add_if(fields.prediction.is_some(), Loss::Prediction);
    losses.add_if(
        fields.user.is_some() || fields.safety_identifier.is_some(),
        Loss::User,
    );
    let cache = fields.prompt_cache_key.is_some()
        || fields.prompt_cache_options.is_some()
        || fields.prompt_cache_retention.is_some();
    losses.add_if(cache, Loss::PromptCache);
    match fields.verbosity.map(Text::decode).as_deref() {
        None | Some("medium") => {}
        Some("low" | "high") => losses.add(Loss::Verbosity),
        Some(_) => return Err(Reason::Malformed),
    }
    Ok(())
}

fn modalities(fields: &Fields<'_>) -> Result<(), Reason> {
    for modality in fields.modalities.as_deref().unwrap_or_default() {
        match &*modality.decode() {
            "text" => {}
            "audio" => return Err(Reason::AudioOutput),
            _ => return Err(Reason::UnknownField),
        }
    }
    Ok(())
}

/// The queue: the usual one, unless the operator says that the target has others.
pub(super) fn service_tier(
    fields: &Fields<'_>,
    target: &Target,
    losses: &mut Losses,
) -> Result<Option<Tier>, Reason> {
    let kind = match fields.service_tier.map(Text::decode).as_deref() {
        None | Some("auto" | "default") => return Ok(None),
        Some("flex") => Some("flex"),
        Some("priority" | "fast") => Some("priority"),
        Some("scale") => None,
        Some(_) => return Err(Reason::UnknownField),
    };
    let tier = kind
        .filter(|_| target.allow.contains(Allowance::ServiceTier))
        .map(|kind| Tier { kind });
    losses.add_if(tier.is_none(), Loss::ServiceTier);
    Ok(tier)
}

/// Labels for the invocation log, where the operator wants them there. What breaks Bedrock's bounds
/// is left out: labels change no answer.
pub(super) fn metadata<'r>(
    fields: &Fields<'r>,
    target: &Target,
    losses: &mut Losses,
) -> Result<Vec<Pair<'r>>, Reason> {
    let Some(metadata) = fields.metadata else {
        return Ok(Vec::new());
    };
    refuse(!json::is_sound(metadata.token()), Reason::Malformed)?;
    let members = Members::of(metadata.token()).ok_or(Reason::Malformed)?;
    if !target.allow.contains(Allowance::Metadata) {
        losses.add_if(!members.0.is_empty(), Loss::Metadata);
        return Ok(Vec::new());
    }
    let mut pairs: Vec<Pair<'r>> = Vec::new();
    for (key, value) in members.0 {
        let value = json::string(value).ok_or(Reason::Malformed)?;
        if pairs.len() < METADATA_MAX && !key.is_empty() && is_label(&key) && is_label(&value) {
            pairs.push((key, value));
        } else {
            losses.add(Loss::Metadata);
        }
    }
    Ok(pairs)
}

/// The most pairs of `requestMetadata`.
const METADATA_MAX: usize = 16;

/// What Bedrock takes as a key or value of `requestMetadata`.
fn is_label(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || "_:@$#=/+,-.".contains(c);
    text.len() <= 256 && text.chars().all(allowed)
}

/// An integer of at least 1 that fits Bedrock's.
pub(super) fn positive(number: Number<'_>) -> Result<u32, Reason> {
    match number.token().get().parse::<i32>() {
        Ok(value) if value >= 1 => Ok(value.unsigned_abs()),
        Ok(_) | Err(_) => Err(Reason::Malformed),
    }
}

/// The reason, if it holds.
pub(super) const fn refuse(holds: bool, reason: Reason) -> Result<(), Reason> {
    if holds { Err(reason) } else { Ok(()) }
}
