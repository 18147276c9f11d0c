//! A port that says how something is, at the path where an emulator says it.
//!
//! For what emulates no provider but is run beside them, the app: a health check and a person ask
//! it as they ask an emulator.

use super::control::PATH;
use super::json_answer;
use super::script::Script;
use super::server::{App, Dropped, Exchange, Server};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A running port; dropping it closes it.
#[derive(Debug)]
pub struct Desk(Server);

impl Desk {
    /// Listens on `addr` (port 0 takes a free one); `GET /__emulator/state` answers what `state`
    /// gives.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(
        addr: SocketAddr,
        state: impl Fn() -> Value + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Server::start(addr, Arc::new(Says(state))).await.map(Self)
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}

struct Says<F>(F);

impl<F: Fn() -> Value + Send + Sync + 'static> App for Says<F> {
    async fn answer(self: Arc<Self>, mut exchange: Exchange) -> Result<Response<Script>, Dropped> {
        // What a request brings is read, so that its connection can be used again.
        exchange.body().await?;
        let request = &exchange.request;
        let path = request.uri().path().strip_prefix(PATH);
        Ok(match (request.method(), path) {
            (&Method::GET, Some("state")) => json_answer(StatusCode::OK, &(self.0)()),
            (_, _) => json_answer(StatusCode::NOT_FOUND, &json!({"error": "no such call"})),
        })
    }
}
