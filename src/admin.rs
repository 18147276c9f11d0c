//! The admin port: a status page, metrics, probes and the two commands, for people and Prometheus.
//!
//! A plain HTTP/1 server apart from the data port, with its own small limits, so that neither port
//! can starve the other. [`route`] is the whole of it: one `match` on method and path. Who may ask
//! is decided in [`guard`]: a browser that was lured here is kept out by name and origin, and
//! changes from other machines need a token. Nothing here shows a secret, the environment or a
//! header, because nothing here has them: everything comes from the snapshot and the counters.

use crate::clock::{io_now, unix_ms};
use crate::controller::Handle;
use crate::drain::Watch;
use crate::telemetry::metrics::Metrics;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pulse::Pulse;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

mod guard;
mod live;
mod page;
mod pulse;
mod route;
pub mod status;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use route::SERVER_NAME;

/// Connections at a time: people, a scraper and probes.
const CONNECTIONS: usize = 64;

/// Pages that are told at a time what changes: less than the connections, so that commands and
/// probes always find one.
const WATCHERS: usize = 16;

/// How long a request's head may take, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(10);

/// How long a connection may live, so that none that does not read its answer stays for ever.
const LIFE: Duration = Duration::from_secs(300);

/// How long an answer that is being written may take when its connection's life is over.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// The largest request head.
const HEAD_BYTES: usize = 16 * 1024;

/// The pause after an accept that failed, for want of file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped; its connections end with it.
pub async fn serve(listener: TcpListener, handle: Handle, metrics: Arc<Metrics>, drain: Watch) {
    // A listener without an address is treated as one that the world reaches.
    let address = listener
        .local_addr()
        .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    let desk = Arc::new(Desk {
        handle,
        metrics,
        drain,
        address,
        started: io_now(),
        pulse: Pulse::default(),
        watchers: Arc::new(Semaphore::new(WATCHERS)),
    });
    let mut connections = JoinSet::new();
    let mut beat = tokio::time::interval(pulse::STEP);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = beat.tick() => desk.pulse.take(&desk.metrics, unix_ms()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                // With no place free it is closed at once: a flood costs nothing else.
                Ok((stream, from)) if connections.len() < CONNECTIONS => {
                    connections.spawn(connection(stream, from.ip(), Arc::clone(&desk)));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

/// What every request is answered from.
#[derive(Debug)]
struct Desk {
    handle: Handle,
    metrics: Arc<Metrics>,
    drain: Watch,
    /// Where this port listens; whether that is loopback decides who may change anything.
    address: SocketAddr,
    started: Instant,
    /// The last half hour of both arms.
    pulse: Pulse,
    /// Places for who watches.
    watchers: Arc<Semaphore>,
}

/// When a request's connection began.
#[derive(Clone, Copy, Debug)]
struct Opened(Instant);

async fn connection(stream: TcpStream, from: IpAddr, desk: Arc<Desk>) {
    let opened = Opened(io_now());
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(route::Peer(from));
        let desk = Arc::clone(&desk);
        request.extensions_mut().insert(opened);
        async move { Ok::<_, Infallible>(route::answer(request, &desk).await) }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), answer)
    );
    // A connection that breaks is the caller's affair.
    if tokio::time::timeout(LIFE, serving.as_mut()).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_ANSWER, serving).await;
    }
}
