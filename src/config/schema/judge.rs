//! Judges a configuration as an editor does: by the schema and a validator of somebody else's.

use crate::config::values;
use serde_json::{Map, Value};
use std::sync::LazyLock;

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&super::json()).expect("the schema is JSON");
    jsonschema::draft7::new(&schema).expect("the schema is one")
});

/// What an editor says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Nothing.
    Fits,
    /// What is wrong with it.
    Refused(String),
    /// Nothing either: it is no YAML, or has what JSON has no words for.
    NotJson,
}

/// Judges a file.
pub(crate) fn judge(text: &str) -> Judged {
    let file = serde_yaml::from_str::<serde_yaml::Value>(text).ok();
    let Some(file) = file.as_ref().and_then(as_json) else {
        return Judged::NotJson;
    };
    let found: Vec<String> = VALIDATOR
        .iter_errors(&file)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if found.is_empty() {
        Judged::Fits
    } else {
        Judged::Refused(found.join("\n"))
    }
}

/// Whether a message of the resolver's is about something that a schema cannot say.
pub(crate) fn is_beyond(line: &str) -> bool {
    let found = line.split_once(": found ").map_or("", |(_, rest)| rest);
    let (found, accepted) = found.split_once("; accepted: ").unwrap_or((found, ""));
    let number = found.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let as_text = number && AS_TEXT.iter().any(|start| accepted.starts_with(start));
    let decimals = number && accepted == values::PERCENT && found.contains('.');
    let odd_duration = accepted.starts_with("a duration ") && !is_simple(found);
    let tokens = accepted.starts_with("a number of tokens") && found.starts_with('"');
    let together = BEYOND.iter().any(|words| line.contains(words));
    as_text || decimals || odd_duration || tokens || together
}

/// One number and one unit of those that patterns hold to a range; or no duration at all.
fn is_simple(found: &str) -> bool {
    let text = found.trim_matches('"').trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let fine = ["ns", "nsec", "nanos", "us", "usec", "µs"].contains(&unit);
    let several = unit.contains(|c: char| c.is_ascii_digit() || c == '.');
    digits == 0 || !fine && !several
}

/// A number is fine as text; which numbers are is not said.
const AS_TEXT: [&str; 6] = [
    "a host name",
    "an AWS region",
    "text of",
    "the path of",
    "a Bedrock model id",
    "the name of a model family",
];

/// What several keys or the environment say together, what only other code than ours knows, and
/// finer points of URLs.
const BEYOND: [&str; 28] = [
    "line ",
    "file: found ",
    "(environment)",
    "in crossfade's environment",
    "${ without a variable's name",
    "at most timeouts.total",
    "at most limits.buffered",
    "twice rollback.",
    "without callers",
    "the key a second time",
    "a port that listen has not",
    "another address than crossfade's own",
    "accepted: another file",
    "step_back only with",
    "this model takes",
    "native or none; or tool",
    "more than max_output",
    "set `family`",
    "no model that answers chat calls",
    "or the id of a model of that family",
    "a rising list of percentages",
    "each gate once",
    "the hash of nothing at all",
    "found another URL",
    "fewer than 16 characters",
    "a file of mode 0600",
    "a host name, IPv4 address or [IPv6] address",
    "a path of /segments",
];

/// The file in JSON; none where there is no such thing (`.nan`, tags, lists as keys).
fn as_json(value: &serde_yaml::Value) -> Option<Value> {
    use serde_yaml::Value as Yaml;
    Some(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(*value),
        Yaml::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => serde_json::Number::from_f64(number.as_f64()?)?.into(),
        },
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Sequence(values) => {
            Value::Array(values.iter().map(as_json).collect::<Option<Vec<_>>>()?)
        }
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let key = match as_json(key)? {
                    Value::String(key) => key,
                    Value::Bool(key) => key.to_string(),
                    Value::Number(key) => key.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                };
                map.insert(key, as_json(value)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(_) => return None,
    })
}
