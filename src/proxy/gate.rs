//! Who may cause a Bedrock call, and who may use the key that crossfade would add.
//!
//! On a loopback or Unix-socket listener whoever reaches it may, with a browser kept out: a page
//! that rebinds DNS carries a name in `Host`, a form has no JSON content type, and a script has an
//! `Origin`. On any other address the caller's key must be listed, which no page knows: there the name
//! by which callers find crossfade does not matter.

use crate::config::{Config, Listen, is_loopback};
use crate::translate::Reason;
use crate::upstream::original::API_KEY;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN,
};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Why a call may not go to Bedrock, or not use the configured key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barred {
    /// `Host` is a name that is not configured: a page that rebinds DNS carries one.
    Host,
    /// The content type is not JSON: a cross-site form could send it.
    ContentType,
    /// The caller's key is not listed in `callers`.
    Key,
    /// A page of another site sent it.
    CrossSite,
}

impl Barred {
    /// Why the call stays.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::ContentType => Reason::ContentType,
            Self::Host | Self::Key | Self::CrossSite => Reason::Caller,
        }
    }

    /// For the caller that is refused.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Host => "this Host is not allowed here; list it in `hosts`",
            Self::ContentType => "a chat call needs the content type application/json",
            Self::Key => "this key is not listed in `callers`",
            Self::CrossSite => "requests from web pages of other sites are not allowed",
        }
    }
}

/// Whether a chat call may go to Bedrock.
pub(super) fn bars_bedrock(config: &Config, headers: &HeaderMap) -> Option<Barred> {
    if !is_json(headers) {
        return Some(Barred::ContentType);
    }
    // The original grants browsers what they ask for beforehand, so the content type alone does
    // not stop a page.
    bars_page(headers).or_else(|| bars_caller(config, headers))
}

/// Whether a request that is no chat call may use `original.api_key`.
pub(super) fn bars_key(config: &Config, headers: &HeaderMap) -> Option<Barred> {
    bars_page(headers).or_else(|| bars_caller(config, headers))
}

/// A web page sent it: no SDK outside a browser names an origin.
fn bars_page(headers: &HeaderMap) -> Option<Barred> {
    const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let cross_site = headers
        .get(FETCH_SITE)
        .is_some_and(|site| site == "cross-site");
    (cross_site || headers.contains_key(ORIGIN)).then_some(Barred::CrossSite)
}

fn bars_caller(config: &Config, headers: &HeaderMap) -> Option<Barred> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = match config.listen {
        Listen::Tcp(address) => is_loopback(address),
        Listen::Unix(_) => false,
    };
    if named && !host.is_some_and(|host| is_ours(config, host)) {
        return Some(Barred::Host);
    }
    let Some(allowed) = &config.callers else {
        return None;
    };
    let key = caller_key(headers).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(key).into();
    // Every listed hash is compared, whichever matches.
    let known = allowed
        .iter()
        .fold(0, |known, hash| known | hash.ct_eq(&digest).unwrap_u8());
    (known == 0).then_some(Barred::Key)
}

