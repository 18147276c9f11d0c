//! Takes a [`Node`] tree apart, key by key, and remembers every mistake on the way.
//!
//! A [`Section`] is one map of the file. Each key is asked for once, with a default and a parser; a
//! value that does not parse is noted and the default stands in for it, so that the rest is still
//! read. Keys that nobody asked for are mistakes too. [`Sink`] collects everything and turns it
//! into [`Problems`] at the end; one that takes notes knows what each key may be as well.

use super::problems::PROBLEMS_MAX;
use super::problems::Problem;
use super::problems::Problems;
use super::problems::REPEATED;
use super::problems::Warning;
use super::raw::Map;
use super::raw::Node;
use super::schema::Limit;
use super::schema::Note;
use super::schema::Notes;
use super::shape::Reader;
use super::shape::Shape;
use serde_json::Value;
use std::cell::RefCell;

/// Where mistakes and warnings gather.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
    unknown: RefCell<Vec<(String, String)>>,
    known: RefCell<Vec<(String, &'static str)>>,
    notes: Option<RefCell<Notes>>,
}

impl Sink {
    /// One that remembers what each key may be.
    pub(crate) fn noting() -> Self {
        Self {
            notes: Some(RefCell::default()),
            ..Self::default()
        }
    }

    /// The keys that were asked for, with their sections.
    #[cfg(test)]
    pub(crate) fn known(&self) -> Vec<(String, &'static str)> {
        self.known.borrow().clone()
    }

    /// What it remembers.
    pub(crate) fn into_notes(self) -> Notes {
        self.notes.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Notes a mistake.
    pub(crate) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Notes several, or none.
    pub(crate) fn problems(&self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// Notes something that is probably not meant.
    pub(crate) fn warning(&self, path: impl Into<String>, text: impl Into<String>) {
        self.warnings.borrow_mut().push(Warning {
            path: path.into(),
            text: text.into(),
        });
    }

    /// The warnings, or every mistake.
    pub(crate) fn finish(self) -> Result<Vec<Warning>, Problems> {
        let known = self.known.into_inner();
        let mut problems = self.problems.into_inner();
        let unknown = self.unknown.into_inner();
        // Only so many are shown; the guess costs time for each.
        let (guessed, rest) = unknown.split_at(unknown.len().min(PROBLEMS_MAX));
        problems.extend(
            guessed
                .iter()
                .map(|(path, key)| unknown_key(path, key, &known)),
        );
        problems.extend(rest.iter().map(|(path, key)| unknown_key(path, key, &[])));
        let mut problems = problems.into_iter();
        match problems.next() {
            None => Ok(self.warnings.into_inner()),
            Some(first) => Err(Problems::new(first, problems.collect())),
        }
    }
}

/// Why a value was not taken.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// What is there, where the value itself would say it badly or must not be shown.
    pub(crate) found: Option<String>,
    /// What may be there.
    pub(crate) accepted: String,
}

impl Mistake {
    /// A mistake with its own words for what is there.
    pub(crate) fn found(found: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            found: Some(found.into()),
            accepted: accepted.into(),
        }
    }

    /// The mistake at `path`, where `node` is.
    pub(crate) fn at(self, path: impl Into<String>, node: &Node) -> Problem {
        Problem::new(
            path,
            self.found.unwrap_or_else(|| shown(node)),
            self.accepted,
        )
    }
}

impl From<&str> for Mistake {
    fn from(accepted: &str) -> Self {
        Self {
            found: None,
            accepted: accepted.to_owned(),
        }
    }
}

impl From<String> for Mistake {
    fn from(accepted: String) -> Self {
        Self {
            found: None,
            accepted,
        }
    }
}

