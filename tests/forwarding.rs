//! The path of what is not sent to Bedrock: nothing changes but what must.

use crate::support::{ANY_PORT, Answer, World, chat_request, open};
use bytes::Bytes;
use crossfade::demo::emulator::Ended;
use crossfade::demo::emulator::openai::Behaviour;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Sends raw bytes and returns everything that comes back.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.listen())
        .await
        .expect("somebody listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the head is small");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .expect("the connection is closed in the end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn every_method_and_path_goes_to_the_original_as_it_is() {
    let world = World::at(100).await;
    for (method, target) in [
        (Method::GET, "/v1/models?limit=2&after=a%20b"),
        (Method::POST, "/v1/embeddings"),
        (Method::DELETE, "/v1/files/file-1"),
        (Method::PUT, "//odd//path/../kept"),
        (Method::PATCH, "/no/such%2Fthing"),
        (Method::OPTIONS, "/v1/chat/completions"),
        (Method::from_bytes(b"PURGE").expect("a token"), "/cache"),
        (Method::GET, "/v1/chat/completions"),
    ] {
        world.openai.clear_requests();
        let request = Request::builder()
            .method(&method)
            .uri(target)
            .header("Host", "127.0.0.1");
        world
            .send(request.body(Full::from("body")).expect("a request"))
            .await;
        let seen = world.openai.requests();
        assert_eq!(seen.len(), 1, "{method} {target}");
        assert_eq!(
            (seen[0].method.as_str(), seen[0].target.as_str()),
            (method.as_str(), target)
        );
        assert_eq!(seen[0].body, b"body", "{method} {target}");
    }
    assert_eq!(world.bedrock.count(), 0);
}

#[tokio::test]
async fn header_case_values_and_the_order_of_repeated_ones_are_kept() {
    let world = World::at(0).await;
    let head = "GET /echo HTTP/1.1\r\n\
                HoSt: localhost:1234\r\n\
                AUTHORIZATION: Bearer  two  spaces\r\n\
                X-Twice: first\r\n\
                OpenAI-Beta: a, b\r\n\
                X-Twice: second\r\n\
                X-Latin: caf\u{e9}\r\n\
                Cookie: a=1; b=2\r\n\
                Connection: close, X-Private\r\n\
                X-Private: for this hop only\r\n\
                Keep-Alive: timeout=5\r\n\
                Proxy-Authorization: Basic for-the-proxy\r\n\
                TE: trailers\r\n\
                Expect: 100-continue\r\n\
                x-crossfade-arm: bedrock\r\n\r\n";
    raw(&world, head).await;
    let seen = world.openai.requests();
    let headers = &seen[0].headers;
    let of = |name: &str| -> Vec<&str> {
        let same = headers.iter().filter(|(other, _)| other == name);
        same.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(of("AUTHORIZATION"), ["Bearer  two  spaces"]);
    assert_eq!(of("X-Twice"), ["first", "second"]);
    assert_eq!(of("OpenAI-Beta"), ["a, b"]);
    assert_eq!(of("Cookie"), ["a=1; b=2"]);
    assert_eq!(of("X-Latin").len(), 1);
    assert_eq!(of("HoSt"), [world.openai.addr().to_string()]);
    let names: Vec<_> = headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    for gone in [
        "x-private",
        "keep-alive",
        "proxy-authorization",
        "te",
        "expect",
        "x-crossfade-arm",
        "via",
        "connection",
        "forwarded",
        "x-forwarded-for",
        "user-agent",
        "accept-encoding",
    ] {
        assert!(
            !names.contains(&gone.to_owned()),
            "{gone} was forwarded or added: {names:?}"
        );
    }
}

#[tokio::test]
async fn what_the_original_says_comes_back_as_it_is() {
    let world = World::at(0).await;
    world.openai.always(Behaviour::Error {
        status: 429,
        message: Some("slow down".to_owned()),
        code: Some("rate_limit_exceeded".to_owned()),
        retry_after_s: Some(7),
    });
    let answer = world.chat(json!({})).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(answer.json()["error"]["message"], "slow down");
    assert_eq!(answer.arm(), "original");
    assert_eq!(answer.header("x-crossfade-failover"), "");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let world = World::at(100).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, hyper::Error>>(1);
    let body = StreamBody::new(ReceiverStream(receiver));
    let request = Request::post("/v1/files/echo-body").header("Host", "127.0.0.1");
    let sent = tokio::spawn(open(world.listen(), request.body(body).expect("a request")));
    // Each piece comes back before the next one is sent: nothing on the way waits for the end.
    sender
        .send(Ok(Frame::data(Bytes::from_static(b"one"))))
        .await
        .expect("the body is read");
    let mut response = sent.await.expect("no panic");
    for piece in ["one", "two", "three"] {
        if piece != "one" {
            let data = Frame::data(Bytes::from_static(piece.as_bytes()));
            sender.send(Ok(data)).await.expect("the body is read");
        }
        let frame = response
            .body_mut()
            .frame()
            .await
            .expect("a frame")
            .expect("no error");
        assert_eq!(frame.into_data().expect("data"), piece.as_bytes());
    }
    drop(sender);
    assert!(response.body_mut().frame().await.is_none());
}

/// A channel as a stream.
struct ReceiverStream<T>(tokio::sync::mpsc::Receiver<T>);

impl<T> futures_core::Stream for ReceiverStream<T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test]
async fn a_large_chat_body_streams_to_the_original() {
    let world =
        World::with("rollout: { percent: 100, sticky: none }\nlimits: { body: 64KiB }\n").await;
    let message = json!([{"role": "user", "content": "x".repeat(100 << 10)}]);
    let request = chat_request(json!({"messages": message}));
    let sent = request.body().size_hint().exact();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        (answer.arm(), answer.header("x-crossfade-reason")),
        ("original", "request_size")
    );
    assert_eq!(Some(world.openai.requests()[0].body_len as u64), sent);
    assert_eq!(world.bedrock.count(), 0);
}

