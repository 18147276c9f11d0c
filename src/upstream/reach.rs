//! Whether a provider can be reached: name, TCP, proxy and TLS as a call goes through them, and
//! nothing sent behind them.

use super::transport::{BoxError, Transport};
use http::Uri;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

impl Transport {
    /// Connects to `target`, an absolute URI, within the connect timeout.
    ///
    /// # Errors
    ///
    /// Which step failed, and how.
    pub(crate) async fn reach(&self, target: Uri) -> Result<(), Unreached> {
        self.open(target)
            .await
            .map_err(|error| Unreached::of(&error))
    }
}

/// Why a provider cannot be reached.
#[derive(Debug)]
pub(crate) struct Unreached {
    /// What failed.
    pub(crate) step: Step,
    /// What the system says of it.
    pub(crate) detail: String,
}

/// A step of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The name has no address.
    Name,
    /// Nobody listens, or no packet comes through.
    Tcp,
    /// The proxy of the environment.
    Proxy,
    /// The certificate, or the handshake.
    Tls,
    /// One of them took too long.
    Time,
}

impl Step {
    /// Its name for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Time => "timeout",
        }
    }

    /// What to look at.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Name => {
                "Is the name right, and does this machine's resolver know it? In a VPC without a way \
                 out a VPC endpoint gives the name an address."
            }
            Self::Tcp => {
                "Nobody accepts the connection: look at the address and port, and at security groups, \
                 network policies and firewalls on the way. Where a proxy leads out, set HTTPS_PROXY."
            }
            Self::Proxy => {
                "The proxy that HTTPS_PROXY names refused: look at its address, its password and the \
                 hosts that it allows."
            }
            Self::Tls => {
                "The certificate or the handshake was refused. Where a proxy opens TLS, put its \
                 authority into a file and name that in SSL_CERT_FILE; install ca-certificates."
            }
            Self::Time => {
                "Packets seem to be dropped on the way: look at routes, security groups and firewalls, \
                 or at HTTPS_PROXY. `timeouts.connect` says how long crossfade waits."
            }
        }
    }
}

impl Unreached {
    fn of(error: &BoxError) -> Self {
        let error: &(dyn Error + 'static) = error.as_ref();
        Self {
            step: step_of(error),
            detail: super::with_causes(error),
        }
    }
}

/// Which step an error is of, by what is inside it.
fn step_of(error: &(dyn Error + 'static)) -> Step {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            return Step::Time;
        }
        if error.is::<rustls::Error>() {
            return Step::Tls;
        }
        let inside = error.downcast_ref::<io::Error>();
        if inside.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Step::Time;
        }
        // Two types that are not named outside their crate say it in words.
        let said = error.to_string();
        if said.starts_with("tunnel error") {
            return Step::Proxy;
        }
        if said.starts_with("dns error") {
            return Step::Name;
        }
        if said.starts_with("no certificate authority") {
            return Step::Tls;
        }
        // An I/O error's source is the source of what is in it, not what is in it.
        cause = match inside.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Step::Tcp
}

/// A connection that was not there in time.
#[derive(Debug)]
pub(super) struct TooSlow(pub(super) Duration);

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.0)
    }
}

impl Error for TooSlow {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    /// The step at which a connection to `target` fails.
    async fn fails_at(target: &str) -> Step {
        let transport = Transport::new(LONG);
        let target = target.parse().expect("a URI");
        let why = transport.reach(target).await.expect_err("nobody is there");
        assert!(!why.detail.is_empty());
        why.step
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_listener_is_reached_and_a_closed_port_is_not() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let transport = Transport::new(LONG);
        let target: Uri = format!("http://{address}/").parse().expect("a URI");
        transport.reach(target.clone()).await.expect("it listens");
        drop(listener);
        assert_eq!(fails_at(&target.to_string()).await, Step::Tcp);
    }

    #[tokio::test]
    async fn what_speaks_no_tls_is_told_from_what_is_not_there() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let plain = b"HTTP/1.1 400 Bad Request\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, plain).await;
            }
        });
        let target = format!("https://{address}/");
        assert_eq!(fails_at(&target).await, Step::Tls);
    }

    #[test]
    fn errors_of_the_connectors_are_told_apart() {
        let io = |inner: Box<dyn Error + Send + Sync>| io::Error::other(inner);
        let tls = rustls::Error::General("x".to_owned());
        let nested: BoxError = Box::new(io(Box::new(io(Box::new(tls)))));
        assert_eq!(Unreached::of(&nested).step, Step::Tls);
        let of = |text: &str| Unreached::of(&BoxError::from(text)).step;
        assert_eq!(of("dns error: no such host"), Step::Name);
        assert_eq!(of("tunnel error: unsuccessful"), Step::Proxy);
        assert_eq!(of("tcp connect error"), Step::Tcp);
        let slow: BoxError = Box::new(io(Box::new(TooSlow(LONG))));
        assert_eq!(Unreached::of(&slow).step, Step::Time);
        assert_eq!(of("no certificate authority found; install"), Step::Tls);
    }
}
