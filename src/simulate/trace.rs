//! A recorded trace: one JSON object a line, one line a call.
//!
//! Fields: `at` (seconds, when the call began), `arm`, `verdict`, `class` (of a failure),
//! `first_token_ms` (none: no token came) and `total_ms`; `request_id` names the call in a trip and
//! `key` is what a repeated refusal is recognised by. Others are ignored and named once. Logs are
//! mostly written when a call ends, so lines may be out of order by as long as a call may last
//! ([`REORDER_MS`]); they are put in order here, in a bounded heap.
//!
//! Lines are parsed in one pass; only one that this refuses is looked at again, field by field, to
//! say what is wrong with it.

use crate::outcome::{Arm, Class, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

/// How far a line may be behind an earlier one, in milliseconds: the default `timeouts.total`, the
/// longest that a Bedrock call lasts.
pub(crate) const REORDER_MS: u64 = 600_000;

/// The longest line, in bytes; a call has a few hundred.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The longest trace in days: a wrong unit in one line must not simulate for ever.
const DAYS_MAX: u64 = 400;

/// The latest `at`, in seconds: far beyond Unix time.
const AT_MAX: f64 = 1e11;

/// The longest time of a call, in milliseconds: a day.
const CALL_MS_MAX: f64 = 86_400_000.0;

/// One recorded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// When it began, in milliseconds of the trace.
    pub(crate) at_ms: u64,
    /// Who was asked.
    pub(crate) arm: Arm,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// From its begin to the first token.
    pub(crate) first_token_ms: Option<u64>,
    /// From its begin to its end.
    pub(crate) total_ms: u64,
    /// Its name in a trip; none: its line.
    pub(crate) request_id: Option<Arc<str>>,
    /// What repeated refusals have in common; none: nothing.
    pub(crate) key: Option<u64>,
    /// The line that it is on, or its number.
    pub(crate) number: u64,
}

/// Why a trace cannot be played.
#[derive(Debug)]
pub(crate) enum TraceError {
    /// It cannot be read.
    Io(io::Error),
    /// A line is no call.
    Line {
        /// Which one, from 1.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// There is no call in it.
    Empty,
}

impl fmt::Display for TraceError {
    /// To follow the file's name and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, " {error}"),
            Self::Line { number, why } => write!(f, "{number}: {why}"),
            Self::Empty => write!(
                f,
                " no calls; accepted is one JSON object a line, such as {EXAMPLE}"
            ),
        }
    }
}

/// A line as it should be.
const EXAMPLE: &str =
    r#"{"at":12.5,"arm":"bedrock","verdict":"ok","first_token_ms":420,"total_ms":1900}"#;

/// The calls of a trace in order.
pub(crate) struct Trace<R> {
    lines: R,
    line: String,
    number: u64,
    read_bytes: u64,
    first_ms: Option<u64>,
    latest_ms: u64,
    ended: bool,
    waiting: BinaryHeap<Reverse<Waiting>>,
    ignored: Vec<String>,
}

/// A call that waits for earlier ones, ordered by time and line.
struct Waiting(Call);

impl<R: BufRead> Trace<R> {
    /// Reads `lines` as it is asked for calls.
    pub(crate) fn new(lines: R) -> Self {
        Self {
            lines,
            line: String::new(),
            number: 0,
            read_bytes: 0,
            first_ms: None,
            latest_ms: 0,
            ended: false,
            waiting: BinaryHeap::new(),
            ignored: Vec::new(),
        }
    }

    /// Fields of the first line that mean nothing here.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// How much of the trace was read, in bytes.
    pub(crate) const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next call by its time; none at the end.
    ///
    /// # Errors
    ///
    /// The line that is no call, or what the system says.
    pub(crate) fn next_call(&mut self) -> Result<Option<Call>, TraceError> {
        while !self.ended && !self.is_due() {
            match self.read_line()? {
                Some(call) => self.take(call)?,
                None => self.ended = true,
            }
        }
        let next = self.waiting.pop().map(|Reverse(Waiting(call))| call);
        if next.is_none() && self.first_ms.is_none() {
            return Err(TraceError::Empty);
        }
        Ok(next)
    }