/// crossfade at 0 %, and a socket that is its original.
async fn world_in_front_of_a_socket() -> (World, TcpListener) {
    let original = TcpListener::bind(ANY_PORT).await.expect("a free port");
    let address = original.local_addr().expect("bound");
    let mut world = World::at(0).await;
    world.kill().await;
    let config = world.config_with("rollout: { percent: 0 }\n");
    let config = config.replace(&world.openai.base_url(), &format!("http://{address}"));
    std::fs::write(world.file(), config).expect("writable");
    world.start().await;
    (world, original)
}

#[tokio::test]
async fn an_app_that_reads_slowly_holds_the_original_back() {
    const MIB: usize = 1 << 20;
    // Far more than the sockets' buffers hold, and far less than the original wants to send.
    const UNREAD_MAX: usize = 64 * MIB;
    let (world, original) = world_in_front_of_a_socket().await;
    let mut app = TcpStream::connect(world.listen()).await.expect("listening");
    let request = b"GET /v1/files/file-1/content HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    app.write_all(request).await.expect("a small request");
    let (mut stream, _) = original.accept().await.expect("a connection");
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 256 * MIB);
        stream.write_all(head.as_bytes()).await.expect("read");
        let piece = vec![0; 64 << 10];
        while stream.write_all(&piece).await.is_ok() {
            counted.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    let (mut piece, mut read) = (vec![0; 16 << 10], 0);
    while read < 4 * MIB {
        read += app.read(&mut piece).await.expect("more comes");
        let unread = sent.load(Ordering::SeqCst).saturating_sub(read);
        assert!(unread <= UNREAD_MAX, "{unread} bytes are held for the app");
        // The others have many turns while the app has one.
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }
    sending.abort();
}

#[tokio::test]
async fn at_0_percent_nothing_is_held_back() {
    // An original that answers when it has the beginning of a body: whoever held the body back
    // would wait for ever.
    let (world, original) = world_in_front_of_a_socket().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, hyper::Error>>(1);
    let request = Request::post("/v1/chat/completions")
        .header("Host", "127.0.0.1")
        .header("Content-Type", "application/json")
        .body(StreamBody::new(ReceiverStream(receiver)))
        .expect("a request");
    let sent = tokio::spawn(open(world.listen(), request));
    sender
        .send(Ok(Frame::data(Bytes::from_static(b"{\"model\":"))))
        .await
        .expect("read");
    let (mut stream, _) = original.accept().await.expect("a connection");
    let mut seen = Vec::new();
    while !seen.ends_with(b"{\"model\":\r\n") {
        assert_ne!(stream.read_buf(&mut seen).await.expect("readable"), 0);
    }
    drop(sender);
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(answer).await.expect("writable");
    let answer = Answer::read(sent.await.expect("no panic")).await;
    assert_eq!((answer.status, answer.arm()), (StatusCode::OK, "original"));
}

#[tokio::test]
async fn a_websocket_is_joined_through() {
    let world = World::at(100).await;
    let request = Request::get("/v1/realtime?model=gpt-realtime")
        .header("Host", "127.0.0.1")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
        .body(Full::<Bytes>::default())
        .expect("a request");
    let mut response = world.open(request).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let upgraded = hyper::upgrade::on(&mut response).await.expect("an upgrade");
    let mut socket = TokioIo::new(upgraded);
    for message in ["first", "second"] {
        socket
            .write_all(message.as_bytes())
            .await
            .expect("writable");
        let mut echo = vec![0; message.len()];
        socket.read_exact(&mut echo).await.expect("readable");
        assert_eq!(echo, message.as_bytes());
    }
}

