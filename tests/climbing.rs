//! `advance: auto` through real listeners, with the rule clock stepped: three stages of two minutes
//! and a final bake of two more, small numbers of calls, and rules that are as quick.

use crate::support::{Answer, World};
use crossfade::controller::Verb;
use crossfade::demo::emulator::bedrock::{Behaviour, ErrorKind};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Output;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The keys of `rollout` beside `percent`, and rules that a bake of two minutes is enough for.
fn config(percent: u8, more: &str) -> String {
    format!(
        "rollout:
  percent: {percent}
  advance: auto
  stages: [40, 70, 100]
  sticky: none
  bake: 2m
  final_bake: 2m
  min_calls: 20
  error_bound: 30%
{more}
rollback:
  errors: {{ above: 20%, for: 50s }}
  latency: {{ for: 50s }}
  severe: {{ above: 40%, over: 30s }}
  outage: {{ over: 30s }}
"
    )
}

impl World {
    /// Two calls in each 5 s, for so many minutes.
    async fn good_minutes(&self, minutes: usize) {
        for _ in 0..minutes * 12 {
            for _ in 0..2 {
                assert!(self.chat(json!({})).await.status.is_success());
            }
            self.stepper.advance(5_000).await;
        }
    }

    /// What is in force, in percent, and the state.
    async fn stands(&self) -> (u64, String) {
        let status = self.status().await;
        let state = status["state"].as_str().expect("a state").to_owned();
        (status["percent"].as_u64().expect("a number"), state)
    }

    /// Calls that Bedrock fails until a rule takes everything back.
    async fn fails_until_rolled_back(&self) {
        self.bedrock.always(Behaviour::Error {
            kind: ErrorKind::Unavailable,
            message: None,
            original_status: None,
            retry_after_ms: None,
        });
        for _ in 0..60 {
            if self.snapshot().latched {
                break;
            }
            for _ in 0..6 {
                assert!(self.chat(json!({})).await.status.is_success());
            }
            self.stepper.advance(5_000).await;
        }
        assert_eq!(self.stands().await, (0, "rolled_back".to_owned()));
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let request = Request::post(path)
            .header("host", "127.0.0.1")
            .header("content-type", "application/json");
        let body = Full::from(body.to_string());
        self.admin(request.body(body).expect("a request")).await
    }

