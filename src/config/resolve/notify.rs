//! `notify`: who is told what.

use super::super::address::{BaseUrl, base_url, port};
use super::super::defaults;
use super::super::notify::{Form, Kind, Notify};
use super::super::raw::Node;
use super::super::schema::{Limit, Pairs};
use super::super::secret::Secret;
use super::super::section::{Mistake, Section, kind};
use super::super::shape::{Entries, Reader, Shape, Text};
use super::super::values;
use super::list;
use super::original::expanded;
use serde_json::Value;
use std::path::Path;

/// Reads the list. `file` is the configuration, whose directory relative paths begin in.
pub(super) fn read(
    root: &mut Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
    file: &Path,
) -> Vec<Notify> {
    let (sink, path) = (root.sink(), root.path("notify"));
    let shape = Shape::List {
        of: Box::new(Shape::Section),
        entries: Entries::Any,
        most: defaults::NOTIFY_MAX,
    };
    root.note("notify", &shape, Some(Value::Array(Vec::new())));
    let nodes = match root.node("notify") {
        None => return Vec::new(),
        Some(Node::List(nodes)) => nodes,
        Some(other) => {
            sink.problem(Mistake::from(LIST).at(path, other));
            return Vec::new();
        }
    };
    if nodes.len() > defaults::NOTIFY_MAX {
        let found = format!("{} entries", nodes.len());
        let accepted = format!("at most {}", defaults::NOTIFY_MAX);
        sink.problem(super::Problem::new(path, found, accepted));
        return Vec::new();
    }
    let entries = nodes.iter().enumerate().filter_map(|(at, node)| {
        let path = format!("{path}[{at}]");
        match node {
            Node::Map(map) => entry(Section::of(sink, path, Some(map)), env, file),
            Node::Nothing
            | Node::Bool(_)
            | Node::Number(_)
            | Node::Text(_)
            | Node::List(_)
            | Node::Tagged => {
                sink.problem(Mistake::found(kind(node), ENTRY).at(path, node));
                None
            }
        }
    });
    entries.collect()
}

fn entry(
    mut section: Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
    file: &Path,
) -> Option<Notify> {
    let (sink, place) = (section.sink(), section.path("webhook"));
    let webhook = section.optional("webhook", url(env));
    let slack = section.optional("slack", url(env));
    let both = section.node("webhook").is_some() && section.node("slack").is_some();
    let neither = section.node("webhook").is_none() && section.node("slack").is_none();
    if both || neither {
        let found = if both {
            "webhook and slack"
        } else {
            "neither webhook nor slack"
        };
        sink.problem(super::Problem::new(place, found, ENTRY));
    }
    let secret = section.optional("secret", secret(env));
    let in_file = section.optional("secret_file", secret_file(file));
    for (key, given) in [
        ("secret", secret.is_some()),
        ("secret_file", in_file.is_some()),
    ] {
        if given && slack.is_some() {
            let found = "a secret beside slack";
            let accepted = "a secret beside webhook only: Slack's key is its URL";
            sink.problem(super::Problem::new(section.path(key), found, accepted));
        }
    }
    if secret.is_some() && in_file.is_some() {
        let path = section.path("secret_file");
        sink.problem(super::Problem::new(
            path,
            "a second secret",
            "one of secret and secret_file",
        ));
    }
    let event = values::named(Kind::ALL, Kind::name).saying(|names| format!("one of {names}"));
    let events = list(&mut section, "events", EVENTS, Entries::Any, event);
    section.limit(Limit::ExactlyOne(&["webhook", "slack"]));
    section.limit(Limit::NotBoth(SECRETS));
    section.finish();
    let events = match events {
        Some(asked) => Kind::ALL
            .iter()
            .copied()
            .filter(|kind| asked.contains(kind))
            .collect(),
        None => Kind::ALL
            .iter()
            .copied()
            .filter(|kind| kind.by_default())
            .collect(),
    };
    let (form, (url, target)) = match (webhook, slack) {
        (Some(url), _) => {
            let secret = secret.or(in_file);
            (Form::CloudEvent { secret }, url)
        }
        (None, slack) => (Form::Slack, slack?),
    };
    Some(Notify {
        form,
        tls: url.tls,
        authority: url.authority,
        target,
        events,
    })
}

