//! Idle connections over in-memory streams, in a time that is the test's.

use super::*;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, DuplexStream};

fn origin(pool: &Pool, uri: &'static str) -> OriginId {
    pool.origin(&Uri::from_static(uri)).expect("absolute")
}

/// A connection that is ready, and the provider's end of it.
async fn connection() -> (SendRequest<RequestBody>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.expect("a start");
    tokio::spawn(async { drop(connection.await) });
    sender.ready().await.expect("open");
    (sender, theirs)
}

/// Whether the provider sees its connection end; false as long as nothing happens.
async fn ends(mut theirs: DuplexStream) -> bool {
    theirs.read(&mut [0; 1]).await.expect("no fault") == 0
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_was_used_last_is_taken() {
    let pool = Pool::default();
    let at = origin(&pool, "http://a.test");
    let ((first, theirs_first), (second, theirs_second)) = (connection().await, connection().await);
    pool.put(at, first);
    pool.put(at, second);
    drop(pool.take(at).expect("the second"));
    assert!(ends(theirs_second).await);
    drop(pool.take(at).expect("the first"));
    assert!(ends(theirs_first).await);
    assert!(pool.take(at).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_origin_is_a_scheme_and_an_authority() {
    let pool = Pool::default();
    let at = origin(&pool, "http://a.test/one");
    let (sender, _theirs) = connection().await;
    pool.put(at, sender);
    for other in ["https://a.test/", "http://b.test/", "http://a.test:81/"] {
        assert!(pool.take(origin(&pool, other)).is_none(), "{other}");
    }
    assert!(pool.take(origin(&pool, "http://A.test/two")).is_some());
    assert!(pool.origin(&Uri::from_static("/three")).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_closed_and_not_taken() {
    let pool = Pool::default();
    let at = origin(&pool, "http://a.test");
    let (sender, theirs) = connection().await;
    pool.put(at, sender);
    tokio::time::advance(IDLE).await;
    let sender = pool.take(at).expect("just young enough");
    pool.put(at, sender);
    tokio::time::advance(IDLE + Duration::from_millis(1)).await;
    assert!(pool.take(at).is_none());
    assert!(ends(theirs).await);
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_closed_without_any_call() {
    let pool = Pool::default();
    let at = origin(&pool, "http://a.test");
    let (sender, theirs) = connection().await;
    pool.put(at, sender);
    let put = io_now();
    pool.sweep();
    assert!(ends(theirs).await);
    let lasted = io_now() - put;
    assert!(lasted > IDLE && lasted <= IDLE + SWEEP, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_not_kept() {
    let pool = Pool::default();
    let at = origin(&pool, "http://a.test");
    let (sender, theirs) = connection().await;
    drop(theirs);
    while !sender.is_closed() {
        tokio::task::yield_now().await;
    }
    pool.put(at, sender);
    assert_eq!(pool.lock().origins[at.0].idle.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_too_many_the_oldest_gives_way() {
    let pool = Pool::default();
    let at = origin(&pool, "http://a.test");
    let (oldest, theirs) = connection().await;
    pool.put(at, oldest);
    let mut others = Vec::new();
    for _ in 0..MAX_IDLE {
        let (sender, theirs) = connection().await;
        pool.put(at, sender);
        others.push(theirs);
    }
    assert!(ends(theirs).await);
    assert_eq!(pool.lock().origins[at.0].idle.len(), MAX_IDLE);
}
