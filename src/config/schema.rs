//! What `rollout.yaml` may say: as JSON Schema for editors, and key by key for the reference.
//!
//! There is no second list of the keys. The resolver reads a file that reaches every place, and
//! each section notes the keys that it is asked for, with the shape of their reader and their
//! default. Only what keys mean is written down here ([`words`]); tests see to it that every key has
//! its words and that no words are left over.
//!
//! The schema accepts whatever the resolver accepts, so that no editor complains of a good file. It
//! is milder in what a schema cannot say: sums of durations, what several keys say together, and
//! what the environment holds.

use super::Config;
use super::resolve;
use super::section::{Sink, join};
use super::shape::Shape;
use serde_json::Value;

mod json;
mod pattern;
mod words;

#[cfg(test)]
pub(crate) mod judge;
#[cfg(test)]
mod tests;

/// One key of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where it is: `rollout.percent`; `[]` is any entry of a list, `NAME` any mapped model.
    pub path: String,
    /// What it may be.
    pub shape: Shape,
    /// What holds without it; none: nothing does, or its words say it.
    pub default: Option<Value>,
    /// Whether its section must have it.
    pub required: bool,
    /// What it means.
    pub words: &'static str,
    /// What it may look like, where the default does not show it.
    pub examples: &'static [&'static str],
    /// Whether a new value takes a restart.
    pub restart: bool,
}

/// What the keys of one section may not be together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// One of them must be there, and one only.
    ExactlyOne(&'static [&'static str]),
    /// Not both keys of any pair.
    NotBoth(Pairs),
}

/// Pairs of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs(pub &'static [(&'static str, &'static str)]);

/// What a section was asked for, while somebody takes notes.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) section: String,
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) default: Option<Value>,
    pub(super) required: bool,
}

/// Every note of one reading.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) keys: Vec<Note>,
    pub(super) limits: Vec<(String, Limit)>,
}

/// Every key in the order of the example, and what sections limit.
struct Tree {
    keys: Vec<Key>,
    limits: Vec<(String, Limit)>,
}

/// Every key of the file, in the order in which the example has them.
pub fn keys() -> Vec<Key> {
    tree().keys
}

/// The JSON Schema of the file, with a line break at the end.
pub fn json() -> String {
    // What is made of strings and numbers can be written.
    let text = serde_json::to_string_pretty(&json::root(&tree())).unwrap_or_default();
    text + "\n"
}

fn tree() -> Tree {
    let sink = Sink::noting();
    resolve::note_all(&sink);
    let Notes { keys, limits } = sink.into_notes();
    let mut keys: Vec<Key> = keys.into_iter().map(Key::new).collect();
    // One without words comes last, and fails a test.
    let place = |key: &Key| words::all().position(|(path, _, _)| *path == key.path);
    let place = |key: &Key| place(key).unwrap_or(usize::MAX);
    keys.sort_by_key(place);
    let limits = limits
        .into_iter()
        .map(|(section, limit)| (general(&section), limit))
        .collect();
    Tree { keys, limits }
}

impl Tree {
    /// The keys of the section `path`.
    fn children(&self, path: &str) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.section() == path)
    }
}

impl Key {
    fn new(note: Note) -> Self {
        let path = general(&join(&note.section, note.key));
        let told = words::all().find(|(of, _, _)| *of == path);
        let (_, words, examples) = told.copied().unwrap_or_default();
        Self {
            restart: Config::restart_keys().any(|key| key == path),
            path,
            shape: note.shape,
            default: note.default,
            required: note.required,
            words,
            examples,
        }
    }

    /// The key alone.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The path of the section that it is in; empty for the file itself.
    pub fn section(&self) -> &str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    /// What an editor shows: the words, and what the shape says for a person.
    fn hover(&self) -> String {
        // Editors take it for plain text.
        let mut text = self.words.replace('`', "");
        let told = match &self.shape {
            Shape::Section | Shape::Either(_) | Shape::List { .. } | Shape::Named { .. } => None,
            shape => Some(shape.to_string()),
        };
        if let Some(accepted) = told {
            text = format!("{text}\n\nAccepted: {accepted}.");
        }
        if let Some(default) = &self.default {
            let default = match default {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            text = format!("{text}\n\nDefault: {default}");
        }
        if self.restart {
            text += "\n\nA new value takes a restart.";
        }
        text
    }
}

/// A path of the file that was read, as a path of any file.
fn general(path: &str) -> String {
    path.replace("[0]", "[]")
}

/// A file that reaches every place: what is read only where something is there is there.
pub(super) const EVERYWHERE: &str = "\
bedrock: { models: { NAME: { model: amazon.nova-lite-v1:0 } } }
rollout: { gates: [ { webhook: 'http://localhost' } ] }
callers: {}
notify: [ {} ]
traces: {}
";
