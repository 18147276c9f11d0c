//! `traces`: where spans go.
//!
//! The section switches them on; without it nothing is read and nothing is sent, whatever the
//! environment says: a header that goes to the original changes with it, and that is for the file
//! to decide. What the section leaves out is taken from OpenTelemetry's own variables, so that a
//! deployment that sets them for every container needs no more than `traces: on`. One that cannot be
//! used is warned of and left out, as their specification has it.

use super::super::address::{BaseUrl, base_url, port};
use super::super::defaults;
use super::super::problems::Problem;
use super::super::raw::{Map, Node};
use super::super::secret::Secret;
use super::super::section::{Mistake, Section, Sink, join, kind, quoted, report_repeated};
use super::super::shape::{Reader, Shape, Text};
use super::super::traces::{Path, Sample, Traces, header_value};
use super::super::values;
use super::original::expanded;
use super::variable;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName,
    TRANSFER_ENCODING, USER_AGENT,
};
use percent_encoding::percent_decode_str;

/// Reads the section; none if traces are off.
pub(super) fn read(
    root: &mut Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
) -> Option<Traces> {
    let (sink, path) = (root.sink(), root.path("traces"));
    let switch = Shape::Word(vec!["on", "off"]);
    let shape = Shape::Either(vec![switch, Shape::Flag, Shape::Section]);
    root.note("traces", &shape, Some("off".into()));
    let map = match root.node("traces")? {
        Node::Bool(false) => return None,
        Node::Text(text) if text == "off" => return None,
        Node::Bool(true) => None,
        Node::Text(text) if text == "on" => None,
        Node::Map(map) => Some(map),
        node @ (Node::Nothing | Node::Number(_) | Node::Text(_) | Node::List(_) | Node::Tagged) => {
            sink.problem(Mistake::from(SECTION).at(path, node));
            return None;
        }
    };
    let mut section = Section::of(sink, path.clone(), map);
    let collector = collector(&mut section, env);
    let headers = headers(&mut section, env);
    let sample = sample(&mut section, env);
    let resource = resource(&mut section, env);
    section.finish();
    if variable(env, DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        sink.warning(
            path,
            format!("{DISABLED} is set in the environment, so no spans are sent"),
        );
        return None;
    }
    collector.map(|(url, path)| Traces {
        tls: url.tls,
        authority: url.authority,
        path,
        headers,
        sample,
        resource,
    })
}

/// Where spans go.
fn collector(
    section: &mut Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
) -> Option<(BaseUrl, Path)> {
    let url = Reader::new(Shape::Text(OTLP_SHAPE), |node| {
        let Node::Text(text) = node else {
            return Err(Mistake::found(kind(node), OTLP));
        };
        place(&expanded(text, env, OTLP)?, Base::Begins)
    });
    let found = section.optional("otlp", url);
    if section.node("otlp").is_some() {
        warn_of_grpc(section.sink(), section.path("otlp"), found.as_ref());
        return found;
    }
    let sink = section.sink();
    let told = |names: [&'static str; 2]| {
        names
            .into_iter()
            .find_map(|name| Some((name, variable(env, name)?)))
    };
    if let Some((name, protocol)) = told(PROTOCOLS)
        && !protocol.eq_ignore_ascii_case("http/protobuf")
    {
        let accepted = "http/protobuf, or traces.otlp in the file with the URL of an OTLP receiver \
                        over HTTP";
        unusable(sink, name, &quoted(&protocol), NO_SPANS, accepted);
        return None;
    }
    let (name, url, base) = match (variable(env, WHOLE_URL), variable(env, BASE_URL)) {
        (Some(url), _) => (WHOLE_URL, url, Base::Whole),
        (None, Some(url)) => (BASE_URL, url, Base::Begins),
        (None, None) => (BASE_URL, defaults::OTLP.to_owned(), Base::Begins),
    };
    match place(&url, base) {
        Ok(place) => {
            warn_of_grpc(sink, Problem::variable(name), Some(&place));
            Some(place)
        }
        Err(mistake) => {
            unusable(sink, name, "another URL", NO_SPANS, &mistake.accepted);
            None
        }
    }
}

fn warn_of_grpc(sink: &Sink, path: String, to: Option<&(BaseUrl, Path)>) {
    if to.is_some_and(|(url, _)| url.port() == GRPC_PORT) {
        let text = "4317 is the usual port of OTLP over gRPC; crossfade sends OTLP over HTTP, whose \
                    usual port is 4318";
        sink.warning(path, text);
    }
}

/// A variable that cannot be used is no mistake of the file's: it must not keep a sidecar from starting.
fn unusable(sink: &Sink, name: &str, found: &str, so: &str, accepted: &str) {
    let text = format!("found {found}, so {so}; accepted: {accepted}");
    sink.warning(Problem::variable(name), text);
}

/// What a URL says of the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// The signal's own path follows.
    Begins,
    /// It is all of it.
    Whole,
}

