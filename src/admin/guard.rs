//! Who may ask, and who may change something.
//!
//! The port trusts whoever reaches it with reading. Two kinds of caller must be told apart from a
//! person or a scraper: a page in somebody's browser, which can send requests here without its
//! user knowing, and another machine. A browser always names the host that it was told and, with
//! a change, the page's origin; another machine has to know the token.

use crate::config::is_loopback;
use crate::config::secret::Secret;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::{Authority, Uri};
use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq;

/// Why a request is refused with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// `Host` names what is neither an address nor known.
    Host,
    /// A page of another origin asks for a change.
    Origin,
    /// A change from outside, and no token is configured.
    NoToken,
    /// A change from outside, without the token or with a wrong one.
    Token,
}

impl Denied {
    /// A word for programs.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Host => "host_refused",
            Self::Origin => "cross_site",
            Self::NoToken => "no_token_configured",
            Self::Token => "token_required",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => {
                "Use an IP address or localhost in the URL, or list the name under `hosts` in \
                 rollout.yaml."
            }
            Self::Origin => "A web page of another origin may not change anything here.",
            Self::NoToken => {
                "`admin` is not a loopback address, so changes need a token, and none is set: set \
                 CROSSFADE_ADMIN_TOKEN or CROSSFADE_ADMIN_TOKEN_FILE where crossfade runs. Until \
                 then `rollout.percent: 0` in its configuration stops new calls."
            }
            Self::Token => {
                "`admin` is not a loopback address, so changes need the admin token, and what was \
                 sent is not it: the commands take it from CROSSFADE_ADMIN_TOKEN or \
                 CROSSFADE_ADMIN_TOKEN_FILE, others send `Authorization: Bearer …`."
            }
        })
    }
}

/// Whether a request may be answered at all: a page that had its name pointed at this address
/// (DNS rebinding) always carries that name.
pub(super) fn may_ask(uri: &Uri, headers: &HeaderMap, names: &[String]) -> Result<(), Denied> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Denied::Host);
    };
    let host = host
        .to_str()
        .ok()
        .and_then(|host| host.parse().ok())
        .ok_or(Denied::Host)?;
    let all_known = std::iter::once(&host)
        .chain(uri.authority())
        .all(|each| known(each, names));
    if all_known { Ok(()) } else { Err(Denied::Host) }
}

/// Whether a request may change something, beyond [`may_ask`].
pub(super) fn may_change(
    headers: &HeaderMap,
    address: SocketAddr,
    token: Option<&Secret>,
) -> Result<(), Denied> {
    if is_cross_site(headers) {
        return Err(Denied::Origin);
    }
    if is_loopback(address) {
        return Ok(());
    }
    let token = token.ok_or(Denied::NoToken)?;
    let sent = headers
        .get(AUTHORIZATION)
        .map(http::HeaderValue::as_bytes)
        .unwrap_or_default();
    let (scheme, rest) = sent.split_at_checked(BEARER.len()).unwrap_or_default();
    let right = bool::from(rest.ct_eq(token.expose().as_bytes()));
    if scheme.eq_ignore_ascii_case(BEARER) && right {
        Ok(())
    } else {
        Err(Denied::Token)
    }
}

/// What a change would need, so that the page offers only what can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Changes {
    /// Nothing more than to reach this port.
    Open,
    /// The admin token.
    Token,
    /// They are refused whatever is sent.
    Refused,
}

impl Changes {
    /// The rule of [`may_change`], asked before there is a change.
    pub(super) fn over(address: SocketAddr, token: Option<&Secret>) -> Self {
        match may_change(&HeaderMap::new(), address, token) {
            Ok(()) => Self::Open,
            Err(Denied::Token) => Self::Token,
            Err(Denied::NoToken | Denied::Origin | Denied::Host) => Self::Refused,
        }
    }
}

const BEARER: &[u8] = b"Bearer ";

fn known(authority: &Authority, names: &[String]) -> bool {
    let host = authority.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Programs send neither header; a browser sends both with every change.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let host = headers
        .get(HOST)
        .map(http::HeaderValue::as_bytes)
        .unwrap_or_default();
    origin
        .as_bytes()
        .strip_prefix(b"http://")
        .is_none_or(|rest| !rest.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn only_addresses_and_known_names_are_answered() {
        let names = ["crossfade".to_owned()];
        let path = Uri::from_static("/");
        let ask = |host: &str| may_ask(&path, &headers(&[("host", host)]), &names);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8788",
            "10.1.2.3:8788",
            "[::1]:8788",
            "localhost",
            "LocalHost:8788",
            "crossfade:8788",
            "Crossfade",
        ] {
            assert_eq!(ask(host), Ok(()), "{host}");
        }
        for host in [
            "evil.test",
            "evil.test:8788",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "crossfade.evil.test",
            "",
            "a b",
        ] {
            assert_eq!(ask(host), Err(Denied::Host), "{host}");
        }
        assert_eq!(may_ask(&path, &headers(&[]), &names), Err(Denied::Host));
        let twice = headers(&[("host", "localhost"), ("host", "evil.test")]);
        assert_eq!(may_ask(&path, &twice, &names), Err(Denied::Host));
        let absolute = Uri::from_static("http://evil.test/");
        let local = headers(&[("host", "localhost")]);
        assert_eq!(may_ask(&absolute, &local, &names), Err(Denied::Host));
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8788));
        let change = |extra: &[(&'static str, &str)]| {
            let all: Vec<_> = [("host", "localhost:8788")]
                .into_iter()
                .chain(extra.iter().copied())
                .collect();
            may_change(&headers(&all), loopback, None)
        };
        for fine in [
            &[][..],
            &[("origin", "http://localhost:8788")],
            &[
                ("origin", "http://localhost:8788"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("sec-fetch-site", "none")],
        ] {
            assert_eq!(change(fine), Ok(()), "{fine:?}");
        }
        for refused in [
            &[("origin", "http://evil.test")][..],
            &[("origin", "null")],
            &[("origin", "https://localhost:8788")],
            &[("origin", "http://localhost:3000")],
            &[("sec-fetch-site", "cross-site")],
            &[
                ("sec-fetch-site", "same-site"),
                ("origin", "http://localhost:8788"),
            ],
        ] {
            assert_eq!(change(refused), Err(Denied::Origin), "{refused:?}");
        }
    }

    #[test]
    fn other_machines_need_the_token() {
        let outside = SocketAddr::from(([0, 0, 0, 0], 8788));
        let token = Secret::new("a-token-of-the-test");
        let change = |sent: Option<&str>, token: Option<&Secret>| {
            let pairs: Vec<_> = sent
                .map(|sent| ("authorization", sent))
                .into_iter()
                .collect();
            may_change(&headers(&pairs), outside, token)
        };
        assert_eq!(
            change(Some("Bearer a-token-of-the-test"), Some(&token)),
            Ok(())
        );
        assert_eq!(
            change(Some("bearer a-token-of-the-test"), Some(&token)),
            Ok(())
        );
        for sent in [
            None,
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer a-token-of-the-tes"),
            Some("Bearer a-token-of-the-test2"),
            Some("Basic a-token-of-the-test"),
        ] {
            assert_eq!(change(sent, Some(&token)), Err(Denied::Token), "{sent:?}");
        }
        assert_eq!(change(Some("Bearer "), None), Err(Denied::NoToken));
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().expect("an address"), 8788);
        assert_eq!(may_change(&headers(&[]), mapped, None), Ok(()));
    }
}
