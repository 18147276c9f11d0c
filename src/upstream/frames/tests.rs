use super::*;
use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::DateTime;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use hyper::body::Frame;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::task::Waker;

/// A body that gives its pieces at once.
struct Pieces(VecDeque<Result<Bytes, std::io::Error>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

fn frame(headers: &[(&'static str, &'static str)], payload: &str) -> Vec<u8> {
    let headers = headers
        .iter()
        .map(|(name, value)| Header::new(*name, HeaderValue::String((*value).into())))
        .collect();
    let message = Message::new_from_parts(headers, Bytes::copy_from_slice(payload.as_bytes()));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a small message");
    bytes
}

fn event(kind: &'static str, payload: &str) -> Vec<u8> {
    frame(
        &[(":message-type", "event"), (":event-type", kind)],
        payload,
    )
}

/// Reads everything: a word for each event, and how it ended.
fn read(pieces: impl IntoIterator<Item = Result<Bytes, std::io::Error>>) -> (Vec<String>, String) {
    let mut stream = EventStream::new(Pieces(pieces.into_iter().collect()));
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    loop {
        let Poll::Ready(next) = stream.poll_message(&mut cx) else {
            panic!("nothing is pending")
        };
        match next.and_then(|message| {
            message
                .map(|message| message.event().map(|event| format!("{event:?}")))
                .transpose()
        }) {
            Ok(Some(event)) => {
                let name = event.trim_start_matches("Some(");
                let end = name
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(name.len());
                seen.push(name[..end].to_owned());
            }
            Ok(None) => return (seen, "end".to_owned()),
            Err(failure) => return (seen, failure.to_string()),
        }
    }
}

fn whole(bytes: Vec<u8>) -> Vec<Result<Bytes, std::io::Error>> {
    vec![Ok(Bytes::from(bytes))]
}

const START: &str = r#"{"role":"assistant"}"#;
const STOP: &str = r#"{"stopReason":"end_turn"}"#;

#[test]
fn events_are_read_in_any_split() {
    let mut bytes = event("messageStart", START);
    bytes.extend(event("messageStop", STOP));
    for size in 1..bytes.len() {
        let pieces = bytes
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let (seen, end) = read(pieces);
        assert_eq!(
            (seen.len(), end.as_str()),
            (2, "end"),
            "pieces of {size} bytes"
        );
    }
}

#[test]
fn an_unknown_event_is_passed_over() {
    let (seen, end) = read(whole(event("somethingNew", "{}")));
    assert_eq!((seen, end), (vec!["None".to_owned()], "end".to_owned()));
}

#[test]
fn a_flipped_length_is_found_before_it_is_believed() {
    for bit in 0..64 {
        let mut bytes = event("messageStart", START);
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Nothing follows: a reader that believed a larger length would wait for more, and call
        // the end of the body a truncation.
        let (seen, end) = read(whole(bytes));
        assert!(seen.is_empty(), "bit {bit}");
        assert_eq!(
            end, "network: the checksum of a frame's prelude is wrong",
            "bit {bit}"
        );
    }
}

#[test]
fn a_damaged_payload_emits_nothing() {
    let mut bytes = event("messageStart", START);
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    let (seen, end) = read(whole(bytes));
    assert!(seen.is_empty());
    assert_eq!(end, "network: the checksum of a frame is wrong");
}

#[test]
fn an_impossible_length_is_refused_without_waiting_for_it() {
    for total in [0_u32, 15, u32::MAX] {
        let mut bytes = total.to_be_bytes().to_vec();
        bytes.extend(0_u32.to_be_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_be_bytes());
        let (_, end) = read(whole(bytes));
        assert_eq!(
            end, "network: a frame states an impossible length",
            "{total}"
        );
    }
}

#[test]
fn ends_are_told_apart() {
    let bytes = event("messageStart", START);
    let cut = bytes[..bytes.len() - 3].to_vec();
    let (_, end) = read(whole(cut));
    assert_eq!(end, "truncated: the answer ended inside a frame");

    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let (seen, end) = read([Ok(Bytes::from(bytes)), Err(reset)]);
    assert_eq!(seen.len(), 1);
    assert!(end.starts_with("network: the answer broke off"), "{end}");
}

#[test]
fn an_exception_is_an_error_of_the_service() {
    let headers = [
        (":message-type", "exception"),
        (":exception-type", "throttlingException"),
    ];
    let (_, end) = read(whole(frame(&headers, r#"{"message":"slow down"}"#)));
    assert!(end.starts_with("throttle: "), "{end}");
}

/// A header of any type.
fn any_header() -> impl Strategy<Value = Header> {
    let bytes = prop::collection::vec(any::<u8>(), 0..9);
    let value = prop_oneof![
        any::<bool>().prop_map(HeaderValue::Bool),
        any::<i8>().prop_map(HeaderValue::Byte),
        any::<i16>().prop_map(HeaderValue::Int16),
        any::<i32>().prop_map(HeaderValue::Int32),
        any::<i64>().prop_map(HeaderValue::Int64),
        bytes.prop_map(|bytes| HeaderValue::ByteArray(bytes.into())),
        ".{0,9}".prop_map(|text| HeaderValue::String(text.into())),
        Just(HeaderValue::String("event".into())),
        any::<i32>().prop_map(|s| HeaderValue::Timestamp(DateTime::from_secs(s.into()))),
        any::<u128>().prop_map(HeaderValue::Uuid),
    ];
    let name = prop_oneof!["[:a-z-]{1,9}", Just(":message-type".to_owned())];
    (name, value).prop_map(|(name, value)| Header::new(name, value))
}

proptest! {
    /// What the crate writes is read as it reads it; what it refuses of a damaged frame is refused.
    #[test]
    fn a_frame_is_read_as_the_crate_reads_it(
        headers in prop::collection::vec(any_header(), 0..5),
        payload: Vec<u8>,
        damage in prop::option::of((any::<prop::sample::Index>(), 1_u8..)),
    ) {
        let message = Message::new_from_parts(headers, Bytes::from(payload));
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).expect("a small message");
        if let Some((at, bits)) = damage {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        let judged = read_message_from(&mut &bytes[..]).ok();
        let read = parts(&bytes).ok().and_then(|(mut headers, payload)| {
            let mut read = Vec::new();
            while !headers.is_empty() {
                let (header, rest) = next_header(headers)?;
                read.push((header.name.to_vec(), header.text.map(str::to_owned)));
                headers = rest;
            }
            Some((read, payload.to_vec()))
        });
        let judged = judged.map(|message| {
            let text = |value: &HeaderValue| value.as_string().ok().map(|text| text.as_str().to_owned());
            let headers = message.headers().iter();
            let headers = headers.map(|h| (h.name().as_str().into(), text(h.value())));
            (headers.collect(), message.payload().to_vec())
        });
        prop_assert_eq!(read, judged);
    }
}
