//! One emit: one line and the counters.

use super::*;
use crate::outcome::Class;
use crate::telemetry::json::JsonLines;
use crate::translate::Reason;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt;

/// Runs `act` and gives the lines that it logged.
fn logged(act: impl FnOnce()) -> Vec<serde_json::Value> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let layer = JsonLines(move |line: &[u8]| {
        sink.lock().expect("not poisoned").push(line.to_vec());
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    let lines = log.lock().expect("not poisoned");
    lines
        .iter()
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect()
}

const PART: Part = Part {
    verdict: Verdict::Ok,
    first_token: Some(Duration::from_millis(400)),
    took: Duration::from_millis(900),
};

const CALL: Call<'static> = Call {
    request_id: "req-1",
    original_request_id: None,
    model: "gpt-4o-mini",
    bedrock_model: Some("amazon.nova-lite-v1:0"),
    eligibility: Eligibility::Eligible,
    stream: true,
    forced: false,
    status: Some(200),
    bedrock: Some(PART),
    original: None,
    failover: None,
    tokens: Some(Tokens {
        input: 10,
        output: 20,
        cache_read: 0,
        cache_write: 0,
    }),
    ending: &Ending::Usual,
    took: Duration::from_millis(950),
    trace: None,
};

fn count(metrics: &Metrics, series: &str) -> String {
    let text = metrics.render().expect("rendered");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series))
        .expect("a series");
    line.trim().to_owned()
}

#[test]
fn a_traced_call_says_where_its_spans_are() {
    let trace = crate::telemetry::trace::Trace::begin(
        crate::config::traces::Sample::ALL,
        &http::HeaderMap::new(),
        "/",
        0,
        || 0xabc,
    );
    let trace = trace.map(|trace| (trace.id, trace.call));
    let metrics = Metrics::new();
    let lines = logged(|| {
        Call { trace, ..CALL }.emit(&metrics);
        CALL.emit(&metrics);
    });
    assert_eq!(lines[0]["trace_id"], "0000000000000abc0000000000000abc");
    assert_eq!(lines[0]["span_id"], "0000000000000abc");
    assert!(lines[1].get("trace_id").is_none() && lines[1].get("span_id").is_none());
}

