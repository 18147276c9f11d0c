//! What the rules do besides rolling back: through real listeners, with the rule clock stepped.

use crate::support::{World, original_failing};
use crossfade::controller::Verb;
use crossfade::demo::emulator::bedrock::{Behaviour, ErrorKind};
use serde_json::{Value, json};

fn error(kind: ErrorKind, retry_after_ms: Option<u64>) -> Behaviour {
    Behaviour::Error {
        kind,
        message: None,
        original_status: None,
        retry_after_ms,
    }
}

impl World {
    /// Sends a call; the arm that answered, and the reason or the failover.
    async fn one(&self) -> (String, String) {
        let answer = self.chat(json!({})).await;
        let why = match answer.header("x-crossfade-reason") {
            "" => answer.header("x-crossfade-failover"),
            reason => reason,
        };
        (answer.arm().to_owned(), why.to_owned())
    }

    /// `times` times five seconds with `calls` calls each.
    async fn pass(&self, times: usize, calls: usize) {
        for _ in 0..times {
            for _ in 0..calls {
                self.chat(json!({})).await;
            }
            self.stepper.advance(5_000).await;
        }
    }

    async fn rule(&self, name: &str) -> Value {
        let status = self.status().await;
        let rules = status["rules"].as_array().expect("rules");
        let found = rules.iter().find(|rule| rule["name"] == name);
        found.expect("the rule").clone()
    }
}

fn said(arm: &str, why: &str) -> (String, String) {
    (arm.to_owned(), why.to_owned())
}

#[tokio::test]
async fn retry_after_keeps_calls_of_that_model_back_until_then() {
    let world = World::at(100).await;
    world
        .bedrock
        .once(error(ErrorKind::Throttling, Some(30_000)));
    assert_eq!(world.one().await, said("original", "throttle"));
    let asked = world.bedrock.count();
    for _ in 0..5 {
        assert_eq!(world.one().await, said("original", "throttled"));
        world.stepper.advance(5_000).await;
    }
    assert_eq!(world.bedrock.count(), asked, "Bedrock is left alone");
    let other = world.chat(json!({"model": "gpt-4o"})).await;
    assert_eq!(
        other.arm(),
        "bedrock",
        "another model has a quota of its own"
    );
    world.stepper.advance(5_000).await;
    assert_eq!(world.one().await, said("bedrock", ""));
    let status = world.status().await;
    assert_eq!(status["eligibility"]["reasons"]["throttled"], 5);
    let failures = &status["arms"]["bedrock"]["total"]["failures"];
    assert_eq!(failures["throttle"], 1, "what was not asked is no failure");
}

#[tokio::test]
async fn a_service_cannot_switch_itself_off_for_hours() {
    let world = World::at(100).await;
    let hours = Some(6 * 3_600_000);
    world.bedrock.once(error(ErrorKind::Throttling, hours));
    world.one().await;
    world.stepper.advance(55_000).await;
    assert_eq!(world.one().await, said("original", "throttled"));
    world.stepper.advance(5_000).await;
    assert_eq!(world.one().await, said("bedrock", ""));
}

#[tokio::test]
async fn the_local_breaker_opens_tries_one_call_and_closes() {
    let world = World::with(
        "rollout: { percent: 100, sticky: none }\nrollback: { outage: off, severe: off }\n",
    )
    .await;
    world.bedrock.always(error(ErrorKind::Unavailable, None));
    world.pass(4, 5).await;
    let asked = world.bedrock.count();
    assert_eq!(world.one().await, said("original", "breaker"));
    let open = world.status().await;
    assert_eq!(open["breaker"]["state"], "open");
    assert_eq!(
        open["verdict"],
        "KEPT FROM BEDROCK: by the local breaker, for now; 100 % of eligible calls go there when it closes"
    );
    world.pass(11, 1).await;
    assert_eq!(world.bedrock.count(), asked, "a minute of peace");
    // The trial fails; the next one is two minutes later.
    world.stepper.advance(5_000).await;
    assert_eq!(world.one().await, said("original", "server"));
    assert_eq!(world.one().await, said("original", "breaker"));
    assert_eq!(world.bedrock.count(), asked + 1, "one call");
    world.bedrock.repair();
    world.pass(23, 1).await;
    assert_eq!(world.bedrock.count(), asked + 1);
    world.stepper.advance(10_000).await;
    assert_eq!(world.one().await, said("bedrock", ""));
    // The booking is taken in by the next tick at the latest.
    world.stepper.advance(5_000).await;
    assert_eq!(world.one().await, said("bedrock", ""));
    let status = world.status().await;
    assert_eq!(
        (
            &status["breaker"]["state"],
            &status["rollback"],
            &status["percent"]
        ),
        (&json!("closed"), &Value::Null, &json!(100)),
        "the rollout was not moved"
    );
}

