//! Which family of models can do what: one table, from AWS's page of supported features and from
//! what other clients of the service have learnt.
//!
//! A value that no source states is the careful one: the call stays with the original. Ids are
//! perishable, so rows match fragments of them; see [`family`](crate::translate::family).

use super::{
    AnswerSchema, Cache, Capabilities, Choice, Effort, Reasoning, Sampling, SchemaRules, StopRule,
    ToolIds, Tools, Turns,
};

/// One row: which ids it is for, and what they can do.
#[derive(Debug)]
pub(in crate::translate) struct Row {
    /// The family's name in configuration.
    pub(in crate::translate) name: &'static str,
    /// What its ids begin with after the vendor (or with it, if there is a dot); `*` at the end:
    /// whatever follows. Otherwise only a date or a version may follow.
    pub(in crate::translate) fragments: &'static [&'static str],
    pub(in crate::translate) capabilities: Capabilities,
}

/// An id that no row knows.
pub(in crate::translate) const UNKNOWN: Row = Row {
    name: "unknown",
    fragments: &[],
    capabilities: PLAIN,
};

/// The careful row: system and tools, nothing more.
const PLAIN: Capabilities = Capabilities {
    system: true,
    tools: Tools::Streamed,
    choice: Choice::Auto,
    single_call: false,
    strict_tools: false,
    schema: SchemaRules::Plain,
    answer_schema: AnswerSchema::Unsupported,
    images: false,
    documents: false,
    sampling: Sampling::Both,
    stop: StopRule::Any,
    reasoning: Reasoning::Fixed,
    prefill: false,
    turns: Turns::ResultsAlone,
    tool_ids: ToolIds::Usual,
    cache: Cache::Unsupported,
    max_output: None,
    min_output: 1,
};

impl Default for Capabilities {
    /// The careful row.
    fn default() -> Self {
        PLAIN
    }
}

/// What all models of Claude share.
const CLAUDE: Capabilities = Capabilities {
    choice: Choice::Named,
    single_call: true,
    schema: SchemaRules::Claude,
    answer_schema: AnswerSchema::Tool,
    images: true,
    documents: true,
    stop: StopRule::NotBlank,
    prefill: true,
    turns: Turns::Mixed,
    cache: Cache::ToolsToo,
    max_output: Some(64_000),
    ..PLAIN
};

/// Claude 4.5: the friendliest.
const CLAUDE_4_5: Capabilities = Capabilities {
    strict_tools: true,
    answer_schema: AnswerSchema::Native,
    sampling: Sampling::One,
    reasoning: Reasoning::Budget,
    ..CLAUDE
};

/// Claude 4.6: no prefill any more.
const CLAUDE_4_6: Capabilities = Capabilities {
    prefill: false,
    reasoning: Reasoning::Adaptive(Effort::High),
    ..CLAUDE_4_5
};

/// Claude 4.7 to 5: no sampling any more.
const CLAUDE_5: Capabilities = Capabilities {
    sampling: Sampling::Neither,
    reasoning: Reasoning::Adaptive(Effort::XHigh),
    prefill: false,
    max_output: Some(128_000),
    ..CLAUDE
};

/// Claude 5.5: thinks always, and cannot be forced to call a tool.
const CLAUDE_5_5: Capabilities = Capabilities {
    choice: Choice::Auto,
    answer_schema: AnswerSchema::Unsupported,
    ..CLAUDE_5
};

/// Nova of the first generation.
const NOVA: Capabilities = Capabilities {
    choice: Choice::Named,
    schema: SchemaRules::Nova,
    answer_schema: AnswerSchema::Tool,
    cache: Cache::Points,
    max_output: Some(10_000),
    ..PLAIN
};

/// Llama from 3.1 on.
const LLAMA: Capabilities = Capabilities {
    tools: Tools::NotStreamed,
    turns: Turns::Pure,
    max_output: Some(4096),
    ..PLAIN
};

/// Mistral Large.
const MISTRAL: Capabilities = Capabilities {
    tools: Tools::NotStreamed,
    choice: Choice::Any,
    tool_ids: ToolIds::Nine,
    max_output: Some(8192),
    ..PLAIN
};