#[test]
fn a_call_gets_one_line_and_is_counted() {
    let metrics = Metrics::new();
    let lines = logged(|| CALL.emit(&metrics));
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    for (key, value) in [
        ("event", serde_json::json!("call")),
        ("request_id", "req-1".into()),
        ("arm", "bedrock".into()),
        ("model", "gpt-4o-mini".into()),
        ("bedrock_model", "amazon.nova-lite-v1:0".into()),
        ("status", 200.into()),
        ("eligibility", "eligible".into()),
        ("bedrock_verdict", "ok".into()),
        ("bedrock_first_token_ms", 400.into()),
        ("ms", 950.into()),
        ("output_tokens", 20.into()),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert!(
        line.get("original_verdict").is_none() && line.get("failover").is_none(),
        "{line}"
    );
    let ok = "crossfade_calls_total{arm=\"bedrock\",class=\"\",verdict=\"ok\"}";
    assert_eq!(count(&metrics, ok), "1");
    assert_eq!(
        count(
            &metrics,
            "crossfade_first_token_seconds_count{arm=\"bedrock\"}"
        ),
        "1"
    );
    assert_eq!(
        count(&metrics, "crossfade_tokens_total{kind=\"input\"}"),
        "10"
    );
}

#[test]
fn a_call_that_no_arm_got_names_none() {
    let refused = Call {
        bedrock_model: None,
        status: Some(403),
        bedrock: None,
        tokens: None,
        ..CALL
    };
    let lines = logged(|| refused.emit(&Metrics::new()));
    assert_eq!(lines[0]["status"], 403);
    assert!(lines[0].get("arm").is_none(), "{}", lines[0]);
}

#[test]
fn a_failover_ends_on_both_arms() {
    let metrics = Metrics::new();
    let failed = Part {
        verdict: Verdict::Failure(Class::Throttle),
        first_token: None,
        ..PART
    };
    let failover = Some((Fault::Counted(Class::Throttle), FailoverOutcome::Answered));
    let call = Call {
        bedrock: Some(failed),
        original: Some(PART),
        failover,
        ..CALL
    };
    let lines = logged(|| call.emit(&metrics));
    assert_eq!(lines[0]["arm"], "original");
    assert_eq!(lines[0]["bedrock_verdict"], "throttle");
    assert_eq!(lines[0]["failover"], "throttle");
    for (series, expected) in [
        (
            "crossfade_calls_total{arm=\"bedrock\",class=\"throttle\",verdict=\"failure\"}",
            "1",
        ),
        (
            "crossfade_calls_total{arm=\"original\",class=\"\",verdict=\"ok\"}",
            "1",
        ),
        (
            "crossfade_failovers_total{class=\"throttle\",outcome=\"answered\"}",
            "1",
        ),
        ("crossfade_call_seconds_count{arm=\"bedrock\"}", "0"),
    ] {
        assert_eq!(count(&metrics, series), expected, "{series}");
    }
}

#[test]
fn a_call_that_chose_its_arm_is_logged_and_not_counted() {
    let metrics = Metrics::new();
    let lines = logged(|| {
        Call {
            forced: true,
            eligibility: Eligibility::Ineligible(Reason::Busy),
            ..CALL
        }
        .emit(&metrics);
    });
    assert_eq!(lines[0]["eligibility"], "busy");
    assert_eq!(lines[0]["forced"], true);
    let ok = "crossfade_calls_total{arm=\"bedrock\",class=\"\",verdict=\"ok\"}";
    assert_eq!(count(&metrics, ok), "0");
    assert_eq!(
        count(&metrics, "crossfade_tokens_total{kind=\"input\"}"),
        "10"
    );
}

#[test]
fn an_ending_that_the_app_is_not_told_is_logged_and_counted() {
    let metrics = Metrics::new();
    let unknown = Ending::UnknownReason("tired".into());
    let lines = logged(|| {
        for ending in [&Ending::Usual, &Ending::OwnCap, &unknown] {
            Call { ending, ..CALL }.emit(&metrics);
        }
    });
    let said: Vec<_> = lines
        .iter()
        .map(|line| (line["ending"].as_str(), line["stop_reason"].as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (None, None),
            (Some("own_cap"), None),
            (Some("unknown_reason"), Some("tired"))
        ]
    );
    assert_eq!(metrics.capped_answers(), 1);
    for name in ["capped_answers", "unknown_stop_reasons"] {
        let count = count(&metrics, &format!("crossfade_{name}_total "));
        assert_eq!(count, "1", "{name}");
    }
}

#[test]
fn text_of_callers_is_cut() {
    let metrics = Metrics::new();
    let long = "ä".repeat(10_000);
    let call = Call {
        model: &long,
        request_id: &long,
        ..CALL
    };
    let lines = logged(|| call.emit(&metrics));
    for key in ["model", "request_id"] {
        let said = lines[0][key].as_str().expect("text");
        assert_eq!(said.len(), FOREIGN_TEXT, "{key}");
    }
}

#[test]
fn each_mistake_of_a_configuration_gets_its_line() {
    let metrics = Metrics::new();
    let problems = ["a: wrong".to_owned(), "b: wrong".to_owned()];
    let lines = logged(|| {
        Control::ConfigRefused {
            problems: &problems,
        }
        .emit(&metrics)
    });
    let said: Vec<_> = lines.iter().map(|line| line["message"].as_str()).collect();
    assert_eq!(said, [Some("a: wrong"), Some("b: wrong")]);
    assert!(lines.iter().all(|line| line["level"] == "ERROR"));
}
