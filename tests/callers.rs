//! Callers that leave, whatever else they sent, and more of them than the process has descriptors
//! for.

use crate::support::World;
use crate::support::sidecar::{Providers, Sidecar, request};
use crossfade::demo::emulator::bedrock::Behaviour;
use crossfade::demo::emulator::{Captured, Rule, openai};
use serde_json::{Value, json};
use std::io::{Read, Write};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A chat call on a connection of its own, with `behind` right behind it.
async fn call(world: &World, behind: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.listen())
        .await
        .expect("it listens");
    let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    let body = body.to_string();
    let call = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}{behind}",
        body.len()
    );
    stream.write_all(call.as_bytes()).await.expect("small");
    stream
}

const NEXT: &str = "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                    Authorization: Bearer test-app-key\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_call_whatever_is_behind_it() {
    let world = World::at(100).await;
    world.bedrock.always(Behaviour::Hang);
    // What comes at once, and what comes when nobody reads any more.
    let cases = [
        ("", ""),
        ("\r\n", ""),
        (NEXT, ""),
        ("\r\n", NEXT),
        (NEXT, NEXT),
    ];
    for (at_once, later) in cases {
        world.bedrock.clear_requests();
        let mut stream = call(&world, at_once).await;
        world.bedrock.wait_until(|seen| !seen.is_empty()).await;
        stream.write_all(later.as_bytes()).await.expect("small");
        drop(stream);
        world.caller_leaves().await;
    }
    world.has_only_cancelled(cases.len()).await;
}

#[tokio::test]
async fn what_is_behind_a_call_is_answered_after_it() {
    for (at_once, later) in [(NEXT, ""), ("", NEXT), ("\r\n", NEXT)] {
        let world = World::at(100).await;
        world.bedrock.always(Behaviour::Hold { after: 1 });
        let mut stream = call(&world, at_once).await;
        let is_held = |seen: &[Captured]| seen.iter().any(|call| call.status.is_some());
        world.bedrock.wait_until(is_held).await;
        stream.write_all(later.as_bytes()).await.expect("small");
        world.status().await;
        world.bedrock.release();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.expect("text");
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    }
}

#[test]
fn a_caller_that_leaves_during_its_upload_is_no_warning() {
    let providers = Providers::start();
    let dir = TempDir::new().expect("a temporary directory");
    for percent in [0, 100] {
        providers.write_config(dir.path(), percent);
        let mut sidecar = Sidecar::start(dir.path());
        for path in ["/v1/files", "/v1/chat/completions"] {
            let whole = request(
                sidecar.listen,
                &format!("POST {path}"),
                "{\"model\": \"m\"}",
            );
            let mut stream = std::net::TcpStream::connect(sidecar.listen).expect("it listens");
            stream.write_all(&whole[..whole.len() - 1]).expect("small");
            stream.shutdown(std::net::Shutdown::Write).expect("open");
            // The end of the connection says that the call is over.
            let _ = stream.read_to_end(&mut Vec::new());
        }
        sidecar.logged("call");
        let mut lines = sidecar.kill();
        // What it says at its start is about the machine.
        let ready = lines.iter().position(|line| line["event"] == "listening");
        lines.drain(..ready.expect("it listens"));
        let of = |level: &str| lines.iter().filter(|line| line["level"] == level).count();
        assert_eq!(of("WARN") + of("ERROR"), 0, "at {percent} %: {lines:#?}");
        let call = lines.iter().find(|line| line["event"] == "call");
        let call = call.unwrap_or_else(|| panic!("no line of the call in {lines:#?}"));
        let arm = if percent == 0 {
            json!("original")
        } else {
            json!(null)
        };
        assert_eq!(call["arm"], arm, "{call}");
    }
}

#[test]
fn without_descriptors_callers_wait_and_nobody_gets_an_error() {
    const FILES: usize = 128;
    // Three quarters of them, two for each.
    const AT_ONCE: usize = 48;
    let providers = Providers::start();
    let dir = TempDir::new().expect("a temporary directory");
    providers.write_config(dir.path(), 0);
    let hold = openai::Behaviour::Hold { after: 0 };
    providers.openai.add(Rule::times(hold, AT_ONCE as u64));
    let sidecar = Sidecar::start_with_files(dir.path(), FILES);
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"model": "gpt-4o", "stream": true, "messages": messages}).to_string();
    let call = request(sidecar.listen, "POST /v1/chat/completions", &body);
    let mut callers = Vec::new();
    for _ in 0..110 {
        let mut stream = std::net::TcpStream::connect(sidecar.listen).expect("it listens");
        stream.write_all(&call).expect("small");
        callers.push(stream);
    }
    // A call that is answered with a status is held by then.
    let held = |seen: &[Captured]| seen.iter().filter(|call| call.status.is_some()).count();
    let all_there = providers.openai.wait_until(|seen| held(seen) >= AT_ONCE);
    providers.runtime.block_on(all_there);
    let problem = loop {
        match &sidecar.status()["descriptors_problem"] {
            Value::Null => std::thread::yield_now(),
            problem => break problem.to_string(),
        }
    };
    assert!(problem.contains("48 callers at once"), "{problem}");
    assert_eq!(providers.openai.count(), AT_ONCE as u64, "the others wait");
    providers.openai.release();
    for mut caller in callers {
        let mut answer = String::new();
        caller.read_to_string(&mut answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}