/// A model that takes text only.
const TEXT: Capabilities = Capabilities {
    tools: Tools::Unsupported,
    max_output: Some(8192),
    ..PLAIN
};

/// Kimi K2.
const KIMI: Capabilities = Capabilities {
    reasoning: Reasoning::Effort,
    max_output: Some(16_384),
    ..PLAIN
};

/// GLM.
const GLM: Capabilities = Capabilities {
    choice: Choice::Any,
    answer_schema: AnswerSchema::Tool,
    reasoning: Reasoning::Effort,
    max_output: Some(8192),
    ..PLAIN
};

/// Qwen 3.
const QWEN: Capabilities = Capabilities {
    answer_schema: AnswerSchema::Native,
    max_output: Some(8192),
    ..PLAIN
};

/// OpenAI's own models on Bedrock.
const GPT: Capabilities = Capabilities {
    choice: Choice::Named,
    answer_schema: AnswerSchema::Tool,
    images: true,
    sampling: Sampling::Neither,
    stop: StopRule::Unsupported,
    reasoning: Reasoning::OpenAi,
    max_output: Some(128_000),
    min_output: 16,
    ..PLAIN
};

/// One row of the table.
const fn row(
    name: &'static str,
    fragments: &'static [&'static str],
    capabilities: Capabilities,
) -> Row {
    Row {
        name,
        fragments,
        capabilities,
    }
}

