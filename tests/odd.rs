//! Long and odd calls: each goes where it belongs, whole, and costs no more than its size.
//!
//! Through a real listener at 100 %, so that only the call itself keeps it from Bedrock. What stays
//! must reach the original byte for byte.

use crate::support::{Answer, World};
use bodies::{
    USER, broken, calling, content, conversation, images, nested, saying, schema, sized, tools,
    with,
};
use bytes::Bytes;
use crossfade::openai::ChatRequest;
use crossfade::translate::{Reason, Target, eligible};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

mod bodies;
mod memory;

/// What a body is called in a failure, and the body.
type Odd = (&'static str, Vec<u8>);

/// The default of `limits.body`.
const BODY_MAX: usize = 32 << 20;

#[tokio::test]
async fn what_is_no_sound_json_stays_untouched() {
    let utf_16 = |body: Vec<u8>| -> Vec<u8> {
        let text = String::from_utf8(body).expect("text");
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let label = r#""metadata":{"a":"1","a":"2"},"#;
    let halves = r#"{"type":"object","title":"\ud83d"}"#;
    let twice = r#"{"type":"object","x":1,"\u0078":2}"#;
    let text_twice = r#"[{"type":"text","text":"a","text":"b"}]"#;
    let cases: Vec<Odd> = vec![
        ("nothing", Vec::new()),
        ("no JSON", b"hello".to_vec()),
        ("a byte order mark", [b"\xef\xbb\xbf", &*with("")].concat()),
        ("UTF-16", utf_16(with(""))),
        ("trailing garbage", [&*with(""), b"x"].concat()),
        ("two values", [with(""), with("")].concat()),
        ("cut", with("")[..40].to_vec()),
        ("no UTF-8", broken(&content("\"#\""))),
        (
            "no UTF-8, unread",
            broken(&with(r##""prompt_cache_key":"#","##)),
        ),
        ("a raw NUL", content("\"a\0b\"")),
        ("half a letter", content(r#""\ud83d""#)),
        ("halves in the wrong order", content(r#""\uDE00\ud83d""#)),
        ("half a letter in a key", with(r#""\ud83d":1,"#)),
        ("half a letter in a schema", schema(halves)),
        ("a field twice", with(r#""user":"a","user":"b","#)),
        ("a field twice, escaped", with(r#""mod\u0065l":"gpt-4o","#)),
        ("a field twice, once null", with(r#""seed":null,"seed":1,"#)),
        ("content twice", content(r#""a","content":"b""#)),
        ("text twice", content(text_twice)),
        ("a schema's key twice", schema(twice)),
        ("a label twice", with(label)),
        ("an endless number", with(r#""temperature":1e999,"#)),
        ("an endless number, unused", with(r#""seed":-1e999,"#)),
        (
            "a huge integer",
            with(r#""max_tokens":99999999999999999999,"#),
        ),
        ("a cap of -0", with(r#""max_tokens":-0,"#)),
        ("a cap as a float", with(r#""max_tokens":1e2,"#)),
        ("a leading zero", with(r#""max_tokens":010,"#)),
        ("a deep schema", schema(&nested(100))),
        (
            "a deep message",
            saying(&("[".repeat(200) + &"]".repeat(200))),
        ),
        ("129 tools", tools(129)),
        (
            "a million messages",
            saying(&("{},".repeat(1 << 20) + "{}")),
        ),
    ];
    stay(&cases, "malformed").await;
}

#[tokio::test]
async fn what_is_odd_in_another_way_stays_untouched() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let history: Vec<Odd> = vec![
        ("half a letter", calling(r#"{"a":"\ud83d"}"#)),
        ("a key twice", calling(r#"{"a":1,"\u0061":2}"#)),
        ("an endless number", calling(r#"{"a":1e999}"#)),
        ("levels", calling(&format!(r#"{{"a":{deep}}}"#))),
    ];
    stay(&history, "tool_history").await;
    let deep = with(&format!(r#""x":{deep},"#));
    stay(&[("an unknown field", deep)], "unknown_field").await;
    stay(&[("21 images", images(21))], "image_limit").await;
    let nul = format!(r#"{{"model":"gpt-4o-mini\u0000","messages":[{USER}]}}"#);
    stay(&[("a model's NUL", nul.into_bytes())], "unmapped_model").await;
    stay(&[("a byte too long", sized(BODY_MAX + 1))], "request_size").await;
}

/// Each of `cases` stays, for this reason, and arrives as it was sent.
async fn stay(cases: &[Odd], reason: &str) {
    let world = World::at(100).await;
    for (name, body) in cases {
        world.openai.clear_requests();
        let answer = post(&world, body).await;
        let found = (answer.arm(), answer.header("x-crossfade-reason"));
        assert_eq!(found, ("original", reason), "{name}");
        let [received] = &world.openai.requests()[..] else {
            panic!("{name}: the original was not asked once")
        };
        assert_eq!(received.body_sha256, hash(body), "{name}");
    }
    assert_eq!(world.bedrock.count(), 0);
}

#[tokio::test]
async fn what_is_odd_but_sound_goes_to_bedrock() {
    let escaped = r#"{"mod\u0065l":"gpt-4o-mini","\u006dessages":[{"r\u006fle":"us\u0065r","cont\u0065nt":"hi"}]}"#;
    let padded = [b" \r\n\t", &*with(""), b"\n"].concat();
    let zeros = r#""temperature":-0,"frequency_penalty":-0.0,"logit_bias":{ },"#;
    let long = format!(r#""temperature":0.{}1,"#, "0".repeat(1000));
    let integer = calling(r#"{"a":123456789012345678901234567890}"#);
    let text = "/messages/0/content/0/text";
    let temperature = "/inferenceConfig/temperature";
    let tool = "/toolConfig/tools/0/toolSpec/name";
    let cases: Vec<(Odd, &str, Value)> = vec![
        (("escaped", escaped.as_bytes().to_vec()), text, json!("hi")),
        (("white space", padded), text, json!("hi")),
        (
            ("an escaped NUL", content(r#""a\u0000b""#)),
            text,
            json!("a\0b"),
        ),
        (
            ("a letter in halves", content(r#""\uD83D\ude00""#)),
            text,
            json!("😀"),
        ),
        (("-0", with(zeros)), temperature, json!(-0.0)),
        (
            ("next to 0", with(r#""temperature":1E-400,"#)),
            temperature,
            json!(0.0),
        ),
        (("a long number", with(&long)), temperature, json!(0.0)),
        (("120 levels", schema(&nested(60))), tool, json!("f")),
        (
            ("128 tools", tools(128)),
            "/toolConfig/tools/127/toolSpec/name",
            json!("f127"),
        ),
        (
            ("20 images", images(20)),
            "/messages/0/content/20/image/format",
            json!("png"),
        ),
        (
            ("a huge integer", integer),
            "/messages/1/content/0/toolUse/name",
            json!("f"),
        ),
    ];
    let world = World::at(100).await;
    for ((name, body), place, value) in &cases {
        world.bedrock.clear_requests();
        let answer = post(&world, body).await;
        assert_eq!(
            (answer.arm(), answer.status.as_u16()),
            ("bedrock", 200),
            "{name}"
        );
        let sent: Value =
            serde_json::from_slice(&world.bedrock.requests()[0].body).expect("all of it is kept");
        assert_eq!(sent.pointer(place), Some(value), "{name}");
    }
    assert_eq!(world.openai.count(), 0);
}

#[tokio::test]
async fn the_longest_calls_go_to_bedrock() {
    let world = World::at(100).await;
    for (name, body) in [
        ("10,000 messages", conversation(10_001)),
        ("32 MiB", sized(BODY_MAX)),
    ] {
        world.bedrock.clear_requests();
        let expected = converse_body(&body).expect(name);
        let answer = post(&world, &body).await;
        assert_eq!(answer.arm(), "bedrock", "{name}");
        let [received] = &world.bedrock.requests()[..] else {
            panic!("{name}: Bedrock was not asked once")
        };
        assert_eq!(received.body_sha256, hash(&expected), "{name}");
    }
}

async fn post(world: &World, body: &[u8]) -> Answer {
    let request = Request::post("/v1/chat/completions")
        .header("Host", "127.0.0.1")
        .header("Authorization", "Bearer test-app-key")
        .header("Content-Type", "application/json");
    let body = Full::from(Bytes::copy_from_slice(body));
    world.send(request.body(body).expect("a request")).await
}

fn hash(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What Bedrock is sent, or why the call stays.
fn converse_body(body: &[u8]) -> Result<Vec<u8>, Reason> {
    let target = Target::new("amazon.nova-lite-v1:0", None).expect("a known model");
    let request = ChatRequest::parse(body).map_err(|_| Reason::Malformed)?;
    eligible(&request, &target).map(|call| call.converse_body())
}
