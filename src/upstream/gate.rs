//! Asks a webhook gate whether the share may be raised.
//!
//! One POST with what the rollout knows, and only the status of the answer counts: 2xx is a yes,
//! 403 a no, and everything else, no answer in time included, says nothing. A redirection is not
//! followed: it would carry the question to a place that nobody configured. No call of the app
//! waits for any of this.

use super::body::RequestBody;
use super::transport::Transport;
use super::{post, with_causes};
use crate::config::Webhook;
use crate::rollout::{GateAnswer, Question};
use http::{Request, StatusCode};

/// Puts `question` to the gate.
pub(crate) async fn ask(
    transport: &Transport,
    webhook: &Webhook,
    question: &Question,
) -> GateAnswer {
    let unknown = |problem: String| GateAnswer::Unknown { problem };
    let request = match request(webhook, question) {
        Ok(request) => request,
        Err(problem) => return unknown(problem),
    };
    let answer = tokio::time::timeout(webhook.timeout, transport.send(request)).await;
    match answer {
        Err(_) => unknown(format!("no answer within {:?}", webhook.timeout)),
        Ok(Err(error)) => unknown(with_causes(&error)),
        Ok(Ok(answer)) => match answer.status() {
            status if status.is_success() => GateAnswer::Yes,
            StatusCode::FORBIDDEN => GateAnswer::No,
            status => unknown(format!("it answers {status}")),
        },
    }
}

fn request(webhook: &Webhook, question: &Question) -> Result<Request<RequestBody>, String> {
    let body = serde_json::to_vec(question).map_err(|error| error.to_string())?;
    post::request(webhook.url.clone(), "application/json", body)
}
