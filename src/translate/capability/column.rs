//! The columns of the capability table by name, so that a mapping can say otherwise.
//!
//! The table knows what was published; the operator may know better: of a model behind an ARN, of
//! one that is newer than the table, of a feature that a family has only where it is asked for. A
//! column is set by the texts of its name and of one of its values. Both sets are closed. The same
//! texts show the table in the documentation.

use super::{
    AnswerSchema, Cache, Capabilities, Choice, Effort, Reasoning, Sampling, SchemaRules, StopRule,
    ToolIds, Tools, Turns,
};
use std::fmt;
use std::ops::RangeInclusive;

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    meaning: &'static str,
    accepted: fn() -> Accepted,
    value: fn(&Capabilities) -> String,
    set: fn(&mut Capabilities, &str) -> Option<()>,
}

impl Column {
    /// Every column.
    pub const fn all() -> &'static [Self] {
        COLUMNS
    }

    /// Its name in configuration.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it says of a model, for people.
    pub const fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// What it holds of `capabilities`, as [`set`](Self::set) takes it; empty: not known.
    pub fn value(&self, capabilities: &Capabilities) -> String {
        (self.value)(capabilities)
    }

    /// What its values are.
    pub fn accepted(&self) -> Accepted {
        (self.accepted)()
    }

    /// Gives `capabilities` the value that `text` names; none if it names none.
    pub fn set(&self, capabilities: &mut Capabilities, text: &str) -> Option<()> {
        (self.set)(capabilities, text)
    }
}

/// What the values of a column are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// These words.
    Words(&'static [&'static str]),
    /// So many tokens.
    Tokens(RangeInclusive<u32>),
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => f.write_str(&words.join(", ")),
            Self::Tokens(range) => {
                let (min, max) = (range.start(), range.end());
                write!(f, "a number of tokens from {min} to {max}")
            }
        }
    }
}

/// Declares the columns; one that is forgotten does not compile.
macro_rules! columns {
    ($( $name:literal => $field:ident: $type:ty, $meaning:literal; )*) => {
        const COLUMNS: &[Column] = &[$(
            Column {
                name: $name,
                meaning: $meaning,
                value: |capabilities| capabilities.$field.told(),
                accepted: <$type as Value>::accepted,
                set: |capabilities, text| {
                    capabilities.$field = <$type as Value>::of(text)?;
                    Some(())
                },
            },
        )*];

        const _: fn(Capabilities) = |capabilities| {
            let Capabilities { $( $field: _, )* } = capabilities;
        };
    };
}

columns! {
    "system" => system: bool,
        "takes system messages";
    "tools" => tools: Tools,
        "takes tools: in streamed answers, only in others, or not at all; Bedrock's answers are \
         always streamed";
    "tool_choice" => choice: Choice,
        "the choices of tools that it knows, each with those before it: the model decides, it \
         must call one, it must call that one";
    "single_call" => single_call: bool,
        "can be told to call at most one tool";
    "strict_tools" => strict_tools: bool,
        "takes `strict` tools";
    "tool_schema" => schema: SchemaRules,
        "what a tool's schema may hold: claude has references but no alternatives at the top; \
         grok, plain and nova have no references, grok no look-around patterns, nova only type, \
         properties and required at the top";
    "json_schema" => answer_schema: AnswerSchema,
        "how an answer is held to a JSON schema: by Bedrock, by a tool that must be called, or \
         not";
    "images" => images: bool,
        "takes images";
    "documents" => documents: bool,
        "takes PDF documents";
    "sampling" => sampling: Sampling,
        "takes temperature and top_p together, one of them, or neither";
    "stop" => stop: StopRule,
        "takes any stop sequence, those that are not blank, or none";
    "reasoning" => reasoning: Reasoning,
        "how its reasoning is asked for; fixed: it has none, or always the same";
    "prefill" => prefill: bool,
        "goes on with a last message of the assistant";
    "turns" => turns: Turns,
        "what may share a turn with tool calls and results: text with both, with calls only, or \
         nothing";
    "tool_ids" => tool_ids: ToolIds,
        "what the ids of tool calls look like: up to 64 characters, or nine";
    "cache" => cache: Cache,
        "where cache points may be";
    "max_output" => max_output: Option<u32>,
        "the most tokens that it can be asked for; empty: not known";
    "min_output" => min_output: u32,
        "the fewest tokens that it can be asked for";
}

/// What a column can hold.
trait Value: Sized {
    fn of(text: &str) -> Option<Self>;
    fn told(&self) -> String;
    fn accepted() -> Accepted;
}

