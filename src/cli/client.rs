//! One request to a sidecar's admin port, over plain HTTP.

use crate::admin::SERVER_NAME;
use crate::config::secret::Secret;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, SERVER};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::error::Error;
use std::time::Duration;

/// How long a connection may take: the sidecar is near.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take: a command waits for the state file.
const ANSWER: Duration = Duration::from_secs(30);

/// The largest answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Where a sidecar's admin port is, and what opens it.
#[derive(Debug)]
pub(super) struct Sidecar {
    /// Scheme and authority.
    pub(super) base: Uri,
    /// What changes need where the port is not loopback.
    pub(super) token: Option<Secret>,
}

/// An answer of the sidecar.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its body.
    pub(super) body: String,
    /// Whether an admin port of crossfade's gave it.
    pub(super) ours: bool,
}

/// Reads `--admin`: an URL or `HOST:PORT`.
pub(super) fn base(text: &str) -> Result<Uri, String> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let uri: Uri = full.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme(), uri.authority(), uri.path()) {
        (Some(scheme), Some(_), "" | "/") if *scheme == Scheme::HTTP => Ok(uri),
        (_, _, _) => Err("accepted: http://HOST:PORT or HOST:PORT".to_owned()),
    }
}

impl Sidecar {
    /// Asks for something.
    pub(super) async fn get(&self, path: &'static str, accept: &str) -> Result<Answer, String> {
        let request = self.request(Method::GET, path, accept, Bytes::new())?;
        self.send(request).await
    }

    /// Gives a command.
    pub(super) async fn post(&self, path: &'static str, body: Bytes) -> Result<Answer, String> {
        let request = self.request(Method::POST, path, "application/json", body)?;
        self.send(request).await
    }

    /// Puts something in the place of what is there.
    pub(super) async fn put(&self, path: &'static str, body: Bytes) -> Result<Answer, String> {
        let request = self.request(Method::PUT, path, "application/json", body)?;
        self.send(request).await
    }

    fn request(
        &self,
        method: Method,
        path: &'static str,
        accept: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        let uri = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT, accept);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| "the admin token is no text for a header".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
            .body(Full::new(body))
            .map_err(|error| error.to_string())
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let exchange = async {
            let answer = client
                .request(request)
                .await
                .map_err(|error| innermost(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| innermost(&*error))?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer {
                status: head.status,
                body,
                ours: head
                    .headers
                    .get(SERVER)
                    .is_some_and(|name| name == SERVER_NAME),
            })
        };
        let late = |_| format!("no answer within {} s", ANSWER.as_secs());
        tokio::time::timeout(ANSWER, exchange).await.map_err(late)?
    }
}

/// The cause that names the fault; those around it say only that something failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_port_is_an_url_or_an_address() {
        for (text, expected) in [
            ("http://127.0.0.1:8788", "http://127.0.0.1:8788/"),
            ("http://localhost:8788/", "http://localhost:8788/"),
            ("127.0.0.1:8788", "http://127.0.0.1:8788/"),
            ("[::1]:8788", "http://[::1]:8788/"),
        ] {
            assert_eq!(base(text).expect(text).to_string(), expected);
        }
        for text in [
            "",
            "https://127.0.0.1:8788",
            "http://127.0.0.1:8788/api",
            "/api",
            "a b",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
