//! One HTTP/1.1 client for both arms.
//!
//! hyper's connections from the [`pool`](super::pool), or opened by our own [`Connector`], which
//! bounds DNS, TCP, proxy tunnel and TLS together by one connect timeout, sets `TCP_NODELAY` and
//! honours `HTTPS_PROXY` and `SSL_CERT_FILE`. The system's certificates are read at the first TLS
//! connection and not at the start, so that a sidecar that needs none answers at once.
//!
//! A provider may close an idle connection while a request is on its way to it. If hyper gives that
//! request back, because nothing of it was written, another connection takes it; else it failed,
//! since it may have been answered and paid for.

use super::body::RequestBody;
use super::pool::{AnswerBody, Borrowed, OriginId, Pool};
use super::resolve::Resolver;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tower_service::Service;

/// The client that both arms share. Cloning shares the pool.
#[derive(Clone)]
pub(crate) struct Transport {
    pool: Pool,
    connector: Connector,
    connect_timeout_ms: Arc<AtomicU64>,
}

impl Transport {
    /// A client that takes its proxies from the environment.
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        let connect_timeout_ms = Arc::new(AtomicU64::new(0));
        let connector = Connector {
            matcher: Arc::new(Matcher::from_env()),
            tls: Arc::new(OnceCell::new()),
            resolver: Resolver::default(),
            timeout_ms: Arc::clone(&connect_timeout_ms),
        };
        let transport = Self {
            pool: Pool::default(),
            connector,
            connect_timeout_ms,
        };
        transport.limit_connect(connect_timeout);
        transport
    }

    /// Bounds the connections made from now on; a reload may change it.
    pub(crate) fn limit_connect(&self, timeout: Duration) {
        let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.connect_timeout_ms.store(ms, Ordering::Relaxed);
    }

    /// Sends a request whose URI is absolute and whose `Host` is set. Dropping the future or the
    /// answer cancels the call.
    ///
    /// # Errors
    ///
    /// Whatever kept the head of an answer from coming.
    pub(crate) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<AnswerBody>, SendError>> {
        // Boxed: it has room for the request, which whoever waits would have too.
        Box::pin(self.exchange(request))
    }

    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<AnswerBody>, SendError> {
        let Some(origin) = self.pool.origin(request.uri()) else {
            return Err(SendError::Connect("the address names no host".into()));
        };
        let target = to_origin_form(request.uri_mut());
        loop {
            let (mut sender, is_reused) = match self.pool.take(origin) {
                Some(sender) => (sender, true),
                // Boxed: it is rare and large, and every call would carry it.
                None => match Box::pin(self.dial(target.clone())).await {
                    Ok(sender) => (sender, false),
                    // One may have come back meanwhile.
                    Err(error) => (self.pool.take(origin).ok_or(error)?, true),
                },
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.lend(response, origin, sender)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if is_reused => request = unsent,
                    Some(_) | None => return Err(SendError::Exchange(error.into_error())),
                },
            }
        }
    }

    /// A new connection, which lives in a task of its own.
    async fn dial(&self, target: Uri) -> Result<SendRequest<RequestBody>, SendError> {
        let stream = self.connector.clone().connect(target).await;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake(stream.map_err(SendError::Connect)?)
            .await
            .map_err(SendError::Exchange)?;
        self.pool.sweep();
        // What ends it ends the call on it, which says so; an idle one may end. Not awaited in a
        // block of ours, which would be as large again.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// An answer that brings its connection back; one that is switched to another protocol is not
    /// ours any more.
    fn lend(
        &self,
        response: Response<hyper::body::Incoming>,
        origin: OriginId,
        sender: SendRequest<RequestBody>,
    ) -> Response<AnswerBody> {
        let is_switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let borrowed = (!is_switched).then(|| Borrowed {
            pool: self.pool.clone(),
            origin,
            sender,
        });
        response.map(|body| AnswerBody::new(body, borrowed))
    }

    /// Opens a connection as a call does, and closes it again.
    ///
    /// # Errors
    ///
    /// Whatever kept it from being opened.
    pub(super) async fn open(&self, target: Uri) -> Result<(), BoxError> {
        self.connector.clone().connect(target).await.map(drop)
    }
}

/// Leaves the path and query of an absolute URI, as a request line has them, and returns the whole.
fn to_origin_form(uri: &mut Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    std::mem::replace(uri, Uri::from(path))
}

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum SendError {
    /// There was no connection to send anything on.
    Connect(BoxError),
    /// A connection broke, or its peer or the request's body kept to no protocol.
    Exchange(hyper::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("no connection"),
            Self::Exchange(_) => f.write_str("no answer"),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error.as_ref()),
            Self::Exchange(error) => Some(error),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// Opens connections, plain or TLS, directly or through a proxy.
#[derive(Clone)]
struct Connector {
    matcher: Arc<Matcher>,
    tls: Arc<OnceCell<Arc<rustls::ClientConfig>>>,
    resolver: Resolver,
    timeout_ms: Arc<AtomicU64>,
}

type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl Connector {
    async fn connect(self, target: Uri) -> Result<Connection, BoxError> {
        let timeout = Duration::from_millis(self.timeout_ms.load(Ordering::Relaxed));
        match tokio::time::timeout(timeout, self.open(target, timeout)).await {
            Ok(result) => result,
            Err(_) => Err(super::reach::TooSlow(timeout).into()),
        }
    }

    async fn open(self, target: Uri, timeout: Duration) -> Result<Connection, BoxError> {
        let encrypted = target.scheme() == Some(&http::uri::Scheme::HTTPS);
        // Only TLS goes through a proxy: a plain-HTTP provider is an emulator or a VPC endpoint.
        let proxy = if encrypted {
            self.matcher.intercept(&target)
        } else {
            None
        };
        let tcp = match proxy {
            None => self.tcp(timeout).call(target.clone()).await?,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp(timeout));
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                tunnel.call(target.clone()).await?
            }
        };
        if !encrypted {
            return Ok(MaybeHttpsStream::Http(tcp));
        }
        let tls = self.tls.get_or_try_init(load_tls).await?;
        HttpsConnector::from((Opened(Some(tcp)), Arc::clone(tls)))
            .call(target)
            .await
    }

    fn tcp(&self, timeout: Duration) -> HttpConnector<Resolver> {
        let mut connector = HttpConnector::new_with_resolver(self.resolver.clone());
        // Shared out among a host's addresses, so that a dead one leaves time for the next.
        connector.set_connect_timeout(Some(timeout));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_keepalive(Some(TCP_KEEPALIVE));
        connector
    }
}

/// Hands an open connection to the TLS connector, which wants to open it itself.
struct Opened(Option<TokioIo<TcpStream>>);

impl Service<Uri> for Opened {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = std::future::Ready<std::io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(
            self.0
                .take()
                .ok_or_else(|| std::io::ErrorKind::NotConnected.into()),
        )
    }
}

/// The TLS settings with the system's certificates, or `SSL_CERT_FILE`'s.
async fn load_tls() -> Result<Arc<rustls::ClientConfig>, BoxError> {
    tokio::task::spawn_blocking(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = rustls::RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            let why = found
                .errors
                .first()
                .map_or_else(String::new, |error| format!(" ({error})"));
            return Err(format!(
                "no certificate authority found{why}; install ca-certificates or set SSL_CERT_FILE"
            )
            .into());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    })
    .await?
}

/// Finds peers that vanished without a word.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
