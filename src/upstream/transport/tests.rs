//! How connections are used and used again, against a provider that the test plays by hand.

use super::*;
use crate::upstream::body::RequestBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn provider() -> (TcpListener, Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    (listener, Transport::new(Duration::from_secs(60)))
}

fn request(to: SocketAddr) -> Request<RequestBody> {
    Request::post(format!("http://{to}/v1/x?y=z"))
        .header("host", to.to_string())
        .body(RequestBody::Held(Bytes::from_static(b"{}")))
        .expect("a request")
}

/// Reads one request.
async fn heard(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n{}") {
        let n = stream.read_buf(&mut read).await.expect("a request");
        assert!(n > 0, "the request breaks off: {read:?}");
    }
    String::from_utf8(read).expect("text")
}

/// Plays an answer to the request that comes on `stream`.
async fn answer(stream: &mut TcpStream, text: &str) -> String {
    let request = heard(stream).await;
    stream.write_all(text.as_bytes()).await.expect("a caller");
    request
}

/// Asks on a connection that the provider accepts, and leaves it idle.
async fn first_call(listener: &TcpListener, transport: &Transport) -> TcpStream {
    let to = listener.local_addr().expect("bound");
    let ((), stream) = tokio::join!(
        async {
            let response = transport.send(request(to)).await.expect("an answer");
            let body = response.into_body().collect().await.expect("whole");
            assert_eq!(body.to_bytes(), "ok");
        },
        async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let request = answer(&mut stream, WHOLE).await;
            assert!(request.starts_with("POST /v1/x?y=z HTTP/1.1\r\n"));
            stream
        }
    );
    stream
}

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn calls_follow_each_other_on_one_connection() {
    let (listener, transport) = provider().await;
    let to = listener.local_addr().expect("bound");
    let mut stream = first_call(&listener, &transport).await;
    for _ in 0..3 {
        let (response, _) = tokio::join!(transport.send(request(to)), answer(&mut stream, WHOLE));
        let body = response.expect("an answer").into_body();
        body.collect().await.expect("whole");
    }
}

#[tokio::test]
async fn a_connection_under_an_answer_is_nobody_elses() {
    let (listener, transport) = provider().await;
    let to = listener.local_addr().expect("bound");
    let mut stream = first_call(&listener, &transport).await;
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok";
    let (response, _) = tokio::join!(transport.send(request(to)), answer(&mut stream, half));
    let response = response.expect("a head");
    first_call(&listener, &transport).await;
    // Nobody waits for the rest of it.
    drop(response);
    assert_eq!(stream.read(&mut [0; 8]).await.expect("an end"), 0);
}

#[tokio::test]
async fn an_idle_connection_that_the_provider_closed_is_not_used() {
    let (listener, transport) = provider().await;
    let stream = first_call(&listener, &transport).await;
    drop(stream);
    let uri = format!("http://{}", listener.local_addr().expect("bound"));
    let origin = transport.pool.origin(&uri.parse().expect("a URI"));
    let origin = origin.expect("absolute");
    // Until its task has heard of it.
    while let Some(sender) = transport.pool.take(origin) {
        let lent = Borrowed {
            pool: transport.pool.clone(),
            origin,
            sender,
        };
        lent.give_back();
        tokio::task::yield_now().await;
    }
    first_call(&listener, &transport).await;
}

/// A connection that is ready and nobody drives, under the origin of `to`; and its task.
async fn undriven(transport: &Transport, to: SocketAddr) -> impl Future + use<> {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.expect("a start");
    let mut task = Box::pin(async move {
        let _theirs = theirs;
        connection.await
    });
    tokio::select! {
        ready = sender.ready() => ready.expect("open"),
        _ = &mut task => panic!("the connection ended"),
    }
    let uri = format!("http://{to}").parse().expect("a URI");
    let lent = Borrowed {
        pool: transport.pool.clone(),
        origin: transport.pool.origin(&uri).expect("absolute"),
        sender,
    };
    lent.give_back();
    task
}

#[tokio::test]
async fn a_request_that_comes_back_unwritten_goes_out_on_another_connection() {
    let (listener, transport) = provider().await;
    let task = undriven(&transport, listener.local_addr().expect("bound")).await;
    // The request waits for that task when it ends.
    tokio::join!(first_call(&listener, &transport), async { drop(task) });
}

#[tokio::test]
async fn a_call_that_cannot_connect_takes_what_came_back_meanwhile() {
    let (listener, transport) = provider().await;
    let to = listener.local_addr().expect("bound");
    let mut stream = first_call(&listener, &transport).await;
    let uri = format!("http://{to}").parse().expect("a URI");
    let origin = transport.pool.origin(&uri).expect("absolute");
    let sender = transport.pool.take(origin).expect("the idle one");
    drop(listener);
    let lent = Borrowed {
        pool: transport.pool.clone(),
        origin,
        sender,
    };
    let (sent, _, ()) = tokio::join!(
        transport.send(request(to)),
        answer(&mut stream, WHOLE),
        async { lent.give_back() }
    );
    assert!(sent.is_ok(), "{:?}", sent.err());
}

#[tokio::test]
async fn a_request_that_was_written_is_not_sent_again() {
    let (listener, transport) = provider().await;
    let to = listener.local_addr().expect("bound");
    let mut stream = first_call(&listener, &transport).await;
    let (sent, ()) = tokio::join!(transport.send(request(to)), async {
        heard(&mut stream).await;
        drop(stream);
    });
    let error = sent.err().expect("no answer");
    assert!(matches!(error, SendError::Exchange(_)), "{error:?}");
    // The next connection is the next call's.
    first_call(&listener, &transport).await;
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_from_who_does_not_answer() {
    let (listener, transport) = provider().await;
    let to = listener.local_addr().expect("bound");
    drop(listener);
    let error = transport.send(request(to)).await.err().expect("nobody");
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    let text = crate::upstream::with_causes(&error);
    assert!(text.contains("no connection: "), "{text}");
    assert!(text.contains("refused"), "{text}");
}
