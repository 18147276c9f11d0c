//! What a call's spans say.
//!
//! A call is one SERVER span, by OpenTelemetry's conventions for HTTP; each arm that was asked is a
//! CLIENT span below it, by those for generative AI (`gen_ai.*`,
//! <https://github.com/open-telemetry/semantic-conventions-genai>). What only crossfade knows is
//! named `crossfade.*`. No attribute holds a prompt, an answer, a key, a header or an account:
//! there is none in a [`Record`], and an ARN's account is taken out. `docs/traces.md` lists them
//! all, and a test holds the list against what is sent.

use super::message::{AnyValue, ArrayValue, KeyValue, Span, SpanKind, Status, StatusCode, Value};
use crate::config::Dialect;
use crate::outcome::{Arm, Verdict};
use crate::telemetry::metrics::Eligibility;
use crate::telemetry::trace::SpanId;
use crate::telemetry::trace::record::{Asked, Record};
use crate::translate::Arn;
use std::borrow::Cow;
use std::time::Duration;

/// The spans of a call: its own first, then those of the arms in the order in which they were asked.
pub(super) fn of(record: &Record) -> Vec<Span> {
    let arms = [
        (Arm::Bedrock, record.trace.bedrock, &record.bedrock),
        (Arm::Original, record.trace.original, &record.original),
    ];
    let asked = arms.into_iter().filter_map(|(arm, id, asked)| {
        let asked = asked.as_ref()?;
        Some(client(record, arm, id, asked))
    });
    std::iter::once(server(record)).chain(asked).collect()
}

/// The whole call, as the app sees it.
fn server(record: &Record) -> Span {
    let mut attributes = Attributes::default();
    attributes.text("http.request.method", "POST");
    attributes.text("http.route", record.route);
    attributes.text("url.path", &*record.trace.path);
    attributes.text("url.scheme", "http");
    if let Some(status) = record.status {
        attributes.whole("http.response.status_code", u64::from(status));
    }
    attributes.text("crossfade.request_id", &*record.request_id);
    if let Some(id) = &record.original_request_id {
        attributes.text("crossfade.original_request_id", cut(id));
    }
    if !record.model.is_empty() {
        attributes.text("crossfade.model", cut(&record.model));
    }
    attributes.flag("crossfade.stream", record.stream);
    if let Some(arm) = record.arm {
        attributes.text("crossfade.arm", arm.name());
    }
    attributes.text("crossfade.eligibility", eligibility(record.eligibility));
    if let Eligibility::Ineligible(reason) = record.eligibility {
        attributes.text("crossfade.reason", reason.name());
    }
    if let Some((fault, outcome)) = record.failover {
        attributes.text("crossfade.failover", fault.name());
        attributes.text("crossfade.failover_outcome", outcome.name());
    }
    if record.forced {
        attributes.flag("crossfade.forced", true);
    }
    attributes.whole("crossfade.attempt", record.attempt.0);
    attributes.number(
        "crossfade.percent",
        f64::from(record.percent.basis_points()) / 100.0,
    );
    let error = seen(record);
    if let Some(error) = &error {
        attributes.text("error.type", &**error);
    }
    let trace = &record.trace;
    let parent = trace.parent.map(SpanId::to_bytes);
    Span {
        span_id: trace.call.to_bytes().to_vec(),
        parent_span_id: parent.map_or_else(Vec::new, |id| id.to_vec()),
        // The parent, if there is one, is in another process.
        flags: flags(record, parent.is_some()),
        name: format!("POST {}", record.route),
        kind: SpanKind::Server.into(),
        attributes: attributes.0,
        status: status(error.is_some()),
        ..span(record, Duration::ZERO, record.took)
    }
}

/// What went wrong for the app: a 5xx, or an answer that broke off. A 4xx is the caller's own, and
/// one that left knows it.
fn seen(record: &Record) -> Option<Cow<'static, str>> {
    let answering = record.original.as_ref().or(record.bedrock.as_ref());
    let class = match answering.map(|asked| asked.part.verdict) {
        Some(Verdict::Failure(class)) => Some(class.name()),
        Some(Verdict::Ok | Verdict::Rejected | Verdict::ContextWindow | Verdict::Cancelled) => None,
        None => None,
    };
    match (record.status, class) {
        (Some(400..=499) | None, _) => None,
        (Some(_), Some(class)) => Some(class.into()),
        (Some(status @ 500..), None) => Some(status.to_string().into()),
        (Some(_), None) => None,
    }
}

/// What one arm did for it.
fn client(record: &Record, arm: Arm, id: SpanId, asked: &Asked) -> Span {
    let model = without_account(cut(&asked.model));
    let mut attributes = Attributes::default();
    attributes.text("gen_ai.operation.name", CHAT);
    attributes.text("gen_ai.provider.name", provider(arm, record.dialect));
    if !model.is_empty() {
        attributes.text("gen_ai.request.model", &*model);
    }
    if asked.streamed {
        attributes.flag("gen_ai.request.stream", true);
        if let Some(first) = asked.part.first_token {
            attributes.number("gen_ai.response.time_to_first_chunk", first.as_secs_f64());
        }
    }
    if let Some((host, port)) = &asked.server {
        attributes.text("server.address", host.as_str());
        attributes.whole("server.port", u64::from(*port));
    }
    if let Some(status) = asked.status {
        attributes.whole("http.response.status_code", u64::from(status));
    }
    match arm {
        Arm::Original => attributes.text("openai.api.type", "chat_completions"),
        Arm::Bedrock => answer(&mut attributes, record, asked),
    }
    attributes.text("crossfade.arm", arm.name());
    attributes.text("crossfade.verdict", verdict(asked.part.verdict));
    let error = wrong(asked.part.verdict);
    if let Some(error) = error {
        attributes.text("error.type", error);
    }
    let name = if model.is_empty() {
        CHAT.to_owned()
    } else {
        format!("{CHAT} {model}")
    };
    Span {
        span_id: id.to_bytes().to_vec(),
        parent_span_id: record.trace.call.to_bytes().to_vec(),
        flags: flags(record, false),
        name,
        kind: SpanKind::Client.into(),
        attributes: attributes.0,
        status: status(error.is_some()),
        ..span(record, asked.after, asked.part.took)
    }
}

