//! Asks Bedrock, up to the commit point.
//!
//! Everything that goes wrong in here is answered by the original instead: nothing has been sent
//! to the app. A stream is handed on with its first content or tool chunk; an answer that is not
//! streamed is read to its end.

use super::books::Books;
use super::decide::Go;
use super::patience::{Patience, half_of_the_apps};
use super::{Shared, stream::AnswerStream};
use crate::outcome::{Class, Verdict};
use crate::snapshot::Snapshot;
use crate::translate::{Fold, Identity, StreamWriter};
use crate::upstream::Failure;
use crate::upstream::frames::{EventMessage, EventStream};
use crate::upstream::pool::AnswerBody;
use bytes::Bytes;
use http::header::HeaderMap;
use hyper::body::Body;
use std::future::poll_fn;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// An answer of Bedrock's that can be given to the app.
pub(super) enum Answer<B> {
    /// A stream that has begun.
    Stream(Box<AnswerStream<B>>),
    /// A whole answer.
    Whole(Bytes),
}

/// Sends the call and waits for the commit point.
///
/// # Errors
///
/// Why Bedrock did not answer; the books know it already.
pub(super) async fn ask(
    shared: &Shared,
    snapshot: &Snapshot,
    go: Go,
    headers: &HeaderMap,
    dispatched: Instant,
    identity: Identity,
    books: &mut Books,
) -> Result<Answer<AnswerBody>, Failure> {
    let mut timeouts = snapshot.config.timeouts;
    if let Some(limit) = go.mapping.first_token {
        timeouts.first_token = limit;
    }
    let half = half_of_the_apps(headers);
    let patience = Patience::new(dispatched, &timeouts, go.shape.stream, half);
    let target = &go.mapping.target.model_id;
    let sent = shared
        .bedrock
        .converse_stream(&snapshot.config.bedrock, target, go.body);
    let events = match tokio::time::timeout_at(patience.first_token_by(), sent).await {
        Ok(Ok(events)) => events,
        Ok(Err(failure)) => {
            if let Some(wait) = failure.retry_after {
                shared.pauses.throttled(target, shared.clock.now(), wait);
            }
            return Err(failure);
        }
        Err(_) => return Err(patience.failure()),
    };
    let events = Timed { events, patience };
    if go.shape.stream {
        begin_stream(events, StreamWriter::new(go.shape, identity), books).await
    } else {
        read_whole(events, Fold::new(go.shape, identity), books)
            .await
            .map(Answer::Whole)
    }
}

/// Reads up to the first content or tool chunk.
pub(super) async fn begin_stream<B>(
    mut events: Timed<B>,
    mut writer: StreamWriter,
    books: &mut Books,
) -> Result<Answer<B>, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    let mut out = Vec::new();
    while let Some(message) = events.next().await? {
        let Some(event) = message.event()? else {
            continue;
        };
        writer.push(event, &mut out)?;
        if writer.committed() {
            events.patience.first_token_came();
            books.first_token();
            return Ok(Answer::Stream(Box::new(AnswerStream::new(
                events, writer, out,
            ))));
        }
    }
    // The model said nothing, and said that it is done: a whole answer, if an empty one.
    writer.finish(&mut out)?;
    books.ended(writer.usage(), writer.ending(), writer.finish_reason());
    books.settle_bedrock(Verdict::Ok);
    Ok(Answer::Whole(Bytes::from(out)))
}

/// Reads an answer that is not streamed.
pub(super) async fn read_whole<B>(
    mut events: Timed<B>,
    mut fold: Fold,
    books: &mut Books,
) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    let mut begun = false;
    while let Some(message) = events.next().await? {
        let Some(event) = message.event()? else {
            continue;
        };
        fold.push(event)?;
        if !begun && !fold.is_empty() {
            begun = true;
            events.patience.first_token_came();
            books.first_token();
        }
        if fold.len() > MAX_ANSWER_BYTES {
            return Err(Failure::new(
                Class::Malformed,
                "the answer is longer than any model's",
            ));
        }
    }
    books.ended(fold.usage(), fold.ending(), fold.finish_reason());
    let body = fold.finish()?;
    books.settle_bedrock(Verdict::Ok);
    Ok(Bytes::from(body))
}

/// The events of an answer, within its limits.
#[derive(Debug)]
pub(super) struct Timed<B> {
    pub(super) events: EventStream<B>,
    pub(super) patience: Patience,
}

impl<B> Timed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    /// The next event; `None` at a clean end.
    pub(super) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<EventMessage>, Failure>> {
        if let Poll::Ready(message) = self.events.poll_message(cx) {
            self.patience.event_came();
            return Poll::Ready(message);
        }
        self.patience.poll_end(cx).map(Err)
    }

    async fn next(&mut self) -> Result<Option<EventMessage>, Failure> {
        poll_fn(|cx| self.poll_message(cx)).await
    }
}

/// Far above the longest answer of any model: 128k tokens are below 1 MiB of text.
const MAX_ANSWER_BYTES: usize = 16 << 20;
