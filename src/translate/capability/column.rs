//! The columns of the capability table by name, so that a mapping can say otherwise.
//!
//! The table knows what was published; the operator may know better: of a model behind an ARN, of
//! one that is newer than the table, of a feature that a family has only where it is asked for. A
//! column is set by the texts of its name and of one of its values. Both sets are closed.

use super::{
    AnswerSchema, Cache, Capabilities, Choice, Effort, Reasoning, Sampling, SchemaRules, StopRule,
    ToolIds, Tools, Turns,
};

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    accepted: fn() -> String,
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

    /// What its values are, for people.
    pub fn accepted(&self) -> String {
        (self.accepted)()
    }

    /// Gives `capabilities` the value that `text` names; none if it names none.
    pub fn set(&self, capabilities: &mut Capabilities, text: &str) -> Option<()> {
        (self.set)(capabilities, text)
    }
}

/// Declares the columns; one that is forgotten does not compile.
macro_rules! columns {
    ($( $name:literal => $field:ident: $type:ty; )*) => {
        const COLUMNS: &[Column] = &[$(
            Column {
                name: $name,
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
    "system" => system: bool;
    "tools" => tools: Tools;
    "tool_choice" => choice: Choice;
    "single_call" => single_call: bool;
    "strict_tools" => strict_tools: bool;
    "tool_schema" => schema: SchemaRules;
    "json_schema" => answer_schema: AnswerSchema;
    "images" => images: bool;
    "documents" => documents: bool;
    "sampling" => sampling: Sampling;
    "stop" => stop: StopRule;
    "reasoning" => reasoning: Reasoning;
    "prefill" => prefill: bool;
    "turns" => turns: Turns;
    "tool_ids" => tool_ids: ToolIds;
    "cache" => cache: Cache;
    "max_output" => max_output: Option<u32>;
    "min_output" => min_output: u32;
}

/// What a column can hold.
trait Value: Sized {
    fn of(text: &str) -> Option<Self>;
    fn accepted() -> String;
}

impl Value for u32 {
    fn of(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|count| (1..=TOKENS_MAX).contains(count))
    }

    fn accepted() -> String {
        format!("a number of tokens from 1 to {TOKENS_MAX}")
    }
}

/// Far above what any model says, and within Bedrock's 32-bit integers.
const TOKENS_MAX: u32 = 10_000_000;

impl Value for Option<u32> {
    fn of(text: &str) -> Option<Self> {
        <u32 as Value>::of(text).map(Some)
    }

    fn accepted() -> String {
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

                fn accepted() -> String {
                    [$( $name, )*].join(", ")
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
            let accepted = column.accepted();
            let values: Vec<&str> = match accepted.split_once(" from 1 to ") {
                Some((_, most)) => vec!["1", most],
                None => accepted.split(", ").collect(),
            };
            assert!(values.len() > 1, "{column:?}");
            let mut made = Vec::new();
            for value in values {
                let mut capabilities = Family::of_model("").unwrap().capabilities();
                assert_eq!(column.set(&mut capabilities, value), Some(()), "{value}");
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
