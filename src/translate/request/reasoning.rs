//! `reasoning_effort`: how much the model thinks.
//!
//! Each family has its own words. Where thinking is a switch (Claude, Nova 2) it stays off unless
//! the operator allows it: it changes price, speed, and which parameters the model takes. Where the
//! model thinks anyway, only how much is passed on.

use super::Losses;
use super::tools::Offer;
use crate::converse::request::{
    ConverseRequest, Effort as Sent, InferenceConfig, NovaReasoning, Number, Thinking,
};
use crate::openai::request::Fields;
use crate::openai::token::Text;
use crate::translate::capability::{Effort, Reasoning};
use crate::translate::{Allowance, Loss, Reason, Target};
use std::borrow::Cow;

/// Translates `reasoning_effort` into `body`.
pub(super) fn apply(
    fields: &Fields<'_>,
    target: &Target,
    offer: &Offer<'_>,
    called: &[Cow<'_, str>],
    body: &mut ConverseRequest<'_>,
    losses: &mut Losses,
) -> Result<(), Reason> {
    let Some(effort) = fields.reasoning_effort.map(Text::decode) else {
        return Ok(());
    };
    let effort = Effort::of(&effort).ok_or(Reason::Malformed)?;
    let config = &mut body.inference_config;
    let additional = &mut body.additional_model_request_fields;
    // A history from OpenAI has no signed thoughts, which Claude wants back beside its calls.
    let switchable = target.allow.contains(Allowance::Reasoning)
        && effort > Effort::None
        && !offer.forced
        && called.is_empty();
    let exact = match target.capabilities.reasoning {
        Reasoning::Fixed => effort <= Effort::Minimal,
        Reasoning::Effort => match effort {
            Effort::None => false,
            Effort::Minimal
            | Effort::Low
            | Effort::Medium
            | Effort::High
            | Effort::XHigh
            | Effort::Max => {
                let sent = effort.clamp(Effort::Low, Effort::High);
                additional.reasoning_effort = Some(sent.name());
                sent == effort
            }
        },
        Reasoning::OpenAi => {
            let sent = match effort {
                Effort::Minimal => Effort::Low,
                Effort::Max => Effort::XHigh,
                Effort::None | Effort::Low | Effort::Medium | Effort::High | Effort::XHigh => {
                    effort
                }
            };
            additional.reasoning = Some(Sent {
                effort: sent.name(),
            });
            sent == effort
        }
        Reasoning::Adaptive(most) if switchable && thinks_with(config) => {
            let sent = effort.clamp(Effort::Low, most);
            additional.thinking = Some(Thinking::Adaptive);
            additional.output_config = Some(Sent {
                effort: sent.name(),
            });
            sent == effort
        }
        Reasoning::Budget if switchable && thinks_with(config) => {
            let budget = budget(effort, config.max_tokens.unwrap_or_default());
            additional.thinking = budget.map(|budget_tokens| Thinking::Enabled { budget_tokens });
            budget.is_some()
        }
        Reasoning::Nova if switchable => {
            let sent = nova(effort, fields, config);
            additional.reasoning_config = Some(NovaReasoning {
                kind: "enabled",
                max_reasoning_effort: sent.name(),
            });
            sent == effort
        }
        // Off, which is as good as hardly.
        Reasoning::Adaptive(_) | Reasoning::Budget | Reasoning::Nova => effort <= Effort::Minimal,
    };
    losses.add_if(!exact, Loss::ReasoningEffort);
    Ok(())
}

/// Whether Claude can think with these parameters: its temperature is 1 then.
const fn thinks_with(config: &InferenceConfig<'_>) -> bool {
    config.top_p.is_none() && matches!(config.temperature, None | Some(Number::One))
}

/// The budget of Claude's thinking, in tokens: at least 1024, and below the cap of the answer, of
/// which it is a part. None if there is no room.
fn budget(effort: Effort, cap: u32) -> Option<u32> {
    let budget: u32 = match effort {
        Effort::None | Effort::Minimal | Effort::Low => BUDGET_MIN,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh => 8192,
        Effort::Max => 16_384,
    };
    (cap > BUDGET_MIN).then(|| budget.min(cap - 1))
}

/// The least that Claude takes.
const BUDGET_MIN: u32 = 1024;

/// What Nova 2 is told. At its highest it refuses caps and sampling, so that is asked for only
/// where the app sent none.
fn nova(effort: Effort, fields: &Fields<'_>, config: &mut InferenceConfig<'_>) -> Effort {
    let capped = fields.max_completion_tokens.is_some() || fields.max_tokens.is_some();
    let sampled = config.temperature.is_some() || config.top_p.is_some();
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => Effort::Low,
        Effort::Medium => Effort::Medium,
        Effort::High | Effort::XHigh | Effort::Max if capped || sampled => Effort::Medium,
        Effort::High | Effort::XHigh | Effort::Max => {
            config.max_tokens = None;
            Effort::High
        }
    }
}

impl Effort {
    const ALL: [Self; 7] = [
        Self::None,
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::XHigh,
        Self::Max,
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}
