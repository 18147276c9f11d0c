//! Request bodies as they go to a provider: streamed, held, or a held beginning with a streamed
//! rest. Trailers are dropped: no provider defines one, and they are a way to smuggle headers.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A request body.
pub(crate) enum RequestBody {
    /// Held whole; empty once sent.
    Held(Bytes),
    /// Passed through as it comes.
    Streamed(Incoming),
    /// What was read before the limit was reached, then the rest as it comes.
    Resumed(Box<Resumed>),
    /// Passed through as it comes, with a bounded copy put aside.
    Sampled {
        /// The body.
        body: Incoming,
        /// Where the copy goes.
        sample: Box<Sample>,
    },
}

/// A body whose beginning was read.
pub(crate) struct Resumed {
    /// Read already; empty once sent.
    pub(crate) read: Bytes,
    /// The rest.
    pub(crate) rest: Incoming,
}

/// The app's own body broke off: it left, or sent what is no body. No provider is to blame.
#[derive(Debug)]
pub(crate) struct BrokenByCaller(hyper::Error);

impl fmt::Display for BrokenByCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the caller's body broke off: {}", self.0)
    }
}

impl std::error::Error for BrokenByCaller {}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenByCaller;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenByCaller>>> {
        match self.get_mut() {
            Self::Held(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Held(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(body) => poll_data(body, cx),
            Self::Resumed(it) if it.read.is_empty() => poll_data(&mut it.rest, cx),
            Self::Resumed(it) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut it.read))))),
            Self::Sampled { body, sample } => {
                let frame = ready!(poll_data(body, cx));
                match &frame {
                    Some(Ok(frame)) => sample.extend(frame.data_ref()),
                    Some(Err(_)) => sample.spoil(),
                    None => sample.hand_over(),
                }
                if body.is_end_stream() {
                    sample.hand_over();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Held(bytes) => bytes.is_empty(),
            Self::Resumed(it) => it.read.is_empty() && it.rest.is_end_stream(),
            Self::Streamed(body) | Self::Sampled { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Held(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body) | Self::Sampled { body, .. } => body.size_hint(),
            Self::Resumed(it) => {
                let (read, rest) = (it.read.len() as u64, it.rest.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(read));
                }
                hint
            }
        }
    }
}

/// The next data frame; trailers end the body.
fn poll_data(
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BrokenByCaller>>> {
    match ready!(Pin::new(body).poll_frame(cx)) {
        Some(Ok(frame)) if frame.is_data() => Poll::Ready(Some(Ok(frame))),
        Some(Ok(_)) | None => Poll::Ready(None),
        Some(Err(error)) => Poll::Ready(Some(Err(BrokenByCaller(error)))),
    }
}

/// A bounded copy of a body that is streamed; handed over once, when the body has ended.
pub(crate) struct Sample {
    copy: Vec<u8>,
    limit: usize,
    done: Option<TakeCopy>,
}

/// What takes the copy; none of a body that has none.
type TakeCopy = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

impl Sample {
    /// A copy of at most `limit` bytes; of a longer or broken body it is only told that there is
    /// none.
    pub(crate) fn new(limit: usize, done: impl FnOnce(Option<Vec<u8>>) + Send + 'static) -> Self {
        Self {
            copy: Vec::new(),
            limit,
            done: Some(Box::new(done)),
        }
    }

    fn extend(&mut self, data: Option<&Bytes>) {
        let Some(data) = data.filter(|_| self.done.is_some()) else {
            return;
        };
        if self.copy.len() + data.len() > self.limit {
            self.spoil();
        } else {
            self.copy.extend_from_slice(data);
        }
    }

    fn spoil(&mut self) {
        self.copy = Vec::new();
        if let Some(done) = self.done.take() {
            done(None);
        }
    }

    fn hand_over(&mut self) {
        if let Some(done) = self.done.take() {
            done(Some(std::mem::take(&mut self.copy)));
        }
    }
}

impl Drop for Sample {
    /// A body that was left unread has no copy either.
    fn drop(&mut self) {
        self.spoil();
    }
}
