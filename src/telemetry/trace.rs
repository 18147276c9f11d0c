//! The trace of one call: who started it, what it is called, and what is handed on.
//!
//! Only where `traces` is on, and only of a call that is sampled, there is a [`Trace`]: the caller's
//! decision is followed, and a call without one is decided by its new trace id. A call that is not
//! sampled goes as it came. A sampled one tells the original the span that asks it; what it came
//! to goes, when its books are closed, as one [`Record`] into a bounded [`queue`], from which
//! somebody else makes spans and sends them. So a call pays for a few numbers and one allocation,
//! and never waits.
//!
//! The headers are those of W3C Trace Context, <https://www.w3.org/TR/trace-context-2/>.

use crate::config::traces::Sample;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

mod context;
pub mod queue;
pub mod record;

pub use queue::Tracer;
pub use record::Record;

/// A trace's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// In the order of the wire.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A span's name within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// In the order of the wire.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// From a fresh uniform number.
    fn drawn(draw: &mut impl FnMut() -> u64) -> Self {
        Self(NonZeroU64::new(draw()).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Display for SpanId {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A sampled call's place in its trace. Its spans have their names from the start: the one that
/// asks the original is told to it.
#[derive(Debug)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The caller's span; none: the trace begins here.
    pub parent: Option<SpanId>,
    /// What else the caller says of the trace, short enough to be repeated.
    pub state: Option<Box<str>>,
    /// The trace flags of the W3C.
    pub flags: u8,
    /// The span of the whole call.
    pub call: SpanId,
    /// The span of Bedrock's part.
    pub bedrock: SpanId,
    /// The span of the original's part.
    pub original: SpanId,
    /// When it began, in nanoseconds since 1970.
    pub began_unix_ns: u64,
    /// The request's path; it names no more than the deployment.
    pub path: Box<str>,
}

impl Trace {
    /// The trace of a call with these headers; none if it is not sampled. `draw` gives fresh
    /// uniform numbers.
    pub fn begin(
        sample: Sample,
        headers: &HeaderMap,
        path: &str,
        began_unix_ns: u64,
        mut draw: impl FnMut() -> u64,
    ) -> Option<Self> {
        let (id, parent, state, flags) = match context::parent(headers) {
            Some(caller) if caller.flags & SAMPLED == 0 => return None,
            Some(caller) => {
                let state = context::state(headers);
                (caller.trace, Some(caller.span), state, caller.flags)
            }
            None => {
                let bits = u128::from(draw()) << 64 | u128::from(draw());
                if !sample.keeps(bits) {
                    return None;
                }
                let id = NonZeroU128::new(bits).unwrap_or(NonZeroU128::MIN);
                (TraceId(id), None, None, SAMPLED | RANDOM)
            }
        };
        Some(Self {
            id,
            parent,
            state,
            flags,
            call: SpanId::drawn(&mut draw),
            bedrock: SpanId::drawn(&mut draw),
            original: SpanId::drawn(&mut draw),
            began_unix_ns,
            path: path
                .get(..path.floor_char_boundary(PATH_BYTES_MAX))
                .unwrap_or_default()
                .into(),
        })
    }

    /// Tells the original which span asks it. The caller's `tracestate` goes on as it is, unless
    /// the trace begins here: then it is of none.
    pub fn hand_on(&self, headers: &mut HeaderMap) {
        let text = format!("00-{}-{}-{:02x}", self.id, self.original, self.flags);
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(TRACEPARENT, value);
        }
        if self.parent.is_none() {
            headers.remove(TRACESTATE);
        }
    }
}

/// The trace is recorded.
const SAMPLED: u8 = 1;

/// At least the last seven bytes of the trace's id are random.
const RANDOM: u8 = 2;

/// Names the trace and the caller's span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What tracing systems say of the trace besides.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Room for the longest chat path; only a deployment's name varies.
const PATH_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests;
