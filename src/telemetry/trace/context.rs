//! What a caller says of its trace: `traceparent` and `tracestate`, read.
//!
//! By W3C Trace Context (level 2, "Versioning of traceparent"): lower-case digits only, no zero
//! ids, version `ff` never; of a later version the fields that are known. What cannot be read is no
//! mistake of anybody's: a new trace begins.

use super::{RANDOM, SAMPLED, SpanId, TRACEPARENT, TRACESTATE, TraceId};
use http::header::HeaderMap;
use std::num::{NonZeroU64, NonZeroU128};

/// The caller's span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// Those of the flags that are known.
    pub(super) flags: u8,
}

/// Reads `traceparent`; none if it is missing, is there twice or cannot be read.
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let text = value.as_bytes();
    let version = hex(text.get(..2)?)?;
    let is_dash = |at| text.get(at) == Some(&b'-');
    let ends = match text.get(55) {
        None => true,
        // Later versions may add fields.
        Some(b'-') => version > 0,
        Some(_) => false,
    };
    if version == 0xff || !is_dash(2) || !is_dash(35) || !is_dash(52) || !ends {
        return None;
    }
    let trace = NonZeroU128::new(hex(text.get(3..35)?)?)?;
    let span = u64::try_from(hex(text.get(36..52)?)?).ok()?;
    let flags = u8::try_from(hex(text.get(53..55)?)?).ok()?;
    Some(Parent {
        trace: TraceId(trace),
        span: SpanId(NonZeroU64::new(span)?),
        flags: flags & (SAMPLED | RANDOM),
    })
}

/// `tracestate` as one text; none if there is none, or one that is longer than what has to be
/// carried, or unprintable. The header itself is passed on whatever it says.
pub(super) fn state(headers: &HeaderMap) -> Option<Box<str>> {
    let mut whole = String::new();
    for value in headers.get_all(TRACESTATE) {
        let text = value.to_str().ok()?.trim();
        if whole.len() + text.len() >= STATE_BYTES_MAX {
            return None;
        }
        if !whole.is_empty() && !text.is_empty() {
            whole.push(',');
        }
        whole.push_str(text);
    }
    (!whole.is_empty()).then(|| whole.into_boxed_str())
}

/// Lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// "Vendors SHOULD propagate at least 512 characters of a combined header."
const STATE_BYTES_MAX: usize = 513;
