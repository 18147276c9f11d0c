//! Traces and made-up traffic through the whole of it.

use super::outcome::{Source, study_json, study_text, trace_json, trace_text};
use super::picture;
use super::play::Play;
use super::study::Study;
use super::trace::{Trace, TraceError};
use super::traffic::{Profile, Trouble};
use crate::config::defaults;
use crate::outcome::Attempt;
use crate::rollout::plan::{OnThrottle, Rules};
use crate::rollout::{Advance, Basis, Plan};
use crate::split::Percent;
use serde_json::{Value, json};
use std::fmt::Write as _;

fn plan() -> Plan {
    Plan {
        ceiling: Percent::from_basis_points(5_000).expect("a share"),
        attempt: Attempt(1),
        advance: Advance::Manual,
        basis: Basis::default(),
        rules: Rules {
            errors: Some(defaults::ERRORS),
            latency: Some(defaults::LATENCY),
            severe: Some(defaults::SEVERE),
            outage: Some(defaults::OUTAGE),
            relative: None,
            rejected: None,
            abandoned: None,
            breaker: None,
            on_throttle: OnThrottle::Rollback,
        },
    }
}

fn source() -> Source {
    Source {
        trace: Some("incident.jsonl".to_owned()),
        config: "rollout.yaml".to_owned(),
        first_ms: 0,
        notes: Vec::new(),
    }
}

/// Ten Bedrock calls a second for `minutes`; of those of each second as many fail as `bad` says.
fn trace(minutes: u64, bad: impl Fn(u64) -> u64) -> String {
    let mut text = String::new();
    for call in 0..minutes * 600 {
        let (second, at) = (call / 10, call as f64 / 10.0);
        // Spread over the hundred calls of ten seconds.
        let failed = call % 100 * bad(second) % 100 < bad(second);
        let line = if failed {
            json!({"at": at, "arm": "bedrock", "verdict": "failure", "class": "throttle",
                   "first_token_ms": null, "total_ms": 50})
        } else {
            json!({"at": at, "arm": "bedrock", "verdict": "ok", "class": null,
                   "first_token_ms": 400, "total_ms": 1_900})
        };
        writeln!(text, "{line}").expect("a string");
    }
    text
}

fn played(text: &str) -> Play {
    played_by(plan(), text)
}

fn played_by(plan: Plan, text: &str) -> Play {
    let mut trace = Trace::new(text.as_bytes());
    let mut play = Play::drawn(plan, 0);
    while let Some(call) = trace.next_call().expect("a sound trace") {
        play.call(&call);
    }
    play.finish();
    play
}

fn refused(text: &str) -> String {
    let mut trace = Trace::new(text.as_bytes());
    loop {
        match trace.next_call() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("accepted: {text}"),
            Err(error) => return format!("t{error}"),
        }
    }
}

#[test]
fn ten_minutes_of_failures_trip_and_nine_do_not() {
    // 3 % from 5 min on.
    for (minutes, trips) in [(9, false), (12, true)] {
        let until = (5 + minutes) * 60;
        let play = played(&trace(20, |second| {
            if (300..until).contains(&second) { 3 } else { 0 }
        }));
        let json = trace_json(&source(), &play);
        assert_eq!(json["rolled_back"], trips, "{minutes}");
        if !trips {
            assert_eq!(json["transitions"], json!([]));
            assert_eq!(json["clocks"][0]["why"], "reset");
            continue;
        }
        let transition = &json["transitions"][0];
        assert_eq!(transition["rule"], "errors");
        assert_eq!(
            (&transition["from"], &transition["to"]),
            (&json!(50), &json!(0))
        );
        let at = transition["at"].as_f64().expect("a time");
        assert!((900.0..960.0).contains(&at), "{at}");
        let onset = transition["onset"].as_f64().expect("a time");
        assert!((295.0..310.0).contains(&onset), "{onset}");
        assert_eq!(json["detection_delay"].as_f64(), Some(at - onset));
        assert!(
            transition["reason"]
                .as_str()
                .is_some_and(|it| it.contains("-> 0 %: errors "))
        );
        let text = trace_text(&source(), &play);
        assert!(text.contains("detection delay 10m"), "{text}");
    }
}

#[test]
fn after_the_rollback_the_record_is_only_counted() {
    let play = played(&trace(30, |second| if second >= 600 { 100 } else { 0 }));
    let json = trace_json(&source(), &play);
    let at = json["transitions"][0]["at"].as_f64().expect("a time");
    assert!((610.0..=625.0).contains(&at), "{at}");
    assert_eq!(json["transitions"][0]["rule"], "outage");
    let app = &json["app"];
    let count = |name: &str| app[name].as_u64().expect("a number");
    assert_eq!(count("answered_by_bedrock"), 6_000);
    assert_eq!(
        count("bedrock") + count("would_have_gone_to_original"),
        18_000
    );
    assert_eq!(count("failed_over"), count("bedrock") - 6_000);
    assert_eq!(count("spared"), count("would_have_gone_to_original"));
}

