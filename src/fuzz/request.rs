//! Any bytes as a chat request: a body that Bedrock takes, or a reason.

use crate::demo::emulator;
use crate::openai::ChatRequest;
use crate::translate::{Allowance, Reason, Target, eligible, is_sound};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::LazyLock;

/// Models whose rules differ, each with the careful rules and with all that an operator can allow.
static TARGETS: LazyLock<Vec<Target>> = LazyLock::new(|| {
    let ids = [
        "amazon.nova-lite-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-opus-4-7",
        "us.meta.llama3-3-70b-instruct-v1:0",
        "openai.gpt-oss-120b-1:0",
        "somebody.something-v1:0",
    ];
    let careful = ids.iter().filter_map(|id| Target::new(id, None).ok());
    let targets: Vec<Target> = careful
        .flat_map(|target| {
            let mut generous = target.clone();
            generous.allow = Allowance::ALL.iter().copied().collect();
            [target, generous]
        })
        .collect();
    assert_eq!(targets.len(), 2 * ids.len(), "every id names a model");
    targets
});

/// Checks `data` as the body of a chat request.
pub fn check(data: &[u8]) {
    let Ok(request) = ChatRequest::parse(data) else {
        return;
    };
    assert!(str::from_utf8(data).is_ok(), "JSON is UTF-8");
    let copy = data.to_vec();
    let again = ChatRequest::parse(&copy);
    assert!(again.is_ok(), "equal bytes are read alike");
    let Ok(again) = again else { return };
    assert_eq!(request.conversation_key(), again.conversation_key());
    for target in &*TARGETS {
        let body = body_for(&request, target);
        assert_eq!(
            body,
            body_for(&again, target),
            "equal requests, equal bytes"
        );
        if let Ok(body) = body {
            check_body(target, &body);
        }
    }
}

fn body_for(request: &ChatRequest<'_>, target: &Target) -> Result<Vec<u8>, Reason> {
    eligible(request, target).map(|call| call.converse_body())
}

/// The body is JSON that every reader reads alike, and a request that the service takes.
fn check_body(target: &Target, body: &[u8]) {
    let sound = serde_json::from_slice::<&RawValue>(body).is_ok_and(is_sound);
    assert!(sound, "{}", String::from_utf8_lossy(body));
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let refusal = emulator::refusal(&target.model_id, &body);
    assert_eq!(refusal, None, "{}: {body}", target.model_id);
}
