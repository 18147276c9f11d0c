//! Traces, through real listeners into a real collector of the tests': what a call's spans are,
//! what is handed on, and that nothing waits for any of it.

use crate::support::collector::{Collector, Reply, said};
use crate::support::{Answer, World, chat_request, failing};
use bytes::Bytes;
use crossfade::controller::Verb;
use crossfade::demo::emulator::bedrock::{Behaviour, ErrorKind};
use crossfade::demo::emulator::openai;
use http::{Request, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A crossfade whose spans go to a collector.
async fn world(percent: u8) -> (World, Collector) {
    let collector = Collector::start().await;
    let rest = format!("{}{}", share(percent), collector.section());
    (World::with(&rest).await, collector)
}

fn share(percent: u8) -> String {
    format!("rollout: {{ percent: {percent}, sticky: none }}\n")
}

fn with_headers(fields: Value, headers: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let mut request = chat_request(fields);
    for (name, value) in headers {
        let value = value.parse().expect("a value");
        request.headers_mut().append(*name, value);
    }
    request
}

/// A header as the original saw it, each time that it was there.
fn seen(world: &World, name: &str) -> Vec<String> {
    let requests = world.openai.requests();
    let last = requests.last().expect("a request");
    let found = last.headers.iter().filter(|(other, _)| other == name);
    found.map(|(_, value)| value.clone()).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of a metric without labels.
async fn metric(world: &World, name: &str) -> String {
    let request = Request::get("/metrics").header("host", "127.0.0.1");
    let request = request.body(Full::default()).expect("a request");
    let answer: Answer = world.admin(request).await;
    let line = answer
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name));
    line.expect("a metric").trim().to_owned()
}

#[tokio::test]
async fn off_means_that_nothing_changes() {
    let world = World::at(100).await;
    // What cannot be read, twice, in odd case: it is none of ours.
    let headers = [
        ("traceparent", CALLER),
        ("traceparent", "junk"),
        ("tracestate", "a=1,,b"),
    ];
    let request = with_headers(json!({"n": 2}), &headers);
    assert_eq!(world.send(request).await.arm(), "original");
    assert_eq!(seen(&world, "traceparent"), [CALLER, "junk"]);
    assert_eq!(seen(&world, "tracestate"), ["a=1,,b"]);
    assert_eq!(world.status().await["traces"], Value::Null);
}

#[tokio::test]
async fn a_call_that_bedrock_answers_is_two_spans_of_its_caller_s_trace() {
    let (world, collector) = world(100).await;
    for stream in [false, true] {
        let headers = [("traceparent", CALLER), ("tracestate", "congo=t61")];
        let request = with_headers(json!({"stream": stream}), &headers);
        let answer = world.send(request).await;
        assert_eq!(answer.arm(), "bedrock");
        let told = match stream {
            true => answer.chunks()[0]["id"].clone(),
            false => answer.json()["id"].clone(),
        };
        let spans = collector.wait_for_spans(if stream { 4 } else { 2 }).await;
        let [server, client] = &spans[spans.len() - 2..] else {
            panic!("{spans:#?}")
        };
        assert_eq!(hex(&server.trace_id), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(hex(&server.parent_span_id), "b7ad6b7169203331");
        assert_eq!(server.trace_state, "congo=t61");
        assert_eq!(
            (server.kind, server.name.as_str()),
            (2, "POST /v1/chat/completions")
        );
        assert_eq!(said(server, "crossfade.arm"), "bedrock");
        assert_eq!(
            said(server, "crossfade.request_id"),
            answer.header("x-request-id")
        );
        assert_eq!(said(server, "crossfade.percent"), "100");
        assert_eq!(said(server, "http.response.status_code"), "200");
        assert_eq!((client.kind, &client.parent_span_id), (3, &server.span_id));
        assert_eq!(client.name, "chat amazon.nova-lite-v1:0");
        assert_eq!(said(client, "gen_ai.provider.name"), "aws.bedrock");
        assert_eq!(said(client, "gen_ai.response.finish_reasons"), "stop");
        assert_eq!(told, said(client, "gen_ai.response.id").as_str());
        assert_ne!(said(client, "gen_ai.usage.output_tokens"), "");
        assert_ne!(said(client, "gen_ai.response.time_to_first_chunk"), "");
        assert_eq!(said(client, "server.address"), "127.0.0.1");
        assert!(within(client, server), "{spans:#?}");
        assert_eq!((&server.status, &client.status), (&None, &None));
    }
    // Nothing of the app's headers reaches AWS.
    for request in world.bedrock.requests() {
        let names = request
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase());
        assert!(names.into_iter().all(|name| !name.starts_with("trace")));
    }
}

