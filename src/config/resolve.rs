//! From the text of `rollout.yaml` and the environment to a [`Config`], or to every mistake at
//! once.
//!
//! One function for each section of the file; what only several sections together show is checked
//! at the end. Reading is the same for `crossfade check` and for a running process, so that what
//! `check` accepts is accepted.
//!
//! The environment is a parameter. One file beside the configuration may be read: the one that
//! `CROSSFADE_ADMIN_TOKEN_FILE` names.

use super::Bedrock;
use super::Config;
use super::Limits;
use super::Listen;
use super::Original;
use super::Timeouts;
use super::address;
use super::address::BaseUrl;
use super::defaults;
use super::line;
use super::problems::Problem;
use super::problems::Problems;
use super::raw;
use super::raw::Node;
use super::schema;
use super::secret::Secret;
use super::section::Mistake;
use super::section::Section;
use super::section::Sink;
use super::shape::Entries;
use super::shape::Reader;
use super::shape::Shape;
use super::values;
use place::beside;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

mod abroad;
mod access;
mod bedrock;
mod capabilities;
mod climb;
mod compared;
mod notify;
mod original;
mod place;
mod rollout;
mod sampling;
mod together;
mod traces;

pub(super) use access::public_listener;
pub use place::{STATE_VARIABLE, state_path, with_state};

/// Reads a configuration. Relative paths stay as they are written.
///
/// # Errors
///
/// Every mistake in the file and in the environment's switches.
pub fn load(text: &str, env: &impl Fn(&str) -> Option<String>) -> Result<Config, Problems> {
    load_at(text, Path::new(""), env)
}

