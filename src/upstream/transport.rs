//! One HTTP/1.1 client for both arms.
//!
//! hyper-util's pooled client over our own [`Connector`], which bounds DNS, TCP, proxy tunnel and
//! TLS together by one connect timeout, sets `TCP_NODELAY` and honours `HTTPS_PROXY` and
//! `SSL_CERT_FILE`. The system's certificates are read at the first TLS connection and not at the
//! start, so that a sidecar that needs none answers at once.

use super::body::RequestBody;
use super::resolve::Resolver;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
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
    client: Client<Connector, RequestBody>,
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .http1_preserve_header_case(true)
            .set_host(false)
            .build(connector.clone());
        let transport = Self {
            client,
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
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Error> {
        self.client.request(request).await
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
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

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

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().connect(target))
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

/// How long an unused connection is kept: below the 90 s and more after which providers' load
/// balancers close it, so that a request rarely meets a closing connection.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// Unused connections kept for one provider; more are closed when they become idle.
const POOL_MAX_IDLE: usize = 256;

/// Finds peers that vanished without a word.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
