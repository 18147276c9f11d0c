//! The body of an emulated answer: a list of steps, played when hyper asks for more.
//!
//! Everything that can go wrong in the middle of an answer is a step: silence, a wait for a test's
//! signal, an end without the terminating chunk. No task stands behind a body, so that a caller
//! who leaves ends it at once.

use super::log::Ticket;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// One thing that a body does.
pub(super) enum Step {
    /// Sends bytes.
    Data(Bytes),
    /// Sends nothing until the future ends.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Sends what the request brings, as it comes.
    Echo(Incoming),
    /// Closes the connection without the terminating chunk.
    Abort,
}

impl Step {
    /// Sends nothing for a while.
    pub(super) fn pause(duration: Duration) -> Self {
        // Asleep from its first poll on, not from now.
        Self::Wait(Box::pin(async move { tokio::time::sleep(duration).await }))
    }

    /// Sends nothing any more; the connection stays open.
    pub(super) fn forever() -> Self {
        Self::Wait(Box::pin(std::future::pending()))
    }
}

/// A body.
pub(super) struct Script {
    steps: VecDeque<Step>,
    length: Option<u64>,
    ticket: Option<Ticket>,
    flushed: bool,
}

impl Script {
    /// A body of known length.
    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            length: u64::try_from(bytes.len()).ok(),
            steps: (!bytes.is_empty())
                .then_some(Step::Data(bytes))
                .into_iter()
                .collect(),
            ticket: None,
            flushed: false,
        }
    }

    /// A body that is sent in chunks.
    pub(super) fn chunked(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self {
            steps,
            length: None,
            ticket: None,
            flushed: false,
        }
    }

    /// Notes the end of the exchange on `ticket`.
    #[must_use]
    pub(super) fn noted(mut self, mut ticket: Ticket) -> Self {
        if self.steps.is_empty() {
            ticket.complete();
        }
        self.ticket = Some(ticket);
        self
    }

    fn next_step(&mut self) {
        self.steps.pop_front();
        if self.steps.is_empty()
            && let Some(ticket) = self.ticket.as_mut()
        {
            ticket.complete();
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        loop {
            match this.steps.front_mut() {
                None => return Poll::Ready(None),
                Some(Step::Data(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    this.next_step();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Wait(until)) => {
                    ready!(until.as_mut().poll(context));
                    this.next_step();
                }
                Some(Step::Echo(incoming)) => {
                    match ready!(Pin::new(incoming).poll_frame(context)) {
                        Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                        Some(Err(_)) => return Poll::Ready(Some(Err(Cut))),
                        None => this.next_step(),
                    }
                }
                Some(Step::Abort) if this.flushed => {
                    if let Some(ticket) = this.ticket.as_mut() {
                        ticket.cut();
                    }
                    return Poll::Ready(Some(Err(Cut)));
                }
                // hyper drops what it has buffered when a body fails, but writes it out when a
                // body has nothing ready.
                Some(Step::Abort) => {
                    this.flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The answer ends here, on purpose.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("cut by the emulator")
    }
}

impl std::error::Error for Cut {}
