//! What a state file can turn out to be: a record, a first start, or one of many reasons to take it
//! for a rollback.

use crate::rollout::Record;
use std::fmt;
use std::path::PathBuf;

/// What is in the place of the state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The state.
    Record(Record),
    /// Nothing, and nothing beside it either: nobody was here before.
    FirstStart,
    /// Something that must be taken for a rollback.
    Tripped(Tripped),
}

/// Why what was found counts as tripped. Its text is a clause that names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tripped {
    /// The file.
    pub path: PathBuf,
    /// What is the matter with it.
    pub why: Why,
}

/// What can be the matter with a state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is gone, but this one beside it is there.
    Missing(PathBuf),
    /// There is none, and `--require-state` demands one.
    Required,
    /// A link: what it points to may be elsewhere at the next start.
    Link,
    /// A directory, a pipe, a device or a socket.
    NotAFile,
    /// Anybody on the machine could have written it.
    WritableByAll,
    /// It has no content.
    Empty,
    /// It is longer than any state.
    TooLarge,
    /// It stops too early, or is no JSON at all.
    Torn,
    /// It is JSON, but no state that this version knows.
    Foreign(String),
    /// The system says why.
    Unreadable(String),
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Missing(beside) => {
                write!(
                    f,
                    "the state file {path} is gone, while {} is there",
                    beside.display()
                )
            }
            Why::Required => write!(f, "there is no state file {path}, and one is required"),
            Why::Link => write!(f, "the state file {path} is a symbolic link"),
            Why::NotAFile => write!(f, "{path} is no regular file"),
            Why::WritableByAll => write!(f, "anybody may write to the state file {path}"),
            Why::Empty => write!(f, "the state file {path} is empty"),
            Why::TooLarge => write!(f, "the state file {path} is too large to be one"),
            Why::Torn => write!(f, "the state file {path} is incomplete or damaged"),
            Why::Foreign(why) => write!(f, "the state file {path} is of another kind ({why})"),
            Why::Unreadable(why) => write!(f, "the state file {path} cannot be read ({why})"),
        }
    }
}

/// Reads a record.
pub(super) fn parse(bytes: &[u8]) -> Result<Record, Why> {
    if bytes.is_empty() {
        return Err(Why::Empty);
    }
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Why::TooLarge);
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Why::Foreign(error.to_string()),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => Why::Torn,
    })
}

/// A record with the longest sentence, reason and actor has a few KiB.
pub(super) const BYTES_MAX: u64 = 64 * 1024;