/// Takes a collector's URL apart. What is there is not shown: its path may hold a key.
fn place(text: &str, base: Base) -> Result<(BaseUrl, Path), Mistake> {
    let other = |accepted: String| Mistake::found("another URL", accepted);
    if !text.contains("://") {
        return Err(other(OTLP.to_owned()));
    }
    let url = BaseUrl::parse(text).map_err(|mistake| other(mistake.accepted))?;
    let prefix = &url.path_prefix;
    let path = match base {
        Base::Begins if prefix.ends_with(TRACES_PATH) => prefix.clone(),
        Base::Begins => format!("{prefix}{TRACES_PATH}"),
        // As it stands, with the slash at its end.
        Base::Whole if prefix.is_empty() => "/".to_owned(),
        Base::Whole if text.ends_with('/') => format!("{prefix}/"),
        Base::Whole => prefix.clone(),
    };
    let path = path.parse().map_err(|_| other(OTLP.to_owned()))?;
    Ok((url, Path(path)))
}

/// What goes with each export: the file's, and those of the environment that it does not replace.
fn headers(
    section: &mut Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
) -> Vec<(HeaderName, Secret)> {
    let (sink, path) = (section.sink(), section.path("headers"));
    section.note("headers", &named(HEADER_NAME, HEADER_VALUE), None);
    let mut headers = match section.node("headers") {
        None => Vec::new(),
        Some(Node::Map(map)) => written_headers(sink, &path, map, env),
        Some(node) => {
            sink.problem(Mistake::found(kind(node), HEADERS).at(path, node));
            Vec::new()
        }
    };
    for name in HEADER_VARIABLES {
        let Some(text) = variable(env, name) else {
            continue;
        };
        match pairs(&text).and_then(|pairs| pairs.into_iter().map(header).collect()) {
            Some(more) => add(&mut headers, more),
            None => unusable(sink, name, "another text", LEFT_OUT, PAIRS),
        }
    }
    headers
}

fn written_headers(
    sink: &Sink,
    path: &str,
    map: &Map,
    env: &impl Fn(&str) -> Option<String>,
) -> Vec<(HeaderName, Secret)> {
    let mut headers = Vec::new();
    for (name, node) in entries(sink, path, map) {
        let value = match node {
            Node::Text(text) | Node::Number(text) => expanded(text, env, HEADER),
            Node::Nothing | Node::Bool(_) | Node::List(_) | Node::Map(_) | Node::Tagged => {
                Err(Mistake::found(kind(node), HEADER))
            }
        };
        let read = value.and_then(|value| {
            header((name.clone(), value)).ok_or_else(|| Mistake::found("another header", HEADER))
        });
        match read {
            Ok(header) => add(&mut headers, vec![header]),
            Err(mistake) => sink.problem(mistake.at(join(path, name), node)),
        }
    }
    headers
}

/// Names that the operator chooses, each with a text.
fn named(name: Text, value: Text) -> Shape {
    Shape::Named {
        name,
        of: Box::new(Shape::Text(value.or_number())),
        least: 0,
        most: defaults::LIST_MAX,
    }
}

/// What is under such names; nothing, if there are too many.
fn entries<'a>(sink: &Sink, path: &str, map: &'a Map) -> &'a [(String, Node)] {
    report_repeated(sink, path, map);
    if map.entries.len() <= defaults::LIST_MAX {
        return &map.entries;
    }
    let found = format!("{} entries", map.entries.len());
    let accepted = format!("at most {}", defaults::LIST_MAX);
    sink.problem(Problem::new(path, found, accepted));
    &[]
}

/// A header that may be sent with an export; none of those that crossfade itself sends.
fn header((name, value): (String, String)) -> Option<(HeaderName, Secret)> {
    let name: HeaderName = name.parse().ok()?;
    let value = Secret::new(value);
    (!OURS.contains(&name) && header_value(&value).is_some()).then_some((name, value))
}

/// Adds what is not there yet: the first word counts.
fn add<K: PartialEq, V>(known: &mut Vec<(K, V)>, more: Vec<(K, V)>) {
    for (key, value) in more {
        if known.iter().all(|(other, _)| *other != key) {
            known.push((key, value));
        }
    }
}

fn sample(section: &mut Section<'_>, env: &impl Fn(&str) -> Option<String>) -> Sample {
    let share = section.optional("sample", values::percent());
    if section.node("sample").is_some() {
        return share.map_or(Sample::ALL, Sample::of_percent);
    }
    let sink = section.sink();
    let Some(sampler) = variable(env, SAMPLER) else {
        return Sample::ALL;
    };
    let name = sampler.to_ascii_lowercase();
    let (of_callers, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name.as_str()),
    };
    let share = match root {
        "always_on" => Sample::ALL,
        "always_off" => Sample::NONE,
        "traceidratio" => ratio(sink, variable(env, SAMPLER_ARG)),
        _ => {
            unusable(sink, SAMPLER, &quoted(&sampler), LEFT_OUT, SAMPLERS);
            return Sample::ALL;
        }
    };
    if !of_callers {
        let found = quoted(&sampler);
        let text = format!("found {found}; what a caller has decided is followed all the same");
        sink.warning(Problem::variable(SAMPLER), text);
    }
    share
}

