//! Every way in which Bedrock can fail, before and after the commit point.

use crate::support::{World, failing};
use crossfade::demo::emulator::bedrock::{Behaviour, ErrorKind, ExceptionKind};
use crossfade::demo::emulator::openai;
use http::StatusCode;
use serde_json::json;

fn exception(kind: ExceptionKind, after: usize) -> Behaviour {
    Behaviour::StreamException {
        kind,
        after,
        original_status: None,
    }
}

/// Everything that can go wrong before the first token, and what it is called.
fn before_the_commit_point() -> Vec<(Behaviour, &'static str)> {
    use ErrorKind as E;
    use ExceptionKind as X;
    vec![
        (failing(E::Throttling), "throttle"),
        (failing(E::NotReady), "throttle"),
        (failing(E::Quota), "throttle"),
        (failing(E::Internal), "server"),
        (failing(E::Unavailable), "server"),
        (failing(E::ModelTimeout), "server"),
        (failing(E::ModelError), "server"),
        (failing(E::AccessDenied), "config"),
        (failing(E::NotFound), "config"),
        (failing(E::ModelId), "config"),
        (failing(E::OnDemand), "config"),
        (failing(E::ExpiredToken), "config"),
        (failing(E::UnrecognizedClient), "config"),
        (failing(E::Validation), "refused"),
        (failing(E::ContextOverflow), "context_window"),
        (Behaviour::Html { status: 503 }, "server"),
        (Behaviour::EmptyObject, "malformed"),
        (Behaviour::EmptyBody, "malformed"),
        (Behaviour::Drop, "network"),
        (exception(X::Throttling, 0), "throttle"),
        (exception(X::Throttling, 1), "throttle"),
        (exception(X::Internal, 1), "server"),
        (exception(X::ModelStreamError, 1), "server"),
        (exception(X::Unavailable, 1), "server"),
        (exception(X::Validation, 1), "refused"),
        (Behaviour::StreamError { after: 1 }, "server"),
        (Behaviour::Cut { after: 0 }, "network"),
        (Behaviour::Cut { after: 1 }, "network"),
        (Behaviour::CutInFrame { after: 1 }, "truncated"),
        (Behaviour::BadCrc { after: 0 }, "network"),
        (Behaviour::BadPayload { after: 1 }, "malformed"),
        (
            Behaviour::StopReason {
                reason: "malformed_model_output".to_owned(),
            },
            "malformed",
        ),
    ]
}

