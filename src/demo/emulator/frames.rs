//! Event-stream frames, as the service writes them.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use serde_json::Value;

/// An event: its `:event-type` and payload.
pub(super) fn event(kind: &'static str, payload: &Value) -> Bytes {
    raw_event(kind, payload.to_string())
}

/// An event whose payload may be anything.
pub(super) fn raw_event(kind: &'static str, payload: String) -> Bytes {
    encode(&Message::new_from_parts(
        vec![
            header(":event-type", kind),
            header(":content-type", "application/json"),
            header(":message-type", "event"),
        ],
        payload,
    ))
}

/// A modelled exception inside the stream.
pub(super) fn exception(kind: &'static str, payload: &Value) -> Bytes {
    encode(&Message::new_from_parts(
        vec![
            header(":exception-type", kind),
            header(":content-type", "application/json"),
            header(":message-type", "exception"),
        ],
        payload.to_string(),
    ))
}

/// An error that the service model does not know.
pub(super) fn error(code: &'static str, message: &'static str) -> Bytes {
    encode(&Message::new_from_parts(
        vec![
            header(":error-code", code),
            header(":error-message", message),
            header(":message-type", "error"),
        ],
        Bytes::new(),
    ))
}

/// The same frame with a wrong checksum over the message.
pub(super) fn with_bad_crc(frame: &Bytes) -> Bytes {
    let mut damaged = frame.to_vec();
    if let Some(last) = damaged.last_mut() {
        *last ^= 0xff;
    }
    damaged.into()
}

fn header(name: &'static str, value: &'static str) -> Header {
    Header::new(name, HeaderValue::String(value.into()))
}

fn encode(message: &Message) -> Bytes {
    let mut frame = Vec::new();
    match write_message_to(message, &mut frame) {
        Ok(()) => frame.into(),
        // Only a payload above the format's 16 MiB fails; its caller sees a cut stream.
        Err(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{error, event, exception, with_bad_crc};
    use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
    use aws_smithy_types::event_stream::Message;
    use bytes::{Buf, Bytes};
    use serde_json::json;

    fn decoded(frame: Bytes) -> Message {
        let mut bytes = frame;
        let DecodedFrame::Complete(message) =
            MessageFrameDecoder::new().decode_frame(&mut bytes).unwrap()
        else {
            panic!("incomplete");
        };
        assert!(!bytes.has_remaining());
        message
    }

    fn header<'m>(message: &'m Message, name: &str) -> &'m str {
        let header = message
            .headers()
            .iter()
            .find(|header| header.name().as_str() == name);
        header.unwrap().value().as_string().unwrap().as_str()
    }

    #[test]
    fn the_sdk_reads_events_exceptions_and_errors() {
        let message = decoded(event("messageStart", &json!({"role": "assistant"})));
        assert_eq!(header(&message, ":message-type"), "event");
        assert_eq!(header(&message, ":event-type"), "messageStart");
        assert_eq!(&message.payload()[..], br#"{"role":"assistant"}"#);

        let message = decoded(exception(
            "throttlingException",
            &json!({"message": "slow"}),
        ));
        assert_eq!(header(&message, ":message-type"), "exception");
        assert_eq!(header(&message, ":exception-type"), "throttlingException");

        let message = decoded(error("InternalFailure", "oh"));
        assert_eq!(header(&message, ":error-code"), "InternalFailure");
    }

    #[test]
    fn the_sdk_notices_a_bad_checksum() {
        let mut frame = with_bad_crc(&event("messageStart", &json!({"role": "assistant"})));
        assert!(MessageFrameDecoder::new().decode_frame(&mut frame).is_err());
    }
}