fn within(child: &Span, parent: &Span) -> bool {
    parent.start_time_unix_nano <= child.start_time_unix_nano
        && child.end_time_unix_nano <= parent.end_time_unix_nano
}

#[tokio::test]
async fn the_original_is_told_the_span_that_asks_it() {
    let (world, collector) = world(0).await;
    let headers = [
        ("traceparent", CALLER),
        ("tracestate", "congo=t61"),
        ("tracestate", "b=2"),
    ];
    world
        .send(with_headers(json!({"stream": true}), &headers))
        .await;
    let spans = collector.wait_for_spans(2).await;
    let [server, client] = &spans[..] else {
        panic!("{spans:#?}")
    };
    let told = format!(
        "00-0af7651916cd43dd8448eb211c80319c-{}-01",
        hex(&client.span_id)
    );
    assert_eq!(seen(&world, "traceparent"), [told]);
    assert_eq!(seen(&world, "tracestate"), ["congo=t61", "b=2"]);
    assert_eq!(said(client, "gen_ai.provider.name"), "openai");
    assert_eq!(said(client, "gen_ai.request.stream"), "true");
    assert_eq!(said(client, "http.response.status_code"), "200");
    assert_eq!(
        said(client, "gen_ai.request.model"),
        "",
        "its body was not read"
    );
    assert_eq!(said(server, "crossfade.eligibility"), "unread");
    assert_eq!(said(server, "crossfade.arm"), "original");
    assert!(within(client, server));

    // Without a caller's, a new trace; so too where it cannot be read, and then its state is nobody's.
    world.chat(json!({})).await;
    let spans = collector.wait_for_spans(4).await;
    let parents = |spans: &[Span]| {
        spans
            .iter()
            .filter(|it| it.parent_span_id.is_empty())
            .count()
    };
    assert_eq!(parents(&spans), 1);
    let told = format!(
        "00-{}-{}-03",
        hex(&spans[3].trace_id),
        hex(&spans[3].span_id)
    );
    assert_eq!(seen(&world, "traceparent"), [told]);
    let headers = [("traceparent", "00-junk"), ("tracestate", "congo=t61")];
    world.send(with_headers(json!({}), &headers)).await;
    let spans = collector.wait_for_spans(6).await;
    assert_eq!(parents(&spans), 2);
    assert_ne!(spans[5].trace_id, spans[3].trace_id);
    assert_eq!(seen(&world, "traceparent").len(), 1);
    assert_eq!(seen(&world, "tracestate").len(), 0);
}

#[tokio::test]
async fn a_caller_that_does_not_sample_is_followed() {
    let (world, collector) = world(100).await;
    let unsampled = CALLER.replace("-01", "-00");
    let headers = [("traceparent", unsampled.as_str()), ("tracestate", "a=1")];
    for fields in [json!({}), json!({"n": 2}), json!({"stream": true})] {
        world.send(with_headers(fields, &headers)).await;
    }
    assert_eq!(seen(&world, "traceparent"), [unsampled]);
    assert_eq!(seen(&world, "tracestate"), ["a=1"]);
    // The one behind them is the first that comes.
    world.chat(json!({})).await;
    assert_eq!(collector.wait_for_spans(2).await.len(), 2);
    world.take_and_drain().await;
    assert_eq!(collector.spans().len(), 2);
}

#[tokio::test]
async fn other_requests_pass_as_they_are() {
    let (world, collector) = world(100).await;
    let request = Request::post("/v1/embeddings")
        .header("Host", "127.0.0.1")
        .header("traceparent", CALLER);
    let request = request.body(Full::from("{}")).expect("a request");
    world.send(request).await;
    assert_eq!(seen(&world, "traceparent"), [CALLER]);
    world.take_and_drain().await;
    assert_eq!(collector.exports().len(), 0);
}

