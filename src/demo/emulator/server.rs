//! One HTTP/1.1 listener of an emulator.
//!
//! A task owns the listener and every connection; ending it ends them all. It can stop listening
//! (callers are refused) and listen again on the same port.

use super::log::Ticket;
use super::script::Script;
use super::tap::{Copied, Tap};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// The longest request body, in bytes.
const BODY: usize = 64 * 1024 * 1024;

/// What answers the requests of a listener.
pub(super) trait App: Send + Sync + 'static {
    /// One exchange. An error closes the connection without an answer.
    fn answer(
        self: Arc<Self>,
        exchange: Exchange,
    ) -> impl Future<Output = Result<Response<Script>, Dropped>> + Send;
}

/// A request with its head as it was on the wire.
pub(super) struct Exchange {
    /// The request as hyper read it.
    pub(super) request: Request<Incoming>,
    /// Its header lines as sent.
    pub(super) headers: Vec<(String, String)>,
    copied: Copied,
}

impl Exchange {
    /// Reads the body to its end.
    pub(super) async fn body(&mut self) -> Result<Bytes, Dropped> {
        let body = Limited::new(self.request.body_mut(), BODY).collect().await;
        self.copied.resume();
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|_| Dropped)
    }
}

/// The connection is closed without an answer.
#[derive(Debug)]
pub(super) struct Dropped;

impl Dropped {
    /// Closes on purpose.
    pub(super) fn on_purpose(mut ticket: Ticket) -> Self {
        ticket.cut();
        Self
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("closed by the emulator")
    }
}

impl std::error::Error for Dropped {}

/// Listen or not; the answer comes when it is so.
type Order = (bool, oneshot::Sender<io::Result<()>>);

/// Gives orders to a listener; also for who does not own it.
#[derive(Clone, Debug)]
pub(super) struct Commands(mpsc::Sender<Order>);

impl Commands {
    /// Stops listening and closes every connection, or listens again on the same port.
    pub(super) async fn listen(&self, on: bool) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (done, answer) = oneshot::channel();
        self.0.send((on, done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A running listener; dropping it closes everything.
#[derive(Debug)]
pub(super) struct Server {
    addr: SocketAddr,
    commands: Commands,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds `addr` and serves `app`.
    pub(super) async fn start<A: App>(addr: SocketAddr, app: Arc<A>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (commands, orders) = mpsc::channel(1);
        let task = tokio::spawn(run(addr, listener, app, orders));
        Ok(Self {
            addr,
            commands: Commands(commands),
            task,
        })
    }

    /// Where it listens.
    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// See [`Commands::listen`].
    pub(super) async fn listen(&self, on: bool) -> io::Result<()> {
        self.commands.listen(on).await
    }

    /// What gives this listener orders.
    pub(super) fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Closes the listener and every connection, and returns when they are closed.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        // The only error is the abort itself.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run<A: App>(
    addr: SocketAddr,
    listener: TcpListener,
    app: Arc<A>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            socket = accept(listener.as_ref()) => {
                connections.spawn(serve(socket, app.clone()));
            }
            Some(_) = connections.join_next() => {}
            order = orders.recv() => {
                let Some((on, done)) = order else { return };
                let result = if on && listener.is_none() {
                    TcpListener::bind(addr).await.map(|bound| listener = Some(bound))
                } else {
                    if !on {
                        listener = None;
                        connections.shutdown().await;
                    }
                    Ok(())
                };
                // Who asked may have gone.
                let _ = done.send(result);
            }
        }
    }
}

/// The next connection; never one while nothing listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        // Errors are of one connection, or of a full table of files: the next may succeed.
        if let Ok((socket, _)) = listener.accept().await {
            return socket;
        }
        tokio::task::yield_now().await;
    }
}

async fn serve<A: App>(socket: TcpStream, app: Arc<A>) {
    // Without it answers are only slower.
    let _ = socket.set_nodelay(true);
    let (tap, copied) = Tap::new(socket);
    let service = service_fn(move |request| {
        let exchange = Exchange {
            request,
            headers: copied.take(),
            copied: copied.clone(),
        };
        app.clone().answer(exchange)
    });
    // A connection that breaks is the caller's business, or what a behaviour asked for.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(tap), service)
        .with_upgrades()
        .await;
}