#[tokio::test]
async fn before_the_commit_point_the_original_answers() {
    let world = World::at(100).await;
    for stream in [false, true] {
        for (behaviour, class) in before_the_commit_point() {
            // What the model says before its bad stop reason is on its way to the app by then.
            if stream && matches!(behaviour, Behaviour::StopReason { .. }) {
                continue;
            }
            world.bedrock.clear_requests();
            world.openai.clear_requests();
            world.bedrock.once(behaviour.clone());
            let answer = world.chat(json!({"stream": stream})).await;
            let what = format!("{behaviour:?}, stream: {stream}: {}", answer.text());
            assert_eq!(answer.status, StatusCode::OK, "{what}");
            let got = (answer.arm(), answer.header("x-crossfade-failover"));
            assert_eq!(got, ("original", class), "{what}");
            assert!(answer.complete && !answer.content().is_empty(), "{what}");
            assert_eq!(
                (world.bedrock.count(), world.openai.count()),
                (1, 1),
                "asked once: {what}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_has_no_commit_point_before_its_end() {
    let world = World::at(100).await;
    for (behaviour, class) in [
        (exception(ExceptionKind::Internal, 4), "server"),
        (Behaviour::Cut { after: 4 }, "network"),
        (Behaviour::NoMessageStop, "truncated"),
        (Behaviour::BadCrc { after: 4 }, "network"),
    ] {
        world.bedrock.once(behaviour.clone());
        let answer = world.chat(json!({})).await;
        let got = (answer.arm(), answer.header("x-crossfade-failover"));
        assert_eq!(got, ("original", class), "{behaviour:?}");
    }
}

#[tokio::test]
async fn bedrock_that_refuses_connections_or_is_no_host_is_failed_over() {
    let world = World::at(100).await;
    world.bedrock.refuse().await.expect("the emulator runs");
    let answer = world.chat(json!({})).await;
    let got = (answer.arm(), answer.header("x-crossfade-failover"));
    assert_eq!(got, ("original", "network"));

    let mut world = World::at(100).await;
    world.kill().await;
    for endpoint in ["http://no-such-host.invalid", "https://localhost:1"] {
        let text = world.config_with("rollout: { percent: 100, sticky: none }\n");
        let text = text.replace(&world.bedrock.base_url(), endpoint);
        std::fs::write(world.file(), text).expect("writable");
        world.start().await;
        let answer = world.chat(json!({})).await;
        let got = (answer.arm(), answer.header("x-crossfade-failover"));
        assert_eq!(got, ("original", "network"), "{endpoint}");
        world.kill().await;
    }
}

#[tokio::test]
async fn after_the_commit_point_the_stream_ends_with_an_error_and_no_done() {
    let world = World::at(100).await;
    for behaviour in [
        exception(ExceptionKind::Throttling, 4),
        exception(ExceptionKind::ModelStreamError, 4),
        Behaviour::Cut { after: 4 },
        Behaviour::CutInFrame { after: 4 },
        Behaviour::BadCrc { after: 4 },
        Behaviour::NoMessageStop,
        Behaviour::StopReason {
            reason: "malformed_tool_use".to_owned(),
        },
    ] {
        world.openai.clear_requests();
        world.bedrock.once(behaviour.clone());
        let answer = world.chat(json!({"stream": true})).await;
        let what = format!("{behaviour:?}: {}", answer.text());
        assert_eq!(
            (answer.status, answer.arm()),
            (StatusCode::OK, "bedrock"),
            "{what}"
        );
        let last = answer
            .events()
            .last()
            .copied()
            .unwrap_or_default()
            .to_owned();
        assert!(last.starts_with(r#"{"error":{"#), "{what}");
        assert!(last.contains("upstream_stream_interrupted"), "{what}");
        assert!(!answer.text().contains("[DONE]"), "{what}");
        assert!(!answer.text().contains("finish_reason\":\"stop"), "{what}");
        assert_eq!(
            world.openai.count(),
            0,
            "never finished by another model: {what}"
        );
    }
}

#[tokio::test]
async fn nothing_of_aws_reaches_the_app() {
    // Answered, failed over before and after the first event, interrupted.
    let behaviours = [
        Behaviour::Text {
            text: "Hello.".to_owned(),
            piece: None,
        },
        Behaviour::Error {
            kind: ErrorKind::AccessDenied,
            message: Some("User: arn:aws:sts::123456789012:assumed-role/x may not".to_owned()),
            original_status: None,
            retry_after_ms: None,
        },
        exception(ExceptionKind::Throttling, 0),
        exception(ExceptionKind::ModelStreamError, 4),
    ];
    let foreign = [
        "arn:",
        "123456789012",
        "amzn",
        "amazon",
        "Denied",
        "Exception",
    ];
    for original_fails in [false, true] {
        let world = World::at(100).await;
        if original_fails {
            world.openai.always(openai::Behaviour::Error {
                status: 500,
                message: None,
                code: None,
                retry_after_s: None,
            });
        }
        for behaviour in &behaviours {
            for stream in [false, true] {
                world.bedrock.once(behaviour.clone());
                let answer = world.chat(json!({"stream": stream})).await;
                let seen = format!("{:?} {}", answer.headers, answer.text());
                let found = foreign.iter().find(|word| seen.contains(**word));
                assert_eq!(found, None, "{behaviour:?}: {seen}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_counts_against_bedrock_only_if_the_original_accepts() {
    let world = World::at(100).await;
    world.bedrock.once(failing(ErrorKind::Validation));
    world.chat(json!({})).await;
    world.bedrock.once(failing(ErrorKind::Validation));
    world.openai.once(openai::Behaviour::Error {
        status: 400,
        message: None,
        code: None,
        retry_after_s: None,
    });
    let messages = json!([{"role": "user", "content": "another prompt"}]);
    let answer = world.chat(json!({"messages": messages})).await;
    assert_eq!(
        answer.status,
        StatusCode::BAD_REQUEST,
        "the original's word stands"
    );
    world.bedrock.once(failing(ErrorKind::ContextOverflow));
    world.chat(json!({})).await;
    world.stepper.advance(5_000).await;
    let status = world.status().await;
    let total = &status["arms"]["bedrock"]["total"];
    assert_eq!(total["failures"]["incompatible"], 1, "{total}");
    assert_eq!(
        (&total["rejected"], &total["context_window"]),
        (&json!(1), &json!(1)),
        "{total}"
    );
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_bedrock_call() {
    let world = World::at(100).await;
    world.bedrock.always(Behaviour::Hold { after: 3 });
    drop(world.begun_stream().await);
    world.caller_leaves().await;
    world.has_only_cancelled(1).await;
}

#[tokio::test]
async fn a_skewed_clock_is_corrected_from_the_services_date() {
    let world = World::at(100).await;
    let skewed = crossfade::demo::emulator::Settings {
        clock_offset_s: 3_600,
        ..crossfade::demo::emulator::Settings::default()
    };
    world.bedrock.set(skewed);
    let first = world.chat(json!({})).await;
    assert_eq!(
        (first.arm(), first.header("x-crossfade-failover")),
        ("original", "config")
    );
    assert_eq!(
        world.chat(json!({})).await.arm(),
        "bedrock",
        "the next call is dated by theirs"
    );
}

#[tokio::test]
async fn above_the_limit_in_flight_a_call_stays() {
    let world =
        World::with("rollout: { percent: 100, sticky: none }\nlimits: { in_flight: 1 }\n").await;
    world.bedrock.once(Behaviour::Hold { after: 3 });
    let held = world.begun_stream().await;
    let answer = world.chat(json!({})).await;
    assert_eq!(
        (answer.arm(), answer.header("x-crossfade-reason")),
        ("original", "busy")
    );
    // For want of room only: both could move.
    let migratable = &world.status().await["migratable"];
    assert_eq!(migratable["migratable"], 2, "{migratable}");
    assert_eq!(
        (&migratable["ratio"], &migratable["stays"]),
        (&json!(1.0), &json!({}))
    );
    world.finishes(held).await;
    assert_eq!(world.chat(json!({})).await.arm(), "bedrock");
}

#[tokio::test]
async fn what_ends_otherwise_than_the_app_is_told_is_counted() {
    let world = World::at(100).await;
    let ends = |reason: &str| Behaviour::StopReason {
        reason: reason.to_owned(),
    };
    for (fields, reason) in [
        (json!({}), "max_tokens"),
        (json!({"stream": true}), "max_tokens"),
        (json!({"max_tokens": 5}), "max_tokens"),
        (
            json!({"stream": true, "max_completion_tokens": 5}),
            "max_tokens",
        ),
        (json!({}), "tired"),
        (json!({"stream": true}), "end_turn"),
    ] {
        world.bedrock.once(ends(reason));
        assert_eq!(world.chat(fields).await.arm(), "bedrock");
    }
    let status = world.status().await;
    assert_eq!(status["capped_answers"], 2, "{status}");
    let request = http::Request::get("/metrics").header("host", "127.0.0.1");
    let metrics = world
        .admin(request.body(Default::default()).expect("a request"))
        .await;
    for line in [
        "crossfade_capped_answers_total 2",
        "crossfade_unknown_stop_reasons_total 1",
    ] {
        let counted = metrics.text().lines().any(|found| found == line);
        assert!(counted, "{line} in {}", metrics.text());
    }
}
