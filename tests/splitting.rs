//! Which calls go to Bedrock, and how their answers look.

use crate::support::{World, chat_request};
use crossfade::controller::Verb;
use crossfade::demo::emulator::bedrock::Behaviour;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn the_ends_are_exact() {
    for (percent, arm) in [(0, "original"), (100, "bedrock")] {
        let world = World::at(percent).await;
        for _ in 0..50 {
            assert_eq!(world.chat(json!({})).await.arm(), arm, "at {percent} %");
        }
        assert_eq!(world.bedrock.count(), if percent == 0 { 0 } else { 50 });
        assert_eq!(world.openai.count(), if percent == 0 { 50 } else { 0 });
    }
}

#[tokio::test]
async fn one_conversation_stays_on_one_arm_and_many_are_split() {
    let world = World::with("rollout: { percent: 50 }\n").await;
    let mut arms = Vec::new();
    for conversation in 0..60 {
        let first = json!({"role": "user", "content": format!("Conversation {conversation}.")});
        let mut seen = BTreeSet::new();
        let mut messages = vec![first];
        for _turn in 0..3 {
            let answer = world.chat(json!({"messages": messages})).await;
            seen.insert(answer.arm().to_owned());
            messages.push(json!({"role": "assistant", "content": answer.content()}));
            messages.push(json!({"role": "user", "content": "Go on."}));
        }
        assert_eq!(seen.len(), 1, "conversation {conversation} moved");
        arms.extend(seen);
    }
    let bedrock = arms.iter().filter(|arm| *arm == "bedrock").count();
    // Sixty fair draws: below 10 or above 50 has odds of one in ten million.
    assert!(
        (10..=50).contains(&bedrock),
        "{bedrock} of 60 conversations"
    );
}

#[tokio::test]
async fn the_sticky_key_decides() {
    for (sticky, field) in [("user", "user"), ("user", "safety_identifier")] {
        let world = World::with(&format!("rollout: {{ percent: 50, sticky: {sticky} }}\n")).await;
        let mut arms = BTreeSet::new();
        for user in 0..30 {
            let mut seen = BTreeSet::new();
            for text in ["a", "b", "c"] {
                let messages = json!([{"role": "user", "content": text}]);
                let name = format!("user-{user}");
                let answer = world.chat(json!({field: name, "messages": messages})).await;
                seen.insert(answer.arm().to_owned());
            }
            assert_eq!(seen.len(), 1, "user {user} moved");
            arms.extend(seen);
        }
        assert_eq!(arms.len(), 2, "all thirty users on one arm");
    }
    let world = World::with("rollout: { percent: 50, sticky: 'header:X-Tenant' }\n").await;
    let mut arms = BTreeSet::new();
    for tenant in 0..30 {
        let mut seen = BTreeSet::new();
        for text in ["a", "b"] {
            let mut request =
                chat_request(json!({"messages": [{"role": "user", "content": text}]}));
            let tenant = format!("tenant-{tenant}").parse().expect("a header");
            request.headers_mut().insert("x-tenant", tenant);
            seen.insert(world.send(request).await.arm().to_owned());
        }
        assert_eq!(seen.len(), 1, "tenant {tenant} moved");
        arms.extend(seen);
    }
    assert_eq!(arms.len(), 2, "all thirty tenants on one arm");
}

#[tokio::test]
async fn a_whole_answer_has_openais_shape() {
    let world = World::at(100).await;
    world.bedrock.once(Behaviour::Text {
        text: "Grüße 👋".to_owned(),
        piece: Some(1),
    });
    let answer = world.chat(json!({"max_tokens": 20})).await;
    assert_eq!((answer.status, answer.arm()), (StatusCode::OK, "bedrock"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.header("x-request-id").starts_with("req_"));
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(
        body["model"], "gpt-4o-mini",
        "the app is told the model that it asked for"
    );
    assert!(body["id"].as_str().expect("an id").starts_with("chatcmpl-"));
    assert_eq!(body["choices"][0]["message"]["content"], "Grüße 👋");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let usage = &body["usage"];
    let sum = usage["prompt_tokens"]
        .as_u64()
        .zip(usage["completion_tokens"].as_u64());
    assert_eq!(
        sum.map(|(prompt, answer)| prompt + answer),
        usage["total_tokens"].as_u64()
    );
    let sent: Value = serde_json::from_slice(&world.bedrock.requests()[0].body).expect("JSON");
    assert_eq!(sent["inferenceConfig"]["maxTokens"], 20);
    assert_eq!(
        sent["messages"],
        json!([{"role": "user", "content": [{"text": "Say something."}]}])
    );
}

#[tokio::test]
async fn a_stream_is_made_of_openais_chunks() {
    let world = World::at(100).await;
    for size in [1, 7, 1000] {
        world.bedrock.clear_requests();
        world.bedrock.repair();
        world.bedrock.always(Behaviour::Fragment { bytes: size });
        let fields = json!({"stream": true, "stream_options": {"include_usage": true}});
        let answer = world.chat(fields).await;
        assert_eq!(answer.arm(), "bedrock", "in pieces of {size}");
        assert!(
            answer
                .header("content-type")
                .starts_with("text/event-stream")
        );
        assert_eq!(answer.events().last(), Some(&"[DONE]"));
        let chunks = answer.chunks();
        let (usage, chunks) = chunks.split_last().expect("chunks");
        assert_eq!(usage["choices"], json!([]));
        assert!(usage["usage"]["total_tokens"].is_u64());
        let roles = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0]["delta"]["role"].is_string());
        assert_eq!(roles.count(), 1);
        assert_eq!(
            chunks.last().expect("one")["choices"][0]["finish_reason"],
            "stop"
        );
        assert!(!answer.content().is_empty());
        let ids: BTreeSet<_> = chunks.iter().map(|chunk| chunk["id"].to_string()).collect();
        assert_eq!(ids.len(), 1);
    }
}