/// The table. The first row with a fragment that fits is the one: the more special ones come first,
/// and each vendor ends with a careful row for what is not known yet.
#[rustfmt::skip]
pub(in crate::translate) static ROWS: &[Row] = &[
    row("claude-3-7", &["claude-3-7*"], Capabilities { reasoning: Reasoning::Budget, ..CLAUDE }),
    row("claude-3-5", &["claude-3-5*"], Capabilities { max_output: Some(8192), ..CLAUDE }),
    row("claude-3", &["claude-3*"], Capabilities { max_output: Some(4096), ..CLAUDE }),
    row("claude-opus-4-1", &["claude-opus-4-1"], Capabilities { answer_schema: AnswerSchema::Tool, max_output: Some(32_000), ..CLAUDE_4_5 }),
    row("claude-opus-4", &["claude-opus-4"], Capabilities { reasoning: Reasoning::Budget, max_output: Some(32_000), ..CLAUDE }),
    row("claude-sonnet-4", &["claude-sonnet-4"], Capabilities { reasoning: Reasoning::Budget, ..CLAUDE }),
    row("claude-haiku-4-5", &["claude-haiku-4-5"], CLAUDE_4_5),
    row("claude-sonnet-4-5", &["claude-sonnet-4-5"], CLAUDE_4_5),
    row("claude-opus-4-5", &["claude-opus-4-5"], CLAUDE_4_5),
    row("claude-sonnet-4-6", &["claude-sonnet-4-6"], CLAUDE_4_6),
    row("claude-opus-4-6", &["claude-opus-4-6"], Capabilities { reasoning: Reasoning::Adaptive(Effort::Max), max_output: Some(128_000), ..CLAUDE_4_6 }),
    row("claude-opus-4-7", &["claude-opus-4-7"], CLAUDE_5),
    row("claude-opus-4-8", &["claude-opus-4-8"], CLAUDE_5),
    row("claude-sonnet-5", &["claude-sonnet-5"], CLAUDE_5),
    row("claude-opus-5", &["claude-opus-5"], CLAUDE_5),
    row("claude-haiku-5-5", &["claude-haiku-5-5"], CLAUDE_5),
    row("claude-sonnet-5-5", &["claude-sonnet-5-5"], CLAUDE_5_5),
    row("claude-opus-5-5", &["claude-opus-5-5"], CLAUDE_5_5),
    row("claude-fable-5", &["claude-fable-5", "claude-fable-5-1"], CLAUDE_5_5),
    row("claude", &["claude*"], Capabilities { reasoning: Reasoning::Fixed, max_output: Some(32_000), ..CLAUDE_5_5 }),

    row("nova-micro", &["nova-micro"], NOVA),
    row("nova-lite", &["nova-lite"], Capabilities { images: true, documents: true, ..NOVA }),
    row("nova-pro", &["nova-pro"], Capabilities { images: true, documents: true, ..NOVA }),
    row("nova-premier", &["nova-premier"], Capabilities { images: true, documents: true, ..NOVA }),
    row("nova-2-lite", &["nova-2-lite", "nova-2-pro"], Capabilities { images: true, documents: true, reasoning: Reasoning::Nova, max_output: Some(64_000), ..NOVA }),
    row("nova", &["nova*"], NOVA),

    row("llama4", &["llama4*"], Capabilities { images: true, max_output: Some(8192), ..LLAMA }),
    row("llama3-2-vision", &["llama3-2-11b*", "llama3-2-90b*"], Capabilities { images: true, ..LLAMA }),
    row("llama3-1", &["llama3-1*", "llama3-2*", "llama3-3*"], LLAMA),
    row("llama", &["llama*"], Capabilities { tools: Tools::Unsupported, max_output: Some(2048), ..LLAMA }),

    row("mistral-large-3", &["mistral-large-3*"], Capabilities { images: true, answer_schema: AnswerSchema::Native, max_output: Some(32_000), ..MISTRAL }),
    row("mistral-large", &["mistral-large-24*"], MISTRAL),
    row("mistral-7b", &["mistral-7b*", "mixtral*"], Capabilities { system: false, max_output: Some(4096), ..TEXT }),
    row("mistral", &["mistral.*"], Capabilities { choice: Choice::Auto, ..MISTRAL }),

    row("deepseek-r1", &["deepseek.r1*", "deepseek-r1*"], TEXT),
    row("deepseek-v3", &["deepseek.v3*", "deepseek-v3*"], Capabilities { choice: Choice::Any, answer_schema: AnswerSchema::Native, reasoning: Reasoning::Effort, max_output: Some(8192), ..PLAIN }),

    row("gpt-oss", &["gpt-oss*"], Capabilities { reasoning: Reasoning::Effort, max_output: Some(16_384), min_output: 16, ..PLAIN }),
    row("gpt", &["gpt-*"], GPT),
    row("grok", &["grok*"], Capabilities { schema: SchemaRules::Grok, images: false, reasoning: Reasoning::Fixed, max_output: None, ..GPT }),

    row("qwen3-vl", &["qwen3-vl*"], Capabilities { images: true, ..QWEN }),
    row("qwen3", &["qwen3*"], QWEN),

    row("kimi-k2-thinking", &["kimi-k2-thinking*"], Capabilities { answer_schema: AnswerSchema::Native, ..KIMI }),
    row("kimi-k2.5", &["kimi-k2.5*"], Capabilities { images: true, ..KIMI }),
    row("kimi-k2", &["kimi-k2*"], KIMI),
    row("kimi", &["kimi*"], Capabilities { sampling: Sampling::Neither, min_output: 16, ..KIMI }),

    row("glm-5.3", &["glm-5.3*"], Capabilities { choice: Choice::Named, ..GLM }),
    row("glm", &["glm*"], GLM),

    row("minimax-m2", &["minimax-m2*"], Capabilities { tools: Tools::NotStreamed, answer_schema: AnswerSchema::Native, max_output: Some(8192), ..PLAIN }),
    row("gemma-3", &["gemma-3*"], Capabilities { tools: Tools::Unsupported, answer_schema: AnswerSchema::Native, max_output: Some(8192), ..PLAIN }),
    row("nemotron", &["nemotron*"], Capabilities { tools: Tools::Unsupported, answer_schema: AnswerSchema::Native, max_output: Some(8192), ..PLAIN }),
    row("command-r", &["command-r*"], Capabilities { max_output: Some(4096), ..PLAIN }),
    row("jamba", &["jamba*"], Capabilities { max_output: Some(4096), ..PLAIN }),
    row("titan", &["titan*"], Capabilities { system: false, max_output: Some(3072), ..TEXT }),
];
