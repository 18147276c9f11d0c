//! Shapes as JSON Schema, draft 7: the one that every editor's YAML support knows.
//!
//! An object keeps the order of its keys, so that the text is the same whatever crate is linked in.
//! Beside the standard there is `patternErrorMessage`, which editors show instead of the pattern.

use super::super::shape::{Entries, Shape, Text};
use super::{Key, Limit, Pairs, Tree, pattern};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// A JSON value whose objects keep their order.
#[derive(Clone, Debug)]
pub(super) enum Json {
    /// A value without objects of ours in it.
    Plain(Value),
    /// Several.
    List(Vec<Self>),
    /// Keys and values.
    Object(Vec<(String, Self)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// The keywords of one schema, in the order in which they are written.
#[derive(Default)]
struct Words(Vec<(String, Json)>);

impl Words {
    fn with(mut self, keyword: &str, value: Json) -> Self {
        self.0.push((keyword.to_owned(), value));
        self
    }

    fn plain(self, keyword: &str, value: impl Into<Value>) -> Self {
        self.with(keyword, Json::Plain(value.into()))
    }

    fn when(self, holds: bool, keyword: &str, value: impl Into<Value>) -> Self {
        if holds {
            self.plain(keyword, value)
        } else {
            self
        }
    }
}

/// The whole schema.
pub(super) fn root(tree: &Tree) -> Json {
    let words = Words::default()
        .plain("$schema", "http://json-schema.org/draft-07/schema#")
        .plain("title", "rollout.yaml of crossfade")
        .plain("description", TITLE)
        .plain("type", "object");
    Json::Object(keys(tree, "", words).0)
}

/// The schema of one key.
fn key(tree: &Tree, key: &Key) -> Json {
    let described = Words::default().plain("description", key.hover());
    let mut words = shape(tree, &key.path, &key.shape, described);
    if let Some(default) = &key.default {
        words = words.plain("default", default.clone());
    }
    if !key.examples.is_empty() {
        words = words.plain("examples", key.examples);
    }
    Json::Object(words.0)
}

/// What `shape` says, behind what `words` say already. `path` is where it is.
fn shape(tree: &Tree, path: &str, shape: &Shape, words: Words) -> Words {
    let told = |words: Words, pattern: String| {
        words
            .plain("pattern", pattern)
            .plain("patternErrorMessage", format!("accepted: {shape}"))
    };
    match shape {
        Shape::Duration(range) => told(words.plain("type", "string"), pattern::duration(range)),
        Shape::Share(range) => told(words.plain("type", "string"), pattern::share(range)),
        Shape::Size(range) => told(words.plain("type", "string"), pattern::size(range)),
        Shape::Percent(range) => {
            // No `multipleOf: 0.01` for the two decimals: many validators divide binary fractions, and
            // an editor would then refuse 5.13 too.
            let bound = |percent| serde_json::to_value(percent).unwrap_or_default();
            let words = words
                .plain("type", json!(["number", "string"]))
                .plain("minimum", bound(range.start()))
                .plain("maximum", bound(range.end()));
            told(words, pattern::percent(range))
        }
        Shape::Count(range) => whole(words.plain("type", "integer"), *range.start(), *range.end()),
        Shape::Tokens(range) => {
            let words = words.plain("type", json!(["integer", "string"]));
            told(
                whole(words, *range.start(), *range.end()),
                r"^\+?[0-9]+$".to_owned(),
            )
        }
        Shape::Fraction => words
            .plain("type", "number")
            .plain("minimum", 0)
            .plain("maximum", 1),
        Shape::Flag => words.plain("type", "boolean"),
        // YAML 1.1 takes `off` for false.
        Shape::Off => words.plain("enum", json!(["off", false])),
        Shape::Word(all) => words.plain("enum", written(all)),
        Shape::Text(it) => text(it, words),
        Shape::List { of, entries, most } => {
            let entry = self::shape(tree, &format!("{path}[]"), of, Words::default());
            let some = matches!(entries, Entries::Some | Entries::Rising);
            let once = matches!(entries, Entries::Once | Entries::Rising);
            words
                .plain("type", "array")
                .with("items", Json::Object(entry.0))
                .when(some, "minItems", 1)
                .plain("maxItems", *most)
                .when(once, "uniqueItems", true)
        }
        Shape::Named {
            name,
            of,
            least,
            most,
        } => {
            let value = self::shape(tree, &format!("{path}.{NAME}"), of, Words::default());
            let name = text(name, Words::default());
            words
                .plain("type", "object")
                .with("propertyNames", Json::Object(name.0))
                .when(*least > 0, "minProperties", *least)
                .plain("maxProperties", *most)
                .with("additionalProperties", Json::Object(value.0))
        }
        Shape::Either(shapes) => {
            let any = shapes
                .iter()
                .map(|shape| Json::Object(self::shape(tree, path, shape, Words::default()).0));
            words.with("anyOf", Json::List(any.collect()))
        }
        Shape::Section => keys(tree, path, words.plain("type", section_types(tree, path))),
    }
}

/// A section of fixed place may be empty, unless something in it is required.
fn section_types(tree: &Tree, path: &str) -> Value {
    let named = tree.keys.iter().any(|key| key.path == path);
    let rule = tree
        .keys
        .iter()
        .any(|key| key.path == path && matches!(key.shape, Shape::Either(_)));
    let needs = tree.children(path).any(|key| key.required);
    if named && !rule && !needs {
        json!(["object", "null"])
    } else {
        json!("object")
    }
}

/// The keys below `path`, and nothing else.
fn keys(tree: &Tree, path: &str, words: Words) -> Words {
    let properties = tree
        .children(path)
        .map(|child| (child.name().to_owned(), key(tree, child)))
        .collect();
    let required: Vec<&str> = tree
        .children(path)
        .filter(|child| child.required)
        .map(Key::name)
        .collect();
    let mut words = words
        .with("properties", Json::Object(properties))
        .when(!required.is_empty(), "required", required)
        .plain("additionalProperties", false);
    let mut never: Vec<Value> = Vec::new();
    for (_, limit) in tree.limits.iter().filter(|(of, _)| of == path) {
        match limit {
            Limit::ExactlyOne(names) => {
                let one: Vec<Value> = names
                    .iter()
                    .map(|name| json!({ "required": [name] }))
                    .collect();
                words = words.plain("oneOf", one);
            }
            Limit::NotBoth(Pairs(pairs)) => never.extend(
                pairs
                    .iter()
                    .map(|(one, other)| json!({ "required": [one, other] })),
            ),
        }
    }
    if never.is_empty() {
        words
    } else {
        words.plain("not", json!({ "anyOf": never }))
    }
}

fn text(text: &Text, words: Words) -> Words {
    let types = if text.number {
        json!(["string", "number"])
    } else {
        json!("string")
    };
    let words = words
        .plain("type", types)
        .plain("pattern", text.pattern)
        .plain(
            "patternErrorMessage",
            format!("accepted: {}", text.accepted),
        );
    match text.longest {
        Some(chars) => words.plain("maxLength", chars),
        None => words,
    }
}

fn whole(words: Words, min: u64, max: u64) -> Words {
    words.plain("minimum", min).plain("maximum", max)
}

/// Words as they may be written: `true` and `false` without quotes too.
fn written(words: &[&str]) -> Vec<Value> {
    let plain = words.iter().filter_map(|word| match *word {
        "true" => Some(json!(true)),
        "false" => Some(json!(false)),
        _ => None,
    });
    plain.chain(words.iter().map(|word| json!(word))).collect()
}

/// In paths, what stands for a name that the operator chooses.
pub(super) const NAME: &str = "NAME";

const TITLE: &str = "How crossfade moves an app's chat calls to Amazon Bedrock. Saved, the file \
                     takes effect within 2 s; with any mistake in it, it is refused whole.";