#[test]
fn the_clock_of_the_trace_may_be_unix_time() {
    let text = trace(20, |second| if second >= 600 { 100 } else { 0 });
    let shifted: String = text
        .lines()
        .map(|line| {
            let mut call: Value = serde_json::from_str(line).expect("JSON");
            call["at"] = json!(call["at"].as_f64().expect("a time") + 1_700_000_000.0);
            format!("{call}\n")
        })
        .collect();
    let mut trace = Trace::new(shifted.as_bytes());
    let first = trace.next_call().expect("sound").expect("a call");
    let mut play = Play::new(plan(), first.at_ms);
    let mut next = Some(first);
    while let Some(call) = next {
        play.call(&call);
        next = trace.next_call().expect("sound");
    }
    play.finish();
    let (change, _) = play.trip().expect("an outage");
    let at_s = change.at_ms / 1_000 - 1_700_000_000;
    assert!((610..=625).contains(&at_s), "{at_s}");
}

#[test]
fn lines_may_be_out_of_order_by_as_long_as_a_call_lasts() {
    let line = |at: u64| {
        format!(r#"{{"at":{at},"arm":"original","verdict":"ok","total_ms":5,"model":"m"}}"#)
    };
    let text = [700, 101, 100, 1_200, 0, 601].map(line).join("\n");
    let why = refused(&text);
    assert!(
        why.starts_with("t5: `at` is 0, more than 10 minutes before"),
        "{why}"
    );
    let text = [700, 101, 100, 1_200, 601].map(line).join("\n\n");
    let mut trace = Trace::new(text.as_bytes());
    let mut order = Vec::new();
    while let Some(call) = trace.next_call().expect("sound") {
        order.push(call.at_ms / 1_000);
    }
    assert_eq!(order, [100, 101, 601, 700, 1_200]);
    assert_eq!(trace.ignored(), ["model"]);
}

#[test]
fn a_bad_line_is_named_with_its_field_and_what_is_accepted() {
    let good = r#"{"at":1,"arm":"bedrock","verdict":"ok","total_ms":5}"#;
    for (bad, expected) in [
        (
            r#"{"at":1,"arm":"aws","verdict":"ok","total_ms":5}"#,
            "`arm` is aws; accepted: bedrock or original",
        ),
        (
            r#"{"at":1,"arm":"bedrock","verdict":"ok"}"#,
            "`total_ms` is missing; accepted: a number of milliseconds",
        ),
        (
            r#"{"at":"1","arm":"bedrock","verdict":"ok","total_ms":5}"#,
            "`at` is \"1\"; accepted: a number of seconds",
        ),
        (
            r#"{"at":-1,"arm":"bedrock","verdict":"ok","total_ms":5}"#,
            "`at` is -1; accepted: 0 to 100000000000 seconds",
        ),
        (
            r#"{"at":1,"arm":"bedrock","verdict":"fine","total_ms":5}"#,
            "`verdict` is fine; accepted: ok, failure,",
        ),
        (
            r#"{"at":1,"arm":"bedrock","verdict":"failure","total_ms":5}"#,
            "`class` is nothing; accepted: of a failure one of server, throttle",
        ),
        (
            r#"{"at":1,"arm":"bedrock","verdict":"ok","class":"server","total_ms":5}"#,
            "`class` is server; accepted: a class only with verdict failure",
        ),
        (
            r#"{"at":1,"arm":"bedrock","verdict":"ok","total_ms":5,"first_token_ms":9}"#,
            "`first_token_ms` is above `total_ms`",
        ),
        (
            r#"{"at":1,"arm":"bedrock","verdict":"ok","total_ms":null}"#,
            "`total_ms` is null; accepted: a number of milliseconds",
        ),
        (
            r#"{"at":40000000,"arm":"bedrock","verdict":"ok","total_ms":5}"#,
            "more than 400 days after the first line's 1",
        ),
        ("[1]", "no JSON object; accepted is one such as {"),
        ("oops", "no JSON: "),
    ] {
        let why = refused(&format!("{good}\n{bad}\n"));
        assert!(why.starts_with("t2: "), "{why}");
        assert!(why.contains(expected), "{expected} in {why}");
    }
    assert!(refused("").contains("no calls"));
    let long = format!("{good}\n{}", "x".repeat(100_000));
    assert!(refused(&long).contains("longer than 64 KiB"));
    let mut trace = Trace::new(&b"\xff\xfe\n"[..]);
    assert!(matches!(
        trace.next_call(),
        Err(TraceError::Line { number: 1, .. })
    ));
}

#[test]
fn made_up_incidents_are_found_in_time_and_the_seed_decides() {
    let study = Study {
        profile: Profile {
            rate: 20.0,
            background: 0.005,
            trouble: Some(Trouble {
                error_rate: 1.0,
                slow_rate: 0.0,
                onset_ms: 300_000,
                duration_ms: 300_000,
            }),
            bursts: None,
            slow_ms: 10_000,
        },
        days: 0.05,
        runs: 20,
        seed: 7,
    };
    let mut part = 0.0;
    let findings = study.run(&plan(), &mut |done| {
        assert!((part..=1.0).contains(&done), "{part} {done}");
        part = done;
    });
    let json = study_json(&source(), &study, &findings);
    assert_eq!(json["incidents"]["found"], 20);
    assert_eq!(json["incidents"]["by_rule"]["outage"], 20);
    // At ten Bedrock calls a second: within 20 s or a bucket more.
    let p50 = json["delay_seconds"]["p50"].as_f64().expect("a time");
    assert!((15.0..=25.0).contains(&p50), "{p50}");
    assert_eq!(json["false_trips_per_day"], 0.0);
    assert_eq!(json["transitions"][0]["to"], 0);
    let again = study.run(&plan(), &mut |_| {});
    assert_eq!(json, study_json(&source(), &study, &again));
    let text = study_text(&source(), &study, &findings);
    assert!(text.contains("20 of 20 were found (outage 20)"), "{text}");
    let page = picture::study_page(&source(), &study, &findings);
    assert!(page.contains("20 of 20"));
}

#[test]
fn trips_that_the_truth_explains_are_not_false() {
    let study = |background| Study {
        profile: Profile {
            rate: 10.0,
            background,
            trouble: None,
            bursts: None,
            slow_ms: 10_000,
        },
        days: 0.2,
        runs: 0,
        seed: 1,
    };
    let found = study(0.05).run(&plan(), &mut |_| {});
    let quiet = found.quiet.expect("asked for");
    assert!(quiet.trips["errors"] > 5, "{:?}", quiet.trips);
    assert_eq!(
        quiet.false_trips,
        quiet.trips.get("severe").copied().unwrap_or(0)
    );
}

#[test]
fn the_page_needs_nothing_else_and_its_policy_admits_only_its_own() {
    let play = played(&trace(30, |second| if second >= 600 { 3 } else { 0 }));
    let page = picture::trace_page(&source(), &play);
    for foreign in ["src=", "href=", "@import", "url(", "fetch("] {
        let ours = page.replace(crate::page::UPLOT_JS, "");
        assert!(!ours.contains(foreign), "{foreign}");
    }
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1);
    let policy = policy
        .and_then(|rest| rest.split('"').next())
        .expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let data: Value = serde_json::from_str(data.expect("data")).expect("JSON");
    let charts = data["charts"].as_array().expect("charts");
    let points = data["times"].as_array().expect("times").len();
    assert!((360..=362).contains(&points), "{points}");
    for chart in charts {
        for line in chart["lines"].as_array().expect("lines") {
            assert_eq!(line["values"].as_array().expect("values").len(), points);
        }
    }
    assert_eq!(charts[1]["limits"].as_array().expect("limits").len(), 3);
    assert_eq!(data["marks"].as_array().expect("marks").len(), 2);
}

#[test]
fn what_a_rule_found_is_no_transition() {
    let mut plan = plan();
    plan.rules.relative = Some(defaults::RELATIVE);
    let lines = (0..12_000_u64).map(|call| {
        // Every second call is Bedrock's; of those, one in twenty-five fails.
        let (arm, failed) = match call % 2 {
            0 => ("original", false),
            _ => ("bedrock", call % 50 == 1),
        };
        let (verdict, class) = if failed {
            ("failure", Some("server"))
        } else {
            ("ok", None)
        };
        json!({"at": call as f64 / 10.0, "arm": arm, "verdict": verdict, "class": class,
               "first_token_ms": 300, "total_ms": 900})
        .to_string()
    });
    let text: String = lines.fold(String::new(), |all, line| all + &line + "\n");
    let play = played_by(plan, &text);
    let json = trace_json(&source(), &play);
    let found = json["findings"].as_array().expect("a list");
    assert!(found.iter().any(|it| it["rule"] == "relative"), "{json}");
    let transitions = json["transitions"].as_array().expect("a list");
    assert_eq!(transitions.len(), 1, "{json}");
    assert_eq!(
        (&transitions[0]["rule"], &transitions[0]["to"]),
        (&json!("errors"), &json!(0))
    );
}
