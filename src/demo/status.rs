//! Reads crossfade's admin port, as a person with `curl` would.

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::time::Duration;

/// No answer of the admin port takes longer on loopback.
const PATIENCE: Duration = Duration::from_secs(5);

/// A status page is a few kilobytes.
const LIMIT: usize = 1024 * 1024;

/// What the demo reads of `/api/status`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    /// `steady`, `rolled_back` …
    pub(super) state: String,
    /// The share in force.
    pub(super) percent: f64,
    /// The attempt.
    pub(super) attempt: u64,
    /// The rollback that holds.
    pub(super) rollback: Option<Rollback>,
    /// The four rules.
    pub(super) rules: Vec<Rule>,
    /// Whole seconds since its start; the rules look every fifth.
    pub(super) uptime_s: u64,
}

/// A rollback.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Rollback {
    /// Which rule.
    pub(super) rule: String,
    /// The whole story in one sentence.
    pub(super) sentence: String,
}

/// A rule at one moment.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Rule {
    /// Which.
    pub(super) name: String,
    /// What it sees, in percent.
    pub(super) value: Option<f64>,
    /// What may not be exceeded, in percent.
    pub(super) limit: Option<f64>,
}

impl Status {
    /// The rule of that name.
    pub(super) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// The admin port.
#[derive(Debug)]
pub(super) struct Admin {
    url: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Admin {
    /// The admin port at `url`, which has no path.
    pub(super) fn new(url: String) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url, client }
    }

    /// `/api/status`.
    pub(super) async fn status(&self) -> Result<Status, String> {
        let (code, body) = self.fetch("/api/status").await?;
        if code != 200 {
            return Err(format!("/api/status answers {code}"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("/api/status: {error}"))
    }

    /// Whether `/readyz` says so.
    pub(super) async fn ready(&self) -> bool {
        matches!(self.fetch("/readyz").await, Ok((200, _)))
    }

    async fn fetch(&self, path: &str) -> Result<(u16, Bytes), String> {
        let uri: Uri = format!("{}{path}", self.url)
            .parse()
            .map_err(|_| "no such address")?;
        let exchange = async {
            let response = self
                .client
                .get(uri)
                .await
                .map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LIMIT).collect().await;
            let body = body.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(result) => result,
            Err(_) => Err(format!("{path} does not answer")),
        }
    }
}
