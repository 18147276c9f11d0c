//! The body of an answer of the original's: its bytes untouched, its end noticed.
//!
//! The frames of a stream that are ready together are written together; every other body is passed
//! on frame by frame. A body that breaks off breaks off for the app too: hyper then ends the
//! connection without the last chunk, and nobody takes half an answer for a whole one.

use super::books::Books;
use super::gather::{Gather, Pulled};
use super::stream::interrupted;
use crate::drain::{Phase, Watch};
use crate::outcome::{Class, Verdict};
use crate::upstream::pool::AnswerBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// An answer's body and what is noticed of it.
pub(crate) struct ForwardBody {
    body: AnswerBody,
    /// Of a chat call only.
    books: Option<Box<Books>>,
    /// What the end of the body means for the books.
    verdict: Verdict,
    /// Of a stream of events only.
    events: Option<Box<Events>>,
}

/// What a stream of events has beside other bodies.
struct Events {
    gather: Gather<hyper::Error>,
    /// Looked at whenever nothing is ready: the connection's task is woken when it changes.
    drain: Watch,
    is_cut: bool,
}

impl ForwardBody {
    /// A body whose call is of no account.
    pub(super) const fn plain(body: AnswerBody) -> Self {
        Self {
            body,
            books: None,
            verdict: Verdict::Ok,
            events: None,
        }
    }

    /// The body of a chat call that ends with `verdict` if it ends well.
    pub(super) fn of_call(body: AnswerBody, books: Box<Books>, verdict: Verdict) -> Self {
        let mut this = Self {
            body,
            books: Some(books),
            verdict,
            events: None,
        };
        if this.body.is_end_stream() {
            this.settle(verdict);
        }
        this
    }

    /// The body is a stream of events.
    pub(super) fn streamed(mut self, drain: Watch) -> Self {
        self.events = Some(Box::new(Events {
            gather: Gather::new(),
            drain,
            is_cut: false,
        }));
        self
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(books) = &mut self.books {
            books.settle_original(verdict);
        }
    }

    /// The next bytes as the original sent them; trailers are dropped.
    fn pull(&mut self, cx: &mut Context<'_>) -> Poll<Pulled<hyper::Error>> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if let Some(books) = &mut self.books {
                        books.original_body_came();
                    }
                    if self.body.is_end_stream() {
                        self.settle(self.verdict);
                    }
                    Poll::Ready(Pulled::Data(data))
                }
                Err(_trailers) => {
                    self.settle(self.verdict);
                    Poll::Ready(Pulled::End(Ok(())))
                }
            },
            Some(Err(error)) => {
                self.settle(Verdict::Failure(Class::Truncated));
                Poll::Ready(Pulled::End(Err(error)))
            }
            None => {
                self.settle(self.verdict);
                Poll::Ready(Pulled::End(Ok(())))
            }
        }
    }
}

impl Events {
    /// The bytes of a stream, gathered; or its end, when the process stops.
    fn poll(
        &mut self,
        body: &mut ForwardBody,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        if self.is_cut {
            return Poll::Ready(None);
        }
        if let Poll::Ready(data) = self.gather.poll(cx, |cx| body.pull(cx)) {
            return Poll::Ready(data);
        }
        if self.drain.phase() != Phase::Cut {
            return Poll::Pending;
        }
        self.is_cut = true;
        // The original may have been inside an event: an empty line ends it.
        let mut frame = b"\n\n".to_vec();
        frame.extend_from_slice(&interrupted().sse_frame());
        Poll::Ready(Some(Ok(Bytes::from(frame))))
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let next = match this.events.take() {
            Some(mut events) => {
                let next = events.poll(this, cx);
                this.events = Some(events);
                ready!(next)
            }
            None => match ready!(this.pull(cx)) {
                Pulled::Data(data) => Some(Ok(data)),
                Pulled::End(Ok(())) => None,
                Pulled::End(Err(error)) => Some(Err(error)),
            },
        };
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.events.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
