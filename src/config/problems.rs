//! What is wrong with a configuration, said to an operator: where, what is there, what may be.
//!
//! All mistakes of a file are reported at once, so that correcting it takes one round. Nothing here
//! ever holds a secret: whoever makes a [`Problem`] leaves the value of a key out.

use serde::Serialize;
use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key path (`rollout.percent`), the place (`line 3, column 5`), the file, or the
    /// environment variable.
    pub path: String,
    /// What is there.
    pub found: String,
    /// What may be there; empty: `found` says it all.
    pub accepted: String,
    /// The key that was probably meant.
    pub meant: Option<String>,
    /// The line of the file that `path` stands in, from 1, or that of the section that lacks it. None:
    /// it is in no file, or `path` itself is a place.
    pub line: Option<usize>,
}

impl Problem {
    /// A mistake at `path`.
    pub fn new(
        path: impl Into<String>,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            found: found.into(),
            accepted: accepted.into(),
            meant: None,
            line: None,
        }
    }

    /// A mistake at `path` that needs no list of what may be there.
    pub(super) fn plain(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(path, what, "")
    }

    /// Whether it is about a key that is there for the second time.
    pub(super) fn is_of_repeated_key(&self) -> bool {
        self.found == REPEATED
    }

    /// The path of a mistake in an environment variable.
    pub(crate) fn variable(name: &str) -> String {
        format!("{name} (environment)")
    }

    /// Whether the mistake is in that environment variable.
    pub(crate) fn is_of_variable(&self, name: &str) -> bool {
        self.path == Self::variable(name)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        let Self {
            path,
            found,
            accepted,
            meant,
            ..
        } = self;
        match (meant, accepted.as_str()) {
            (_, "") => write!(f, "{path}: {found}"),
            (None, _) => write!(f, "{path}: found {found}; accepted: {accepted}"),
            (Some(meant), _) => write!(
                f,
                "{path}: found {found}; did you mean {meant}? Accepted: {accepted}"
            ),
        }
    }
}

/// Every mistake of one configuration; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The mistakes in reading order; beyond [`PROBLEMS_MAX`] only their number.
    pub(crate) fn new(first: Problem, mut rest: Vec<Problem>) -> Self {
        rest.insert(0, first);
        let more = rest.len().saturating_sub(PROBLEMS_MAX);
        if more > 0 {
            rest.truncate(PROBLEMS_MAX);
            rest.push(Problem::new(REST, format!("{more} more mistakes"), "none"));
        }
        Self(rest)
    }

    /// Each one changed by `change`, in order.
    pub(super) fn map(self, change: impl FnMut(Problem) -> Problem) -> Self {
        Self(self.0.into_iter().map(change).collect())
    }

    /// In the order of the file; what stands in no line of it first.
    pub(super) fn by_line(mut self) -> Self {
        self.0
            .sort_by_key(|problem| (problem.path == REST, problem.line));
        self
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// As lines, for status and logs.
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(Problem::to_string).collect()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Something that is valid but probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The key path.
    pub path: String,
    /// What may come of it, as a sentence.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// The path of what stands for the mistakes that are not shown; the last one.
const REST: &str = "…";

/// What is found where a key is written again.
pub(super) const REPEATED: &str = "the key a second time";

/// More than a person reads; a file of garbage keys must not fill logs and status.
pub(crate) const PROBLEMS_MAX: usize = 100;
