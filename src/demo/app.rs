//! The demo's app: what it asks, and how it judges what it gets.
//!
//! It is as picky as a good client: anything but a complete answer is an error, above all a stream
//! without `[DONE]`. It never retries, so nothing hides a fault of crossfade.

use crate::config::defaults;
use crate::config::secret::Secret;
use crate::openai::request::ChatRequest;
use crate::split::Bucket;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than crossfade waits for Bedrock and then for the original.
const PATIENCE: Duration = Duration::from_secs(60);

/// No answer of the demo comes near.
const LIMIT: usize = 4 * 1024 * 1024;

/// The app's HTTP client.
pub(super) type Http = Client<HttpConnector, Full<Bytes>>;

/// Where the app asks, and with which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The base URL, as an OpenAI SDK takes it: `http://HOST:PORT/v1`, without a slash behind it.
    pub(super) base_url: String,
    /// The key that it brings.
    pub(super) key: Secret,
}

/// The key of an app that was given none: the emulated OpenAI takes any.
pub(super) const KEY: &str = "the-apps-own-key";

/// One call of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    number: u64,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Whether Bedrock gave it.
    pub(super) by_bedrock: bool,
    /// The class of Bedrock's failure, where the original answered instead.
    pub(super) failover: Option<String>,
}

const TOPICS: [&str; 6] = [
    "Which trains go to the coast on Sunday morning",
    "Can I take my bicycle along",
    "How do I change the name on a booking",
    "What does a night in the old town cost in May",
    "Is breakfast included",
    "Where do I collect my tickets",
];

impl Question {
    /// The app's call number `number`.
    pub(super) const fn new(number: u64) -> Self {
        Self { number }
    }

    /// Two of three calls are streamed.
    const fn streamed(self) -> bool {
        !self.number.is_multiple_of(3)
    }

    /// The conversation that the call belongs to; every fifth call goes on with an earlier one.
    const fn conversation(self) -> u64 {
        if self.goes_on() {
            self.number - 3
        } else {
            self.number
        }
    }

    const fn goes_on(self) -> bool {
        self.number % 5 == 4
    }

    fn body(self) -> Vec<u8> {
        let conversation = self.conversation();
        let topic = usize::try_from(conversation).unwrap_or(0) % TOPICS.len();
        let topic = TOPICS.get(topic).copied().unwrap_or_default();
        let mut messages = vec![
            json!({"role": "system", "content": "You answer for a small travel agency."}),
            json!({"role": "user", "content": format!("Customer {conversation}: {topic}?")}),
        ];
        if self.goes_on() {
            messages.push(json!({"role": "assistant", "content": "Yes, that can be arranged."}));
            messages.push(json!({"role": "user", "content": "And for two people?"}));
        }
        let model = if self.number.is_multiple_of(4) {
            "gpt-4o"
        } else {
            "gpt-4o-mini"
        };
        json!({"model": model, "messages": messages, "stream": self.streamed()})
            .to_string()
            .into()
    }

    /// The part of all conversations that this one falls into.
    pub(super) fn bucket(self) -> Option<Bucket> {
        let body = self.body();
        let key = ChatRequest::parse(&body).ok()?.conversation_key()?;
        Some(Bucket::of_key(defaults::SALT, &key))
    }

    /// Asks at `target` and judges the answer; an error says what was wrong with it.
    pub(super) async fn ask(self, http: &Http, target: &Target) -> Result<Answered, String> {
        let request = Request::post(format!("{}/chat/completions", target.base_url))
            .header("authorization", format!("Bearer {}", target.key.expose()))
            .header("content-type", "application/json")
            .body(Full::from(self.body()))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = http
                .request(request)
                .await
                .map_err(|error| with_cause(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LIMIT).collect().await;
            let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
            Ok::<_, String>((head, body.to_bytes()))
        };
        let exchange = tokio::time::timeout(PATIENCE, exchange).await;
        let (head, body) = exchange.map_err(|_| "no complete answer within a minute")??;
        if head.status != http::StatusCode::OK {
            return Err(format!("status {}", head.status));
        }
        if self.streamed() {
            judge_stream(&body)
        } else {
            judge_whole(&body)
        }?;
        let header = |name: &str| head.headers.get(name)?.to_str().ok();
        let by_bedrock = match header("x-crossfade-arm") {
            Some("bedrock") => true,
            Some("original") => false,
            Some(_) | None => return Err("no x-crossfade-arm in the answer".to_owned()),
        };
        let failover = header("x-crossfade-failover").map(str::to_owned);
        Ok(Answered {
            by_bedrock,
            failover,
        })
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_cause(source)),
        None => error.to_string(),
    }
}

/// Every event is a chunk, one of them ends the choice, `[DONE]` is last.
fn judge_stream(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|_| "the stream is no UTF-8")?;
    let events: Vec<&str> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .collect();
    let Some((&"data: [DONE]", chunks)) = events.split_last() else {
        return Err(match events.last() {
            Some(last) if last.contains("\"error\"") => format!("an error frame: {last}"),
            Some(_) | None => "the stream ended without [DONE]".to_owned(),
        });
    };
    let (mut said, mut ended) = (String::new(), false);
    for event in chunks {
        let json = event
            .strip_prefix("data: ")
            .ok_or("a line that is no event")?;
        let chunk: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if let Some(error) = chunk.get("error") {
            return Err(format!("an error frame: {error}"));
        }
        let content = chunk
            .pointer("/choices/0/delta/content")
            .and_then(Value::as_str);
        said.push_str(content.unwrap_or_default());
        ended |= chunk
            .pointer("/choices/0/finish_reason")
            .is_some_and(Value::is_string);
    }
    match (said.is_empty(), ended) {
        (_, false) => Err("the stream has no finish reason".to_owned()),
        (true, true) => Err("the answer is empty".to_owned()),
        (false, true) => Ok(()),
    }
}

fn judge_whole(body: &[u8]) -> Result<(), String> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let content = answer
        .pointer("/choices/0/message/content")
        .and_then(Value::as_str);
    let ended = answer
        .pointer("/choices/0/finish_reason")
        .is_some_and(Value::is_string);
    if ended && content.is_some_and(|content| !content.is_empty()) {
        Ok(())
    } else {
        Err("the answer is incomplete".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Question, judge_stream, judge_whole};

    const CHUNK: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn only_a_complete_stream_passes() {
        let judge = |parts: &[&str]| judge_stream(parts.concat().as_bytes());
        assert_eq!(judge(&[CHUNK, END, DONE]), Ok(()));
        let error = "data: {\"error\":{\"message\":\"x\"}}\n\n";
        for (parts, why) in [
            (&[CHUNK, END][..], "without [DONE]"),
            (&[CHUNK, DONE], "finish reason"),
            (&[END, DONE], "empty"),
            (&[CHUNK, error], "error frame"),
            (&[CHUNK, error, END, DONE], "error frame"),
            (&[], "without [DONE]"),
        ] {
            let seen = judge(parts).expect_err(why);
            assert!(seen.contains(why), "{seen}");
        }
    }

    #[test]
    fn only_a_complete_object_passes() {
        let whole = br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
        assert_eq!(judge_whole(whole), Ok(()));
        let cut = br#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#;
        assert!(judge_whole(cut).is_err());
    }

    #[test]
    fn a_follow_up_repeats_how_its_conversation_began() {
        let first = String::from_utf8(Question::new(6).body()).unwrap();
        let later = String::from_utf8(Question::new(9).body()).unwrap();
        assert!(first.contains("Customer 6:") && later.contains("Customer 6:"));
        assert!(!first.contains("two people") && later.contains("two people"));
    }
}