    /// What the binary says, as an operator starts it.
    async fn cli(&self, args: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_crossfade"))
            .args(args)
            .args(["--admin", &self.app().admin().to_string()])
            .env_clear()
            .env("USER", "ops")
            .env("HOSTNAME", "desk")
            .output()
            .await
            .expect("the binary runs")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn enough_good_calls_climb_to_the_end_and_silence_does_not() {
    let mut world = World::with(&config(100, "")).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    assert_eq!(world.stands().await, (40, "advancing".to_owned()));
    // No call, no step: an hour is as good as a minute.
    world.stepper.advance(3_600_000).await;
    assert_eq!(world.stands().await, (40, "advancing".to_owned()));
    // At 40 % of two calls in 5 s some 19 of 48 go to Bedrock in two minutes: at least five come.
    world.good_minutes(1).await;
    let status = world.cli(&["status"]).await;
    let said = text(&status.stdout);
    assert!(
        said.contains("stage 40 %, next 70 %: 1h01m of 2m, "),
        "{said}"
    );
    assert!(said.contains("at this traffic, 0 failed"), "{said}");
    let stage = world.status().await["stage"].clone();
    assert_eq!(
        (&stage["percent"], &stage["next"]),
        (&json!(40), &json!(70))
    );
    assert_eq!(stage["needed"], 20);
    assert_eq!(stage["waits"][0]["for"], "calls");
    while world.stands().await.0 == 40 {
        world.good_minutes(1).await;
    }
    assert_eq!(world.stands().await.0, 70);
    // What was reached outlives the process.
    world.kill().await;
    world.start().await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    assert_eq!(world.stands().await.0, 70);
    while world.stands().await.0 == 70 {
        world.good_minutes(1).await;
    }
    assert_eq!(world.stands().await, (100, "advancing".to_owned()));
    world.good_minutes(3).await;
    assert_eq!(world.stands().await, (100, "finished".to_owned()));
    let metrics = Request::get("/metrics").header("host", "127.0.0.1");
    let metrics = world
        .admin(metrics.body(Full::default()).expect("a request"))
        .await;
    assert!(
        metrics
            .text()
            .contains("crossfade_state{state=\"finished\"} 1")
    );
    assert!(!metrics.text().contains("crossfade_stage_calls 0"));
    // The rules watch to the end and beyond.
    world.fails_until_rolled_back().await;
    world.kill().await;
    world.start().await;
    world.stepper.advance(5_000).await;
    world.good_minutes(1).await;
    assert_eq!(world.stands().await, (0, "rolled_back".to_owned()));
}

#[tokio::test]
async fn people_pause_resume_and_advance() {
    let world = World::with(&config(100, "  gates: [manual]\n")).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    // Over the command line: refusals say what to do instead, and end with 1.
    let early = world.cli(&["advance", "--reason", "in a hurry"]).await;
    assert_eq!(early.status.code(), Some(1));
    let said = text(&early.stderr);
    for part in ["Not yet 70 %", "bake time", "0 of 20 calls", "--force"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let early = world.cli(&["advance", "--reason", "x", "--json"]).await;
    let refused: Value = serde_json::from_slice(&early.stdout).expect("JSON");
    assert_eq!(refused["error"]["code"], "not_yet");
    world.good_minutes(5).await;
    assert_eq!(world.stands().await, (40, "waiting".to_owned()));
    let paused = world.cli(&["pause", "--reason", "let me look"]).await;
    assert!(paused.status.success());
    let admin = world.app().admin();
    assert_eq!(
        text(&paused.stdout),
        format!(
            "Paused at 40 % by ops@desk: let me look; the rules watch on\nSidecar: http://{admin}/\n"
        )
    );
    assert_eq!(world.stands().await.1, "paused");
    let status = world.cli(&["status"]).await;
    assert!(text(&status.stdout).contains("PAUSED by ops@desk: let me look"));
    let pushed = world.cli(&["advance", "--force", "--reason", "now"]).await;
    assert!(text(&pushed.stderr).contains("crossfade resume"));
    // Over the API.
    let again = world
        .post("/api/pause", json!({"reason": "me too", "actor": "bot"}))
        .await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["changed"], false);
    let resumed = world.post("/api/resume", json!({"reason": "looked"})).await;
    assert_eq!(resumed.json()["changed"], true);
    let twice = world.post("/api/resume", json!({"reason": "looked"})).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert_eq!(twice.json()["error"]["code"], "not_paused");
    let wrong = json!({"reason": "x", "force": true});
    let wrong = world.post("/api/pause", wrong).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let silent = world.post("/api/advance", json!({})).await;
    assert_eq!(silent.status, StatusCode::BAD_REQUEST);
    let approved = world
        .post(
            "/api/advance",
            json!({"reason": "approved", "actor": "lead"}),
        )
        .await;
    assert_eq!(
        (approved.status, &approved.json()["percent"]),
        (StatusCode::OK, &json!(70))
    );
    let forced = world
        .post("/api/advance", json!({"reason": "we know", "force": true}))
        .await;
    assert_eq!(forced.json()["percent"], 100);
    let message = forced.json()["message"].to_string();
    assert!(
        message.contains("forced, still missing: 2m more of bake time"),
        "{message}"
    );
}

#[tokio::test]
async fn a_rollback_works_in_every_state() {
    for (state, more) in [
        ("idle", ""),
        ("steady", "  gates: [manual]\n"),
        ("advancing", ""),
        ("waiting", "  gates: [manual]\n"),
        ("paused", "  gates: [manual]\n"),
        ("finished", ""),
    ] {
        let (percent, first, stages) = match state {
            "idle" => (0, 0, "[40, 70, 100]"),
            "steady" => (40, 40, "[40, 70, 100]"),
            "finished" => (100, 100, "[100]"),
            _ => (100, 40, "[40, 70, 100]"),
        };
        let file = config(percent, more).replace("[40, 70, 100]", stages);
        let world = World::with(&file).await;
        world
            .wait_for(|now| now.percent.is_zero() == (first == 0))
            .await;
        // At 0 % it is steady, and nothing else.
        let state = if state == "idle" { "steady" } else { state };
        if state != "advancing" && first > 0 {
            world.good_minutes(5).await;
        }
        if state == "paused" {
            world.command(Verb::Pause, "a look").await.expect("paused");
        }
        assert_eq!(world.stands().await.1, state);
        if state == "advancing" || state == "paused" {
            // A rule, in the one case, a person in the other.
            world.fails_until_rolled_back().await;
        } else {
            world
                .command(Verb::Rollback, "by hand")
                .await
                .expect("done");
        }
        assert_eq!(world.stands().await, (0, "rolled_back".to_owned()));
        for verb in [Verb::Pause, Verb::Resume, Verb::Advance { force: true }] {
            let refusal = world.command(verb, "please").await.expect_err("latched");
            assert_eq!(refusal.code(), "rolled_back", "{state}");
            assert!(refusal.to_string().contains("crossfade rearm"));
        }
        world
            .command(Verb::Rearm, "mended")
            .await
            .expect("re-armed");
        assert_eq!(world.stands().await.0, first, "from the first stage");
    }
}

#[tokio::test]
async fn what_takes_the_ground_from_the_evidence_is_refused() {
    let mut world = World::with(&config(100, "")).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    world.write_config(&config(100, "  salt: another\n"));
    let now = world.wait_for(|now| !now.files.problems.is_empty()).await;
    let problem = now.files.problems.join("\n");
    assert!(problem.contains("`rollout.salt` was changed"), "{problem}");
    assert!(problem.contains("`rollout.attempt: 2`"), "{problem}");
    assert_eq!(&*now.config.rollout.salt, "crossfade", "not in force");
    world.write_config(&config(100, "  salt: another\n  attempt: 2\n"));
    let now = world.wait_for(|now| now.attempt.0 == 2).await;
    assert_eq!(&*now.config.rollout.salt, "another");
}

/// A gate that answers each question with the status that is set, and keeps what it was asked.
async fn gate(status: Arc<Mutex<&'static str>>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = Vec::new();
            let mut part = [0; 4_096];
            // The body is one line of JSON, so its end can be seen.
            while !question.ends_with(b"}") {
                match stream.read(&mut part).await {
                    Ok(n) if n > 0 => question.extend(part.iter().take(n)),
                    Ok(_) | Err(_) => break,
                }
            }
            let status = *status.lock().expect("no panic");
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let question = String::from_utf8_lossy(&question).into_owned();
            let _ = stream.write_all(answer.as_bytes()).await;
            seen.lock().expect("no panic").push(question);
        }
    });
    (address, asked)
}

