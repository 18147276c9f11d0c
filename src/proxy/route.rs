//! What a request is, told from its head alone.
//!
//! hyper re-frames every message, so of the ways to smuggle one only those are ours to refuse that
//! its handler can see. Everything that is not refused is forwarded, known or not; chat calls are
//! recognised by path and method.

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{Method, Version};
use percent_encoding::percent_decode_str;

/// What is done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Refused with 400 or 405.
    Refused(Refusal),
    /// Forwarded, both ways, until one side leaves.
    Upgrade,
    /// A chat completion: may be split.
    Chat(ChatPath),
    /// Forwarded.
    Forward,
}

/// Which of the chat paths it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChatPath {
    /// The body names the model.
    ModelInBody,
    /// Azure's classic path: the deployment is the model, whatever the body says.
    Deployment(String),
}

impl ChatPath {
    /// `path`, which is of this kind, as a pattern without anything that a caller chose.
    pub(super) fn pattern(&self, path: &str) -> &'static str {
        match self {
            Self::ModelInBody if path.starts_with("/openai/") => "/openai/v1/chat/completions",
            Self::ModelInBody => "/v1/chat/completions",
            Self::Deployment(_) => "/openai/deployments/{deployment}/chat/completions",
        }
    }
}

/// A head that no well-meaning client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// CONNECT: this is no general proxy.
    Connect,
    /// HTTP/1.1 demands exactly one `Host`.
    Host,
    /// The target names another host than `Host` does.
    Authority,
    /// More than one transfer coding, or another than `chunked`.
    TransferEncoding,
}

impl Refusal {
    /// For the caller.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT is not supported",
            Self::Host => "a request needs exactly one Host header",
            Self::Authority => "the request target and the Host header name different hosts",
            Self::TransferEncoding => "the only supported transfer coding is a single chunked",
        }
    }
}

/// Looks at a head.
pub(super) fn route(head: &Parts) -> Route {
    if let Some(refusal) = refusal(head) {
        return Route::Refused(refusal);
    }
    // Before the upgrade: a JDK client offers `h2c` with every call, which may be ignored
    // (RFC 9110 §7.8).
    if head.method == Method::POST
        && let Some(path) = chat_path(head.uri.path())
    {
        return Route::Chat(path);
    }
    if head.headers.contains_key(UPGRADE) && connection_says_upgrade(head) {
        return Route::Upgrade;
    }
    Route::Forward
}

fn refusal(head: &Parts) -> Option<Refusal> {
    if head.method == Method::CONNECT {
        return Some(Refusal::Connect);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() || (host.is_none() && head.version == Version::HTTP_11) {
        return Some(Refusal::Host);
    }
    if let (Some(authority), Some(host)) = (head.uri.authority(), host)
        && !authority
            .as_str()
            .as_bytes()
            .eq_ignore_ascii_case(host.as_bytes())
    {
        return Some(Refusal::Authority);
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some()
            || !coding
                .as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(b"chunked"))
    {
        return Some(Refusal::TransferEncoding);
    }
    None
}

fn connection_says_upgrade(head: &Parts) -> bool {
    let values = head.headers.get_all(CONNECTION).iter();
    let mut names = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    names.any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}

/// Which chat path it is, if it is one. A deployment's name is decoded once.
fn chat_path(path: &str) -> Option<ChatPath> {
    if path == "/v1/chat/completions" || path == "/openai/v1/chat/completions" {
        return Some(ChatPath::ModelInBody);
    }
    let rest = path.strip_prefix("/openai/deployments/")?;
    let deployment = rest.strip_suffix("/chat/completions")?;
    if deployment.is_empty() || deployment.contains('/') {
        return None;
    }
    let name = percent_decode_str(deployment).decode_utf8().ok()?;
    Some(ChatPath::Deployment(name.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn check(request: http::request::Builder, expected: &Route) {
        let (head, ()) = request.body(()).expect("a valid request").into_parts();
        assert_eq!(route(&head), *expected, "{head:?}");
    }

    fn get(target: &str) -> http::request::Builder {
        Request::get(target).header("Host", "127.0.0.1:8787")
    }

    fn post(target: &str) -> http::request::Builder {
        Request::post(target).header("Host", "127.0.0.1:8787")
    }

    #[test]
    fn chat_calls_are_told_by_path_and_method() {
        let in_body = Route::Chat(ChatPath::ModelInBody);
        check(post("/v1/chat/completions"), &in_body);
        check(post("/v1/chat/completions?x=1"), &in_body);
        check(
            post("/openai/v1/chat/completions?api-version=preview"),
            &in_body,
        );
        check(
            post("/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21"),
            &Route::Chat(ChatPath::Deployment("my dep".to_owned())),
        );
        check(get("/v1/chat/completions"), &Route::Forward);
        check(post("/v1/chat/completions/"), &Route::Forward);
        check(post("/v1/embeddings"), &Route::Forward);
        check(
            post("/openai/deployments//chat/completions"),
            &Route::Forward,
        );
        check(
            post("/openai/deployments/a/b/chat/completions"),
            &Route::Forward,
        );
        check(
            post("/openai/deployments/%ff/chat/completions"),
            &Route::Forward,
        );
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        let both = get("/v1/realtime").header("Upgrade", "websocket");
        check(
            both.header("Connection", "keep-alive, Upgrade"),
            &Route::Upgrade,
        );
        check(
            get("/v1/realtime").header("Upgrade", "websocket"),
            &Route::Forward,
        );
    }

    #[test]
    fn a_chat_call_that_offers_another_protocol_is_a_chat_call() {
        let call = post("/v1/chat/completions").header("Upgrade", "h2c");
        let call = call.header("Connection", "Upgrade, HTTP2-Settings");
        check(call, &Route::Chat(ChatPath::ModelInBody));
    }

    #[test]
    fn malicious_heads_are_refused() {
        let refused = |refusal| Route::Refused(refusal);
        check(Request::get("/v1/models"), &refused(Refusal::Host));
        check(
            Request::get("/v1/models").version(Version::HTTP_10),
            &Route::Forward,
        );
        check(get("/").header("Host", "other"), &refused(Refusal::Host));
        check(
            get("http://evil.test/v1/models"),
            &refused(Refusal::Authority),
        );
        check(get("http://127.0.0.1:8787/v1/models"), &Route::Forward);
        let connect = Request::builder()
            .method(Method::CONNECT)
            .uri("evil.test:443");
        check(
            connect.header("Host", "evil.test:443"),
            &refused(Refusal::Connect),
        );
        let te = |coding: &str| post("/v1/files").header("Transfer-Encoding", coding);
        check(te("chunked"), &Route::Forward);
        check(te("gzip, chunked"), &refused(Refusal::TransferEncoding));
        check(te("chunked, chunked"), &refused(Refusal::TransferEncoding));
        let twice = te("chunked").header("Transfer-Encoding", "chunked");
        check(twice, &refused(Refusal::TransferEncoding));
    }
}
