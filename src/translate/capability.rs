//! What a Bedrock model can do, as far as a translation depends on it. Which model can do what is
//! in `table`; how a mapping says otherwise, in `column`.

mod column;
pub(super) mod table;

pub use column::{Accepted, Column};

/// What a model can do through ConverseStream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Takes system messages.
    pub system: bool,
    /// Takes tools.
    pub tools: Tools,
    /// Which choices of tools it knows.
    pub choice: Choice,
    /// Can be told to call at most one tool.
    pub single_call: bool,
    /// Takes `strict` tools.
    pub strict_tools: bool,
    /// What a tool's schema may hold.
    pub schema: SchemaRules,
    /// How an answer is held to a JSON schema.
    pub answer_schema: AnswerSchema,
    /// Takes images.
    pub images: bool,
    /// Takes PDF documents.
    pub documents: bool,
    /// Which sampling parameters it takes.
    pub sampling: Sampling,
    /// Which stop sequences it takes.
    pub stop: StopRule,
    /// How its reasoning is asked for.
    pub reasoning: Reasoning,
    /// Goes on with a last message of the assistant.
    pub prefill: bool,
    /// What may share a turn with tool calls and results.
    pub turns: Turns,
    /// What the ids of tool calls look like.
    pub tool_ids: ToolIds,
    /// Where cache points may be.
    pub cache: Cache,
    /// The most tokens that it can be asked for; none: not known.
    pub max_output: Option<u32>,
    /// The fewest tokens that it can be asked for.
    pub min_output: u32,
}

/// Whether a model takes tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tools {
    /// It does not.
    Unsupported,
    /// Only where the answer is not streamed; Bedrock's answers always are.
    NotStreamed,
    /// It does.
    Streamed,
}

/// Which choices of tools a model knows; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// The model decides.
    Auto,
    /// It must call one.
    Any,
    /// It must call that one.
    Named,
}

/// What a tool's schema may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaRules {
    /// References, but no alternatives at the top.
    Claude,
    /// No references, and no patterns that look around.
    Grok,
    /// No references; at the top only `type`, `properties` and `required`.
    Nova,
    /// No references.
    Plain,
}

/// How an answer is held to a JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSchema {
    /// `outputConfig.textFormat`.
    Native,
    /// By a tool that must be called.
    Tool,
    /// Not at all.
    Unsupported,
}

/// Which sampling parameters a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// `temperature` and `topP`, together too.
    Both,
    /// Either, not both.
    One,
    /// None but the default temperature, 1.
    Neither,
}

/// Which stop sequences a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRule {
    /// Any.
    Any,
    /// Those that are not only white space.
    NotBlank,
    /// None.
    Unsupported,
}

/// How a model's reasoning is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// It has none, or always the same.
    Fixed,
    /// `reasoning_effort`: low, medium, high.
    Effort,
    /// `reasoning.effort`, as OpenAI has it.
    OpenAi,
    /// Nova 2's `reasoningConfig`.
    Nova,
    /// Claude's adaptive `thinking` with an effort up to this.
    Adaptive(Effort),
    /// Claude's `thinking` with a budget of tokens.
    Budget,
}

/// How much to think, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Usually.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// As much as there is.
    Max,
}

/// What may share a turn with tool calls and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Text with both.
    Mixed,
    /// Text with calls, not with results.
    ResultsAlone,
    /// Nothing with either.
    Pure,
}

/// What the ids of tool calls look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolIds {
    /// `[a-zA-Z0-9_.:-]{1,64}`.
    Usual,
    /// Nine letters and digits.
    Nine,
}

/// Where cache points may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Nowhere.
    Unsupported,
    /// After blocks of system and messages.
    Points,
    /// After tools too.
    ToolsToo,
}
