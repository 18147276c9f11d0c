//! Where to listen and whom to call: addresses, read strictly.
//!
//! A URL is taken apart by hand-written rules that are narrower than the standard's, because what
//! is read here decides where a key is sent: no credentials, query, fragment, escape or `..`, and
//! only characters that every other reader of the URL takes the same way.

use super::Dialect;
use super::Listen;
use super::section::Mistake;
use super::section::quoted;
use super::shape::{Reader, Shape, Text};
use super::values;
use http::uri::Authority;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A port, as part of a regular expression.
macro_rules! port {
    () => {
        "0*(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}

/// `IP:PORT`, as a regular expression.
macro_rules! socket {
    () => {
        concat!(r"(?:(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.|(?=:))){4}|\[[0-9A-Fa-f:.]+(?:%[0-9]+)?\]):", port!())
    };
}

/// A URL that [`BaseUrl::parse`] takes, as a regular expression.
macro_rules! base_url {
    () => {
        concat!(
            r"https?://(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::",
            port!(),
            ")?(?:/[A-Za-z0-9._~-]+)*/*"
        )
    };
}

pub(super) use base_url;
pub(super) use port;

/// `IP:PORT` or `unix:PATH`.
pub(crate) fn listen() -> Reader<'static, Listen> {
    let shape = Text::new(
        LISTEN,
        concat!("^(?:unix:[^\\u0000]{1,107}|", socket!(), ")$"),
    );
    values::parsed(Shape::Text(shape), LISTEN, listener).shown()
}

fn listener(text: &str) -> Result<Listen, Mistake> {
    match text.strip_prefix("unix:") {
        Some(path) if (1..=UNIX_PATH_BYTES_MAX).contains(&path.len()) && !path.contains('\0') => {
            Ok(Listen::Unix(PathBuf::from(path)))
        }
        Some(_) => Err(Mistake::from(format!(
            "unix: and a path of 1 to {UNIX_PATH_BYTES_MAX} bytes"
        ))),
        None => text
            .parse()
            .map(Listen::Tcp)
            .map_err(|_| Mistake::from(LISTEN)),
    }
}

/// `IP:PORT`.
pub(crate) fn admin() -> Reader<'static, SocketAddr> {
    let shape = Text::new(ADMIN, concat!("^(?:", socket!(), ")$"));
    let parse = |text: &str| text.parse().map_err(|_| Mistake::from(ADMIN));
    values::parsed(Shape::Text(shape), ADMIN, parse).shown()
}

/// A URL as [`BaseUrl::parse`] takes it, made something else of.
pub(crate) fn url<'a, T: 'a>(parse: impl Fn(BaseUrl) -> Option<T> + 'a) -> Reader<'a, T> {
    let shape = Text::new(URL, concat!("^", base_url!(), "$"));
    values::parsed(Shape::Text(shape), URL, move |text| {
        parse(BaseUrl::parse(text)?).ok_or_else(|| Mistake::from(URL))
    })
}

/// Whether only this machine reaches an address.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// A base URL: where calls go and what precedes their path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Whether it is `https`.
    pub(crate) tls: bool,
    /// Lower-case host, and port where it is not the scheme's own.
    pub(crate) authority: Authority,
    /// Empty, or `/…` without a trailing slash.
    pub(crate) path_prefix: String,
}

