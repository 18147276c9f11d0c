//! The control calls of an emulator, over HTTP.
//!
//! | call | does |
//! |---|---|
//! | `POST /__emulator/behaviour` | adds a rule, or a list of them, behind the others |
//! | `PUT /__emulator/behaviour` | replaces all rules |
//! | `GET`, `DELETE /__emulator/behaviour` | lists, clears the rules |
//! | `GET /__emulator/state` | how it is: `{"requests", "behaviour"}`, a number and the rules |
//! | `GET /__emulator/requests?since=N` | what was received: `{"count", "requests"}` |
//! | `DELETE /__emulator/requests` | forgets it |
//! | `POST /__emulator/release` | lets every answer that is held go on |
//! | `POST /__emulator/settings` | [`Settings`](super::Settings); keys that are left out keep their value |
//! | `POST /__emulator/listening` | `{"listening": false}` refuses connections, `true` ends that |
//!
//! They work on the provider's own port and on a second one
//! ([`Emulator::control_url`](super::Emulator::control_url)) that stays open when the first refuses.

use super::behaviour::Rule;
use super::script::Script;
use super::server::{Dropped, Exchange};
use super::{Core, Provider, json_answer, lock};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where the control calls are.
pub(super) const PATH: &str = "/__emulator/";

impl<P: Provider> Core<P> {
    /// Answers a control call.
    pub(super) async fn control(
        &self,
        exchange: &mut Exchange,
    ) -> Result<Response<Script>, Dropped> {
        let body = exchange.body().await?;
        let method = exchange.request.method();
        let uri = exchange.request.uri();
        let path = uri.path().strip_prefix(PATH).unwrap_or_default();
        let answer = match (method, path) {
            (&Method::POST, "behaviour") => self.add_rules(&body, false),
            (&Method::PUT, "behaviour") => self.add_rules(&body, true),
            (&Method::GET, "behaviour") => Ok(json!(lock(&self.rules).list())),
            (&Method::DELETE, "behaviour") => {
                lock(&self.rules).clear();
                Ok(json!([]))
            }
            (&Method::GET, "state") => Ok(self.state()),
            (&Method::GET, "requests") => {
                let since = uri.query().and_then(|query| query.strip_prefix("since="));
                let since = since.and_then(|since| since.parse().ok()).unwrap_or(0);
                Ok(json!({"count": self.log.count(), "requests": self.log.since(since)}))
            }
            (&Method::DELETE, "requests") => {
                self.log.clear();
                Ok(json!({"count": 0}))
            }
            (&Method::POST, "release") => {
                self.release.send_replace(());
                Ok(json!({}))
            }
            (&Method::POST, "settings") => self.change_settings(&body),
            (&Method::POST, "listening") => self.change_listening(&body).await,
            (_, _) => {
                return Ok(json_answer(
                    StatusCode::NOT_FOUND,
                    &json!({"error": "no such call"}),
                ));
            }
        };
        Ok(match answer {
            Ok(json) => json_answer(StatusCode::OK, &json),
            Err(error) => json_answer(StatusCode::BAD_REQUEST, &json!({"error": error})),
        })
    }

    /// How many requests came, and what is played.
    pub(super) fn state(&self) -> Value {
        json!({"requests": self.log.count(), "behaviour": lock(&self.rules).list()})
    }

    fn add_rules(&self, body: &Bytes, replace: bool) -> Result<Value, String> {
        let json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let added = Rule::list_from_json(json)?;
        let mut rules = lock(&self.rules);
        if replace {
            rules.clear();
        }
        added.into_iter().for_each(|rule| rules.add(rule));
        Ok(json!(rules.list()))
    }

    fn change_settings(&self, body: &Bytes) -> Result<Value, String> {
        let change: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut settings = lock(&self.settings);
        let mut merged = json!(*settings);
        if let (Some(merged), Some(change)) = (merged.as_object_mut(), change.as_object()) {
            merged.extend(change.clone());
        }
        *settings = serde_json::from_value(merged).map_err(|error| error.to_string())?;
        Ok(json!(*settings))
    }

    async fn change_listening(&self, body: &Bytes) -> Result<Value, String> {
        #[derive(Deserialize)]
        struct Change {
            listening: bool,
        }
        let Change { listening } =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let data = self.data.get().ok_or("not started yet")?;
        data.listen(listening)
            .await
            .map_err(|error| error.to_string())?;
        Ok(json!({"listening": listening}))
    }
}