fn ratio(sink: &Sink, share: Option<String>) -> Sample {
    let Some(text) = share else {
        return Sample::ALL;
    };
    let share = text.trim().parse().ok().and_then(Sample::of_ratio);
    share.unwrap_or_else(|| {
        let accepted = "a number from 0 to 1";
        unusable(sink, SAMPLER_ARG, &quoted(&text), LEFT_OUT, accepted);
        Sample::ALL
    })
}

/// Who sends the spans. What the file says comes first, then the variable for the name alone.
fn resource(
    section: &mut Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let name = |value: String| (SERVICE_NAME.to_owned(), value);
    let fits = |text: &str| is_short(text);
    let service = section.optional("service", values::text(ATTRIBUTE_TEXT, fits));
    let mut resource: Vec<_> = service.map(name).into_iter().collect();
    let (sink, path) = (section.sink(), section.path("attributes"));
    section.note("attributes", &named(ATTRIBUTE_TEXT, ATTRIBUTE_TEXT), None);
    match section.node("attributes") {
        None => {}
        Some(Node::Map(map)) => {
            for (key, node) in entries(sink, &path, map) {
                match values::text(ATTRIBUTE_TEXT, fits).read(node) {
                    Ok(value) if is_short(key) => add(&mut resource, vec![(key.clone(), value)]),
                    Ok(_) => sink.problem(Problem::new(path.as_str(), quoted(key), ATTRIBUTE)),
                    Err(mistake) => sink.problem(mistake.at(join(&path, key), node)),
                }
            }
        }
        Some(node) => sink.problem(Mistake::found(kind(node), ATTRIBUTES).at(path, node)),
    }
    add(
        &mut resource,
        variable(env, SERVICE).map(name).into_iter().collect(),
    );
    if let Some(text) = variable(env, RESOURCE) {
        match pairs(&text) {
            Some(more) => add(&mut resource, more),
            None => unusable(sink, RESOURCE, &quoted(&text), LEFT_OUT, PAIRS),
        }
    }
    add(&mut resource, vec![name(defaults::SERVICE.to_owned())]);
    resource
}

/// `name=value,name=value`, percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .take(defaults::LIST_MAX)
        .map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let decoded = |text: &str| {
                let text = percent_decode_str(text.trim()).decode_utf8().ok()?;
                Some(text.into_owned())
            };
            Some((decoded(name)?, decoded(value)?)).filter(|(name, _)| !name.is_empty())
        })
        .collect()
}

fn is_short(text: &str) -> bool {
    (1..=ATTRIBUTE_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

const SECTION: &str = "on, off, or keys such as { otlp: http://127.0.0.1:4318, sample: 10% }";

const OTLP: &str = "the URL of an OTLP receiver over HTTP, such as http://127.0.0.1:4318; \
                    /v1/traces is added unless it is there";

/// A variable may stand for any part; else it is an address.
const OTLP_SHAPE: Text = Text::new(
    OTLP,
    concat!(r"^(?:[!-~]*\$\{[A-Za-z0-9_]+\}[!-~]*|", base_url!(), ")$"),
);

const HEADERS: &str = "names and values, such as { authorization: ${COLLECTOR_KEY} }";

const HEADER: &str = "the name of a header that crossfade does not send itself, and its value, or \
                      ${NAME} of an environment variable that holds it";

const HEADER_NAME: Text = Text::new(HEADER, r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$");

/// Which variables there are is not known here.
const HEADER_VALUE: Text = Text::new(HEADER, r"^[\s\S]*$");

const ATTRIBUTES: &str = "names and values, such as { deployment.environment.name: staging }";

const ATTRIBUTE: &str = "text of 1 to 256 bytes";

const ATTRIBUTE_TEXT: Text =
    Text::new(ATTRIBUTE, r"^[^\u0000-\u001f\u007f-\u009f]+$").up_to(ATTRIBUTE_BYTES_MAX);

const PAIRS: &str = "name=value,name=value, percent-encoded";

const SAMPLERS: &str = "parentbased_always_on, parentbased_always_off, parentbased_traceidratio; or \
                        traces.sample in the file";

const NO_SPANS: &str = "no spans are sent";

const LEFT_OUT: &str = "it is left out";

const ATTRIBUTE_BYTES_MAX: usize = 256;

/// What OTLP over HTTP adds for traces.
const TRACES_PATH: &str = "/v1/traces";

const GRPC_PORT: u16 = 4317;

const SERVICE_NAME: &str = "service.name";

/// The variables of the OpenTelemetry specification that are honoured, in its own order of
/// precedence.
const WHOLE_URL: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const BASE_URL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const HEADER_VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// Sent by crossfade, or not to be chosen.
const OURS: [HeaderName; 7] = [
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TRANSFER_ENCODING,
    USER_AGENT,
];

#[cfg(test)]
mod tests;
