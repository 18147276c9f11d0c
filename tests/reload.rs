//! Editing rollout.yaml while calls run.

use crate::support::World;
use crossfade::demo::emulator::bedrock::Behaviour;
use http::{Request, StatusCode};
use serde_json::json;
use std::fs;
use std::pin::pin;

#[tokio::test]
async fn the_percentage_follows_the_file_however_it_is_replaced() {
    let mut world = World::at(0).await;
    world.wait_for(|now| now.holds.is_empty()).await;
    // In place.
    world.write_config("rollout: { percent: 100, sticky: none }\n");
    world
        .wait_for(|now| now.percent.basis_points() == 10_000)
        .await;
    assert_eq!(world.chat(json!({})).await.arm(), "bedrock");
    // By rename, as editors do.
    let text = world.config_with("rollout: { percent: 0, sticky: none }\n");
    let other = world.dir.path().join("rollout.yaml~");
    fs::write(&other, text).expect("writable");
    fs::rename(other, world.file()).expect("the same directory");
    world.wait_for(|now| now.percent.is_zero()).await;
    assert_eq!(world.chat(json!({})).await.arm(), "original");
}

#[tokio::test]
async fn a_config_maps_symlink_swap_is_seen() {
    let mut world = World::at(0).await;
    world.kill().await;
    let folder = world.dir.path().to_owned();
    let at = |name: &str| folder.join(name);
    for (version, percent) in [("..v1", 0), ("..v2", 25)] {
        fs::create_dir(at(version)).expect("a new directory");
        let text = world.config_with(&format!("rollout: {{ percent: {percent} }}\n"));
        fs::write(at(version).join("rollout.yaml"), text).expect("writable");
    }
    fs::remove_file(world.file()).expect("it is there");
    std::os::unix::fs::symlink("..v1", at("..data")).expect("a link");
    std::os::unix::fs::symlink("..data/rollout.yaml", world.file()).expect("a link");
    world.start().await;
    world
        .wait_for(|now| now.holds.is_empty() && now.percent.is_zero())
        .await;
    std::os::unix::fs::symlink("..v2", at("..tmp")).expect("a link");
    fs::rename(at("..tmp"), at("..data")).expect("the same directory");
    world
        .wait_for(|now| now.percent.basis_points() == 2_500)
        .await;
}

#[tokio::test]
async fn a_file_with_a_mistake_is_refused_whole() {
    let mut world = World::at(100).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    world.write_config("rollout: { percent: 101, stickky: none }\ndrain: soon\n");
    let now = world.wait_for(|now| !now.files.problems.is_empty()).await;
    assert_eq!(
        now.percent.basis_points(),
        10_000,
        "the last good one stays in force"
    );
    let all = now.files.problems.join("\n");
    for key in ["rollout.percent", "rollout.stickky", "drain"] {
        assert!(all.contains(key), "{key} is not named: {all}");
    }
    let status = world.status().await;
    assert_eq!(
        status["config"]["problems"].as_array().map(Vec::len),
        Some(3),
        "{status}"
    );
    // A start with it runs the last good one at 0 %, and says so.
    world.kill().await;
    world.start().await;
    let now = world
        .wait_for(|now| now.files.state_problem.is_none())
        .await;
    assert!(now.percent.is_zero());
    assert_eq!(world.chat(json!({})).await.arm(), "original");
    let status = world.status().await;
    assert!(
        status["holds"].to_string().contains("config_refused"),
        "{}",
        status["holds"]
    );
    // Mended, it goes on.
    world.write_config("rollout: { percent: 100, sticky: none }\n");
    world
        .wait_for(|now| now.percent.basis_points() == 10_000)
        .await;
}

