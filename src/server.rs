//! The data listener: accepts callers, bounds them, and lets them finish when the process stops.
//!
//! Every connection is a task. `half_close` stays off: a caller that closes its side has left, its
//! handler is dropped at once and with it the upstream call ([`watched`] notices it where hyper does
//! not look). The price is that a client which
//! half-closes after its request gets no answer; no HTTP client library does that.

use crate::config::Listen;
use crate::drain::{Phase, Watch};
use crate::openai::error::ErrorBody;
use crate::proxy::reply::{self, ReplyBody};
use crate::proxy::{self, Lease, Shared};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

pub(crate) mod descriptors;
mod places;
mod stall;
mod watched;

use places::Places;
use stall::Unstalled;
use watched::{Switched, Watched};

/// An open port.
#[derive(Debug)]
pub(crate) enum Listener {
    /// `HOST:PORT`.
    Tcp(TcpListener),
    /// A Unix socket, whose file is removed at the end.
    Unix(UnixListener, std::path::PathBuf),
}

impl Listener {
    /// Opens it. A socket file that a killed process left is replaced; whoever is of its group may
    /// connect, whatever the umask says.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Listen::Unix(path) => {
                if tokio::net::UnixStream::connect(path).await.is_err() {
                    match std::fs::remove_file(path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        Ok(()) | Err(_) => {}
                    }
                }
                let listener = Self::Unix(UnixListener::bind(path)?, path.clone());
                std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
                Ok(listener)
            }
        }
    }

    /// Where it listens: the real port where 0 was asked for; none for a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// The next caller, and how to say that its connection changes its protocol.
    async fn accept(&self) -> io::Result<(Box<dyn Caller>, Switched)> {
        let switched = Switched::default();
        let caller: Box<dyn Caller> = match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(Watched::new(stream, switched.clone()))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Box::new(Watched::new(stream, switched.clone()))
            }
        };
        Ok((caller, switched))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Gone already, or not ours to remove: either way there is nothing to do.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A caller's connection.
trait Caller: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Caller for T {}

/// What [`run`] is given.
pub(crate) struct Setup {
    /// The data port.
    pub(crate) listener: Listener,
    /// What all calls share.
    pub(crate) shared: Arc<Shared>,
    /// What is in force: it says how many callers may be connected.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// Wakes who waits for that to change.
    pub(crate) changes: watch::Receiver<()>,
    /// Where connections are counted.
    pub(crate) metrics: Arc<Metrics>,
    /// How far the stop of the process is.
    pub(crate) drain: Watch,
}

/// Serves until the drain closes, and returns when every connection has ended.
pub(crate) async fn run(setup: Setup) {
    let Setup {
        listener,
        shared,
        snapshot,
        changes,
        metrics,
        drain,
    } = setup;
    let servable = descriptors::callers();
    let places = Places::new(
        || snapshot.load().config.limits.connections.min(servable),
        changes,
    );
    let mut closing = pin!(drain.clone().reached(Phase::Closing));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut closing => break,
            accepted = places.next(|| listener.accept()) => accepted,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, mostly: give others time to end.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (shared, drain) = (Arc::clone(&shared), drain.clone());
        let lease = Lease::new((places.take(), metrics.connection()));
        tokio::spawn(async move {
            connection(accepted, shared, drain, lease).await;
        });
    }
    drop(listener);
    places.empty().await;
}

/// One caller's connection, to its end. Its task is woken when the phase of the process changes, and
/// with it the call that it is answering and the body that it is writing: they only look.
async fn connection(
    (stream, switched): (Box<dyn Caller>, Switched),
    shared: Arc<Shared>,
    drain: Watch,
    lease: Lease,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(lease.clone());
        }
        Answering {
            shared: Arc::clone(&shared),
            switched: switched.clone(),
            handler: Box::pin(proxy::serve(Arc::clone(&shared), request)),
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES)
        .preserve_header_case(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(Unstalled::new(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut ended = drain.before(Phase::Closing, connection.as_mut()).await;
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        ended = drain.before(Phase::Cut, connection.as_mut()).await;
    }
    let ended = match ended {
        Some(ended) => ended,
        None => connection.await,
    };
    if let Err(error) = ended {
        tracing::debug!(error = %crate::upstream::with_causes(&error), "a connection ended badly");
    }
}

/// The answer to one request, whatever happens to its handler: a panic ends its own call and no
/// other, and so does the end of the process.
struct Answering<F> {
    shared: Arc<Shared>,
    switched: Switched,
    handler: Pin<Box<F>>,
}

impl<F: Future<Output = Response<ReplyBody>>> Future for Answering<F> {
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A handler that panicked is not polled again: its state is dropped with it.
        match catch_unwind(AssertUnwindSafe(|| self.handler.as_mut().poll(cx))) {
            Ok(Poll::Ready(response)) => {
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    self.switched.switch();
                }
                Poll::Ready(Ok(response))
            }
            Ok(Poll::Pending) if self.shared.drain.phase() == Phase::Cut => {
                Poll::Ready(Ok(reply::stopping()))
            }
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => {
                let text = "The proxy failed to handle this request.";
                let body = ErrorBody::new(text, "server_error", Some("proxy_error"));
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Poll::Ready(Ok(reply::error(status, &body)))
            }
        }
    }
}

/// How long a head may take. hyper's timer also ends idle connections, and SDKs keep theirs for a
/// while: 75 s is nginx' own for those.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Room for the longest tokens and cookies; providers accept no more. The number of headers is
/// hyper's own limit, 100: stating another makes it allocate for each message.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How long nobody is accepted after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Of a Unix socket. Connecting takes the right to write, which the usual umask leaves to the owner
/// alone; an app beside it has another user and, where it is meant to, a group in common.
const SOCKET_MODE: u32 = 0o660;
