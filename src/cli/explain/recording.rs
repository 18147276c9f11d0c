//! What Bedrock answered, from a file, in each of the forms in which people have it.
//!
//! The answer of Converse, the events of ConverseStream as JSON (a list, one a line, or under
//! `stream` as boto3 has them), the raw event stream that curl wrote, or an error's body. Each
//! becomes the events that crossfade would have read, with the place where each is in the file.

use super::json::compact;
use crate::converse::ServiceError;
use crate::upstream::Failure;
use crate::upstream::bedrock::failure_of;
use crate::upstream::frames::Recorded;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// An answer, event by event.
#[derive(Debug)]
pub(super) struct Recording {
    /// How it was written.
    pub(super) form: Form,
    /// What came, in order.
    pub(super) steps: Vec<Step>,
    /// What is odd about it.
    pub(super) notes: Vec<String>,
}

/// How an answer was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The JSON of Converse.
    Converse,
    /// The events of ConverseStream as JSON.
    Events,
    /// The frames of `application/vnd.amazon.eventstream`.
    EventStream,
    /// The body of an error.
    Error,
}

impl Form {
    /// For programs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Converse => "converse",
            Self::Events => "events",
            Self::EventStream => "event_stream",
            Self::Error => "error",
        }
    }
}

/// One thing that came.
#[derive(Debug)]
pub(super) struct Step {
    /// Where it is in the file.
    pub(super) place: String,
    /// What it is.
    pub(super) what: What,
}

/// What came.
#[derive(Debug)]
pub(super) enum What {
    /// An event and its payload.
    Event(String, Vec<u8>),
    /// An exception, or a frame that cannot be read.
    Failed(Failure),
}

/// Reads a file.
///
/// # Errors
///
/// Where it is none of the forms, and what would be right.
pub(super) fn read(bytes: &[u8]) -> Result<Recording, String> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(format!("is empty; accepted: {FORMS}")),
        Some(b'{' | b'[') => {
            let text = str::from_utf8(bytes)
                .map_err(|error| format!("byte {}: no UTF-8", error.valid_up_to()))?;
            of_json(text)
        }
        // A frame begins with its length, which is below 16 MiB.
        Some(0) => Ok(of_frames(bytes)),
        Some(_) if bytes.starts_with(b"HTTP/") => Err(
            "begins with the head of an HTTP answer; accepted: its body alone (curl without -i)"
                .to_owned(),
        ),
        Some(byte) => Err(format!("begins with byte 0x{byte:02x}; accepted: {FORMS}")),
    }
}

const FORMS: &str = "a Converse answer, ConverseStream events as JSON (a list or one a line), or \
                     the binary event stream as curl --output writes it";

fn of_frames(bytes: &[u8]) -> Recording {
    let step = |(at, message): (usize, Result<_, Failure>)| Step {
        place: format!("byte {at}"),
        what: match message {
            Ok(message) => {
                let message: crate::upstream::frames::EventMessage = message;
                let (kind, payload) = message.parts();
                What::Event(kind.to_owned(), payload.to_vec())
            }
            Err(failure) => What::Failed(failure),
        },
    };
    let steps: Vec<Step> = Recorded::new(bytes).map(step).collect();
    Recording {
        form: Form::EventStream,
        notes: unknown(&steps),
        steps,
    }
}

fn of_json(text: &str) -> Result<Recording, String> {
    let values: Vec<&RawValue> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| at(&error, "no JSON"))?;
    if let [whole] = values.as_slice() {
        if whole.get().starts_with('[') {
            return of_events(text, &items(text, whole)?);
        }
        let members: Members<'_> = members(text, whole)?;
        if members.contains_key("output") {
            return of_answer(text, whole);
        }
        if let Some(stream) = members.get("stream") {
            return of_events(text, &items(text, stream)?);
        }
        if members.keys().any(|key| ERROR_KEYS.contains(&key.as_str())) {
            return Ok(of_error(whole, &members));
        }
    }
    of_events(text, &values)
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What the body of an error has.
const ERROR_KEYS: [&str; 4] = ["message", "Message", "__type", "code"];

