//! Reads an event-stream body as Converse events.
//!
//! Frames are cut from the bytes as they come, in any split. The length in a frame's prelude is
//! believed only after the prelude's own checksum was verified and the length is within
//! [`MAX_FRAME_BYTES`]: the decoder of `aws-smithy-eventstream` checks it when the whole frame is
//! there, so that one flipped bit would turn into a hang or into gigabytes of buffer. The frame
//! itself, headers and both checksums, is that crate's to parse.

use super::{Failure, with_causes};
use crate::converse::{Event, ServiceError};
use crate::outcome::Class;
use crate::upstream::bedrock::failure_of;
use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Bytes, BytesMut};
use hyper::body::Body;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The events of one answer.
#[derive(Debug)]
pub(crate) struct EventStream<B> {
    body: B,
    buffer: BytesMut,
    ended: bool,
}

impl<B> EventStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    /// The events in `body`.
    pub(crate) fn new(body: B) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            ended: false,
        }
    }

    /// The next event; `None` at a clean end of the body. After an error there is nothing more.
    ///
    /// # Errors
    ///
    /// An exception that the service put into the stream, a broken connection or a damaged frame.
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<EventMessage>, Failure>> {
        loop {
            if let Some(frame) = next_frame(&mut self.buffer)? {
                return Poll::Ready(read_frame(&frame).map(Some));
            }
            if self.ended {
                return Poll::Ready(self.at_end());
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.append(data);
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    let detail = format!("the answer broke off: {}", with_causes(&error));
                    return Poll::Ready(Err(Failure::new(Class::Network, detail)));
                }
                None => self.ended = true,
            }
        }
    }

    /// Takes the bytes over as they are where nothing is left over from before.
    fn append(&mut self, data: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::from(data);
        } else {
            self.buffer.extend_from_slice(&data);
        }
    }

    fn at_end(&mut self) -> Result<Option<EventMessage>, Failure> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.buffer.clear();
        Err(cut_short())
    }
}

/// Cuts the next whole frame off the buffer; `None` when more bytes are needed.
fn next_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
    let Some(prelude) = buffer.first_chunk::<PRELUDE_BYTES>() else {
        return Ok(None);
    };
    let [t0, t1, t2, t3, h0, h1, h2, h3, c0, c1, c2, c3] = *prelude;
    let total = u32::from_be_bytes([t0, t1, t2, t3]) as usize;
    let headers = u32::from_be_bytes([h0, h1, h2, h3]) as usize;
    let stated = u32::from_be_bytes([c0, c1, c2, c3]);
    if crc32fast::hash(&[t0, t1, t2, t3, h0, h1, h2, h3]) != stated {
        buffer.clear();
        return Err(damaged("the checksum of a frame's prelude is wrong"));
    }
    if !(FRAME_OVERHEAD_BYTES..=MAX_FRAME_BYTES).contains(&total)
        || headers > total - FRAME_OVERHEAD_BYTES
    {
        buffer.clear();
        return Err(damaged("a frame states an impossible length"));
    }
    if buffer.len() < total {
        buffer.reserve(total - buffer.len());
        return Ok(None);
    }
    Ok(Some(buffer.split_to(total).freeze()))
}

/// The frames of an answer that was recorded whole, each with the byte where it begins. After an
/// error there is nothing more.
#[derive(Debug)]
pub(crate) struct Recorded {
    buffer: BytesMut,
    total: usize,
}

impl Recorded {
    /// The frames in `bytes`.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            buffer: BytesMut::from(bytes),
            total: bytes.len(),
        }
    }
}

impl Iterator for Recorded {
    type Item = (usize, Result<EventMessage, Failure>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.buffer.is_empty() {
            return None;
        }
        let at = self.total - self.buffer.len();
        let message = match next_frame(&mut self.buffer) {
            Ok(Some(frame)) => read_frame(&frame),
            Ok(None) => Err(cut_short()),
            Err(failure) => Err(failure),
        };
        if message.is_err() {
            self.buffer.clear();
        }
        Some((at, message))
    }
}

/// One event as it came; [`event`](Self::event) reads it without a copy.
#[derive(Debug)]
pub(crate) struct EventMessage(Message);

impl EventMessage {
    /// What it says; `None` for an event that this version does not know.
    ///
    /// # Errors
    ///
    /// A known event with a payload that it cannot have.
    pub(crate) fn event(&self) -> Result<Option<Event<'_>>, Failure> {
        let (name, payload) = self.parts();
        Ok(Event::parse(name, payload)?)
    }

    /// Its type and its payload.
    pub(crate) fn parts(&self) -> (&str, &[u8]) {
        let name = header(&self.0, ":event-type").unwrap_or_default();
        (name, self.0.payload())
    }
}

/// Reads one whole frame.
fn read_frame(frame: &Bytes) -> Result<EventMessage, Failure> {
    let message = read_message_from(&mut frame.as_ref())
        .map_err(|error| damaged(&format!("a frame cannot be read: {error}")))?;
    match header(&message, ":message-type") {
        Some("event") => Ok(EventMessage(message)),
        Some("exception") => {
            let name = header(&message, ":exception-type").unwrap_or_default();
            Err(failure_of(&ServiceError::from_exception(
                name,
                message.payload(),
            )))
        }
        Some("error") => {
            let code = header(&message, ":error-code").unwrap_or_default();
            Err(Failure::new(
                Class::Server,
                format!("the stream reported error {code:.64}"),
            ))
        }
        Some(_) | None => Err(damaged("a frame has no known message type")),
    }
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    let found = message
        .headers()
        .iter()
        .find(|header| header.name().as_str() == name)?;
    found.value().as_string().ok().map(|text| text.as_str())
}

fn cut_short() -> Failure {
    Failure::new(Class::Truncated, "the answer ended inside a frame")
}

fn damaged(detail: &str) -> Failure {
    Failure::new(Class::Network, detail)
}

/// Total length, headers' length, and the checksum of both: four bytes each.
const PRELUDE_BYTES: usize = 12;

/// A frame without headers and payload: its prelude and its own checksum.
const FRAME_OVERHEAD_BYTES: usize = PRELUDE_BYTES + 4;

/// Far above any event of a text model; the service itself limits a frame to 24 MiB.
const MAX_FRAME_BYTES: usize = 24 << 20;

#[cfg(test)]
mod tests;