/// A URL that may hold a key: of what is there nothing is shown.
fn url(env: &impl Fn(&str) -> Option<String>) -> Reader<'_, (BaseUrl, Secret)> {
    Reader::new(Shape::Text(URL_SHAPE), |node| match node.text() {
        Some(text) => target(text, env),
        None => Err(Mistake::found(kind(node), URL)),
    })
}

fn target(text: &str, env: &impl Fn(&str) -> Option<String>) -> Result<(BaseUrl, Secret), Mistake> {
    let text = expanded(text, env, URL)?;
    let (base, query) = match text.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (text.as_str(), None),
    };
    let hidden = |mistake: Mistake| Mistake::found("another URL", mistake.accepted);
    let url = BaseUrl::parse(base).map_err(hidden)?;
    if query.is_some_and(|query| !query.bytes().all(|b| b.is_ascii_graphic() && b != b'#')) {
        return Err(Mistake::found(
            "a query with unprintable characters or #",
            URL,
        ));
    }
    let path = match url.path_prefix.as_str() {
        "" => "/",
        path => path,
    };
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Ok((url, Secret::new(target)))
}

fn secret(env: &impl Fn(&str) -> Option<String>) -> Reader<'_, Secret> {
    Reader::new(Shape::Text(SECRET_SHAPE), |node| match node.text() {
        Some(text) => long_enough(Secret::new(expanded(text, env, SECRET)?)),
        None => Err(Mistake::found(kind(node), SECRET)),
    })
}

fn secret_file(file: &Path) -> Reader<'_, Secret> {
    let shape = Shape::Text(Text::new(SECRET_FILE, "."));
    values::parsed(shape, SECRET_FILE, |text| {
        let path = super::beside(file, Path::new(text));
        let read = Secret::read_file(&path);
        long_enough(
            read.map_err(|why| Mistake::found(format!("{}: {why}", path.display()), SECRET_FILE))?,
        )
    })
}

fn long_enough(secret: Secret) -> Result<Secret, Mistake> {
    if secret.expose().len() >= SECRET_BYTES_MIN {
        return Ok(secret);
    }
    let found = format!("fewer than {SECRET_BYTES_MIN} characters");
    Err(Mistake::found(found, SECRET))
}

const LIST: &str = "a list with an entry for each destination, such as - webhook: https://…";

const ENTRY: &str = "webhook: URL, or slack: URL";

const EVENTS: &str = "a list such as [rolled_back, rearmed]";

const URL: &str = "https://HOST/PATH, or ${NAME} of an environment variable that holds it";

const SECRET: &str =
    "at least 16 characters, or ${NAME} of an environment variable that holds them";

const SECRET_FILE: &str = "a file of mode 0600 or 0440 with at least 16 characters";

/// 96 bits in base64.
const SECRET_BYTES_MIN: usize = 16;

/// A variable may stand for any part; else the address is one, with a query if need be.
const URL_SHAPE: Text = Text::new(
    URL,
    concat!(
        r"^(?:[!-~]*\$\{[A-Za-z0-9_]+\}[!-~]*|",
        base_url!(),
        r#"(?:\?[!"$-~]*)?)$"#
    ),
);

/// What is counted is bytes, of which other letters have several.
const SECRET_SHAPE: Text = Text::new(SECRET, r"[\s\S]{16}|[^\u0000-\u007f]|\$\{[A-Za-z0-9_]+\}");

/// One secret at most, and none for Slack.
const SECRETS: Pairs = Pairs(&[
    ("secret", "secret_file"),
    ("slack", "secret"),
    ("slack", "secret_file"),
]);