#[tokio::test]
async fn a_failover_is_three_spans() {
    let (world, collector) = world(100).await;
    world.bedrock.always(failing(ErrorKind::Throttling));
    let answer = world.chat(json!({})).await;
    assert_eq!(answer.header("x-crossfade-failover"), "throttle");
    let spans = collector.wait_for_spans(3).await;
    let [server, bedrock, original] = &spans[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(said(server, "crossfade.failover"), "throttle");
    assert_eq!(said(server, "crossfade.failover_outcome"), "answered");
    assert_eq!(said(server, "error.type"), "");
    assert_eq!(said(bedrock, "error.type"), "throttle");
    assert_eq!(bedrock.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(said(original, "crossfade.verdict"), "ok");
    assert_eq!(original.status, None);
    assert!(bedrock.end_time_unix_nano <= original.start_time_unix_nano);
    assert!(within(bedrock, server) && within(original, server));
    assert!(seen(&world, "traceparent")[0].contains(&hex(&original.span_id)));
}

#[tokio::test]
async fn every_end_of_a_call_ends_its_spans_once() {
    let (mut world, collector) = world(100).await;
    // Its caller leaves.
    world.bedrock.once(Behaviour::Hold { after: 3 });
    drop(world.begun_stream().await);
    let spans = collector.wait_for_spans(2).await;
    assert_eq!(said(&spans[1], "crossfade.verdict"), "cancelled");
    assert_eq!(said(&spans[1], "gen_ai.response.finish_reasons"), "error");
    assert_eq!((&spans[0].status, &spans[1].status), (&None, &None));
    // It breaks off behind the commit point.
    world.bedrock.once(Behaviour::Cut { after: 3 });
    world.chat(json!({"stream": true})).await;
    let spans = collector.wait_for_spans(4).await;
    let errors: Vec<_> = spans[2..]
        .iter()
        .map(|span| said(span, "error.type"))
        .collect();
    assert_eq!(errors, ["network", "network"]);
    // Bedrock cannot honour it.
    world.chat(json!({"n": 2})).await;
    let spans = collector.wait_for_spans(6).await;
    assert_eq!(said(&spans[4], "crossfade.reason"), "n_gt_1");
    assert_eq!(said(&spans[5], "crossfade.arm"), "original");
    // The original refuses it, or is not there.
    world.openai.once(openai::Behaviour::Error {
        status: 400,
        message: None,
        code: None,
        retry_after_s: None,
    });
    world.chat(json!({"n": 2})).await;
    let spans = collector.wait_for_spans(8).await;
    assert_eq!(
        (said(&spans[6], "error.type"), said(&spans[7], "error.type")),
        ("".into(), "rejected".into())
    );
    assert_eq!(said(&spans[7], "http.response.status_code"), "400");
    world.openai.once(openai::Behaviour::Drop);
    assert_eq!(
        world.chat(json!({"n": 2})).await.status,
        StatusCode::BAD_GATEWAY
    );
    let spans = collector.wait_for_spans(10).await;
    assert_eq!(
        (said(&spans[8], "error.type"), said(&spans[9], "error.type")),
        ("network".into(), "network".into())
    );
    assert_eq!(said(&spans[8], "http.response.status_code"), "502");
    assert_eq!(said(&spans[9], "http.response.status_code"), "");
    // Everything is taken back.
    world
        .command(Verb::Rollback, "a test")
        .await
        .expect("followed");
    world.chat(json!({})).await;
    let spans = collector.wait_for_spans(12).await;
    assert_eq!(said(&spans[10], "crossfade.percent"), "0");
    assert_eq!(said(&spans[11], "crossfade.arm"), "original");
    world.kill().await;
    assert_eq!(collector.spans().len(), 12);
}

#[tokio::test]
async fn no_prompt_no_answer_and_no_key_is_sent() {
    let (world, collector) = world(100).await;
    let canary = "canary-prompt-7731";
    let message =
        json!([{"role": "system", "content": canary}, {"role": "user", "content": canary}]);
    let fields = |more: Value| {
        let mut fields = json!({"messages": message, "user": canary, "stop": [canary]});
        let all = fields.as_object_mut().expect("an object");
        all.extend(more.as_object().expect("an object").clone());
        fields
    };
    let mut answers = Vec::new();
    for more in [
        json!({}),
        json!({"stream": true}),
        json!({"n": 2}),
        json!({"metadata": {"a": canary}}),
    ] {
        let headers = [("x-canary", canary), ("cookie", canary)];
        let mut request = with_headers(fields(more), &headers);
        *request.uri_mut() = "/v1/chat/completions?key=canary-prompt-7731"
            .parse()
            .expect("a target");
        answers.push(world.send(request).await.content());
    }
    world.bedrock.once(Behaviour::Error {
        kind: ErrorKind::Validation,
        message: Some(canary.to_owned()),
        original_status: None,
        retry_after_ms: None,
    });
    world.chat(fields(json!({}))).await;
    collector.wait_for_spans(11).await;
    assert!(
        answers.iter().all(|answer| answer.len() > 20),
        "{answers:?}"
    );
    for export in collector.exports() {
        let has = |text: &str| contains(&export.body, text.as_bytes());
        assert!(!has(canary) && !has("test-app-key") && !has("Say something"));
        assert!(!has(crate::support::credentials().access_key_id()));
        assert!(answers.iter().all(|answer| !has(&answer[..20])));
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn an_export_is_what_a_collector_expects() {
    let collector = Collector::start().await;
    let rest = format!(
        "{}traces: {{ otlp: '{}/base', service: mine, attributes: {{ team: a }}, \
         headers: {{ x-tenant: one }} }}\n",
        share(100),
        collector.url()
    );
    let world = World::with(&rest).await;
    world.chat(json!({})).await;
    let exports = collector.wait_for_exports(1).await;
    let export = &exports[0];
    assert_eq!(export.path, "/base/v1/traces");
    let header = |name: &str| export.headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/x-protobuf");
    assert_eq!(header("x-tenant"), "one");
    assert!(header("user-agent").starts_with("crossfade/"));
    assert_eq!(header("content-length"), export.body.len().to_string());
    let resource = &export.request.resource_spans[0].resource;
    let attributes = &resource.as_ref().expect("a sender").attributes;
    let shown = format!("{attributes:?}");
    for expected in [
        "\"service.name\"",
        "\"mine\"",
        "\"team\"",
        "telemetry.sdk.language",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
}

#[tokio::test]
async fn a_failing_collector_is_asked_again_and_shown() {
    let (world, collector) = world(100).await;
    collector.replies([Reply::Status(503), Reply::Take]);
    world.chat(json!({})).await;
    collector.wait_for_exports(1).await;
    let status = loop {
        // What the sender knows of it is shown with the next beat.
        world.stepper.advance(1_000).await;
        let status = world.status().await;
        if status["traces"]["problem"] != Value::Null {
            break status;
        }
    };
    assert_eq!(
        status["traces"]["problem"],
        "it answers 503 Service Unavailable"
    );
    assert_eq!(status["traces"]["to"], collector.url());
    // Calls go on, and theirs are sent with it.
    assert_eq!(world.chat(json!({})).await.status, StatusCode::OK);
    let spans = collector.wait_for_spans(4).await;
    assert_eq!(spans.len(), 4);
    while world.status().await["traces"]["problem"] != Value::Null {
        world.stepper.advance(1_000).await;
    }
    assert_eq!(metric(&world, "crossfade_spans_exported_total").await, "4");
    assert_eq!(
        metric(&world, "crossfade_span_exports_failed_total").await,
        "1"
    );
    assert_eq!(metric(&world, "crossfade_spans_dropped_total").await, "0");
}

#[tokio::test]
async fn what_a_collector_does_not_want_is_dropped_and_counted() {
    let (mut world, collector) = world(100).await;
    collector.replies([Reply::Status(400), Reply::Reject(1), Reply::Status(302)]);
    for exports in 1..=4 {
        world.chat(json!({})).await;
        assert_eq!(collector.wait_for_exports(exports).await.len(), exports);
    }
    // The last of them is counted when it is answered.
    while metric(&world, "crossfade_spans_exported_total").await != "3" {
        tokio::task::yield_now().await;
    }
    assert_eq!(metric(&world, "crossfade_spans_dropped_total").await, "5");
    world.kill().await;
    assert_eq!(collector.exports().len(), 4, "nothing is sent twice");
}

#[tokio::test]
async fn a_hanging_collector_delays_neither_calls_nor_the_end() {
    let (world, collector) = world(100).await;
    collector.replies([Reply::Hang]);
    for _ in 0..20 {
        assert_eq!(world.chat(json!({})).await.status, StatusCode::OK);
        assert_eq!(world.chat(json!({"stream": true})).await.arm(), "bedrock");
    }
    collector.wait_for_exports(1).await;
    // Bounded by the sender's patience at the end, not by the collector's.
    world.take_and_drain().await;
    assert_eq!(collector.spans().len(), 0);
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_end() {
    let (world, collector) = world(100).await;
    for _ in 0..30 {
        world.chat(json!({})).await;
    }
    world.take_and_drain().await;
    assert_eq!(collector.spans().len(), 60);
    assert!(collector.exports().len() < 30, "they are gathered");
}

#[tokio::test]
async fn an_edit_switches_traces_on_and_off() {
    let collector = Collector::start().await;
    let mut world = World::at(100).await;
    world.chat(json!({})).await;
    world.write_config(&format!("{}{}", share(100), collector.section()));
    world.wait_for(|now| now.config.traces.is_some()).await;
    assert_eq!(world.status().await["config"]["restart_needed"], json!([]));
    world.chat(json!({})).await;
    collector.wait_for_spans(2).await;
    world.write_config(&share(100));
    world.wait_for(|now| now.config.traces.is_none()).await;
    world.chat(json!({})).await;
    world.take_and_drain().await;
    assert_eq!(collector.spans().len(), 2);
}
