//! One try: the request, and what its answer means.
//!
//! A webhook gets a CloudEvent 1.0 in structured mode; with a secret, `x-crossfade-signature` is
//! `sha256=` and the HMAC-SHA256 of the body in hex. Slack gets its own form. How it is carried is in
//! `upstream::post`.

use crate::config::notify::{Form, Notify};
use crate::config::secret::Secret;
use crate::journal::Line;
use crate::upstream::body::RequestBody;
use crate::upstream::post;
use crate::upstream::transport::Transport;
use hmac::{Hmac, KeyInit, Mac};
use http::header::HeaderValue;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

/// How long a whole try may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of an answer is read, so that its connection can be used again.
const ANSWER_BYTES: usize = 16 * 1024;

/// Where the signature is.
const SIGNATURE: &str = "x-crossfade-signature";

/// Why a destination was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// What happened, without the URL.
    pub(super) why: String,
    /// Whether the receiver will never take this event.
    pub(super) refused: bool,
}

impl Failed {
    fn for_now(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            refused: false,
        }
    }
}

/// Tells `to` what `line` says.
pub(super) async fn send(transport: &Transport, to: &Notify, line: &Line) -> Result<(), Failed> {
    let request = request(to, line).map_err(Failed::for_now)?;
    let answer = post::send(transport, request, PATIENCE, ANSWER_BYTES).await;
    judge(answer.map_err(Failed::for_now)?.status)
}

/// What a status means. What a person can mend at the receiver (a path, a key) is tried again.
fn judge(status: StatusCode) -> Result<(), Failed> {
    if status.is_success() {
        return Ok(());
    }
    let why = post::refusal(status);
    let refused = matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
    );
    Err(Failed { why, refused })
}

fn request(to: &Notify, line: &Line) -> Result<Request<RequestBody>, String> {
    let uri = post::uri(to.tls, &to.authority, to.target.expose())?;
    let (body, content_type, secret) = match &to.form {
        Form::CloudEvent { secret } => (
            cloud_event(line).to_string(),
            "application/cloudevents+json; charset=utf-8",
            secret.as_ref(),
        ),
        Form::Slack => (
            slack(line).to_string(),
            "application/json; charset=utf-8",
            None,
        ),
    };
    let signature = secret.map(|secret| signature(secret, body.as_bytes()));
    let mut request = post::request(uri, content_type, body)?;
    if let Some(signature) = signature {
        let signature = HeaderValue::try_from(signature?).map_err(|error| error.to_string())?;
        request.headers_mut().insert(SIGNATURE, signature);
    }
    Ok(request)
}

/// `sha256=` and the HMAC-SHA256 of `body` in hex.
fn signature(secret: &Secret, body: &[u8]) -> Result<String, String> {
    let key = secret.expose().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(body);
    let code = mac.finalize().into_bytes();
    Ok(format!("sha256={}", hex::encode(code)))
}

/// The structured form of <https://cloudevents.io>; what says nothing is left out.
fn cloud_event(line: &Line) -> Value {
    json!({
        "specversion": "1.0",
        "id": line.id,
        "source": format!("/crossfade/{}", line.journal),
        "type": format!("dev.crossfade.{}", line.event),
        "subject": format!("attempt/{}", line.attempt),
        "time": line.at,
        "datacontenttype": "application/json",
        "data": line,
    })
}

/// A message for Slack; what its markup would take for its own is escaped.
fn slack(line: &Line) -> Value {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let sentence = escape(&line.sentence);
    let mut text = format!("crossfade, attempt {}: *{sentence}*", line.attempt);
    if let (Some(actor), Some(reason)) = (&line.actor, &line.reason)
        && !line.sentence.contains(reason.as_str())
    {
        text.push_str(&format!("\n{}: {}", escape(actor), escape(reason)));
    }
    json!({ "text": text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // Test case 2 of the RFC.
        let signed = signature(&Secret::new("Jefe"), b"what do ya want for nothing?");
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signed.as_deref(), Ok(expected));
    }

    #[test]
    fn only_a_refusal_of_the_event_itself_is_final() {
        for (status, refused) in [
            (400, true),
            (422, true),
            (301, false),
            (401, false),
            (404, false),
            (429, false),
            (503, false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let failed = judge(status).expect_err("no success");
            assert_eq!(failed.refused, refused, "{status}");
        }
        assert_eq!(judge(StatusCode::ACCEPTED), Ok(()));
    }
}
