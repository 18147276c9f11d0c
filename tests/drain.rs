//! SIGTERM's phases.

use crate::support::{World, chat_request};
use crossfade::demo::emulator::bedrock::Behaviour;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;

fn ready() -> Request<http_body_util::Full<bytes::Bytes>> {
    Request::get("/readyz")
        .header("host", "127.0.0.1")
        .body(Default::default())
        .expect("a request")
}

#[tokio::test]
async fn while_draining_it_is_unready_sends_nothing_to_bedrock_and_finishes_what_runs() {
    let mut world = World::at(100).await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    assert_eq!(world.admin(ready()).await.status, StatusCode::OK);
    world.bedrock.once(Behaviour::Hold { after: 4 });
    let held = world.begun_stream().await;
    let (listen, admin) = (world.listen(), world.app().admin());
    let controller = world.app().controller().clone();
    let draining = tokio::spawn(world.take_app().drain());
    // The hold is in force when the phase is.
    let mut changes = controller.changes();
    while controller.snapshot().holds.is_empty() {
        changes.changed().await.expect("the controller runs");
    }
    let answer = crate::support::Answer::read(crate::support::open(admin, ready()).await).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    // Who has not noticed yet is still served.
    let late = crate::support::open(listen, chat_request(json!({}))).await;
    let late = crate::support::Answer::read(late).await;
    assert_eq!((late.status, late.arm()), (StatusCode::OK, "original"));
    world.finishes(held).await;
    assert!(
        draining.await.expect("no panic"),
        "everything that ran was finished"
    );
}

#[tokio::test]
async fn what_is_left_at_the_end_gets_an_error() {
    let mut world = World::with("rollout: { percent: 100, sticky: none }\ndrain: 1s\n").await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    world.bedrock.once(Behaviour::Hold { after: 4 });
    let stream = world.begun_stream().await;
    let before = world.bedrock.count();
    world.bedrock.once(Behaviour::Hang);
    let silent = tokio::spawn(crate::support::open(
        world.listen(),
        chat_request(json!({})),
    ));
    world
        .bedrock
        .wait_until(|calls| calls.len() as u64 > before)
        .await;
    assert!(
        !world.take_app().drain().await,
        "not everything was finished"
    );
    let silent = crate::support::Answer::read(silent.await.expect("no panic")).await;
    assert_eq!(silent.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(silent.json()["error"]["type"], "server_error");
    let rest = stream
        .into_body()
        .collect()
        .await
        .expect("a proper end")
        .to_bytes();
    let rest = String::from_utf8_lossy(&rest);
    assert!(
        rest.contains("upstream_stream_interrupted") && !rest.contains("[DONE]"),
        "{rest}"
    );
}
