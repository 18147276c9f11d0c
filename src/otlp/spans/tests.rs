//! What spans say, read with types that are generated from OpenTelemetry's own schema.

use super::super::{ExportTraceServiceRequest, encoded};
use super::*;
use crate::config::traces::{Path, Sample, Traces};
use crate::outcome::{Attempt, Class, Fault};
use crate::split::Percent;
use crate::telemetry::events::{Part, Tokens};
use crate::telemetry::metrics::FailoverOutcome;
use crate::telemetry::trace::Trace;
use crate::translate::Reason;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1 as collector;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Read;
use opentelemetry_proto::tonic::trace::v1 as read;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

const BEGAN_NS: u64 = 1_800_000_000_000_000_000;

fn trace(caller: bool) -> Trace {
    let mut headers = HeaderMap::new();
    if caller {
        let value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
        headers.insert("traceparent", value.parse().expect("a value"));
        headers.insert("tracestate", "congo=t61".parse().expect("a value"));
    }
    let mut drawn = 0;
    let draw = || {
        drawn += 1;
        drawn
    };
    Trace::begin(
        Sample::ALL,
        &headers,
        "/v1/chat/completions",
        BEGAN_NS,
        draw,
    )
    .expect("sampled")
}

fn part(verdict: Verdict) -> Part {
    Part {
        verdict,
        first_token: Some(Duration::from_millis(400)),
        took: Duration::from_millis(900),
    }
}

fn asked(part: Part, model: &str) -> Asked {
    Asked {
        after: Duration::from_millis(10),
        part,
        model: model.to_owned(),
        streamed: true,
        status: None,
        server: Some(("host.example.com".to_owned(), 443)),
    }
}

/// A streamed call that Bedrock answered well.
fn on_bedrock() -> Record {
    let share = Percent::from_basis_points(2_550).expect("a share");
    let mut record = Record::new(trace(true), "/v1/chat/completions", "req_1".into(), share);
    record.took = Duration::from_secs(1);
    record.model = "gpt-4o-mini".to_owned();
    record.eligibility = Eligibility::Eligible;
    record.stream = true;
    record.status = Some(200);
    record.attempt = Attempt(3);
    record.arm = Some(Arm::Bedrock);
    record.bedrock = Some(asked(part(Verdict::Ok), "amazon.nova-lite-v1:0"));
    record.tokens = Some(Tokens {
        input: 5,
        output: 20,
        cache_read: 90,
        cache_write: 2,
    });
    record.finish = Some("stop");
    record.answer_id = Some("chatcmpl-1".to_owned());
    record
}

/// A call that the original answered after Bedrock had failed it, with all that can be said.
fn failed_over() -> Record {
    let mut record = on_bedrock();
    let failed = Part {
        first_token: None,
        took: Duration::from_millis(50),
        verdict: Verdict::Failure(Class::Throttle),
    };
    record.bedrock = Some(asked(failed, "amazon.nova-lite-v1:0"));
    record.original = Some(Asked {
        after: Duration::from_millis(70),
        status: Some(200),
        ..asked(part(Verdict::Ok), "gpt-4o-mini")
    });
    record.arm = Some(Arm::Original);
    record.failover = Some((Fault::Counted(Class::Throttle), FailoverOutcome::Answered));
    record.original_request_id = Some("req_of_openai".to_owned());
    record.forced = true;
    (record.tokens, record.finish) = (None, None);
    record
}

fn to() -> Traces {
    Traces {
        tls: false,
        authority: "c:4318".parse().expect("a host"),
        path: Path("/v1/traces".parse().expect("a path")),
        headers: Vec::new(),
        sample: Sample::ALL,
        resource: vec![("service.name".to_owned(), "mine".to_owned())],
    }
}

/// As a collector reads it. Encoded again it is the same: there is nothing in it that the schema
/// does not know, or knows under another type.
fn read_back(records: &[Record]) -> collector::ExportTraceServiceRequest {
    let bytes = encoded(&to(), records);
    let read = collector::ExportTraceServiceRequest::decode(bytes.clone()).expect("OTLP");
    assert_eq!(read.encode_to_vec(), bytes);
    assert!(ExportTraceServiceRequest::decode(bytes).is_ok());
    read
}

fn spans(record: Record) -> Vec<read::Span> {
    let mut request = read_back(&[record]);
    let mut resource = request.resource_spans.pop().expect("one sender");
    resource.scope_spans.pop().expect("one part").spans
}

/// Attributes as text, by name. No name comes twice.
fn said(span: &read::Span) -> BTreeMap<String, String> {
    let shown = |value: &Read| match value {
        Read::StringValue(text) => text.clone(),
        Read::IntValue(number) => number.to_string(),
        Read::DoubleValue(number) => format!("{number:?}"),
        Read::BoolValue(flag) => flag.to_string(),
        Read::ArrayValue(list) => format!("{:?}", list.values),
        other => panic!("{other:?}"),
    };
    let pairs = span.attributes.iter().map(|pair| {
        let value = pair.value.as_ref().and_then(|it| it.value.as_ref());
        (pair.key.clone(), shown(value.expect("a value")))
    });
    let all: BTreeMap<_, _> = pairs.collect();
    assert_eq!(all.len(), span.attributes.len(), "{all:?}");
    all
}