#[tokio::test]
async fn the_webhook_gate_is_asked_and_heard() {
    let status = Arc::new(Mutex::new("500 Oops"));
    let (address, asked) = gate(Arc::clone(&status)).await;
    let gates = format!("  gates: [{{ webhook: 'http://{address}/may/we', timeout: 5s }}]\n");
    let world = World::with(&config(100, &gates)).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    assert!(asked.lock().expect("no panic").is_empty());
    world.good_minutes(5).await;
    // Each answer is an input of its own and is published.
    let waits = |said: &'static str| {
        let world = &world;
        async move {
            world
                .wait_for(|now| {
                    let stage = now.report.stage.as_ref();
                    stage.is_some_and(|stage| stage.sentence.contains(said))
                })
                .await
        }
    };
    waits("gives no answer (it answers 500").await;
    assert_eq!(world.stands().await, (40, "waiting".to_owned()));
    let question = asked.lock().expect("no panic")[0].clone();
    assert!(
        question.starts_with("POST /may/we HTTP/1.1\r\n"),
        "{question}"
    );
    let body = question.rsplit("\r\n\r\n").next().expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&body["from"], &body["to"]), (&json!(40), &json!(70)));
    *status.lock().expect("no panic") = "403 No";
    world.stepper.advance(30_000).await;
    waits("says no").await;
    assert_eq!(world.stands().await, (40, "waiting".to_owned()));
    // A redirection is not followed, and says nothing.
    *status.lock().expect("no panic") = "302 Elsewhere";
    world.stepper.advance(30_000).await;
    waits("it answers 302").await;
    *status.lock().expect("no panic") = "204 Go";
    world.stepper.advance(30_000).await;
    // The yes may have come between two of these beats, and have been acted on.
    world
        .wait_for(|now| {
            let stage = now.report.stage.as_ref();
            stage.is_some_and(|stage| {
                stage.waits.is_empty() || stage.percent.basis_points() == 7_000
            })
        })
        .await;
    world.stepper.advance(5_000).await;
    assert_eq!(world.stands().await.0, 70);
}