#[tokio::test]
async fn a_switch_to_auto_goes_on_from_the_share_in_force() {
    let mut world = World::at(60).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    world.write_config("rollout: { percent: 100, advance: auto }\n");
    let now = world.wait_for(|now| now.files.generation == 2).await;
    assert_eq!(now.percent.to_string(), "60", "nothing jumps");
    let stage = now.report.stage.as_ref().expect("it climbs");
    assert_eq!(
        stage.next.map(|next| next.to_string()).as_deref(),
        Some("75")
    );
    // The ceiling lowers at once and raises nothing.
    world.write_config("rollout: { percent: 30, advance: auto }\n");
    world
        .wait_for(|now| now.percent.basis_points() == 3_000)
        .await;
    world.write_config("rollout: { percent: 100, advance: auto }\n");
    let now = world.wait_for(|now| now.files.generation == 4).await;
    assert_eq!(now.percent.to_string(), "30");
}

#[tokio::test]
async fn a_changed_listener_needs_a_restart_and_the_rest_applies() {
    let mut world = World::at(0).await;
    let text = world.config_with("rollout: { percent: 100, sticky: none }\n");
    let text = text.replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:1");
    fs::write(world.file(), text).expect("writable");
    world
        .wait_for(|now| now.percent.basis_points() == 10_000)
        .await;
    let status = world.status().await;
    assert_eq!(
        status["config"]["restart_needed"],
        json!(["listen"]),
        "{status}"
    );
    world.write_config("rollout: { percent: 50 }\n");
    world
        .wait_for(|now| now.percent.basis_points() == 5_000)
        .await;
}

#[tokio::test]
async fn the_admin_port_keeps_browsers_of_other_sites_out() {
    let world = World::at(0).await;
    let post = |header: (&str, &str)| {
        let request = Request::post("/api/rollback").header("host", "127.0.0.1");
        let request = request.header("content-type", "application/json");
        let request = request.header(header.0, header.1);
        request
            .body(r#"{"reason":"a test"}"#.into())
            .expect("a request")
    };
    for refused in [
        ("origin", "https://evil.test"),
        ("sec-fetch-site", "cross-site"),
    ] {
        assert_eq!(
            world.admin(post(refused)).await.status,
            StatusCode::FORBIDDEN,
            "{refused:?}"
        );
    }
    assert!(!world.snapshot().latched);
    assert_eq!(
        world.admin(post(("x-plain", "client"))).await.status,
        StatusCode::OK
    );
    assert!(world.snapshot().latched);
}

#[tokio::test]
async fn a_changed_limit_counts_for_the_next_call() {
    let mut world = World::with("rollout: { percent: 100, sticky: none }\n").await;
    world.bedrock.once(Behaviour::Hold { after: 3 });
    let held = world.begun_stream().await;
    assert_eq!(world.chat(json!({})).await.arm(), "bedrock");
    let generation = world.snapshot().files.generation;
    world.write_config("rollout: { percent: 100, sticky: none }\nlimits: { in_flight: 1 }\n");
    let now = world
        .wait_for(|now| now.files.generation > generation && !now.percent.is_zero())
        .await;
    assert_eq!(now.files.restart_needed, Vec::<&str>::new());
    let answer = world.chat(json!({})).await;
    assert_eq!(
        (answer.arm(), answer.header("x-crossfade-reason")),
        ("original", "busy")
    );
    drop(held);
}

#[tokio::test]
async fn a_changed_limit_of_connections_counts_for_the_next_one() {
    let config = |places| {
        format!("limits: {{ connections: {places} }}\nrollout: {{ percent: 100, sticky: none }}\n")
    };
    let mut world = World::with(&config(1)).await;
    world.bedrock.always(Behaviour::Hold { after: 3 });
    let first = world.begun_stream().await;
    // The second one waits in the kernel's queue until there is a place for it.
    world.write_config(&config(2));
    let second = world.begun_stream().await;
    assert_eq!(world.snapshot().files.restart_needed, Vec::<&str>::new());

    // Lowered, it ends neither, and the third one waits for both.
    let generation = world.snapshot().files.generation;
    world.write_config(&config(1));
    world
        .wait_for(|now| now.files.generation > generation)
        .await;
    let mut third = pin!(world.begun_stream());
    drop(first);
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = &mut third => panic!("it was accepted beyond the limit"),
            _ = world.status() => {}
        }
    }
    drop(second);
    third.await;
}
