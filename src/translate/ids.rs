//! Ids of tool calls, in both directions.
//!
//! What the app plays back must be valid on Bedrock; what Bedrock gives must be valid on OpenAI
//! too, for a later turn of the conversation may go there. Both rewrites are pure functions, and
//! Bedrock keeps no state, so nothing is remembered.

use super::capability::ToolIds;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The most characters of an id that Bedrock takes.
const BEDROCK_MAX: usize = 64;

/// The most characters of an id that OpenAI takes.
const OPENAI_MAX: usize = 40;

/// The fewest characters after the prefix of an id that is drawn at random. Positional ids
/// (`call_0`) are shorter; they would return in a later turn.
const RANDOM_MIN: usize = 12;

/// The id that Bedrock gets for one of the app's.
pub(super) fn incoming<'a>(id: Cow<'a, str>, form: ToolIds) -> Cow<'a, str> {
    match form {
        ToolIds::Nine => Cow::Owned(hex(&[id.as_bytes()], 9)),
        ToolIds::Usual => {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
            if !id.is_empty() && id.len() <= BEDROCK_MAX && id.chars().all(valid) {
                return id;
            }
            let mut safe: String = id.chars().map(|c| if valid(c) { c } else { '_' }).collect();
            if safe.is_empty() || safe.len() > BEDROCK_MAX {
                safe.truncate(55);
                safe.push('_');
                safe.push_str(&hex(&[id.as_bytes()], 8));
            }
            Cow::Owned(safe)
        }
    }
}

/// The id that the app gets for one of Bedrock's: its own if it is random and short, else one that
/// is derived from the answer and the call's number.
pub(super) fn outgoing<'a>(id: &'a str, answer: &str, number: usize) -> Cow<'a, str> {
    let random = ["tooluse_", "toolu_", "call_"]
        .iter()
        .find_map(|prefix| id.strip_prefix(prefix))
        .is_some_and(|rest| rest.len() >= RANDOM_MIN && rest.bytes().all(is_word));
    if random && id.len() <= OPENAI_MAX {
        return Cow::Borrowed(id);
    }
    let number = number.to_string();
    Cow::Owned(format!(
        "call_{}",
        hex(&[answer.as_bytes(), b"/", number.as_bytes()], 24)
    ))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The first `length` hexadecimal digits of the SHA-256 of `parts`.
fn hex(parts: &[&[u8]], length: usize) -> String {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    let mut text = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(id: &str) -> String {
        incoming(Cow::Borrowed(id), ToolIds::Usual).into_owned()
    }

    #[test]
    fn valid_ids_pass() {
        assert_eq!(usual("call_abc:1.x-Y"), "call_abc:1.x-Y");
        assert_eq!(usual(&"a".repeat(64)), "a".repeat(64));
    }

    #[test]
    fn other_ids_become_valid_and_stay_apart() {
        assert_eq!(usual("call:1/x"), "call:1_x");
        let (a, b) = (usual(&"a".repeat(80)), usual(&"a".repeat(81)));
        assert_ne!(a, b);
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_eq!(usual("").len(), 9);
        assert_eq!(usual("né"), "n_");
    }

    #[test]
    fn mistral_gets_nine_letters_and_digits() {
        let id = incoming(Cow::Borrowed("call_abc"), ToolIds::Nine);
        assert_eq!(id.len(), 9);
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(id, incoming(Cow::Borrowed("call_abd"), ToolIds::Nine));
    }

    #[test]
    fn random_ids_of_bedrock_pass_and_others_are_derived() {
        assert_eq!(
            outgoing("tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "x", 0),
            "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q"
        );
        for id in ["call_0", "functions.weather:0", "", &"tooluse_".repeat(9)] {
            let derived = outgoing(id, "chatcmpl-1", 0);
            assert_eq!(derived.len(), 29, "{id}");
            assert_eq!(derived, outgoing(id, "chatcmpl-1", 0));
            assert_ne!(derived, outgoing(id, "chatcmpl-1", 1));
            assert_ne!(derived, outgoing(id, "chatcmpl-2", 0));
        }
    }
}
