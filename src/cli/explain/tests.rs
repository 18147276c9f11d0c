//! What is read of recorded answers, form by form, and what the app would see of them.

use super::recording::{self, Form, What};
use super::reply::Reply;
use crate::translate::{Mode, ReplyShape};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};

fn shape(stream: bool) -> ReplyShape {
    ReplyShape {
        model: "gpt-4o".to_owned(),
        stream,
        include_usage: false,
        service_tier: false,
        own_cap: false,
        mode: Mode::Tools,
        reasoning: false,
        strip_thinking: false,
    }
}

fn reply(bytes: &[u8], stream: bool) -> Reply {
    let recording = recording::read(bytes).expect("a recording");
    Reply::new("answer".to_owned(), recording, shape(stream))
}

fn content(reply: &Reply) -> String {
    let answer = reply.answer.as_ref().expect("a whole answer").get();
    let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    let content = &answer["choices"][0]["message"]["content"];
    content.as_str().expect("text").to_owned()
}

const EVENTS: [&str; 5] = [
    r#"{"messageStart":{"role":"assistant"}}"#,
    r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"Hé"}}}"#,
    r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
    r#"{"messageStop":{"stopReason":"end_turn"}}"#,
    r#"{"metadata":{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}}"#,
];

/// The same events as frames.
fn frames(events: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        let event: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(event).expect("an event");
        let (kind, payload) = event.into_iter().next().expect("a key");
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let message = Message::new(payload.to_string())
            .add_header(Header::new(":message-type", text("event")))
            .add_header(Header::new(":event-type", text(&kind)));
        write_message_to(&message, &mut bytes).expect("written");
    }
    bytes
}

#[test]
fn events_are_read_as_a_list_by_line_and_as_frames() {
    let list = format!("[{}]", EVENTS.join(",\n"));
    let of_boto3 = format!(r#"{{"ResponseMetadata":{{}},"stream":{list}}}"#);
    for (bytes, form) in [
        (list.into_bytes(), Form::Events),
        (of_boto3.into_bytes(), Form::Events),
        (EVENTS.join("\n").into_bytes(), Form::Events),
        (frames(&EVENTS), Form::EventStream),
    ] {
        let reply = reply(&bytes, false);
        assert_eq!((reply.form, reply.events), (form, 5));
        assert_eq!((content(&reply).as_str(), reply.why), ("Hé", None));
    }
}

#[test]
fn an_answer_of_converse_is_read_as_its_events() {
    let answer = r#"{
      "output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"text": "a"},
        {"citationsContent": {"content": [{"text": "b"}], "citations": []}},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": { "z": 1.0, "a": {} }}},
        {"toolUse": {"toolUseId": "u", "name": "g", "input": {}}}]}},
      "stopReason": "tool_use"
    }"#;
    let reply = reply(answer.as_bytes(), false);
    assert_eq!(
        (reply.form, content(&reply).as_str()),
        (Form::Converse, "ab")
    );
    let answer = reply.answer.as_ref().expect("a whole answer").get();
    assert!(
        answer.contains(r#""arguments":"{\"z\":1.0,\"a\":{}}""#),
        "{answer}"
    );
    assert!(answer.contains(r#""arguments":"{}""#), "{answer}");
    let image = r#"{"output":{"message":{"role":"assistant","content":[{"image":{}}]}},"stopReason":"end_turn"}"#;
    let reply = self::reply(image.as_bytes(), false);
    assert_eq!(reply.failover, Some("malformed"));
    let why = reply.why.expect("it broke");
    assert!(why.starts_with("output.message.content[0]: "), "{why}");
}

#[test]
fn what_breaks_is_named_with_its_place() {
    let exception = r#"{"throttlingException":{"message":"slow"}}"#;
    let early = reply(exception.as_bytes(), true);
    assert_eq!(
        (early.answered_by, early.failover),
        ("original", Some("throttle"))
    );
    assert_eq!(early.sse, None);

    let late = [EVENTS[0], EVENTS[1], exception].join("\n");
    let late = reply(late.as_bytes(), true);
    assert_eq!((late.answered_by, late.failover), ("bedrock", None));
    assert!(
        late.why
            .expect("it broke")
            .starts_with("line 3: throttle: ")
    );
    let sse = late.sse.expect("a stream");
    assert!(!sse.contains("[DONE]") && !sse.contains("slow"), "{sse}");
    assert!(sse.contains("upstream_stream_interrupted"), "{sse}");

    let whole = frames(&EVENTS);
    let first = frames(&EVENTS[..1]).len();
    let cut = reply(&whole[..first + 20], true);
    let why = cut.why.expect("it broke");
    assert_eq!(
        why,
        format!("byte {first}: truncated: the answer ended inside a frame")
    );
    let mut damaged = whole;
    damaged[first + 30] ^= 1;
    let why = reply(&damaged, true).why.expect("it broke");
    assert!(
        why.starts_with(&format!("byte {first}: network: the checksum of a frame")),
        "{why}"
    );
    let why = reply(frames(&EVENTS[..2]).as_slice(), false).why;
    assert!(why.expect("it broke").starts_with("at its end: truncated"));
}

#[test]
fn an_error_is_known_by_its_name() {
    let named = r#"{"__type":"ThrottlingException","message":"slow"}"#;
    let reply = reply(named.as_bytes(), false);
    assert_eq!(
        (reply.form, reply.failover),
        (Form::Error, Some("throttle"))
    );
    assert!(reply.notes.is_empty());
    let bare = self::reply(br#"{"message":"slow"}"#, false);
    assert_eq!((bare.failover, bare.notes.len()), (Some("server"), 1));
}

#[test]
fn an_event_that_is_not_known_is_passed_over_and_named() {
    let odd = [EVENTS[0], r#"{"mesageStop":{}}"#].join("\n");
    let recording = recording::read(odd.as_bytes()).expect("a recording");
    assert!(matches!(recording.steps[1].what, What::Event(..)));
    let [note] = recording.notes.as_slice() else {
        panic!("one note: {:?}", recording.notes)
    };
    assert!(
        note.starts_with("line 2: \"mesageStop\" is passed over"),
        "{note}"
    );
}

#[test]
fn a_file_of_another_kind_is_refused_with_what_would_be_right() {
    for (bytes, expected) in [
        (&b""[..], "is empty; accepted: "),
        (
            b"HTTP/1.1 200 OK\r\n",
            "begins with the head of an HTTP answer",
        ),
        (b"<html>", "begins with byte 0x3c; accepted: "),
        (b"[{\"a\":1},\n{]", "line 2 column 2: no JSON"),
        (b"[{\"messageStart\":{}},\n3]", "line 2: no JSON object"),
        (
            b"{\"messageStart\":{},\"messageStop\":{}}",
            "line 1: no event",
        ),
        (
            b"{\"output\":\n{}}",
            "line 2: no answer of Converse: missing field `message`",
        ),
        (b"{\"a\":\"\xff\"}", "byte 6: no UTF-8"),
    ] {
        let why = recording::read(bytes).expect_err("no recording");
        assert!(why.starts_with(expected), "{why}");
    }
}
