//! Rules, latch, attempts: through real listeners, with the rule clock stepped.

use crate::support::{World, chat_request, failing};
use crossfade::controller::Verb;
use crossfade::demo::emulator::bedrock::{Behaviour, ErrorKind};
use serde_json::json;

fn down() -> Behaviour {
    failing(ErrorKind::Unavailable)
}

impl World {
    /// `calls` calls and then 5 s, `times` times; of each five seconds' calls `bad` fail.
    async fn minutes_of(&self, times: usize, calls: usize, bad: usize) {
        for _ in 0..times {
            self.bedrock.repair();
            for _ in 0..bad {
                self.bedrock.once(down());
            }
            for _ in 0..calls {
                let answer = self.chat(json!({})).await;
                assert!(answer.status.is_success(), "the app never sees it");
            }
            self.stepper.advance(5_000).await;
        }
    }

    async fn rolled_back_by(&self) -> Option<String> {
        let status = self.status().await;
        status["rollback"]["rule"].as_str().map(str::to_owned)
    }

    /// Twenty calls; how many of them Bedrock got.
    async fn reach_bedrock(&self) -> u64 {
        let before = self.bedrock.count();
        for _ in 0..20 {
            self.chat(json!({})).await;
        }
        self.bedrock.count() - before
    }
}

#[tokio::test]
async fn an_outage_trips_within_seconds_and_says_why() {
    let world = World::at(100).await;
    world.minutes_of(4, 10, 0).await;
    world.minutes_of(4, 10, 10).await;
    assert_eq!(world.rolled_back_by().await.as_deref(), Some("outage"));
    assert_eq!(
        world.reach_bedrock().await,
        0,
        "nothing more goes to Bedrock"
    );
    let status = world.status().await;
    assert_eq!(
        (&status["state"], &status["percent"]),
        (&json!("rolled_back"), &json!(0))
    );
    let sentence = status["rollback"]["sentence"].as_str().expect("a sentence");
    for part in ["100 %", "outage", "server", "50 %", "req_"] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
}

/// A minute of 33 calls, of which one fails, in its first five seconds: 3 % in every minute.
async fn minute_at_three_percent(world: &World) {
    world.minutes_of(1, 3, 1).await;
    world.minutes_of(8, 3, 0).await;
    world.minutes_of(3, 2, 0).await;
}

async fn good_minutes(world: &World, minutes: usize) {
    world.minutes_of(12 * minutes, 2, 0).await;
}

#[tokio::test]
async fn ten_minutes_at_three_percent_trip_errors() {
    let world = World::at(100).await;
    good_minutes(&world, 1).await;
    for _ in 0..10 {
        minute_at_three_percent(&world).await;
        assert_eq!(world.rolled_back_by().await, None, "not before its time");
    }
    // The clock began with the first failure that was seen, and is ten minutes old with the next.
    world.minutes_of(1, 3, 1).await;
    assert_eq!(world.rolled_back_by().await.as_deref(), Some("errors"));
    let sentence = world.status().await["rollback"]["sentence"].to_string();
    assert!(sentence.contains("for 10m, limit 2 %"), "{sentence}");
}

#[tokio::test]
async fn nine_minutes_at_three_percent_do_not_trip_errors() {
    let world = World::at(100).await;
    good_minutes(&world, 1).await;
    for _ in 0..9 {
        minute_at_three_percent(&world).await;
    }
    let running = world.status().await["rules"].to_string();
    assert!(running.contains("\"breaching\""), "{running}");
    good_minutes(&world, 5).await;
    assert_eq!(world.rolled_back_by().await, None);
    let running = world.status().await["rules"].to_string();
    assert!(!running.contains("\"breaching\""), "{running}");
}

#[tokio::test]
async fn a_fifteen_second_blip_does_not_trip_errors() {
    let world = World::with(
        "rollout: { percent: 100, sticky: none }\nrollback: { outage: off, severe: off }\n",
    )
    .await;
    good_minutes(&world, 1).await;
    world.minutes_of(3, 10, 10).await;
    good_minutes(&world, 11).await;
    assert_eq!(world.rolled_back_by().await, None);
}

