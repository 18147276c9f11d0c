//! In which line of the file a key stands.
//!
//! The YAML crate knows places, and tells them with its errors only. So the file is read once more
//! for each mistake, by a reader that goes down the key path and fails on purpose at its end; where
//! the end is not there, as of a key that is missing, at the last key that is. Nothing here looks at
//! the text itself: braces, quotes and anchors are the parser's.
//!
//! Only a refused file is read so, and only while [`READ_BYTES_MAX`] last.

use super::problems::{Problem, Problems};
use super::section::join;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::{Cell, RefCell};
use std::fmt;

/// Adds their lines to the mistakes that have a place in `text`, which is valid YAML, and puts them in
/// the order of the file.
pub(super) fn locate(text: &str, problems: Problems) -> Problems {
    let mut left = READ_BYTES_MAX;
    let located = problems.map(|problem| {
        // At most two readings each.
        left = left.saturating_sub(2 * text.len());
        let line = if left == 0 {
            None
        } else {
            line_of(text, &problem)
        };
        Problem { line, ..problem }
    });
    located.by_line()
}

fn line_of(text: &str, problem: &Problem) -> Option<usize> {
    let which = usize::from(problem.is_of_repeated_key());
    let search = Search::new(&problem.path, which);
    search.run(text).or_else(|| {
        let deepest = search.deepest.take();
        Search::new(&deepest, 0).run(text)
    })
}

/// One way through the file.
struct Search<'a> {
    /// The key path that is looked for; empty: nothing is found.
    wanted: &'a str,
    /// How often it is passed by: the mistake may be the second one.
    passes: Cell<usize>,
    /// The last part of the way that is there.
    deepest: RefCell<String>,
    /// Whether an error is the one that is made on purpose.
    found: Cell<bool>,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a str, passes: usize) -> Self {
        Self {
            wanted,
            passes: Cell::new(passes),
            deepest: RefCell::default(),
            found: Cell::new(false),
        }
    }

    fn run(&self, text: &str) -> Option<usize> {
        let root = Value {
            path: String::new(),
            search: self,
        };
        let error = root
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .err()?;
        let location = error.location().filter(|_| self.found.get())?;
        Some(location.line())
    }

    /// Whether this is the end of the way.
    fn is_end(&self, path: &str) -> bool {
        if path != self.wanted {
            return false;
        }
        let left = self.passes.get();
        self.passes.set(left.saturating_sub(1));
        left == 0
    }

    /// Whether the way leads through what is at `path`.
    fn leads_through(&self, path: &str) -> bool {
        let rest = self.wanted.strip_prefix(path);
        path.is_empty() || rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    }

    /// The error that has the place.
    fn here<E: Error>(&self) -> E {
        self.found.set(true);
        E::custom("here")
    }
}

/// What is at a path.
struct Value<'s, 'a> {
    path: String,
    search: &'s Search<'a>,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.search.leads_through(&self.path) {
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        if !self.path.is_empty() {
            self.search.deepest.borrow_mut().clone_from(&self.path);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values, or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let Self { path, search } = self;
        let parent = path.as_str();
        while let Some(path) = pairs.next_key_seed(Key { parent, search })? {
            pairs.next_value_seed(Value { path, search })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let Self { path, search } = self;
        for at in 0.. {
            let path = format!("{path}[{at}]");
            if values
                .next_element_seed(Entry(Value { path, search }))?
                .is_none()
            {
                break;
            }
        }
        Ok(())
    }
}

/// A value of a list, which may itself be the end of the way.
struct Entry<'s, 'a>(Value<'s, 'a>);

impl<'de> DeserializeSeed<'de> for Entry<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self(value) = self;
        if value.search.is_end(&value.path) {
            value.search.found.set(true);
            return deserializer.deserialize_any(Nothing);
        }
        value.deserialize(deserializer)
    }
}

/// Takes no value at all: its error has the place.
struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

/// A key of a map; gives its path.
struct Key<'s, 'a> {
    parent: &'s str,
    search: &'s Search<'a>,
}

impl Key<'_, '_> {
    fn path<E: Error>(&self, key: &str) -> Result<String, E> {
        let path = join(self.parent, key);
        if self.search.is_end(&path) {
            return Err(self.search.here());
        }
        Ok(path)
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        self.path(key)
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<String, E> {
        self.path(&key.to_string())
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<String, E> {
        self.path(&key.to_string())
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<String, E> {
        self.path(&key.to_string())
    }

    fn visit_f64<E: Error>(self, key: f64) -> Result<String, E> {
        self.path(&key.to_string())
    }
}

/// What is read for places: a second for a hundred mistakes would be too long for a file that is read
/// at every change, and a file of ordinary size has a few KiB.
const READ_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::super::problems::REPEATED;
    use super::*;

    const FILE: &str = "\
# a comment
original: { url: https://api.openai.com }
bedrock:
  models:
    gpt-3.5-turbo: { model: x,
      family: y }
    gpt-4o: &same
      model: z
    other: *same
rollout:
  percent: 5
  stages: [5,
    200]
  percent: 7
notify:
  - webhook: a
  - b
1: one
";

    #[test]
    fn every_place_is_found() {
        for (path, line) in [
            ("original", Some(2)),
            ("original.url", Some(2)),
            ("bedrock.models", Some(4)),
            (r#"bedrock.models."gpt-3.5-turbo".family"#, Some(6)),
            ("bedrock.models.gpt-4o.model", Some(8)),
            // It stands where the anchor is.
            ("bedrock.models.other.model", Some(8)),
            ("rollout.percent", Some(11)),
            ("rollout.stages[1]", Some(13)),
            ("notify[0].webhook", Some(16)),
            ("notify[1]", Some(17)),
            ("1", Some(18)),
            // What is missing is looked for where it should be.
            ("original.api_key", Some(2)),
            ("notify[0].slack", Some(16)),
            ("rollout.advance.x", Some(10)),
            ("drain", None),
            ("file", None),
            ("USE_AWS_PERCENT (environment)", None),
            ("", None),
        ] {
            let found = line_of(FILE, &Problem::new(path, "x", "y"));
            assert_eq!(found, line, "{path}");
        }
        let twice = Problem::new("rollout.percent", REPEATED, "each key once");
        assert_eq!(line_of(FILE, &twice), Some(14));
    }

    #[test]
    fn a_large_file_is_not_read_a_hundred_times() {
        let text = format!("a: 1\n{}", "# long\n".repeat(30_000));
        let many = (0..100).map(|_| Problem::new("a", "x", "y")).collect();
        let located = locate(&text, Problems::new(Problem::new("a", "x", "y"), many));
        let found = located.iter().filter(|it| it.line.is_some()).count();
        assert!((10..50).contains(&found), "{found}");
    }
}