impl Value for u32 {
    fn of(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|count| (1..=TOKENS_MAX).contains(count))
    }

    fn told(&self) -> String {
        self.to_string()
    }

    fn accepted() -> Accepted {
        Accepted::Tokens(1..=TOKENS_MAX)
    }
}

/// Far above what any model says, and within Bedrock's 32-bit integers.
const TOKENS_MAX: u32 = 10_000_000;

impl Value for Option<u32> {
    fn of(text: &str) -> Option<Self> {
        <u32 as Value>::of(text).map(Some)
    }

    fn told(&self) -> String {
        self.map_or_else(String::new, |count| count.told())
    }

    fn accepted() -> Accepted {
        <u32 as Value>::accepted()
    }
}

/// Declares the names of a column's values.
macro_rules! values {
    ($( $type:ty { $( $name:literal => $value:expr, )* } )*) => {
        $(
            impl Value for $type {
                fn of(text: &str) -> Option<Self> {
                    match text {
                        $( $name => Some($value), )*
                        _ => None,
                    }
                }

                fn told(&self) -> String {
                    let names = [$( ($name, $value), )*];
                    let found = names.iter().find(|(_, value)| value == self);
                    found.map_or_else(String::new, |(name, _)| (*name).to_owned())
                }

                fn accepted() -> Accepted {
                    Accepted::Words(&[$( $name, )*])
                }
            }
        )*
    };
}

values! {
    bool {
        "true" => true,
        "false" => false,
    }
    Tools {
        "streamed" => Tools::Streamed,
        "not_streamed" => Tools::NotStreamed,
        "none" => Tools::Unsupported,
    }
    Choice {
        "auto" => Choice::Auto,
        "any" => Choice::Any,
        "named" => Choice::Named,
    }
    SchemaRules {
        "claude" => SchemaRules::Claude,
        "grok" => SchemaRules::Grok,
        "nova" => SchemaRules::Nova,
        "plain" => SchemaRules::Plain,
    }
    AnswerSchema {
        "native" => AnswerSchema::Native,
        "tool" => AnswerSchema::Tool,
        "none" => AnswerSchema::Unsupported,
    }
    Sampling {
        "both" => Sampling::Both,
        "one" => Sampling::One,
        "neither" => Sampling::Neither,
    }
    StopRule {
        "any" => StopRule::Any,
        "not_blank" => StopRule::NotBlank,
        "none" => StopRule::Unsupported,
    }
    Reasoning {
        "fixed" => Reasoning::Fixed,
        "effort" => Reasoning::Effort,
        "openai" => Reasoning::OpenAi,
        "nova" => Reasoning::Nova,
        "budget" => Reasoning::Budget,
        "adaptive_high" => Reasoning::Adaptive(Effort::High),
        "adaptive_xhigh" => Reasoning::Adaptive(Effort::XHigh),
        "adaptive_max" => Reasoning::Adaptive(Effort::Max),
    }
    Turns {
        "mixed" => Turns::Mixed,
        "results_alone" => Turns::ResultsAlone,
        "pure" => Turns::Pure,
    }
    ToolIds {
        "usual" => ToolIds::Usual,
        "nine" => ToolIds::Nine,
    }
    Cache {
        "points" => Cache::Points,
        "tools_too" => Cache::ToolsToo,
        "none" => Cache::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::Family;

    #[track_caller]
    fn column(name: &str) -> &'static Column {
        Column::all().iter().find(|it| it.name() == name).unwrap()
    }

    #[test]
    fn every_value_that_is_told_is_taken_and_makes_a_difference() {
        for column in Column::all() {
            let values = match column.accepted() {
                Accepted::Tokens(range) => {
                    vec![range.start().to_string(), range.end().to_string()]
                }
                Accepted::Words(words) => words.iter().map(ToString::to_string).collect(),
            };
            assert!(values.len() > 1, "{column:?}");
            let mut made = Vec::new();
            for value in values {
                let mut capabilities = Family::of_model("").unwrap().capabilities();
                assert_eq!(column.set(&mut capabilities, &value), Some(()), "{value}");
                assert_eq!(column.value(&capabilities), value, "{column:?}");
                assert!(!made.contains(&capabilities), "{column:?}: {value}");
                made.push(capabilities);
            }
        }
    }

    #[test]
    fn what_is_no_value_changes_nothing() {
        for (name, value) in [
            ("images", "yes"),
            ("images", ""),
            ("tools", "true"),
            ("json_schema", "Native"),
            ("max_output", "0"),
            ("max_output", "10000001"),
            ("min_output", "1.5"),
        ] {
            let before = Family::of_model("").unwrap().capabilities();
            let mut after = before;
            assert_eq!(column(name).set(&mut after, value), None, "{name}: {value}");
            assert_eq!(after, before);
        }
    }
}