#[tokio::test]
async fn a_black_hole_trips_latency_although_no_call_ever_ends() {
    let world = World::with("rollout: { percent: 100, sticky: none }\n").await;
    world.bedrock.always(Behaviour::Hang);
    let mut waiting = Vec::new();
    for _ in 0..80 {
        if world.snapshot().latched {
            break;
        }
        for _ in 0..4 {
            let (address, seen) = (world.listen(), world.bedrock.count());
            let request = chat_request(json!({}));
            waiting.push(tokio::spawn(crate::support::open(address, request)));
            world
                .bedrock
                .wait_until(|calls| calls.len() as u64 > seen || seen >= 1024)
                .await;
        }
        world.stepper.advance(5_000).await;
    }
    let rollback = world.status().await["rollback"].clone();
    assert_eq!(rollback["rule"], "latency");
    let sentence = rollback["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("last slow request req_"), "{sentence}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn silence_never_trips() {
    let world = World::at(100).await;
    world.minutes_of(2, 10, 10).await;
    world.stepper.advance(3_600_000).await;
    assert_eq!(world.rolled_back_by().await, None);
}

#[tokio::test]
async fn streams_in_flight_finish_when_a_rollback_comes() {
    let world = World::at(100).await;
    world.bedrock.once(Behaviour::Hold { after: 4 });
    let held = world.begun_stream().await;
    world
        .command(Verb::Rollback, "a test")
        .await
        .expect("it works in every state");
    assert_eq!(world.reach_bedrock().await, 0);
    world.finishes(held).await;
}

#[tokio::test]
async fn a_rollback_outlives_the_process_and_only_a_person_ends_it() {
    let mut world = World::at(100).await;
    world
        .command(Verb::Rollback, "a test")
        .await
        .expect("it works");
    for _ in 0..3 {
        world.kill().await;
        world.start().await;
        assert_eq!(world.reach_bedrock().await, 0, "not after a restart");
    }
    let generation = world.snapshot().files.generation;
    world.write_config("rollout: { percent: 50, sticky: none }\n");
    world
        .wait_for(|now| now.files.generation > generation)
        .await;
    assert_eq!(
        world.reach_bedrock().await,
        0,
        "not after an edit of the percentage"
    );
    world.stepper.advance(2 * 3_600_000).await;
    assert_eq!(world.reach_bedrock().await, 0, "not after hours");
    world
        .command(Verb::Rollback, "again")
        .await
        .expect("a second one changes nothing");
    world
        .command(Verb::Rearm, "mended")
        .await
        .expect("it is rolled back");
    assert!(world.reach_bedrock().await > 0);
    let refusal = world
        .command(Verb::Rearm, "again")
        .await
        .expect_err("nothing to re-arm");
    assert_eq!(refusal.code(), "not_rolled_back");
    world.kill().await;
    world.start().await;
    world
        .wait_for(|now| now.percent.basis_points() == 5_000)
        .await;
    assert_eq!(world.snapshot().attempt.0, 2);
}

#[tokio::test]
async fn a_raised_attempt_rearms_and_an_equal_one_does_not() {
    let mut world = World::at(100).await;
    world
        .command(Verb::Rollback, "a test")
        .await
        .expect("it works");
    for (attempt, latched) in [(1, true), (2, false)] {
        let generation = world.snapshot().files.generation;
        world.write_config(&format!(
            "rollout: {{ percent: 100, sticky: none, attempt: {attempt} }}\n# {latched}\n"
        ));
        let now = world
            .wait_for(|now| now.files.generation > generation && now.percent.is_zero() == latched)
            .await;
        assert_eq!(now.latched, latched, "attempt {attempt}");
    }
    // Twice rolled back, the value that helps is named.
    world
        .command(Verb::Rollback, "a test")
        .await
        .expect("it works");
    let text = world.status().await.to_string();
    assert!(
        text.contains("rollout.attempt") || text.contains("\"rearm_with_attempt\":3"),
        "{text}"
    );
}

#[tokio::test]
async fn a_state_that_cannot_be_read_counts_as_rolled_back() {
    type Damage = fn(&World);
    let damages: [(&str, Damage); 5] = [
        ("torn", |world| {
            let text = std::fs::read(world.state_file()).expect("readable");
            std::fs::write(world.state_file(), &text[..text.len() / 2]).expect("writable");
        }),
        ("empty", |world| {
            std::fs::write(world.state_file(), "").expect("writable")
        }),
        ("garbage", |world| {
            std::fs::write(world.state_file(), "\0\u{1}x").expect("writable")
        }),
        ("another version", |world| {
            std::fs::write(world.state_file(), r#"{"version": 99}"#).expect("writable");
        }),
        ("deleted", |world| {
            std::fs::remove_file(world.state_file()).expect("it is there")
        }),
    ];
    for (what, damage) in damages {
        let mut world = World::at(100).await;
        world.wait_for(|now| !now.percent.is_zero()).await;
        world.stepper.advance(2_000).await;
        world.kill().await;
        damage(&world);
        world.start().await;
        let now = world.wait_for(|now| now.latched).await;
        assert!(now.percent.is_zero(), "{what}");
        assert_eq!(world.reach_bedrock().await, 0, "{what}");
        world
            .command(Verb::Rearm, "looked at it")
            .await
            .expect("a person may");
        assert!(world.reach_bedrock().await > 0, "{what}");
    }
}

/// Two attempts of one number could not be told apart in the journal.
#[tokio::test]
async fn an_attempt_that_the_journal_knows_is_not_given_twice() {
    let mut world = World::at(100).await;
    for verb in [Verb::Rollback, Verb::Rearm] {
        world.command(verb, "a test").await.expect("in force");
    }
    assert_eq!(world.status().await["attempt"], 2);
    world.kill().await;
    std::fs::write(world.state_file(), "{\"version\": 1, \"att").expect("writable");
    world.start().await;
    world.wait_for(|now| now.latched).await;
    let rearmed = world.command(Verb::Rearm, "looked at it").await;
    assert_eq!(rearmed.expect("a person may").attempt.0, 3);
}

#[tokio::test]
async fn a_state_file_that_is_deleted_under_a_running_process_comes_back_and_is_told() {
    let mut world = World::at(100).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    world.command(Verb::Rollback, "a test").await.expect("done");
    std::fs::remove_file(world.state_file()).expect("it is there");
    world.stepper.advance(5_000).await;
    assert!(world.state_file().exists());
    // The journal is written beside the controller, and shown with what it publishes next.
    let told = loop {
        world.stepper.advance(1_000).await;
        let told = world.snapshot().files.side.happened.clone();
        if told.last().is_some_and(|it| it.event == "state_healed") {
            break told;
        }
    };
    let failing = &told[told.len() - 2];
    assert_eq!(failing.event, "state_failing");
    assert!(
        failing.sentence.contains("was deleted while crossfade ran"),
        "{}",
        failing.sentence
    );
    world.kill().await;
    world.start().await;
    world.wait_for(|now| now.latched).await;
    assert_eq!(world.reach_bedrock().await, 0);
}

#[tokio::test]
async fn a_second_process_sends_nothing_until_the_first_is_gone() {
    let mut world = World::at(100).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    let first = world.take_app();
    world.start().await;
    world.stepper.advance(3_000).await;
    assert_eq!(world.reach_bedrock().await, 0);
    let status = world.status().await;
    assert!(
        status["holds"].to_string().contains("state_locked"),
        "{}",
        status["holds"]
    );
    // The first is rolled back while the second waits: what it wrote is read again.
    let command = crossfade::controller::Command {
        verb: Verb::Rollback,
        reason: "by the first".to_owned(),
        actor: "test".to_owned(),
    };
    first.controller().command(command).await.expect("it works");
    first.abort().await;
    world.stepper.advance(1_000).await;
    let now = world.wait_for(|now| now.latched).await;
    assert!(now.percent.is_zero());
}

#[tokio::test]
async fn a_rollback_that_cannot_be_written_holds_in_memory() {
    let mut world =
        World::with("rollout: { percent: 100, sticky: none }\nstate: at/state.json\n").await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    // All that is written at the start is: nothing puts a file there while the folder is removed.
    let ask = || http::Request::get("/metrics").header("host", "127.0.0.1");
    let begun = "\ncrossfade_journal_healthy 1\n";
    loop {
        let metrics = ask().body(Default::default()).expect("a request");
        if world.admin(metrics).await.text().contains(begun) {
            break;
        }
    }
    // The folder is gone and a file is in its place: nothing can be written, even by root.
    let folder = world.dir.path().join("at");
    std::fs::remove_dir_all(&folder).expect("it is there");
    std::fs::write(&folder, "in the way").expect("writable");
    let refusal = world
        .command(Verb::Rollback, "a test")
        .await
        .expect_err("not saved");
    assert_eq!(refusal.code(), "not_saved");
    assert_eq!(world.reach_bedrock().await, 0, "in force all the same");
    let metrics = world
        .admin(ask().body(Default::default()).expect("a request"))
        .await;
    assert!(
        metrics
            .text()
            .contains("\ncrossfade_state_file_healthy 0\n"),
        "the alarm"
    );
    std::fs::remove_file(&folder).expect("it is there");
    world.stepper.advance(2_000).await;
    world
        .wait_for(|now| now.files.state_problem.is_none())
        .await;
    world.kill().await;
    world.start().await;
    assert_eq!(
        world.reach_bedrock().await,
        0,
        "it was written as soon as it could be"
    );
    world.wait_for(|now| now.latched).await;
}