/// The app's key: `api-key`, else the bearer token.
fn caller_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get(API_KEY) {
        return Some(key.as_bytes());
    }
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// An IP literal, `localhost`, or a configured name; the port does not matter.
fn is_ours(config: &Config, host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host();
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    literal.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || config
            .hosts
            .iter()
            .any(|ours| name.eq_ignore_ascii_case(ours))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let essence = value
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

/// Whether the body would have to be decompressed to be read: then it is not.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::load;
    use http::HeaderValue;

    fn config(rest: &str) -> Config {
        let text = format!(
            "original: {{ url: 'https://api.openai.com' }}\n\
             bedrock: {{ region: us-east-1, models: {{ m: amazon.nova-lite-v1:0 }} }}\n{rest}"
        );
        load(&text, &|_| None).expect("a valid configuration")
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_names_of_this_machine_and_configured_ones_are_hosts() {
        let config = config("hosts: [crossfade]\n");
        let barred = |host| {
            let json = ("content-type", "application/json; charset=utf-8");
            bars_bedrock(&config, &headers(&[("host", host), json]))
        };
        for ours in [
            "127.0.0.1:8787",
            "10.1.2.3",
            "[::1]:8787",
            "localhost",
            "LOCALHOST:1",
            "CrossFade:80",
        ] {
            assert_eq!(barred(ours), None, "{ours}");
        }
        for foreign in [
            "evil.test",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "a@b@c",
            "",
        ] {
            assert_eq!(barred(foreign), Some(Barred::Host), "{foreign}");
        }
    }

    /// As in a cluster, where each namespace calls a service by another name.
    #[test]
    fn where_the_key_decides_any_host_will_do() {
        let hash = hex::encode(Sha256::digest("test-app-key"));
        let callers = format!("callers: {{ key_sha256: ['{hash}'] }}\n");
        let barred = |listen: &str, host, key| {
            let config = config(&format!("listen: {listen}\n{callers}"));
            let rest = [("content-type", "application/json"), ("api-key", key)];
            bars_bedrock(&config, &headers(&[&[("host", host)], &rest[..]].concat()))
        };
        let name = "crossfade.prod:8787";
        assert_eq!(barred("0.0.0.0:8787", name, "test-app-key"), None);
        assert_eq!(barred("0.0.0.0:8787", name, "another"), Some(Barred::Key));
        let loopback = barred("127.0.0.1:8787", name, "test-app-key");
        assert_eq!(loopback, Some(Barred::Host));
    }

    #[test]
    fn a_browsers_simple_request_is_no_chat_call() {
        let config = config("");
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
        ] {
            let headers = headers(&[("host", "localhost"), ("content-type", kind)]);
            assert_eq!(
                bars_bedrock(&config, &headers),
                Some(Barred::ContentType),
                "{kind}"
            );
        }
        let none = headers(&[("host", "localhost")]);
        assert_eq!(bars_bedrock(&config, &none), Some(Barred::ContentType));
    }

    #[test]
    fn a_listed_key_is_known_by_its_hash_in_either_header() {
        // SHA-256 of "test-app-key".
        let hash: String = Sha256::digest("test-app-key")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let config = config(&format!("callers: {{ key_sha256: ['{hash}'] }}\n"));
        let barred = |name, value| {
            let rest = [("host", "localhost"), ("content-type", "application/json")];
            let mut headers = headers(&rest);
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            bars_bedrock(&config, &headers)
        };
        assert_eq!(barred("authorization", "Bearer test-app-key"), None);
        assert_eq!(barred("authorization", "bearer  test-app-key "), None);
        assert_eq!(barred("api-key", "test-app-key"), None);
        for (name, value) in [
            ("authorization", "Bearer another-key"),
            ("authorization", "Basic test-app-key"),
            ("authorization", "Bearer "),
            ("api-key", ""),
            ("x-other", "test-app-key"),
        ] {
            assert_eq!(barred(name, value), Some(Barred::Key), "{name}: {value}");
        }
    }

    #[test]
    fn a_page_of_another_site_gets_neither_bedrock_nor_the_configured_key() {
        let config = config("");
        let json = [
            ("host", "127.0.0.1"),
            ("content-type", "application/json"),
            ("origin", "https://evil.test"),
        ];
        assert_eq!(
            bars_bedrock(&config, &headers(&json)),
            Some(Barred::CrossSite)
        );
        let with =
            |name, value| bars_key(&config, &headers(&[("host", "localhost"), (name, value)]));
        assert_eq!(with("origin", "https://evil.test"), Some(Barred::CrossSite));
        assert_eq!(
            with("sec-fetch-site", "cross-site"),
            Some(Barred::CrossSite)
        );
        assert_eq!(with("sec-fetch-site", "none"), None);
    }
}
