//! The text of `rollout.yaml` as a tree: the one place that knows the YAML crate.
//!
//! A file that is no YAML is refused here, with its line. Everything else becomes a [`Node`], in
//! which a wrong type, an unknown key or a key written twice is still there to be reported: the
//! YAML crate alone would stop at the first. Text that is made to be slow is refused before it is
//! parsed, because a refused file is read again at every change.

use super::problems::Problem;
use serde::de;
use serde::de::DeserializeSeed;
use serde::de::IgnoredAny;
use serde::de::VariantAccess;
use std::cell::Cell;
use std::fmt;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Nothing behind the colon, or `null`.
    Nothing,
    /// `true` or `false`.
    Bool(bool),
    /// A number, in its shortest decimal notation.
    Number(String),
    /// Text, quoted or not.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// Keys and values.
    Map(Map),
    /// A value with a YAML tag, such as `!secret`.
    Tagged,
}

impl Node {
    /// What it says, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing
            | Self::Bool(_)
            | Self::Number(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Tagged => None,
        }
    }

    /// Its notation, if it is a number without quotes.
    pub(crate) fn number(&self) -> Option<&str> {
        match self {
            Self::Number(text) => Some(text),
            Self::Nothing
            | Self::Bool(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Tagged => None,
        }
    }
}

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Map {
    /// Each key's first value.
    pub(crate) entries: Vec<(String, Node)>,
    /// Keys that were written again.
    pub(crate) repeated: Vec<String>,
    /// Keys that are no text.
    pub(crate) odd: usize,
}

impl Map {
    /// The value of `key`.
    pub(crate) fn value(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }
}

/// Reads one YAML document.
///
/// # Errors
///
/// Where the text stops being YAML, or why it is not parsed at all.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    refuse_unfit(text)?;
    let left = Cell::new(NODES_MAX);
    let seed = Seed { left: &left };
    seed.deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| {
            if left.get() == 0 {
                let found = format!("more than {NODES_MAX} values, counting what aliases repeat");
                return Problem::new(WHOLE, found, "a file of ordinary size");
            }
            syntax(text, &error)
        })
}

/// The largest file that is parsed.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Refuses what the parser would take too long for (measured: the work per bracket or directive
/// grows with their number, up to seconds for a file of full size), and what editors leave behind.
fn refuse_unfit(text: &str) -> Result<(), Problem> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large());
    }
    if text.starts_with('\u{feff}') {
        let found = "a byte order mark";
        return Err(Problem::new(
            "line 1",
            found,
            "UTF-8 without a byte order mark",
        ));
    }
    let brackets = text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count();
    if brackets > BRACKETS_MAX {
        let found = format!("{brackets} opening brackets");
        return Err(Problem::new(
            WHOLE,
            found,
            format!("at most {BRACKETS_MAX}"),
        ));
    }
    match text.lines().position(|line| line.starts_with('%')) {
        Some(line) => {
            let path = format!("line {}", line + 1);
            Err(Problem::new(
                path,
                "a YAML directive (%)",
                "keys and values only",
            ))
        }
        None => Ok(()),
    }
}

/// A file above [`FILE_BYTES_MAX`].
pub(crate) fn too_large() -> Problem {
    let accepted = format!("at most {} KiB", FILE_BYTES_MAX / 1024);
    Problem::new(WHOLE, "a larger file", accepted)
}

/// A syntax error with its place. The line itself is not shown: it may hold a key.
fn syntax(text: &str, error: &serde_yaml::Error) -> Problem {
    let message = error.to_string();
    let found = in_words(message.split(" at line ").next().unwrap_or_default().trim());
    let Some(place) = error.location() else {
        return Problem::new(WHOLE, found, "one YAML document");
    };
    let path = format!("line {}, column {}", place.line(), place.column());
    let line = text
        .lines()
        .nth(place.line().saturating_sub(1))
        .unwrap_or_default();
    let margin = line.len() - line.trim_start().len();
    if line
        .get(..margin)
        .is_some_and(|margin| margin.contains('\t'))
    {
        return Problem::new(path, "a tab in the margin", "spaces");
    }
    let accepted = "YAML: `key: value`, the same margin within a section, quotes around a value \
                    with `: ` or ` #` in it";
    Problem::new(path, found, accepted)
}

/// The parser's commonest complaints, as what is there.
fn in_words(message: &str) -> String {
    if message == "did not find expected node content" {
        return "no value where one must be".to_owned();
    }
    if let Some(missing) = message.strip_prefix("did not find expected ") {
        return format!("no {missing} where one must be");
    }
    match message {
        "mapping values are not allowed in this context" => "a key where none can be".to_owned(),
        "could not find expected ':'" => "no ':' behind a key".to_owned(),
        "recursion limit exceeded" => "values nested too deep".to_owned(),
        "deserializing from YAML containing more than one document is not supported" => {
            "a second document (---)".to_owned()
        }
        other => other.strip_prefix("found ").unwrap_or(other).to_owned(),
    }
}

/// Reads a [`Node`], as long as there are any left.
#[derive(Clone, Copy)]
struct Seed<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(de::Error::custom("too many values")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut pairs: A) -> Result<Node, A::Error> {
        let mut map = Map::default();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(key) = pairs.next_key_seed(self)? {
            let value = pairs.next_value_seed(self)?;
            let key = match key {
                Node::Text(key) | Node::Number(key) => key,
                Node::Bool(key) => key.to_string(),
                Node::Nothing | Node::List(_) | Node::Map(_) | Node::Tagged => {
                    map.odd += 1;
                    continue;
                }
            };
            if seen.insert(key.clone()) {
                map.entries.push((key, value));
            } else {
                map.repeated.push(key);
            }
        }
        Ok(Node::Map(map))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        let (_, contents) = data.variant::<IgnoredAny>()?;
        contents.newtype_variant::<IgnoredAny>()?;
        Ok(Node::Tagged)
    }
}

/// The path of a mistake that is nowhere in particular.
pub(crate) const WHOLE: &str = "file";

/// Ten times a configuration with a thousand mapped models; an alias bomb passes it at once.
const NODES_MAX: usize = 20_000;

/// A thousand mapped models, written in braces, have half as many.
const BRACKETS_MAX: usize = 2_000;
