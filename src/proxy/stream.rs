//! The body of a streamed Bedrock answer, from the commit point on.
//!
//! Events become chunks as they come; those that are ready together are written together. What
//! breaks now cannot be taken back: the stream ends with an error frame and without `[DONE]`, so
//! that both SDKs raise, and is never finished by another model.

use super::ask::Timed;
use super::books::Books;
use super::caught::{caught, panicked};
use super::gather::{Gather, Pulled};
use crate::drain::{Phase, Watch};
use crate::openai::error::ErrorBody;
use crate::outcome::{Class, Fault, Verdict};
use crate::translate::StreamWriter;
use crate::upstream::Failure;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A stream that has begun.
pub(super) struct AnswerStream<B> {
    events: Timed<B>,
    writer: StreamWriter,
    out: Vec<u8>,
}

impl<B> AnswerStream<B> {
    /// A stream whose first chunks are in `out`.
    pub(super) const fn new(events: Timed<B>, writer: StreamWriter, out: Vec<u8>) -> Self {
        Self {
            events,
            writer,
            out,
        }
    }

    /// Its body. The books are closed with it.
    pub(super) fn into_body(self, books: Box<Books>, drain: Watch) -> StreamBody<B> {
        StreamBody {
            stream: self,
            books,
            drain,
            gather: Gather::new(),
            ended: false,
        }
    }
}

/// The body of a streamed answer.
pub(crate) struct StreamBody<B> {
    /// Dropped before the connection: what cancels a call is booked before anybody notices.
    books: Box<Books>,
    stream: AnswerStream<B>,
    /// Looked at before each event: the connection's task is woken when it changes.
    drain: Watch,
    gather: Gather<Infallible>,
    ended: bool,
}

impl<B> StreamBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    /// What is ready to be written.
    fn pull(
        stream: &mut AnswerStream<B>,
        books: &mut Books,
        drain: &Watch,
        ended: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Pulled<Infallible>> {
        while !*ended && stream.out.len() < ENOUGH_BYTES {
            let step = if drain.phase() == Phase::Cut {
                // A stop is nobody's failure.
                books.settle_bedrock(Verdict::Cancelled);
                Poll::Ready(Err(Failure::new(Class::Truncated, "crossfade is stopping")))
            } else {
                stream.step_or_end(books, cx)
            };
            match step {
                Poll::Ready(Ok(more)) => *ended = !more,
                Poll::Ready(Err(failure)) => {
                    tracing::warn!(request_id = &*books.request_id, why = %failure, "a stream broke");
                    books.settle_bedrock(verdict_after_commit(failure.fault));
                    stream.out.extend_from_slice(&interrupted().sse_frame());
                    *ended = true;
                }
                Poll::Pending if stream.out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if stream.out.is_empty() {
            return Poll::Ready(Pulled::End(Ok(())));
        }
        Poll::Ready(Pulled::Data(Bytes::from(std::mem::take(&mut stream.out))))
    }
}

impl<B> AnswerStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    /// The next step. A panic is Bedrock's failure here too, and what it has half written is not
    /// looked at.
    fn step_or_end(
        &mut self,
        books: &mut Books,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Failure>> {
        let whole = self.out.len();
        caught(|| self.step(books, cx)).unwrap_or_else(|| {
            self.out.truncate(whole);
            books.settle_bedrock(Verdict::Failure(Class::Malformed));
            Poll::Ready(Err(panicked()))
        })
    }

    /// Translates the next event; whether more can come.
    fn step(&mut self, books: &mut Books, cx: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        self.events.poll_message(cx).map(|message| match message? {
            Some(message) => {
                if let Some(event) = message.event()? {
                    self.writer.push(event, &mut self.out)?;
                }
                Ok(true)
            }
            None => {
                self.writer.finish(&mut self.out)?;
                let writer = &self.writer;
                books.ended(writer.usage(), writer.ending(), writer.finish_reason());
                books.settle_bedrock(Verdict::Ok);
                Ok(false)
            }
        })
    }
}

impl<B> Body for StreamBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self {
            stream,
            books,
            drain,
            gather,
            ended,
        } = self.get_mut();
        let next = gather.poll(cx, |cx| Self::pull(stream, books, drain, ended, cx));
        next.map(|next| next.map(|data| data.map(Frame::data)))
    }
}

/// An exception inside a stream that has begun cuts it short; silence and a broken connection keep
/// their own names.
const fn verdict_after_commit(fault: Fault) -> Verdict {
    match fault {
        Fault::Counted(class @ (Class::Stall | Class::Network)) => Verdict::Failure(class),
        Fault::Counted(
            Class::Server
            | Class::Throttle
            | Class::Config
            | Class::Truncated
            | Class::Malformed
            | Class::Incompatible,
        )
        | Fault::Refused
        | Fault::ContextWindow => Verdict::Failure(Class::Truncated),
    }
}

/// The last event of a stream that broke.
pub(crate) fn interrupted() -> ErrorBody {
    ErrorBody::new(
        "The answer was interrupted by the provider.",
        "server_error",
        Some("upstream_stream_interrupted"),
    )
}

/// A write is not made larger by translating more.
const ENOUGH_BYTES: usize = 64 << 10;