#[tokio::test]
async fn azure_names_the_model_in_the_path() {
    let world = World::at(100).await;
    for (target, model, arm) in [
        (
            "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21",
            "x",
            "bedrock",
        ),
        (
            "/openai/deployments/gpt%2D4o/chat/completions?api-version=2024-10-21",
            "x",
            "bedrock",
        ),
        (
            "/openai/deployments/other/chat/completions?api-version=2024-10-21",
            "gpt-4o",
            "original",
        ),
        ("/openai/v1/chat/completions", "gpt-4o", "bedrock"),
    ] {
        let mut request = chat_request(json!({"model": model}));
        *request.uri_mut() = target.parse().expect("a target");
        assert_eq!(world.send(request).await.arm(), arm, "{target}");
    }
}

#[tokio::test]
async fn what_bedrock_cannot_honour_stays_with_its_reason() {
    let world = World::at(100).await;
    let image = json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]}]);
    for (fields, reason) in [
        (json!({"n": 2}), "n_gt_1"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"messages": image}), "image_url_remote"),
        (json!({"foo": 1}), "unknown_field"),
        (json!({"model": "gpt-unmapped"}), "unmapped_model"),
        (json!({"model": 7}), "malformed"),
        (json!({"messages": []}), "no_messages"),
    ] {
        let answer = world.chat(fields.clone()).await;
        let got = (answer.arm(), answer.header("x-crossfade-reason"));
        assert_eq!(got, ("original", reason), "{fields}");
    }
    let status = world.status().await;
    assert_eq!(
        status["eligibility"]["reasons"]["n_gt_1"], 1,
        "{}",
        status["eligibility"]
    );
    let migratable = &status["migratable"];
    assert_eq!(migratable["ratio"], 0.0, "{migratable}");
    assert_eq!(migratable["examined"], 7, "{migratable}");
    let part = migratable["stays"]["n_gt_1"].as_f64().expect("a part");
    assert!((part - 1.0 / 7.0).abs() < 1e-9, "{migratable}");
    assert_eq!(world.bedrock.count(), 0);
}

#[tokio::test]
async fn who_may_not_cause_a_bedrock_call_goes_to_the_original_with_his_own_key() {
    let world = World::at(100).await;
    for (name, value, reason) in [
        ("host", "evil.test", "caller"),
        ("origin", "https://evil.test", "caller"),
        ("content-type", "text/plain", "content_type"),
        ("content-encoding", "gzip", "content_encoding"),
    ] {
        let mut request = chat_request(json!({}));
        request
            .headers_mut()
            .insert(name, value.parse().expect("a header"));
        let answer = world.send(request).await;
        let got = (answer.arm(), answer.header("x-crossfade-reason"));
        assert_eq!(got, ("original", reason), "{name}: {value}");
    }
    assert_eq!(world.bedrock.count(), 0);
}

#[tokio::test]
async fn keys_never_cross() {
    let world = World::at(50).await;
    for _ in 0..40 {
        let mut request = chat_request(json!({}));
        let headers = request.headers_mut();
        headers.insert(
            "authorization",
            "Bearer canary-app-key".parse().expect("a header"),
        );
        headers.insert("api-key", "canary-app-key".parse().expect("a header"));
        headers.insert(
            "cookie",
            "session=canary-app-key".parse().expect("a header"),
        );
        headers.insert(
            "x-amz-security-token",
            "canary-app-key".parse().expect("a header"),
        );
        world.send(request).await;
    }
    assert!(world.bedrock.count() > 0 && world.openai.count() > 0);
    for call in world.bedrock.requests() {
        assert!(
            !format!("{:?}", call.headers).contains("canary"),
            "{:?}",
            call.headers
        );
        assert!(!String::from_utf8_lossy(&call.body).contains("canary"));
    }
    for call in world.openai.requests() {
        assert!(
            !format!("{:?}", call.headers).contains("AWS4-HMAC"),
            "{:?}",
            call.headers
        );
    }
}

#[tokio::test]
async fn a_request_may_force_its_arm_only_where_that_is_allowed() {
    let forced = |arm: &str| {
        let mut request = chat_request(json!({}));
        request
            .headers_mut()
            .insert("x-crossfade-arm", arm.parse().expect("a header"));
        request
    };
    let world = World::at(0).await;
    assert_eq!(world.send(forced("bedrock")).await.arm(), "original");
    let world = World::with("rollout: { percent: 0, allow_override: true }\n").await;
    assert_eq!(world.send(forced("bedrock")).await.arm(), "bedrock");
    world.stepper.advance(5_000).await;
    let status = world.status().await;
    let bedrock = &status["arms"]["bedrock"]["total"];
    assert_eq!(
        (&bedrock["dispatched"], &bedrock["ok"]),
        (&json!(0), &json!(0)),
        "forced calls enter no statistics"
    );
    let world =
        World::with("rollout: { percent: 100, allow_override: true, sticky: none }\n").await;
    assert_eq!(world.send(forced("original")).await.arm(), "original");
    world
        .command(Verb::Rollback, "a test")
        .await
        .expect("it works");
    let refused = world.send(forced("bedrock")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
}
