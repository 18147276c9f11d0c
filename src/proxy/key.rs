//! The key that a call is split by, and its hash.
//!
//! A conversation's key is as long as its first prompt, and hashing it the dearest part of reading a
//! call. Where all calls go the split asks for no hash, so that is put off: only what Bedrock refuses
//! is counted by key, and is then read once more.

use crate::config::{Rollout, Sticky};
use crate::openai::request::ChatRequest;
use crate::split::{Percent, key_hash};
use http::HeaderValue;
use http::header::HeaderMap;

/// What a call is split by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SplitKey<'r> {
    /// What the configured field or header says; never empty.
    Named(&'r [u8]),
    /// How the conversation begins, as configured.
    Conversation(&'r ChatRequest<'r>),
    /// How the conversation begins, because the configured key is missing.
    Instead(&'r ChatRequest<'r>),
    /// A fresh draw, as configured.
    Drawn(u64),
    /// A fresh draw, because there is no key at all.
    NoKey(u64),
}

impl<'r> SplitKey<'r> {
    /// The key of a call. `draw` is a fresh uniform number, for calls that have none.
    pub(crate) fn of(
        rollout: &Rollout,
        headers: &'r HeaderMap,
        request: &'r ChatRequest<'r>,
        draw: u64,
    ) -> Self {
        let named = match &rollout.sticky {
            Sticky::None => return Self::Drawn(draw),
            Sticky::Conversation => None,
            Sticky::User => request.user_key().map(str::as_bytes),
            Sticky::Header(name) => headers.get(name).map(HeaderValue::as_bytes),
        };
        match named.filter(|key| !key.is_empty()) {
            Some(key) => Self::Named(key),
            None if !request.has_conversation() => Self::NoKey(draw),
            None if rollout.sticky == Sticky::Conversation => Self::Conversation(request),
            None => Self::Instead(request),
        }
    }

    /// Whether the configured key was missing.
    pub(crate) const fn is_missing(self) -> bool {
        match self {
            Self::Named(_) | Self::Conversation(_) | Self::Drawn(_) => false,
            Self::Instead(_) | Self::NoKey(_) => true,
        }
    }

    /// The hash; a draw is one already.
    pub(crate) fn hash(self, salt: &str) -> u64 {
        match self {
            Self::Named(key) => key_hash(salt, key),
            Self::Conversation(request) | Self::Instead(request) => {
                key_hash(salt, &request.conversation_key().unwrap_or_default())
            }
            Self::Drawn(draw) | Self::NoKey(draw) => draw,
        }
    }

    /// The hash, if a split at `percent` asks for it or it costs nothing.
    pub(super) fn hash_for(self, percent: Percent, salt: &str) -> Option<u64> {
        match self {
            Self::Conversation(_) | Self::Instead(_) if percent == Percent::ALL => None,
            Self::Named(_)
            | Self::Conversation(_)
            | Self::Instead(_)
            | Self::Drawn(_)
            | Self::NoKey(_) => Some(self.hash(salt)),
        }
    }
}

/// The hash that was put off, for a call that Bedrock refused; none of a body that is no request.
pub(super) fn put_off(rollout: &Rollout, headers: &HeaderMap, body: &[u8]) -> Option<u64> {
    let request = ChatRequest::parse(body).ok()?;
    // What was put off is no draw.
    let key = SplitKey::of(rollout, headers, &request, 0);
    Some(key.hash(&rollout.salt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::load;
    use http::HeaderName;

    const BODY: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;

    fn rollout(sticky: Sticky) -> Rollout {
        let minimal = "{ original: { url: http://127.0.0.1:1 }, bedrock: { models: { m: amazon.nova-lite-v1:0 } } }";
        let config = load(minimal, &|_| None).expect("a valid configuration");
        Rollout {
            sticky,
            ..config.rollout
        }
    }

    #[test]
    fn what_was_put_off_is_what_the_split_would_have_taken() {
        let request = ChatRequest::parse(BODY).expect("a request");
        let headers = HeaderMap::new();
        for sticky in [Sticky::Conversation, Sticky::User] {
            let rollout = rollout(sticky);
            let key = SplitKey::of(&rollout, &headers, &request, 7);
            let half = Percent::from_basis_points(5_000).expect("a share");
            let hash = key.hash_for(half, &rollout.salt);
            assert_ne!(hash, Some(7), "there is a key");
            assert_eq!(key.hash_for(Percent::ALL, &rollout.salt), None);
            assert_eq!(put_off(&rollout, &headers, BODY), hash);
        }
    }

    #[test]
    fn a_key_that_costs_nothing_is_not_put_off() {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", HeaderValue::from_static("a"));
        let request = ChatRequest::parse(BODY).expect("a request");
        let tenant = Sticky::Header(HeaderName::from_static("x-tenant"));
        let named = SplitKey::of(&rollout(tenant.clone()), &headers, &request, 7);
        assert_eq!(
            named.hash_for(Percent::ALL, "salt"),
            Some(key_hash("salt", b"a"))
        );
        let drawn = SplitKey::of(&rollout(Sticky::None), &headers, &request, 7);
        assert_eq!(drawn.hash_for(Percent::ALL, "salt"), Some(7));
        assert!(!named.is_missing() && !drawn.is_missing());

        let silent = ChatRequest::parse(br#"{"model":"m"}"#).expect("a request");
        let (tenant, empty) = (rollout(tenant), HeaderMap::new());
        let none = SplitKey::of(&tenant, &empty, &silent, 7);
        assert!(none.is_missing());
        assert_eq!(none.hash_for(Percent::ALL, "salt"), Some(7));
    }
}
