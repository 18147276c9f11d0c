//! Caps, sampling and stop sequences.

use super::Losses;
use super::fields::{positive, refuse};
use crate::converse::request::{ConverseRequest, InferenceConfig, Number as Sent, Text};
use crate::openai::request::{Fields, Stop};
use crate::openai::token::Number;
use crate::translate::capability::{Sampling, StopRule};
use crate::translate::{Allowance, Fraction, Loss, Reason, Target};
use serde_json::value::RawValue;

/// `inferenceConfig`.
pub(super) fn config<'r>(
    fields: &'r Fields<'r>,
    target: &Target,
    losses: &mut Losses,
) -> Result<InferenceConfig<'r>, Reason> {
    let max_tokens = cap(fields, target, losses)?;
    let temperature = temperature(fields.temperature, target, losses)?;
    let top_p = top_p(fields.top_p)?;
    let mut config = InferenceConfig {
        max_tokens: Some(max_tokens),
        stop_sequences: stop_sequences(fields.stop.as_ref(), target)?,
        ..InferenceConfig::default()
    };
    let (temperature, top_p) = match (target.capabilities.sampling, temperature, top_p) {
        (Sampling::Both, temperature, top_p) => (temperature, top_p),
        (Sampling::One, Some(Temperature::One), Some(top_p)) => (None, Some(top_p)),
        (Sampling::One, Some(temperature), top_p) => {
            losses.add_if(top_p.is_some(), Loss::SamplingDropped);
            (Some(temperature), None)
        }
        (Sampling::One, None, top_p) => (None, top_p),
        // The default is what the model does anyway.
        (Sampling::Neither, None | Some(Temperature::One), None) => (None, None),
        (Sampling::Neither, _, _) => {
            let accepted = target.allow.contains(Allowance::SamplingConflict);
            refuse(!accepted, Reason::SamplingConflict)?;
            losses.add(Loss::SamplingDropped);
            (None, None)
        }
    };
    config.temperature = temperature.map(Temperature::sent);
    config.top_p = top_p.map(Sent::Token);
    Ok(config)
}

/// Adds the mapping's own values where the app sends none. A model that was switched to thinking takes
/// none, and one that takes a single parameter keeps the app's.
pub(super) fn fill<'r>(fields: &Fields<'_>, target: &'r Target, body: &mut ConverseRequest<'r>) {
    let additional = &body.additional_model_request_fields;
    let thinks = additional.thinking.is_some() || additional.reasoning_config.is_some();
    let sampled = fields.temperature.is_some() || fields.top_p.is_some();
    let takes = match target.capabilities.sampling {
        Sampling::Both => true,
        Sampling::One => !sampled,
        Sampling::Neither => false,
    };
    if thinks || !takes {
        return;
    }
    let own = |default: &'r Option<Fraction>| default.as_ref().map(|of| Sent::Token(of.token()));
    let config = &mut body.inference_config;
    if fields.temperature.is_none() {
        config.temperature = own(&target.defaults.temperature);
    }
    if fields.top_p.is_none() {
        config.top_p = own(&target.defaults.top_p);
    }
}

/// The cap: the app's, at most the model's; else the configured one.
fn cap(fields: &Fields<'_>, target: &Target, losses: &mut Losses) -> Result<u32, Reason> {
    let newer = fields.max_completion_tokens.map(positive).transpose()?;
    let older = fields.max_tokens.map(positive).transpose()?;
    let capabilities = &target.capabilities;
    let Some(asked) = newer.or(older) else {
        return Ok(target.max_tokens);
    };
    // More than asked for is not what was asked for.
    refuse(asked < capabilities.min_output, Reason::MaxTokens)?;
    let cap = capabilities
        .max_output
        .map_or(asked, |most| asked.min(most));
    losses.add_if(cap < asked, Loss::MaxTokensClamped);
    Ok(cap)
}

/// A temperature that Bedrock takes.
#[derive(Clone, Copy)]
enum Temperature<'r> {
    /// The default of OpenAI and of Claude.
    One,
    /// Another.
    Below(&'r RawValue),
}

impl<'r> Temperature<'r> {
    const fn sent(self) -> Sent<'r> {
        match self {
            Self::One => Sent::One,
            Self::Below(token) => Sent::Token(token),
        }
    }
}

fn temperature<'r>(
    number: Option<Number<'r>>,
    target: &Target,
    losses: &mut Losses,
) -> Result<Option<Temperature<'r>>, Reason> {
    let Some(number) = number else {
        return Ok(None);
    };
    let value = number.value();
    refuse(!(0.0..=2.0).contains(&value), Reason::Malformed)?;
    Ok(Some(if value < 1.0 {
        Temperature::Below(number.token())
    } else if value > 1.0 {
        let accepted = target.allow.contains(Allowance::TemperatureClamp);
        refuse(!accepted, Reason::TemperatureRange)?;
        losses.add(Loss::TemperatureClamped);
        Temperature::One
    } else {
        Temperature::One
    }))
}

/// `top_p`, unless it is 1, which does nothing.
fn top_p<'r>(number: Option<Number<'r>>) -> Result<Option<&'r RawValue>, Reason> {
    let Some(number) = number else {
        return Ok(None);
    };
    let value = number.value();
    refuse(!(0.0..=1.0).contains(&value), Reason::Malformed)?;
    Ok((value < 1.0).then(|| number.token()))
}

/// The most stop sequences that OpenAI takes.
const STOPS_MAX: usize = 4;

fn stop_sequences<'r>(stop: Option<&Stop<'r>>, target: &Target) -> Result<Vec<Text<'r>>, Reason> {
    let all = match stop {
        None => &[][..],
        Some(Stop::One(text)) => std::slice::from_ref(text),
        Some(Stop::Many(texts)) => texts.as_slice(),
    };
    refuse(all.len() > STOPS_MAX, Reason::Malformed)?;
    let mut texts = Vec::new();
    for text in all.iter().filter(|text| !text.escaped().is_empty()) {
        let refused = match target.capabilities.stop {
            StopRule::Any => false,
            StopRule::NotBlank => text.is_blank(),
            StopRule::Unsupported => true,
        };
        refuse(refused, Reason::StopUnsupported)?;
        texts.push(Text::Token(text.token()));
    }
    Ok(texts)
}
