//! Where the state is: what the file says, and what is said outside of it.
//!
//! The state's place must be known although the file is broken, cut short, empty or gone: the latch
//! and the last accepted copy are there. A refused file is therefore read for it as far as its text
//! goes, and the place may be said outside: `--state`, or the variable [`STATE_VARIABLE`]. Where both
//! say it, both must say the same: else a file that breaks would lead to another latch than the file
//! that it was.

use super::super::defaults;
use super::super::problems::Problem;
use super::super::raw::{self, Node};
use super::super::section::{Mistake, Sink};
use super::super::shape::{Reader, Text};
use super::super::values;
use super::variable;
use std::path::{Path, PathBuf};

/// The variable that says where the state is; a relative path is one of the working directory's.
pub const STATE_VARIABLE: &str = "CROSSFADE_STATE";

/// The environment `env`, in which `state`, what `--state` says, is the value of [`STATE_VARIABLE`].
pub fn with_state(
    state: Option<String>,
    env: impl Fn(&str) -> Option<String>,
) -> impl Fn(&str) -> Option<String> {
    move |name| match &state {
        Some(state) if name == STATE_VARIABLE => Some(state.clone()),
        Some(_) | None => env(name),
    }
}

/// Where the state of a refused configuration is, as far as its text and the environment tell: the
/// process that starts with it must find the latch and the last accepted copy all the same.
pub fn state_path(text: &str, file: &Path, env: &impl Fn(&str) -> Option<String>) -> PathBuf {
    if let Some((_, Ok(path))) = outside(env) {
        return path;
    }
    let of_tree = |node: &Node| said(node).and_then(|node| state().read(node).ok());
    let whole = raw::parse(text).ok();
    // Where the file is no YAML, the line of the key mostly still is.
    let line = || text.lines().find(|line| line.starts_with("state:"));
    let told = match whole {
        Some(node) => of_tree(&node),
        None => line().and_then(|line| of_tree(&raw::parse(line).ok()?)),
    };
    beside(
        file,
        &told.unwrap_or_else(|| PathBuf::from(defaults::STATE)),
    )
}

/// Where the state is of which the file `tree` says `written`, or would by default.
pub(super) fn settle(
    sink: &Sink,
    tree: &Node,
    written: PathBuf,
    env: &impl Fn(&str) -> Option<String>,
) -> PathBuf {
    match outside(env) {
        None => written,
        Some((_, Ok(path))) => {
            if said(tree).is_some() && !is_same(&path, &written) {
                let accepted = format!(
                    "the same as --state or {STATE_VARIABLE} says, {}; or one of the two left out",
                    path.display()
                );
                let found = written.display().to_string();
                sink.problem(Problem::new("state", found, accepted));
            }
            path
        }
        Some((node, Err(mistake))) => {
            sink.problem(mistake.at(Problem::variable(STATE_VARIABLE), &node));
            written
        }
    }
}

/// What is said outside of the file.
fn outside(env: &impl Fn(&str) -> Option<String>) -> Option<(Node, Result<PathBuf, Mistake>)> {
    let node = Node::Text(variable(env, STATE_VARIABLE)?);
    let path = state().read(&node);
    Some((node, path))
}

fn said(tree: &Node) -> Option<&Node> {
    match tree {
        Node::Map(map) => map.value("state"),
        Node::Nothing
        | Node::Bool(_)
        | Node::Number(_)
        | Node::Text(_)
        | Node::List(_)
        | Node::Tagged => None,
    }
}

/// Whether both lead to one place, whatever directory they are relative to.
fn is_same(one: &Path, other: &Path) -> bool {
    match (std::path::absolute(one), std::path::absolute(other)) {
        (Ok(one), Ok(other)) => one == other,
        (Err(_), _) | (_, Err(_)) => one == other,
    }
}

/// Reads `state`.
pub(super) fn state() -> Reader<'static, PathBuf> {
    let fits = |text: &str| {
        let path = Path::new(text);
        let taken = path
            .extension()
            .is_some_and(|own| TAKEN.iter().any(|taken| own == *taken));
        path.file_name().is_some() && !text.ends_with('/') && !text.contains('\0') && !taken
    };
    values::text(Text::new(STATE, STATE_PATTERN), fits)
        .map(PathBuf::from)
        .written(|path| Some(path.display().to_string().into()))
}

/// `path`, relative to the directory of `file`.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    // `join` leaves an absolute path as it is.
    file.parent()
        .map_or_else(|| path.to_owned(), |directory| directory.join(path))
}

const STATE: &str = "the path of a file, such as /var/lib/crossfade/state.json; its extension is \
                     not one of the files beside it (lock, journal, outbox, bad, tmp, yaml, yml)";

/// No extension of [`TAKEN`]; a name that only begins with a dot has none.
const STATE_PATTERN: &str = concat!(
    r"^(?!.*[^/]\.(?:lock|journal|outbox|bad|tmp|yaml|yml)$)",
    r"(?!(?:.*/)?\.\.$)(?!\.$)[^\u0000]*[^\u0000/]$"
);

/// What lies beside the state file, and what the configuration itself may be.
const TAKEN: [&str; 7] = ["lock", "journal", "outbox", "bad", "tmp", "yaml", "yml"];