/// Reads a configuration that is, or was, in `file`: relative paths are relative to its directory,
/// whatever directory the process was started in.
///
/// # Errors
///
/// As [`load`].
pub fn load_at(
    text: &str,
    file: &Path,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Config, Problems> {
    let tree = raw::parse(text)?;
    let sink = Sink::default();
    let mut root = Section::root(&sink, &tree);
    let mut draft = read(&mut root, env, file);
    root.finish();
    let written = beside(file, &draft.state);
    draft.state = place::settle(&sink, &tree, written, env);
    if let Listen::Unix(path) = &mut draft.listen {
        *path = beside(file, path);
    }
    together::check(&sink, &draft);
    together::check_state(&sink, &draft.state, file, env);
    let Draft {
        original, bedrock, ..
    } = draft;
    match (original, bedrock, sink.finish()) {
        (_, _, Err(problems)) => Err(line::locate(text, problems)),
        (Some((original, _)), Some(bedrock), Ok(warnings)) => Ok(Config {
            listen: draft.listen,
            admin: draft.admin,
            admin_token: draft.admin_token,
            original,
            bedrock,
            rollout: draft.rollout,
            rules: draft.rules,
            timeouts: draft.timeouts,
            limits: draft.limits,
            drain: draft.drain,
            hosts: draft.hosts,
            callers: draft.callers,
            notify: draft.notify,
            traces: draft.traces,
            state: draft.state,
            warnings,
        }),
        // Neither is left out without a mistake that says so.
        (None, _, Ok(_)) => Err(Problem::new("original.url", "nothing", address::URL).into()),
        (_, None, Ok(_)) => Err(Problem::new("bedrock.models", "nothing", "a model").into()),
    }
}

/// Reads a file that reaches every place into a sink that notes what each key may be.
pub(super) fn note_all(sink: &Sink) {
    // The file is a constant; without it there would be no notes, which tests would see.
    if let Ok(tree) = raw::parse(schema::EVERYWHERE) {
        let mut root = Section::root(sink, &tree);
        read(&mut root, &|_| None, Path::new(""));
        root.finish();
    }
}

/// Everything read, before it is known whether there were mistakes.
struct Draft {
    listen: Listen,
    admin: SocketAddr,
    admin_token: Option<Secret>,
    original: Option<(Original, BaseUrl)>,
    bedrock: Option<Bedrock>,
    rollout: super::Rollout,
    rules: crate::rollout::plan::Rules,
    timeouts: Timeouts,
    limits: Limits,
    drain: std::time::Duration,
    hosts: Vec<String>,
    callers: Option<Vec<[u8; 32]>>,
    notify: Vec<super::notify::Notify>,
    traces: Option<super::traces::Traces>,
    state: PathBuf,
}

fn read(root: &mut Section<'_>, env: &impl Fn(&str) -> Option<String>, file: &Path) -> Draft {
    let sink = root.sink();
    Draft {
        listen: root.value("listen", Listen::Tcp(defaults::LISTEN), address::listen()),
        admin: root.value("admin", defaults::ADMIN, address::admin()),
        admin_token: access::admin_token(sink, env),
        original: original::read(root.needed_section("original"), env),
        bedrock: bedrock::read(root.needed_section("bedrock"), env),
        rollout: rollout::read(root.section("rollout"), env),
        rules: rollout::rules(root.section("rollback")),
        timeouts: timeouts(root.section("timeouts")),
        limits: limits(root.section("limits")),
        drain: root.value(
            "drain",
            defaults::DRAIN,
            values::duration(defaults::DRAINING),
        ),
        hosts: access::hosts(root),
        callers: access::callers(root),
        notify: notify::read(root, env, file),
        traces: traces::read(root, env),
        state: root.value("state", PathBuf::from(defaults::STATE), place::state()),
    }
}

fn timeouts(mut section: Section<'_>) -> Timeouts {
    let parse = || values::duration(defaults::TIMEOUT);
    let timeouts = Timeouts {
        connect: section.value("connect", defaults::CONNECT, parse()),
        first_token: section.value("first_token", defaults::FIRST_TOKEN, parse()),
        idle: section.value("idle", defaults::IDLE, parse()),
        total: section.value("total", defaults::TOTAL, parse()),
    };
    if timeouts.first_token > timeouts.total {
        let found = values::shown_duration(timeouts.first_token);
        let total = values::shown_duration(timeouts.total);
        let accepted = format!("at most timeouts.total, {total}");
        section
            .sink()
            .problem(Problem::new(section.path("first_token"), found, accepted));
    }
    section.finish();
    timeouts
}

fn limits(mut section: Section<'_>) -> Limits {
    let limits = Limits {
        body: section.value("body", defaults::BODY, values::size(defaults::BODIES)),
        buffered: section.value(
            "buffered",
            defaults::BUFFERED,
            values::size(defaults::BUFFERS),
        ),
        in_flight: section.value(
            "in_flight",
            defaults::IN_FLIGHT,
            values::count(defaults::COUNTS),
        ),
        connections: section.value(
            "connections",
            defaults::CONNECTIONS,
            values::count(defaults::COUNTS),
        ),
    };
    if limits.body > limits.buffered {
        let found = values::shown_size(limits.body);
        let accepted = format!(
            "at most limits.buffered, {}",
            values::shown_size(limits.buffered)
        );
        section
            .sink()
            .problem(Problem::new(section.path("body"), found, accepted));
    }
    section.finish();
    limits
}

/// A list under `key`, each entry read by `each`; what does not parse is noted and left out. How
/// many there must be is the caller's to check.
fn list<T>(
    section: &mut Section<'_>,
    key: &'static str,
    accepted: &str,
    entries: Entries,
    each: Reader<'_, T>,
) -> Option<Vec<T>> {
    let path = section.path(key);
    let sink = section.sink();
    let shape = Shape::List {
        of: Box::new(each.shape().clone()),
        entries,
        most: defaults::LIST_MAX,
    };
    let read = |node: &Node| {
        let Node::List(nodes) = node else {
            return Err(Mistake::from(accepted));
        };
        if nodes.len() > defaults::LIST_MAX {
            let found = format!("{} entries", nodes.len());
            return Err(Mistake::found(
                found,
                format!("at most {}", defaults::LIST_MAX),
            ));
        }
        let read = nodes
            .iter()
            .enumerate()
            .filter_map(|(at, node)| match each.read(node) {
                Ok(value) => Some(value),
                Err(mistake) => {
                    sink.problem(mistake.at(format!("{path}[{at}]"), node));
                    None
                }
            });
        Ok(read.collect())
    };
    section.optional(key, Reader::new(shape, read))
}

/// A variable that is set to something.
fn variable(env: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}