fn of_error(whole: &RawValue, members: &Members<'_>) -> Recording {
    let name = ["__type", "code"]
        .iter()
        .find_map(|key| members.get(*key))
        .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .unwrap_or_default();
    let error = ServiceError::from_exception(&name, whole.get().as_bytes());
    let notes = if name.is_empty() {
        vec![
            "the body does not name the error (HTTP does, in x-amzn-errortype): add \"__type\": \
             \"ThrottlingException\" or what it was"
                .to_owned(),
        ]
    } else {
        Vec::new()
    };
    Recording {
        form: Form::Error,
        steps: vec![Step {
            place: "line 1".to_owned(),
            what: What::Failed(failure_of(&error)),
        }],
        notes,
    }
}

fn of_events(text: &str, events: &[&RawValue]) -> Result<Recording, String> {
    let mut steps = Vec::with_capacity(events.len());
    for event in events {
        let place = format!("line {}", line_of(text, event));
        let members = members(text, event)?;
        let mut pairs = members.into_iter();
        let (Some((kind, payload)), None) = (pairs.next(), pairs.next()) else {
            return Err(format!(
                "{place}: no event; accepted: an object with one key, such as \
                 {{\"messageStart\": {{\"role\": \"assistant\"}}}}"
            ));
        };
        let payload = payload.get().as_bytes();
        let what = if kind.ends_with("Exception") {
            What::Failed(failure_of(&ServiceError::from_exception(&kind, payload)))
        } else {
            What::Event(kind, payload.to_vec())
        };
        steps.push(Step { place, what });
    }
    Ok(Recording {
        form: Form::Events,
        notes: unknown(&steps),
        steps,
    })
}

/// Events that are not known are passed over, as those of a later version of the service are.
fn unknown(steps: &[Step]) -> Vec<String> {
    let odd = |step: &Step| match &step.what {
        What::Event(kind, _) if !EVENTS.contains(&kind.as_str()) => Some(format!(
            "{}: {kind:?} is passed over: it is none of {}",
            step.place,
            EVENTS.join(", ")
        )),
        What::Event(..) | What::Failed(_) => None,
    };
    steps.iter().filter_map(odd).collect()
}

const EVENTS: [&str; 6] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
];

/// An answer of Converse.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    #[serde(borrow)]
    stop_reason: &'a RawValue,
    #[serde(borrow)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: &'a RawValue,
    #[serde(borrow)]
    content: Vec<Members<'a>>,
}

/// The same answer as the events that ConverseStream would have sent.
fn of_answer(text: &str, whole: &RawValue) -> Result<Recording, String> {
    let answer: Answer<'_> = serde_json::from_str(whole.get()).map_err(|error| {
        let line = line_of(text, whole) + error.line() - 1;
        format!("line {line}: no answer of Converse: {}", bare(&error))
    })?;
    let mut steps = Vec::new();
    let mut push = |place: &str, kind: &str, payload: String| {
        steps.push(Step {
            place: place.to_owned(),
            what: What::Event(kind.to_owned(), payload.into_bytes()),
        });
    };
    let role = answer.output.message.role;
    push(
        "output.message",
        "messageStart",
        format!("{{\"role\":{role}}}"),
    );
    for (index, block) in answer.output.message.content.iter().enumerate() {
        let place = format!("output.message.content[{index}]");
        for (key, value) in block {
            for (kind, inner) in events_of(key, value) {
                push(
                    &place,
                    kind,
                    format!("{{\"contentBlockIndex\":{index},{inner}}}"),
                );
            }
        }
        let stop = format!("{{\"contentBlockIndex\":{index}}}");
        push(&place, "contentBlockStop", stop);
    }
    let member = |name: &str, raw: Option<&RawValue>| {
        raw.map_or_else(String::new, |raw| format!(",\"{name}\":{raw}"))
    };
    let stop = format!(
        "{{\"stopReason\":{}{}}}",
        answer.stop_reason,
        member(
            "additionalModelResponseFields",
            answer.additional_model_response_fields
        )
    );
    push("stopReason", "messageStop", stop);
    let (usage, tier) = (
        member("usage", answer.usage),
        member("serviceTier", answer.service_tier),
    );
    push(
        "usage",
        "metadata",
        format!("{{\"metrics\":{{}}{usage}{tier}}}"),
    );
    Ok(Recording {
        form: Form::Converse,
        steps,
        notes: Vec::new(),
    })
}