#[track_caller]
fn says(span: &read::Span, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut found = said(span);
    if let Some(reasons) = found.get_mut("gen_ai.response.finish_reasons") {
        let words: Vec<_> = reasons.split('"').skip(1).step_by(2).collect();
        *reasons = words.join(",");
    }
    assert_eq!(found, expected);
}

#[test]
fn a_call_on_bedrock_is_a_span_for_the_app_and_one_for_the_model() {
    let found = spans(on_bedrock());
    let [server, client] = &found[..] else {
        panic!("{found:#?}")
    };
    assert_eq!(server.name, "POST /v1/chat/completions");
    assert_eq!(server.kind(), read::span::SpanKind::Server);
    assert_eq!(
        server.parent_span_id,
        0xb7ad_6b71_6920_3331_u64.to_be_bytes()
    );
    // Sampled, random, and the parent is in another process.
    assert_eq!((server.flags, client.flags), (0x303, 0x103));
    says(
        server,
        &[
            ("http.request.method", "POST"),
            ("http.route", "/v1/chat/completions"),
            ("url.path", "/v1/chat/completions"),
            ("url.scheme", "http"),
            ("http.response.status_code", "200"),
            ("crossfade.request_id", "req_1"),
            ("crossfade.model", "gpt-4o-mini"),
            ("crossfade.stream", "true"),
            ("crossfade.arm", "bedrock"),
            ("crossfade.eligibility", "eligible"),
            ("crossfade.attempt", "3"),
            ("crossfade.percent", "25.5"),
        ],
    );
    assert_eq!(client.name, "chat amazon.nova-lite-v1:0");
    assert_eq!(client.kind(), read::span::SpanKind::Client);
    says(
        client,
        &[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "aws.bedrock"),
            ("gen_ai.request.model", "amazon.nova-lite-v1:0"),
            ("gen_ai.request.stream", "true"),
            ("gen_ai.response.time_to_first_chunk", "0.4"),
            ("gen_ai.response.id", "chatcmpl-1"),
            ("gen_ai.response.finish_reasons", "stop"),
            ("gen_ai.usage.input_tokens", "97"),
            ("gen_ai.usage.output_tokens", "20"),
            ("gen_ai.usage.cache_read.input_tokens", "90"),
            ("gen_ai.usage.cache_write.input_tokens", "2"),
            ("server.address", "host.example.com"),
            ("server.port", "443"),
            ("crossfade.arm", "bedrock"),
            ("crossfade.verdict", "ok"),
        ],
    );
    for span in &found {
        assert_eq!(
            span.trace_id,
            0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()
        );
        assert_eq!(
            (span.span_id.len(), span.trace_state.as_str()),
            (8, "congo=t61")
        );
        assert_eq!(span.status, None);
    }
    assert_eq!(client.parent_span_id, server.span_id);
}

#[test]
fn a_failover_shows_who_was_asked_when_and_what_came_of_it() {
    let found = spans(failed_over());
    let [server, bedrock, original] = &found[..] else {
        panic!("{found:#?}")
    };
    let of = |span, name: &str| said(span).remove(name);
    assert_eq!(
        of(server, "crossfade.failover").as_deref(),
        Some("throttle")
    );
    assert_eq!(
        of(server, "crossfade.failover_outcome").as_deref(),
        Some("answered")
    );
    assert_eq!(of(server, "crossfade.arm").as_deref(), Some("original"));
    assert_eq!(of(server, "error.type"), None, "the app saw no error");
    assert_eq!(of(bedrock, "error.type").as_deref(), Some("throttle"));
    assert_eq!(
        bedrock.status.as_ref().map(|it| it.code()),
        Some(read::status::StatusCode::Error)
    );
    assert_eq!(
        (server.status.as_ref(), original.status.as_ref()),
        (None, None)
    );
    assert_eq!(
        of(original, "gen_ai.provider.name").as_deref(),
        Some("openai")
    );
    assert_eq!(
        of(original, "http.response.status_code").as_deref(),
        Some("200")
    );
    // The end of one comes before the beginning of the other, all within the call.
    let (begin, end) = (server.start_time_unix_nano, server.end_time_unix_nano);
    assert_eq!((begin, end), (BEGAN_NS, BEGAN_NS + 1_000_000_000));
    assert_eq!(bedrock.start_time_unix_nano, begin + 10_000_000);
    assert_eq!(bedrock.end_time_unix_nano, begin + 60_000_000);
    assert_eq!(original.start_time_unix_nano, begin + 70_000_000);
    assert!(original.end_time_unix_nano <= end);
    let ids: BTreeSet<_> = found.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), 3);
    assert!(
        [bedrock, original]
            .iter()
            .all(|it| it.parent_span_id == server.span_id)
    );
}

