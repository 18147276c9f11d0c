use super::*;

fn key(messages: &str) -> Option<Vec<u8>> {
    let body = format!(r#"{{"model":"m","messages":[{messages}]}}"#);
    ChatRequest::parse(body.as_bytes())
        .unwrap()
        .conversation_key()
}

const SYSTEM: &str = r#"{"role":"system","content":"S"}"#;
const USER: &str = r#"{"role":"user","content":"hi"}"#;

#[test]
fn the_simple_fields() {
    let body = br#"{"model":"gpt-4o","messages":[],"stream":true,"stream_options":{"include_usage":true},"user":"u"}"#;
    let request = ChatRequest::parse(body).unwrap();
    assert_eq!(request.model(), "gpt-4o");
    assert!(request.stream() && request.include_usage());
    assert_eq!(request.user_key(), Some("u"));
    let request = ChatRequest::parse(br#"{"user":"u","safety_identifier":"s"}"#).unwrap();
    assert_eq!((request.model(), request.user_key()), ("", Some("s")));
    assert!(!request.stream() && !request.include_usage());
    assert_eq!(request.conversation_key(), None);
}

#[test]
fn null_is_absent() {
    let request = ChatRequest::parse(br#"{"model":null,"stream":null,"stream_options":null}"#);
    assert_eq!(request.unwrap().model(), "");
}

#[test]
fn bodies_that_are_no_chat_request() {
    for body in [
        "",
        "null",
        "[]",
        "{",
        "{\"model\":\"m\"} x",
        r#"{"model":1}"#,
        r#"{"model":"m","model":"m"}"#,
        r#"{"model":null,"model":"m"}"#,
        r#"{"messages":[{"role":"user","content":"a","content":"b"}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"text":"a"}]}]}"#,
        r#"{"messages":[{"role":"user","content":5}]}"#,
        r#"{"messages":{}}"#,
        r#"{"stream":"true"}"#,
        r#"{"temperature":"1"}"#,
        r#"{"messages":[{"role":"user","content":"\ud800"}]}"#,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\u{1}\"}]}",
    ] {
        assert!(ChatRequest::parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(ChatRequest::parse(b"{\"model\":\"\xff\"}").is_err());
    let deep = format!(
        r#"{{"metadata":{}{}}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    assert!(
        ChatRequest::parse(deep.as_bytes()).is_ok(),
        "raw values are not entered"
    );
}

#[test]
fn what_is_wrong_is_told_without_the_prompt() {
    let malformed = ChatRequest::parse(br#"{"model":"m","stream":"my secret"}"#).unwrap_err();
    let text = format!("{malformed} {malformed:?}");
    assert!(text.contains("line 1 column"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_is_no_text_is_found_where_it_is() {
    let found = |body: &[u8]| ChatRequest::parse(body).unwrap_err().to_string();
    assert_eq!(found(b"\xff{}"), "no UTF-8 at line 1 column 1");
    assert_eq!(
        found(b"{\n\n \"prompt_cache_key\":\"\xc3\xa9\xc3\"}"),
        "no UTF-8 at line 3 column 24"
    );
    assert_eq!(found("\u{feff}{}".as_bytes()), "no JSON at line 1 column 1");
}

#[test]
fn escaped_keys_are_the_same_keys() {
    let body = br#"{"mod\u0065l":"m","m\u0065ssages":[{"r\u006fle":"\u0075ser","content":"hi"}]}"#;
    let request = ChatRequest::parse(body).unwrap();
    assert_eq!(request.model(), "m");
    assert!(!request.fields().unknown);
    assert_eq!(request.conversation_key(), key(USER));
    assert!(ChatRequest::parse(br#"{"model":"m","mod\u0065l":"m"}"#).is_err());
}

#[test]
fn what_is_inside_messages_counts_too() {
    let reads = |messages: usize, parts: usize, calls: usize| {
        let part = r#"{"type":"text","text":"a"}"#;
        let message = format!(
            r#"{{"content":[{}],"tool_calls":[{}]}}"#,
            vec![part; parts].join(","),
            vec!["{}"; calls].join(",")
        );
        let body = format!(
            r#"{{"messages":[{}]}}"#,
            vec![&*message; messages].join(",")
        );
        ChatRequest::parse(body.as_bytes()).is_ok()
    };
    let most = crate::openai::list::ITEMS_MAX;
    assert!(reads(most / 8, 4, 3));
    assert!(!reads(most / 8 + 1, 4, 3));
    assert!(reads(1, most / 2, most / 2 - 1));
    assert!(!reads(1, most / 2, most / 2));
}

#[test]
fn unknown_keys_are_noted_at_every_level() {
    let unknown = |body: &str| {
        ChatRequest::parse(body.as_bytes())
            .unwrap()
            .fields()
            .unknown
    };
    assert!(unknown(r#"{"foo":1}"#));
    assert!(unknown(r#"{"foo":null}"#));
    assert!(!unknown(r#"{"model":"m"}"#));
    let body =
        br#"{"messages":[{"role":"user","x":1,"content":[{"type":"text","text":"a","y":1}]}]}"#;
    let request = ChatRequest::parse(body).unwrap();
    let message = &request.fields().messages.as_deref().unwrap()[0];
    assert!(message.unknown);
    let Some(Content::Parts(parts)) = &message.content else {
        panic!("parts")
    };
    assert!(parts[0].unknown);
}

#[test]
fn the_conversation_key_is_frozen() {
    assert_eq!(
        key(&format!("{SYSTEM},{USER}")).unwrap(),
        b"st\0\0\0\0\0\0\0\x01Sut\0\0\0\0\0\0\0\x02hi"
    );
}

#[test]
fn the_conversation_key_stays_over_later_turns() {
    let first = key(&format!("{SYSTEM},{USER}"));
    let answer = r#"{"role":"assistant","content":"ho"},{"role":"user","content":"and?"}"#;
    assert_eq!(first, key(&format!("{SYSTEM},{USER},{answer}")));
    let late = r#"{"role":"developer","content":"late"}"#;
    assert_eq!(first, key(&format!("{SYSTEM},{USER},{answer},{late}")));
    assert_eq!(
        first,
        key(&format!(
            r#"{SYSTEM},{{"content":"\u0068i","role":"user"}}"#
        ))
    );
}

#[test]
fn other_conversations_have_other_keys() {
    let keys = [
        key(&format!("{SYSTEM},{USER}")),
        key(USER),
        key(SYSTEM),
        key(r#"{"role":"user","content":"S"}"#),
        key(r#"{"role":"user","content":"hi there"}"#),
        key(r#"{"role":"user","content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]}"#),
        key(
            r#"{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:a"}}]}"#,
        ),
        key(
            r#"{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:b"}}]}"#,
        ),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(key.is_some());
        assert!(!keys[..index].contains(key), "{index}");
    }
    assert_eq!(key(r#"{"role":"assistant","content":"x"}"#), None);
}