/// The events of one member of a block, each without its index.
fn events_of(key: &str, value: &RawValue) -> Vec<(&'static str, String)> {
    const START: &str = "contentBlockStart";
    const DELTA: &str = "contentBlockDelta";
    let member = |name: &str| -> Option<String> {
        let members: Members<'_> = serde_json::from_str(value.get()).ok()?;
        members.get(name).map(|raw| raw.get().to_owned())
    };
    let text = |raw: &str| format!("\"delta\":{{\"text\":{raw}}}");
    match key {
        "text" => vec![(DELTA, text(value.get()))],
        "toolUse" => {
            let input = compact(&member("input").unwrap_or_default());
            let part = |name: &str| {
                member(name).map_or_else(String::new, |raw| format!(",\"{name}\":{raw}"))
            };
            let named = [part("toolUseId"), part("name"), part("type")].concat();
            let named = named.trim_start_matches(',');
            let mut events = vec![(START, format!("\"start\":{{\"toolUse\":{{{named}}}}}"))];
            if !matches!(input.as_str(), "" | "{}") {
                let json = serde_json::Value::from(input);
                events.push((
                    DELTA,
                    format!("\"delta\":{{\"toolUse\":{{\"input\":{json}}}}}"),
                ));
            }
            events
        }
        "reasoningContent" => {
            let inner = member("reasoningText").unwrap_or_else(|| value.get().to_owned());
            vec![(DELTA, format!("\"delta\":{{\"reasoningContent\":{inner}}}"))]
        }
        "citationsContent" => {
            let pieces: Vec<Members<'_>> = value_list(value, "content");
            let pieces = pieces.iter().filter_map(|piece| piece.get("text"));
            pieces.map(|raw| (DELTA, text(raw.get()))).collect()
        }
        // Nothing that an answer to a chat call can hold: read as such.
        other => {
            let name = serde_json::Value::from(other);
            vec![(DELTA, format!("\"delta\":{{{name}:{value}}}"))]
        }
    }
}

fn value_list<'a>(value: &'a RawValue, name: &str) -> Vec<Members<'a>> {
    let members: Members<'a> = serde_json::from_str(value.get()).unwrap_or_default();
    let list = members.get(name).map(|raw| serde_json::from_str(raw.get()));
    list.and_then(Result::ok).unwrap_or_default()
}

fn members<'a>(text: &str, value: &'a RawValue) -> Result<Members<'a>, String> {
    let line = line_of(text, value);
    serde_json::from_str(value.get())
        .map_err(|_| format!("line {line}: no JSON object; accepted: {FORMS}"))
}

fn items<'a>(text: &str, value: &'a RawValue) -> Result<Vec<&'a RawValue>, String> {
    let line = line_of(text, value);
    serde_json::from_str(value.get()).map_err(|_| format!("line {line}: no list of events"))
}

fn at(error: &serde_json::Error, what: &str) -> String {
    let (line, column) = (error.line(), error.column());
    format!("line {line} column {column}: {what} ({})", bare(error))
}

/// What an error says, without its place inside a part of the file.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

/// The line on which a value that was cut out of `text` begins.
fn line_of(text: &str, value: &RawValue) -> usize {
    let offset = (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
