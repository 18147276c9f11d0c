//! Reads an event-stream body as Converse events.
//!
//! Frames are cut from the bytes as they come, in any split. The length in a frame's prelude is
//! believed only after the prelude's own checksum was verified and the length is within
//! [`MAX_FRAME_BYTES`]: the decoder of `aws-smithy-eventstream` checks it when the whole frame is
//! there, so that one flipped bit would turn into a hang or into gigabytes of buffer. That decoder
//! also copies every header and the payload, which was a quarter of what a stream cost; here they
//! are looked at where they are. A property test holds this reading against the crate's.

use super::{Failure, with_causes};
use crate::converse::{Event, ServiceError};
use crate::outcome::Class;
use crate::upstream::bedrock::failure_of;
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
pub(crate) struct EventMessage {
    event_type: Bytes,
    payload: Bytes,
}

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
        let name = std::str::from_utf8(&self.event_type).unwrap_or_default();
        (name, &self.payload)
    }
}

/// Reads one whole frame, whose prelude is sound.
fn read_frame(frame: &Bytes) -> Result<EventMessage, Failure> {
    let (headers, payload) = parts(frame)?;
    let mut message_type = None;
    // Which of the names that may say what it is comes with it depends on the type.
    let (mut event_type, mut exception_type, mut error_code) = ("", "", "");
    let mut rest = headers;
    while !rest.is_empty() {
        let (header, after) =
            next_header(rest).ok_or_else(|| damaged("a frame's headers cannot be read"))?;
        rest = after;
        match (header.name, header.text) {
            (b":message-type", text) => message_type = text,
            (b":event-type", Some(text)) => event_type = text,
            (b":exception-type", Some(text)) => exception_type = text,
            (b":error-code", Some(text)) => error_code = text,
            (_, Some(_) | None) => {}
        }
    }
    match message_type {
        Some("event") => Ok(EventMessage {
            event_type: frame.slice_ref(event_type.as_bytes()),
            payload: frame.slice_ref(payload),
        }),
        Some("exception") => {
            let error = ServiceError::from_exception(exception_type, payload);
            Err(failure_of(&error))
        }
        Some("error") => Err(Failure::new(
            Class::Server,
            format!("the stream reported error {error_code:.64}"),
        )),
        Some(_) | None => Err(damaged("a frame has no known message type")),
    }
}

/// The headers and the payload of a frame, if its checksum is right.
fn parts(frame: &[u8]) -> Result<(&[u8], &[u8]), Failure> {
    let cut = || damaged("a frame states an impossible length");
    let (content, stated) = frame.split_last_chunk().ok_or_else(cut)?;
    if crc32fast::hash(content) != u32::from_be_bytes(*stated) {
        return Err(damaged("the checksum of a frame is wrong"));
    }
    let (prelude, content) = content
        .split_first_chunk::<PRELUDE_BYTES>()
        .ok_or_else(cut)?;
    let [_, _, _, _, h0, h1, h2, h3, ..] = *prelude;
    let headers = u32::from_be_bytes([h0, h1, h2, h3]) as usize;
    content.split_at_checked(headers).ok_or_else(cut)
}

/// A header of a frame.
struct Header<'f> {
    name: &'f [u8],
    /// Its value, if that is a string.
    text: Option<&'f str>,
}

/// The first header and what follows it; none if that is no header. (The form is Amazon's "Event
/// stream encoding": a name with its length, a type, and a value whose size the type knows or two
/// bytes say.)
fn next_header(bytes: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, mut rest) = rest.split_first()?;
    let size = match kind {
        // True and false; numbers of 1, 2, 4 and 8 bytes; a timestamp; a UUID.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        // Bytes and a string.
        6 | 7 => {
            let (size, value) = rest.split_first_chunk()?;
            rest = value;
            usize::from(u16::from_be_bytes(*size))
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(size)?;
    let text = if *kind == 7 {
        Some(std::str::from_utf8(value).ok()?)
    } else {
        None
    };
    Some((Header { name, text }, rest))
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