#[tokio::test]
async fn nothing_is_rolled_back_into_an_original_that_is_down_and_worse() {
    let world = World::at(50).await;
    world.openai.always(original_failing());
    for _ in 0..6 {
        // Of Bedrock's calls six in ten fail.
        world.bedrock.repair();
        for _ in 0..6 {
            world.bedrock.once(error(ErrorKind::Unavailable, None));
        }
        world.pass(1, 16).await;
    }
    let status = world.status().await;
    assert_eq!(status["rollback"], Value::Null, "{status}");
    assert_eq!(status["percent"], json!(50));
    let caution = &status["cautions"][0];
    assert_eq!(caution["kind"], "original_down", "{status}");
    let sentence = caution["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("in an outage itself"), "{sentence}");
    let noted = world.command(Verb::Resume, "seen").await.expect("noted");
    assert!(noted.changed);
    // The original recovers, Bedrock gets no better.
    world.openai.repair();
    world.bedrock.always(error(ErrorKind::Unavailable, None));
    world.pass(10, 16).await;
    assert!(world.snapshot().latched);
}

#[tokio::test]
async fn one_odd_prompt_repeated_for_ever_trips_nothing() {
    let world = World::with("rollout: { percent: 100 }\n").await;
    // A quarter of an hour with three other calls a minute: every refusal that counts weighs much.
    for step in 0..180 {
        if step % 4 == 0 {
            let other = json!([{"role": "user", "content": format!("Question {step}.")}]);
            world.chat(json!({"messages": other})).await;
        }
        world.bedrock.once(error(ErrorKind::Validation, None));
        assert_eq!(world.one().await, said("original", "refused"));
        world.stepper.advance(5_000).await;
    }
    let status = world.status().await;
    assert_eq!(status["rollback"], Value::Null, "{status}");
    let total = &status["arms"]["bedrock"]["total"];
    let counted = total["failures"]["incompatible"]
        .as_u64()
        .expect("a number");
    assert!((1..10).contains(&counted), "{total}");
    assert_eq!(total["repeated"], 180 - counted);
}

#[tokio::test]
async fn each_odd_prompt_counts_for_itself_where_all_calls_go() {
    let world = World::with("rollout: { percent: 100 }\n").await;
    for _ in 0..3 {
        for prompt in ["One.", "Another.", "A third."] {
            let odd = json!([{"role": "user", "content": prompt}]);
            world.bedrock.once(error(ErrorKind::Validation, None));
            world.chat(json!({"messages": odd})).await;
        }
    }
    world.stepper.advance(5_000).await;
    let status = world.status().await;
    let total = &status["arms"]["bedrock"]["total"];
    assert_eq!(total["failures"]["incompatible"], 3, "{total}");
    assert_eq!(total["repeated"], 6, "{total}");
}

#[tokio::test]
async fn a_difference_to_the_original_is_told_and_moves_nothing() {
    let world =
        World::with("rollout: { percent: 25, sticky: none }\nrollback: { severe: off }\n").await;
    // One in four of Bedrock's calls fails, for which `errors` would take ten minutes.
    for _ in 0..20 {
        world.bedrock.once(error(ErrorKind::Internal, None));
        world.pass(1, 16).await;
    }
    let rule = world.rule("relative").await;
    assert_eq!(rule["state"], "breaching", "{rule}");
    assert!(rule["odds"].as_u64().expect("odds") > 1_000, "{rule}");
    let status = world.status().await;
    assert_eq!(status["rollback"], Value::Null);
    assert_eq!(status["cautions"][0]["rule"], "relative");
    let detectable = &status["detectable"];
    assert!(
        detectable["within_ms"].as_u64().expect("a time") > 0,
        "{detectable}"
    );
}