/// What is known of Bedrock's answer; the original's is not read.
fn answer(attributes: &mut Attributes, record: &Record, asked: &Asked) {
    if let Some(id) = record
        .answer_id
        .as_ref()
        .filter(|_| asked.part.first_token.is_some())
    {
        attributes.text("gen_ai.response.id", id.as_str());
    }
    let reason = match (record.finish, asked.part.first_token) {
        (Some(reason), _) => Some(reason),
        // The convention's word for an answer that began and has no end.
        (None, Some(_)) => Some("error"),
        (None, None) => None,
    };
    if let Some(reason) = reason {
        attributes.texts("gen_ai.response.finish_reasons", &[reason]);
    }
    let Some(tokens) = record.tokens else {
        return;
    };
    // By the convention cached tokens are part of the input.
    let input = tokens
        .input
        .saturating_add(tokens.cache_read)
        .saturating_add(tokens.cache_write);
    attributes.whole("gen_ai.usage.input_tokens", input);
    attributes.whole("gen_ai.usage.output_tokens", tokens.output);
    for (key, count) in [
        ("gen_ai.usage.cache_read.input_tokens", tokens.cache_read),
        ("gen_ai.usage.cache_write.input_tokens", tokens.cache_write),
    ] {
        if count > 0 {
            attributes.whole(key, count);
        }
    }
}

/// What every span of a call has; `after` and `took` are its place in the call.
fn span(record: &Record, after: Duration, took: Duration) -> Span {
    let trace = &record.trace;
    let begin = trace.began_unix_ns.saturating_add(nanos(after));
    Span {
        trace_id: trace.id.to_bytes().to_vec(),
        trace_state: trace.state.as_deref().unwrap_or_default().to_owned(),
        start_time_unix_nano: begin,
        end_time_unix_nano: begin.saturating_add(nanos(took)),
        ..Span::default()
    }
}

/// The trace's flags, and whether the parent is in another process.
fn flags(record: &Record, remote: bool) -> u32 {
    let is_remote = if remote { IS_REMOTE } else { 0 };
    u32::from(record.trace.flags) | HAS_IS_REMOTE | is_remote
}

fn status(wrong: bool) -> Option<Status> {
    // Left out where nothing went wrong: that is for the application to say.
    wrong.then(|| Status {
        code: StatusCode::Error.into(),
    })
}

/// `error.type` of what an arm did; a caller that left is no error.
const fn wrong(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Ok | Verdict::Cancelled => None,
        Verdict::Failure(class) => Some(class.name()),
        Verdict::Rejected | Verdict::ContextWindow => Some(self::verdict(verdict)),
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    crate::telemetry::metrics::verdict_labels(verdict).0
}

/// Whether Bedrock could have honoured the call, without the reason.
const fn eligibility(eligibility: Eligibility) -> &'static str {
    match eligibility {
        Eligibility::Eligible | Eligibility::Unread => eligibility.name(),
        Eligibility::Ineligible(_) => "ineligible",
    }
}

const fn provider(arm: Arm, dialect: Dialect) -> &'static str {
    match (arm, dialect) {
        (Arm::Bedrock, Dialect::OpenAi | Dialect::Azure) => "aws.bedrock",
        (Arm::Original, Dialect::OpenAi) => "openai",
        (Arm::Original, Dialect::Azure) => "azure.ai.openai",
    }
}

/// A model's name; of an ARN the account is left out.
fn without_account(model: &str) -> Cow<'_, str> {
    match Arn::parse(model) {
        Some(arn) => Arn { account: "", ..arn }.to_string().into(),
        None => model.into(),
    }
}

/// The beginning of a text that a caller or a provider chose.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(FOREIGN_BYTES_MAX))
        .unwrap_or_default()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The attributes of a span, in the order in which they are shown.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, key: &'static str, value: Value) {
        self.0.push(attribute(key, value));
    }

    fn text(&mut self, key: &'static str, value: impl Into<String>) {
        self.add(key, Value::Text(value.into()));
    }

    fn texts(&mut self, key: &'static str, values: &[&str]) {
        let values = values.iter().map(|text| AnyValue {
            value: Some(Value::Text((*text).to_owned())),
        });
        let values = values.collect();
        self.add(key, Value::List(ArrayValue { values }));
    }

    fn whole(&mut self, key: &'static str, value: u64) {
        self.add(key, Value::Whole(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn number(&mut self, key: &'static str, value: f64) {
        self.add(key, Value::Number(value));
    }

    fn flag(&mut self, key: &'static str, value: bool) {
        self.add(key, Value::Flag(value));
    }
}

/// One attribute.
pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
    }
}

/// The operation of the conventions.
const CHAT: &str = "chat";

/// Of a span's flags: it is known whether its parent is in another process, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The most bytes of a foreign text; room for the longest ARN.
const FOREIGN_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests;