    /// Whether no line can come before the earliest call that waits.
    fn is_due(&self) -> bool {
        self.waiting.peek().is_some_and(|Reverse(Waiting(call))| {
            call.at_ms.saturating_add(REORDER_MS) < self.latest_ms
        })
    }

    fn take(&mut self, call: Call) -> Result<(), TraceError> {
        let refused = |why| TraceError::Line {
            number: call.number,
            why,
        };
        let at = Seconds(call.at_ms);
        if call.at_ms.saturating_add(REORDER_MS) < self.latest_ms {
            return Err(refused(format!(
                "`at` is {at}, more than 10 minutes before an earlier line's {}; sort the lines \
                 by `at`",
                Seconds(self.latest_ms)
            )));
        }
        let first_ms = *self.first_ms.get_or_insert(call.at_ms);
        if call.at_ms.saturating_sub(first_ms) > DAYS_MAX * 86_400_000 {
            return Err(refused(format!(
                "`at` is {at}, more than {DAYS_MAX} days after the first line's {}; `at` is in \
                 seconds",
                Seconds(first_ms)
            )));
        }
        self.latest_ms = self.latest_ms.max(call.at_ms);
        self.waiting.push(Reverse(Waiting(call)));
        Ok(())
    }

    /// The call on the next line that is not blank.
    fn read_line(&mut self) -> Result<Option<Call>, TraceError> {
        loop {
            self.line.clear();
            self.number += 1;
            let number = self.number;
            let mut limited = Read::take(&mut self.lines, LINE_BYTES_MAX);
            let read = limited
                .read_line(&mut self.line)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => TraceError::Line {
                        number,
                        why: "no UTF-8 text".to_owned(),
                    },
                    _ => TraceError::Io(error),
                })?;
            self.read_bytes += read as u64;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LINE_BYTES_MAX {
                let why = format!("longer than {} KiB", LINE_BYTES_MAX / 1024);
                return Err(TraceError::Line { number, why });
            }
            let line = self.line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() {
                continue;
            }
            if self.first_ms.is_none() {
                self.ignored = ignored(line);
            }
            return match call(line, number) {
                Ok(call) => Ok(Some(call)),
                Err(why) => Err(TraceError::Line { number, why }),
            };
        }
    }
}

/// A line as it is written; [`Call`] has its meaning.
#[derive(Deserialize)]
struct Fields<'a> {
    at: f64,
    #[serde(borrow)]
    arm: Cow<'a, str>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow, default)]
    class: Option<Cow<'a, str>>,
    #[serde(default)]
    first_token_ms: Option<f64>,
    total_ms: f64,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
}

/// The fields that mean something.
const FIELDS: [&str; 8] = [
    "at",
    "arm",
    "verdict",
    "class",
    "first_token_ms",
    "total_ms",
    "request_id",
    "key",
];

/// The verdicts, as a trace writes them.
const VERDICTS: &str = "ok, failure, rejected, context_window or cancelled";

fn call(line: &str, number: u64) -> Result<Call, String> {
    let fields: Fields<'_> = serde_json::from_str(line).map_err(|error| diagnosis(line, &error))?;
    let at_ms = millis("at", fields.at * 1_000.0, AT_MAX * 1_000.0)?;
    let arm = Arm::ALL
        .into_iter()
        .find(|arm| arm.name() == fields.arm)
        .ok_or_else(|| wrong("arm", &fields.arm, "bedrock or original"))?;
    let first_token_ms = match fields.first_token_ms {
        Some(ms) => Some(millis("first_token_ms", ms, CALL_MS_MAX)?),
        None => None,
    };
    let total_ms = millis("total_ms", fields.total_ms, CALL_MS_MAX)?;
    if first_token_ms.is_some_and(|first| first > total_ms) {
        return Err(format!(
            "`first_token_ms` is above `total_ms`, {total_ms}; both count from the call's begin"
        ));
    }
    Ok(Call {
        at_ms,
        arm,
        verdict: verdict(&fields)?,
        first_token_ms,
        total_ms,
        request_id: fields.request_id.as_deref().map(Arc::from),
        key: fields
            .key
            .map(|key| crate::split::key_hash("", key.as_bytes())),
        number,
    })
}

