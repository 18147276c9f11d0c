//! The tokens of an answer, counted as OpenAI counts them.

use crate::converse::event::Usage;
use serde::Serialize;

/// `usage` of an answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReplyUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    audio_tokens: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl From<Usage> for ReplyUsage {
    /// Bedrock counts cached tokens apart from `inputTokens`, OpenAI inside `prompt_tokens`. Where
    /// Bedrock's total says more than its parts, the total is right: some models leave parts out.
    /// Reasoning tokens are part of the output there too, and `TokenUsage` of the service model has
    /// no field of their own: 0, because an estimate would be an invention.
    fn from(usage: Usage) -> Self {
        let parts = usage
            .input_tokens
            .saturating_add(usage.cache_read_input_tokens)
            .saturating_add(usage.cache_write_input_tokens);
        let prompt_tokens = parts.max(usage.total_tokens.saturating_sub(usage.output_tokens));
        Self {
            prompt_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: prompt_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cache_read_input_tokens,
                cache_write_tokens: usage.cache_write_input_tokens,
                audio_tokens: 0,
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: 0,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_part_of_the_prompt() {
        let usage = ReplyUsage::from(Usage {
            input_tokens: 5,
            output_tokens: 7,
            total_tokens: 107,
            cache_read_input_tokens: 90,
            cache_write_input_tokens: 5,
        });
        assert_eq!((usage.prompt_tokens, usage.total_tokens), (100, 107));
        assert_eq!(usage.prompt_tokens_details.cached_tokens, 90);
        assert_eq!(usage.prompt_tokens_details.cache_write_tokens, 5);
    }

    #[test]
    fn a_larger_total_wins_and_none_is_no_zero() {
        let of = |total_tokens| {
            let usage = Usage {
                input_tokens: 5,
                output_tokens: 7,
                total_tokens,
                ..Usage::default()
            };
            ReplyUsage::from(usage).prompt_tokens
        };
        assert_eq!(of(112), 105);
        assert_eq!(of(0), 5);
        assert_eq!(of(u64::MAX), u64::MAX - 7);
    }
}