#[test]
fn an_error_is_whose_it_is() {
    // Verdict of the arm, status for the app, and `error.type` of both spans.
    for (verdict, status, client, server) in [
        (Verdict::Ok, Some(200), None, None),
        (
            Verdict::Failure(Class::Truncated),
            Some(200),
            Some("truncated"),
            Some("truncated"),
        ),
        (
            Verdict::Failure(Class::Server),
            Some(503),
            Some("server"),
            Some("server"),
        ),
        (
            Verdict::Failure(Class::Network),
            Some(502),
            Some("network"),
            Some("network"),
        ),
        (
            Verdict::Failure(Class::Throttle),
            Some(429),
            Some("throttle"),
            None,
        ),
        (Verdict::Rejected, Some(400), Some("rejected"), None),
        (
            Verdict::ContextWindow,
            Some(400),
            Some("context_window"),
            None,
        ),
        (Verdict::Cancelled, Some(200), None, None),
        (Verdict::Cancelled, None, None, None),
    ] {
        let mut record = on_bedrock();
        (record.bedrock, record.status) = (None, status);
        record.original = Some(asked(part(verdict), "gpt-4o-mini"));
        let found = spans(record);
        for (span, expected) in found.iter().zip([server, client]) {
            let error = said(span).remove("error.type");
            assert_eq!(
                error.as_deref(),
                expected,
                "{verdict:?} {status:?} {}",
                span.name
            );
            assert_eq!(
                span.status.is_some(),
                expected.is_some(),
                "{verdict:?} {}",
                span.name
            );
        }
    }
}

#[test]
fn a_call_that_no_arm_was_asked_has_one_span() {
    let mut record = on_bedrock();
    (record.bedrock, record.arm, record.status) = (None, None, Some(500));
    record.eligibility = Eligibility::Ineligible(Reason::Busy);
    record.trace = trace(false);
    let found = spans(record);
    assert_eq!(
        (found.len(), found[0].parent_span_id.len(), found[0].flags),
        (1, 0, 0x103)
    );
    let said = said(&found[0]);
    assert_eq!(said["crossfade.reason"], "busy");
    assert_eq!(said["crossfade.eligibility"], "ineligible");
    assert_eq!(said["error.type"], "500");
}

#[test]
fn an_answer_that_broke_off_says_so() {
    let mut record = on_bedrock();
    record.bedrock = Some(asked(part(Verdict::Failure(Class::Stall)), "m"));
    (record.finish, record.tokens) = (None, None);
    let client = spans(record).pop().expect("Bedrock's");
    assert!(said(&client)["gen_ai.response.finish_reasons"].contains("\"error\""));
}

#[test]
fn no_account_is_told() {
    for (model, shown) in [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1:2",
            "arn:aws:bedrock:us-east-1::application-inference-profile/a1:2",
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/x",
            "arn:aws:bedrock:us-east-1::foundation-model/x",
        ),
        ("arn:odd", "arn:odd"),
    ] {
        assert_eq!(without_account(model), shown);
    }
}

#[test]
fn a_model_without_a_name_and_a_long_one_are_shown() {
    let mut record = on_bedrock();
    record.bedrock = Some(asked(part(Verdict::Ok), ""));
    assert_eq!(spans(record).pop().expect("Bedrock's").name, "chat");
    let mut record = on_bedrock();
    record.model = "é".repeat(1_000);
    assert_eq!(
        said(&spans(record)[0])["crossfade.model"].len(),
        FOREIGN_BYTES_MAX
    );
}

#[test]
fn the_sender_says_who_it_is() {
    let request = read_back(&[on_bedrock()]);
    let resource = &request.resource_spans[0];
    let attributes = &resource.resource.as_ref().expect("a sender").attributes;
    let names: Vec<_> = attributes.iter().map(|it| it.key.as_str()).collect();
    assert!(
        names.contains(&"service.name") && names.contains(&"service.version"),
        "{names:?}"
    );
    let scope = resource.scope_spans[0].scope.as_ref().expect("a part");
    assert_eq!(scope.name, "crossfade");
}

#[test]
fn the_page_for_users_lists_every_attribute() {
    let page = include_str!("../../../docs/traces.md");
    let mut broken = on_bedrock();
    broken.status = Some(500);
    broken.eligibility = Eligibility::Ineligible(Reason::Busy);
    let all = [on_bedrock(), failed_over(), broken]
        .into_iter()
        .flat_map(spans);
    let sent: BTreeSet<String> = all.flat_map(|span| said(&span).into_keys()).collect();
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.contains('.'))
        .collect();
    assert_eq!(sent, listed);
}
