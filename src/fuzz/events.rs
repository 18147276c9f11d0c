//! Any bytes as the events of an answer: chunks that add up to the folded answer, or one fault.
//!
//! The first byte of an input says how the app asked and what the rest is, the second in what
//! pieces it arrives. The rest is either the bytes of an event stream, as they are or with all
//! checksums made right (no fuzzer guesses those), or lines that become frames: `TYPE PAYLOAD`,
//! `!TYPE PAYLOAD` for an exception, `?CODE` for an error.

use super::reply;
use crate::translate::{Fold, Identity, Mode, ReplyShape, StreamWriter};
use crate::upstream::Failure;
use crate::upstream::frames::EventStream;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Checks `data`; see the module.
pub fn check(data: &[u8]) {
    let [how, split, rest @ ..] = data else {
        return;
    };
    let shape = shape_of(*how);
    let include_usage = shape.include_usage;
    let stream = match (how & RAW, how & REPAIR) {
        (0, _) => frames(rest),
        (_, 0) => rest.to_vec(),
        (_, _) => repaired(rest.to_vec()),
    };
    let whole = read(&stream, stream.len(), shape.clone());
    let split = usize::from(split.wrapping_sub(b' '));
    let pieces = if split == 0 { stream.len() } else { split };
    assert_eq!(whole, read(&stream, pieces, shape), "in pieces of {pieces}");
    let Answer {
        chunks,
        answer,
        streamed,
    } = whole;
    match answer {
        Ok(answer) => {
            assert_eq!(streamed, Ok(()), "only the stream broke");
            reply::check_whole(&chunks, &answer, include_usage);
        }
        Err(fault) => {
            assert_eq!(streamed, Err(fault), "the stream broke in another way");
            reply::check_broken(&chunks, include_usage);
        }
    }
}

/// The bit of the first byte that says that the rest is an event stream as it is.
const RAW: u8 = 0x10;

/// The bit of the first byte that says that its checksums are made right.
const REPAIR: u8 = 0x20;

/// The bit of the first byte that tells the model's reasoning.
const REASONING: u8 = 0x40;

/// The bit of the first byte that leaves a thinking block out of the text.
const STRIP_THINKING: u8 = 0x80;

fn shape_of(how: u8) -> ReplyShape {
    let mode = match how & 3 {
        0 => Mode::Tools,
        1 => Mode::LegacyFunction,
        2 => Mode::SchemaTool,
        _ => Mode::JsonText,
    };
    ReplyShape {
        model: String::from("m\"odel"),
        stream: true,
        include_usage: how & 4 != 0,
        service_tier: how & 8 != 0,
        own_cap: true,
        reasoning: how & REASONING != 0,
        strip_thinking: how & STRIP_THINKING != 0,
        mode,
    }
}

/// The lines of `text` as frames. A line that is too long for one is left out.
fn frames(text: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let at = line.iter().position(|byte| *byte == b' ');
        let (name, payload) = line.split_at(at.unwrap_or(line.len()));
        let name = String::from_utf8_lossy(name);
        let headers = match name.split_at_checked(1) {
            Some(("!", name)) => [(":message-type", "exception"), (":exception-type", name)],
            Some(("?", code)) => [(":message-type", "error"), (":error-code", code)],
            Some(_) | None => [(":message-type", "event"), (":event-type", &name)],
        };
        let header = |(name, value): (&'static str, &str)| {
            Header::new(name, HeaderValue::String(value.to_owned().into()))
        };
        let payload = payload.strip_prefix(b" ").unwrap_or_default();
        let message = Message::new_from_parts(
            headers.map(header).to_vec(),
            Bytes::copy_from_slice(payload),
        );
        let before = stream.len();
        if write_message_to(&message, &mut stream).is_err() {
            stream.truncate(before);
        }
    }
    stream
}

/// Frame by frame with right checksums, as far as the lengths that the frames state go.
fn repaired(mut stream: Vec<u8>) -> Vec<u8> {
    let mut rest = &mut stream[..];
    while let Some(length) = rest.first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((frame, after)) = rest.split_at_mut_checked(length) else {
            break;
        };
        for end in [8, length.saturating_sub(4)] {
            if let Some((covered, sum)) = frame.split_at_mut_checked(end)
                && let Some(sum) = sum.first_chunk_mut::<4>()
            {
                *sum = crc32fast::hash(covered).to_be_bytes();
            }
        }
        if length == 0 {
            break;
        }
        rest = after;
    }
    stream
}

/// What became of an event stream.
#[derive(Debug, PartialEq)]
struct Answer {
    chunks: Vec<u8>,
    answer: Result<Vec<u8>, String>,
    streamed: Result<(), String>,
}

/// Reads a stream that arrives in pieces of `size` bytes, streamed and in one piece.
fn read(stream: &[u8], size: usize, shape: ReplyShape) -> Answer {
    let identity = Identity {
        id: String::from("chatcmpl-1"),
        created_unix_s: 7,
    };
    let mut writer = StreamWriter::new(shape.clone(), identity.clone());
    let mut chunks = Vec::new();
    let streamed = drain(stream, size, |event| writer.push(event, &mut chunks));
    let streamed = streamed.and_then(|()| Ok(writer.finish(&mut chunks)?));
    let mut fold = Fold::new(shape, identity);
    let folded = drain(stream, size, |event| fold.push(event));
    let folded = folded.and_then(|()| Ok(fold.finish()?));
    Answer {
        chunks,
        answer: folded.map_err(|failure| failure.to_string()),
        streamed: streamed.map_err(|failure| failure.to_string()),
    }
}

/// Gives each event to `take`, up to the first failure.
fn drain(
    stream: &[u8],
    size: usize,
    mut take: impl FnMut(crate::converse::Event<'_>) -> Result<(), crate::converse::Fault>,
) -> Result<(), Failure> {
    let pieces = stream.chunks(size.max(1)).map(Bytes::copy_from_slice);
    let mut events = EventStream::new(Pieces(pieces.collect()));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let polled = events.poll_message(&mut cx);
        assert!(polled.is_ready(), "all bytes are there");
        let Poll::Ready(Some(message)) = polled? else {
            return Ok(());
        };
        if let Some(event) = message.event()? {
            take(event)?;
        }
    }
}

/// A body that gives its pieces at once.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}