fn verdict(fields: &Fields<'_>) -> Result<Verdict, String> {
    let class = fields.class.as_deref().filter(|class| !class.is_empty());
    let verdict = match &*fields.verdict {
        "ok" => Verdict::Ok,
        "rejected" => Verdict::Rejected,
        "context_window" => Verdict::ContextWindow,
        "cancelled" => Verdict::Cancelled,
        "failure" => {
            let name = class.unwrap_or("nothing");
            let class = Class::ALL.into_iter().find(|class| class.name() == name);
            let classes = || Class::ALL.map(Class::name).join(", ");
            return class.map(Verdict::Failure).ok_or_else(|| {
                wrong("class", name, &format!("of a failure one of {}", classes()))
            });
        }
        other => return Err(wrong("verdict", other, VERDICTS)),
    };
    match class {
        None => Ok(verdict),
        Some(class) => Err(wrong(
            "class",
            class,
            "a class only with verdict failure, else null",
        )),
    }
}

/// Whole milliseconds of a number that the file gives.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in the range that was just checked"
)]
fn millis(field: &str, ms: f64, max: f64) -> Result<u64, String> {
    if (0.0..=max).contains(&ms) {
        return Ok(ms.round() as u64);
    }
    let (found, max, unit) = match field {
        "at" => (ms / 1_000.0, max / 1_000.0, "seconds"),
        _ => (ms, max, "milliseconds"),
    };
    Err(wrong(
        field,
        &found.to_string(),
        &format!("0 to {max} {unit}"),
    ))
}

fn wrong(field: &str, found: &str, accepted: &str) -> String {
    let found: String = found.chars().take(60).collect();
    format!("`{field}` is {found}; accepted: {accepted}")
}

/// What is wrong with a line that could not be read as [`Fields`].
fn diagnosis(line: &str, error: &serde_json::Error) -> String {
    let object: Map<String, Value> = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return format!("no JSON object; accepted is one such as {EXAMPLE}"),
        Err(error) => return format!("no JSON: {error}; accepted is one object such as {EXAMPLE}"),
    };
    let number = "a number";
    for (field, required, accepted) in [
        ("at", true, "a number of seconds"),
        ("arm", true, "bedrock or original"),
        ("verdict", true, VERDICTS),
        ("class", false, "text or null"),
        ("first_token_ms", false, "a number of milliseconds or null"),
        ("total_ms", true, "a number of milliseconds"),
        ("request_id", false, "text or null"),
        ("key", false, "text or null"),
    ] {
        let fits = match object.get(field) {
            None => !required,
            Some(Value::Null) => !required,
            Some(Value::Number(_)) => accepted.starts_with(number),
            Some(Value::String(_)) => !accepted.starts_with(number),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => false,
        };
        if !fits {
            let found = object.get(field).map(Value::to_string);
            return wrong(field, found.as_deref().unwrap_or("missing"), accepted);
        }
    }
    error.to_string()
}

/// The fields of a line that mean nothing.
fn ignored(line: &str) -> Vec<String> {
    let object: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
    object
        .into_iter()
        .map(|(field, _)| field)
        .filter(|field| !FIELDS.contains(&field.as_str()))
        .collect()
}

/// Milliseconds as a number of seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        match rest {
            0 => write!(f, "{whole}"),
            _ => {
                let decimals = format!("{rest:03}");
                write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
            }
        }
    }
}

impl Waiting {
    const fn order(&self) -> (u64, u64) {
        (self.0.at_ms, self.0.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl<R> fmt::Debug for Trace<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