impl BaseUrl {
    /// Reads `http[s]://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    ///
    /// What may be there; what is there is shown without credentials and query.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let mistake = |accepted: &str| Mistake::found(quoted(&without_secrets(text)), accepted);
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(mistake(URL)),
        };
        if rest.contains('@') {
            return Err(mistake("a URL without credentials in it"));
        }
        if rest.contains(['?', '#']) {
            return Err(mistake("a URL without a query (?) and a fragment (#)"));
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = host_and_port(authority).ok_or_else(|| mistake(HOST))?;
        let path_prefix = path.trim_end_matches('/');
        if !path_prefix.is_empty() && !is_plain_path(path_prefix) {
            return Err(mistake(
                "a path of /segments of letters, digits and . _ ~ - without `..`",
            ));
        }
        let host = host.to_ascii_lowercase();
        let standard = if tls { 443 } else { 80 };
        let authority = match port {
            Some(port) if port != standard => format!("{host}:{port}"),
            Some(_) | None => host,
        };
        let authority = authority.parse().map_err(|_| mistake(HOST))?;
        Ok(Self {
            tls,
            authority,
            path_prefix: path_prefix.to_owned(),
        })
    }

    /// The port that is called.
    pub(crate) fn port(&self) -> u16 {
        self.authority
            .port_u16()
            .unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// Whether a call would come back to this process, listening on `own`. Names other than
    /// `localhost` are not looked up: what they mean may change later anyway.
    pub(crate) fn leads_to(&self, own: SocketAddr) -> bool {
        if own.port() == 0 || self.port() != own.port() {
            return false;
        }
        let host = self.authority.host();
        let targets = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => vec![ip.to_canonical()],
            Err(_) if host == "localhost" || host.ends_with(".localhost") => {
                vec![
                    IpAddr::V4(Ipv4Addr::LOCALHOST),
                    IpAddr::V6(Ipv6Addr::LOCALHOST),
                ]
            }
            Err(_) => return false,
        };
        let own = own.ip().to_canonical();
        targets.into_iter().any(|target| {
            // Calling 0.0.0.0 reaches this machine; listening there, it is reached by all its
            // names.
            let here = target.is_loopback() || target.is_unspecified();
            target == own
                || here && own.is_unspecified()
                || target.is_unspecified() && own.is_loopback()
        })
    }

    /// Which of the two services it is.
    pub(crate) fn dialect(&self) -> Dialect {
        let host = self.authority.host();
        if AZURE.iter().any(|suffix| host.ends_with(suffix)) {
            Dialect::Azure
        } else {
            Dialect::OpenAi
        }
    }

    /// As one URI.
    pub(crate) fn uri(&self) -> Option<http::Uri> {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path_prefix)
            .parse()
            .ok()
    }
}

/// Whether two listeners would take each other's port.
pub(crate) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (x, y) = (a.ip().to_canonical(), b.ip().to_canonical());
    a.port() == b.port() && a.port() != 0 && (x == y || x.is_unspecified() || y.is_unspecified())
}

/// A name as `Host` carries it, without a port: letters, digits, hyphens and dots.
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']')?;
        let (host, rest) = authority.split_at_checked(end + 1)?;
        host.get(1..end)?.parse::<Ipv6Addr>().ok()?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return None,
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        // All digits and dots, it must be a complete address: other readers take `127.1` for one.
        let numeric = host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !is_host_name(host) || numeric && host.parse::<Ipv4Addr>().is_err() {
            return None;
        }
        (host, port)
    };
    let Some(port) = port else {
        return Some((host, None));
    };
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let number: u16 = port.parse().ok()?;
    (digits && number > 0).then_some((host, Some(number)))
}

fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let segment =
        |text: &str| !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain);
    path.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(segment))
}

/// A refused URL as it may be shown: credentials and everything from the query on left out.
fn without_secrets(url: &str) -> String {
    let shown = url
        .find(['?', '#'])
        .map_or(url, |end| url.get(..end).unwrap_or_default());
    let cut = if shown.len() < url.len() { "…" } else { "" };
    match shown.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{host}{cut}")
        }
        None => format!("{shown}{cut}"),
    }
}

/// The hosts of Azure OpenAI, of its older multi-service resources, and of AI Foundry.
const AZURE: [&str; 3] = [
    ".openai.azure.com",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
];

/// What `admin` may be.
const ADMIN: &str = "IP:PORT, such as 127.0.0.1:8788";

/// What `listen` may be.
const LISTEN: &str = "IP:PORT, such as 127.0.0.1:8787 or [::1]:8787, or unix:PATH";

/// What a URL may be.
pub(crate) const URL: &str = "http:// or https:// with a host, such as https://api.openai.com";

const HOST: &str =
    "a host name, IPv4 address or [IPv6] address, with a port from 1 to 65535 if any";

/// `sun_path` holds 108 bytes on Linux, the last one NUL.
const UNIX_PATH_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests;