#[tokio::test]
async fn heads_that_no_client_sends_are_refused() {
    let world = World::at(100).await;
    for (head, status) in [
        (
            "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n",
            405,
        ),
        ("GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET /v1/models HTTP/1.1\r\n", 400),
        (
            "GET http://evil.test/v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            400,
        ),
        (
            "POST /v1/files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
            400,
        ),
    ] {
        let answer = raw(&world, &format!("{head}Connection: close\r\n\r\n")).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{head:?}: {answer}");
    }
    assert_eq!(world.openai.count(), 0, "none of them reached the original");
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_originals_call() {
    let world = World::at(0).await;
    world.openai.always(Behaviour::Hold { after: 2 });
    drop(world.begun_stream().await);
    world
        .openai
        .wait_until(|seen| seen.iter().any(|call| call.ended == Ended::ClientLeft))
        .await;
}

#[tokio::test]
async fn an_upload_that_the_caller_breaks_is_no_failure_of_the_originals() {
    let world = World::at(0).await;
    let request = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\
                   Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2\r\n{}\r\nno chunk\r\n";
    let answer = raw(&world, request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    world.stepper.advance(5_000).await;
    let original = &world.status().await["arms"]["original"]["total"];
    assert_eq!(original["cancelled"], 1, "{original}");
    assert_eq!(original["judged"], 0, "{original}");
}

#[tokio::test]
async fn a_stream_that_the_original_cuts_is_cut_for_the_app_too() {
    let world = World::at(0).await;
    world.openai.always(Behaviour::Cut { after: 3 });
    let answer = world.chat(json!({"stream": true})).await;
    assert!(
        !answer.complete,
        "half an answer must not look whole: {}",
        answer.text()
    );
    assert!(!answer.text().contains("[DONE]"));
}

#[tokio::test]
async fn an_original_that_cannot_be_reached_is_a_502_in_openais_shape() {
    let world = World::at(0).await;
    world.openai.refuse().await.expect("the emulator runs");
    let answer = world.chat(json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let error = &answer.json()["error"];
    assert_eq!(error["type"], "server_error");
    assert!(error["message"].is_string() && error["param"].is_null());
}

#[tokio::test]
async fn a_configured_key_replaces_the_apps_and_only_for_who_may() {
    let mut world = World::at(0).await;
    let config = world.config_with("rollout: { percent: 0 }\n");
    let url = format!("original: {{ url: '{}' }}", world.openai.base_url());
    let with_key = format!(
        "original: {{ url: '{}', api_key: test-configured-key }}",
        world.openai.base_url()
    );
    world.kill().await;
    std::fs::write(world.file(), config.replace(&url, &with_key)).expect("writable");
    world.start().await;
    world.chat(json!({})).await;
    let seen = world.openai.requests();
    let headers = seen[0].headers.iter();
    let keys = headers.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let keys: Vec<_> = keys.map(|(_, value)| value.as_str()).collect();
    assert_eq!(keys, ["Bearer test-configured-key"]);
    // A page that rebinds DNS, a form of another site, a fetch of another site: none gets the key.
    let mut rebound = chat_request(json!({}));
    rebound
        .headers_mut()
        .insert("host", "evil.test".parse().expect("a host"));
    assert_eq!(world.send(rebound).await.status, StatusCode::FORBIDDEN);
    let mut form = chat_request(json!({}));
    form.headers_mut()
        .insert("content-type", "text/plain".parse().expect("a type"));
    assert_eq!(world.send(form).await.status, StatusCode::FORBIDDEN);
    let status = world.status().await;
    let refused = &status["eligibility"]["reasons"];
    assert_eq!(
        (&refused["caller"], &refused["content_type"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(status["migratable"]["examined"], 3, "{status}");
    let fetch = Request::get("/v1/files").header("Host", "127.0.0.1");
    let fetch = fetch
        .header("Origin", "https://evil.test")
        .body(Full::default());
    assert_eq!(
        world.send(fetch.expect("a request")).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(world.openai.count(), 1);
}

#[tokio::test]
async fn what_could_move_is_known_at_0_percent() {
    let world = World::at(0).await;
    world.stepper.advance(1_000).await;
    world.chat(json!({})).await;
    let status = world.status().await;
    assert_eq!(
        status["eligibility"]["eligible"], 1,
        "{}",
        status["eligibility"]
    );
    // Within the same quarter of a second of the rule clock nobody looks again, and it is said so.
    world.chat(json!({"n": 2})).await;
    let migratable = &world.status().await["migratable"];
    let (ratio, sampled) = (&migratable["ratio"], &migratable["sampled"]);
    assert_eq!((ratio, sampled), (&json!(1.0), &json!(1)), "{migratable}");
    assert_eq!(migratable["unexamined"], 1, "{migratable}");
}