/// One map of the file.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    sink: &'a Sink,
    path: String,
    map: Option<&'a Map>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub(crate) fn root(sink: &'a Sink, node: &'a Node) -> Self {
        let map = match node {
            Node::Map(map) => Some(map),
            Node::Nothing => None,
            other => {
                let accepted = "keys and values, such as `rollout:`";
                sink.problem(Problem::new(super::raw::WHOLE, kind(other), accepted));
                None
            }
        };
        Self::of(sink, String::new(), map)
    }

    /// A map that is not a section of fixed place, such as one model's.
    pub(crate) const fn of(sink: &'a Sink, path: String, map: Option<&'a Map>) -> Self {
        Self {
            sink,
            path,
            map,
            known: Vec::new(),
        }
    }

    /// Where mistakes go.
    pub(crate) const fn sink(&self) -> &'a Sink {
        self.sink
    }

    /// The whole path of `key`.
    pub(crate) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Notes what `key` may be, where somebody takes notes.
    pub(crate) fn note(&self, key: &'static str, shape: &Shape, default: Option<Value>) {
        if let Some(notes) = &self.sink.notes {
            notes.borrow_mut().keys.push(Note {
                section: self.path.clone(),
                key,
                shape: shape.clone(),
                default,
                required: false,
            });
        }
    }

    /// Adds to the note of `key`, which has one.
    pub(crate) fn amend(&self, key: &'static str, change: impl FnOnce(&mut Note)) {
        if let Some(notes) = &self.sink.notes {
            let mut notes = notes.borrow_mut();
            let of_key = |note: &&mut Note| note.section == self.path && note.key == key;
            if let Some(note) = notes.keys.iter_mut().rev().find(of_key) {
                change(note);
            }
        }
    }

    /// Notes what the keys of this section may not be together; whoever does so checks it too.
    pub(crate) fn limit(&self, limit: Limit) {
        if let Some(notes) = &self.sink.notes {
            notes.borrow_mut().limits.push((self.path.clone(), limit));
        }
    }

    /// The section under `key`, in which something is required.
    pub(crate) fn needed_section(&mut self, key: &'static str) -> Self {
        let section = self.section(key);
        self.amend(key, |note| note.required = true);
        section
    }

    /// The section under `key`; nothing there is a section of defaults.
    pub(crate) fn section(&mut self, key: &'static str) -> Self {
        self.note(key, &Shape::Section, None);
        let map = match self.node(key) {
            None | Some(Node::Nothing) => None,
            Some(Node::Map(map)) => Some(map),
            Some(other) => {
                let accepted = "keys and values, indented below it";
                self.sink
                    .problem(Problem::new(self.path(key), kind(other), accepted));
                None
            }
        };
        Self::of(self.sink, self.path(key), map)
    }

    /// The value of `key` as it was written.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.map.and_then(|map| map.value(key))
    }

    /// The value of `key`, if it is there and parses.
    pub(crate) fn optional<T>(&mut self, key: &'static str, reader: Reader<'_, T>) -> Option<T> {
        self.take(key, &reader)
    }

    fn take<T>(&mut self, key: &'static str, reader: &Reader<'_, T>) -> Option<T> {
        self.note(key, reader.shape(), None);
        let node = self.node(key)?;
        match reader.read(node) {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.sink.problem(mistake.at(self.path(key), node));
                None
            }
        }
    }

    /// The value of `key`, or `default`.
    pub(crate) fn value<T>(&mut self, key: &'static str, default: T, reader: Reader<'_, T>) -> T {
        let value = self.take(key, &reader);
        self.amend(key, |note| note.default = reader.write(&default));
        value.unwrap_or(default)
    }

    /// The value of `key`; nothing there is a mistake.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        accepted: &str,
        reader: Reader<'_, T>,
    ) -> Option<T> {
        let missing = self.map.is_none_or(|map| map.value(key).is_none());
        if missing {
            self.sink
                .problem(Problem::new(self.path(key), "nothing", accepted));
        }
        let value = self.optional(key, reader);
        self.amend(key, |note| note.required = true);
        value
    }

    /// Reports the keys that were not asked for or came twice.
    pub(crate) fn finish(self) {
        let Some(map) = self.map else {
            return self.remember();
        };
        report_repeated(self.sink, &self.path, map);
        for (key, _) in &map.entries {
            if !self.known.contains(&key.as_str()) {
                self.sink
                    .unknown
                    .borrow_mut()
                    .push((self.path.clone(), key.clone()));
            }
        }
        self.remember();
    }

    fn remember(self) {
        let keys = self.known.into_iter().map(|key| (self.path.clone(), key));
        self.sink.known.borrow_mut().extend(keys);
    }
}

/// Reports keys that were written twice, or that are no text.
pub(crate) fn report_repeated(sink: &Sink, path: &str, map: &Map) {
    for key in &map.repeated {
        sink.problem(Problem::new(join(path, key), REPEATED, "each key once"));
    }
    if map.odd > 0 {
        let path = if path.is_empty() {
            super::raw::WHOLE
        } else {
            path
        };
        sink.problem(Problem::new(
            path,
            "a key that is no text",
            "text before each colon",
        ));
    }
}

/// `path.key`, with quotes where a key could be misread.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-:/".contains(c);
    let key = if !key.is_empty() && key.len() <= SHOWN_CHARS && key.chars().all(plain) {
        key.to_owned()
    } else {
        quoted(key)
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// A value as messages show it: short, on one line.
pub(crate) fn shown(node: &Node) -> String {
    match node {
        Node::Bool(value) => value.to_string(),
        Node::Number(value) => value.clone(),
        Node::Text(value) => quoted(value),
        Node::Nothing | Node::List(_) | Node::Map(_) | Node::Tagged => kind(node).to_owned(),
    }
}

/// What a value is, where its content does not matter or must not be shown.
pub(crate) const fn kind(node: &Node) -> &'static str {
    match node {
        Node::Nothing => "nothing",
        Node::Bool(_) => "true or false",
        Node::Number(_) => "a number",
        Node::Text(_) => "text",
        Node::List(_) => "a list",
        Node::Map(_) => "keys and values",
        Node::Tagged => "a value with a YAML tag (!)",
    }
}

/// In quotes, on one line, at most [`SHOWN_CHARS`] characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_some() {
        format!("{start:?}…")
    } else {
        format!("{start:?}")
    }
}

/// Says what the operator probably meant: a key of this section, or the same key elsewhere.
fn unknown_key(path: &str, key: &str, known: &[(String, &'static str)]) -> Problem {
    let mut here: Vec<&str> = known
        .iter()
        .filter(|(section, _)| section == path)
        .map(|&(_, key)| key)
        .collect();
    here.sort_unstable();
    here.dedup();
    let near = here
        .iter()
        .map(|&candidate| (distance(key, candidate), join(path, candidate)))
        .filter(|&(distance, _)| distance <= key.chars().count().div_ceil(3))
        .min();
    let elsewhere = known.iter().find(|&&(_, candidate)| candidate == key);
    let meant = near.map(|(_, meant)| meant);
    let meant = meant.or_else(|| elsewhere.map(|(section, key)| join(section, key)));
    let listed = here.join(", ");
    let accepted = format!("the keys {listed}");
    Problem {
        meant,
        ..Problem::new(join(path, key), "an unknown key", accepted)
    }
}

/// How many characters must be inserted, removed or replaced (Levenshtein), case aside.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(SHOWN_CHARS).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Enough to recognise a value.
const SHOWN_CHARS: usize = 80;
