//! What a call takes, measured in allocations: time is no matter for a test.

use super::bodies::{USER, calling, content, conversation, saying, schema, with};
use super::converse_body;
use allocation_counter::{AllocationInfo, measure};

/// What translating a body takes: how often memory is asked for, how much in all, and the most at
/// one time, in bytes.
fn cost(body: &[u8]) -> AllocationInfo {
    measure(|| drop(converse_body(body)))
}

/// A list of as many as a MiB holds.
fn many(item: &str) -> String {
    let items = (1 << 20) / (item.len() + 1);
    format!("[{}]", vec![item; items].join(","))
}

/// An object of many members.
fn members() -> String {
    let members: Vec<String> = (0..100_000).map(|key| format!(r#""{key:x}":1"#)).collect();
    format!("{{{}}}", members.join(","))
}

/// Bodies that are nothing but the smallest things that there are.
fn crowds() -> Vec<(&'static str, Vec<u8>)> {
    let said = |item: &str| saying(many(item).trim_matches(['[', ']']));
    let calls = |call: &str| {
        let calls = many(call);
        saying(&format!(
            r#"{USER},{{"role":"assistant","tool_calls":{calls}}}"#
        ))
    };
    let text = r#"{"type":"text","text":"a"}"#;
    let allowed = many("{}");
    let allowed = format!(r#"{{"type":"allowed_tools","allowed_tools":{{"tools":{allowed}}}}}"#);
    let field = |name: &str, value: &str| with(&format!(r#""{name}":{value},"#));
    vec![
        ("messages", said("{}")),
        (
            "messages of a letter",
            said(r#"{"role":"user","content":"a"}"#),
        ),
        ("parts", content(&many(text))),
        ("unknown parts", content(&many(r#"{"type":""}"#))),
        (
            "messages of parts",
            said(&format!(r#"{{"role":"user","content":[{text},{text}]}}"#)),
        ),
        ("calls", calls("{}")),
        ("custom calls", calls(r#"{"custom":1}"#)),
        (
            "messages of calls",
            said(r#"{"tool_calls":[{},{},{},{},{},{},{},{}]}"#),
        ),
        ("tools", field("tools", &many("{}"))),
        ("functions", field("functions", &many("{}"))),
        ("allowed tools", field("tool_choice", &allowed)),
        ("stops", field("stop", &many(r#""""#))),
        ("modalities", field("modalities", &many(r#""""#))),
        ("labels", field("metadata", &members())),
        ("biases", field("logit_bias", &members())),
        ("members of a schema", schema(&members())),
        (
            "a list in a schema",
            schema(&format!(r#"{{"type":"object","enum":{}}}"#, many("1"))),
        ),
        ("members of arguments", calling(&members())),
        ("what is skipped", field("prediction", &many("{}"))),
    ]
}

/// What lists with all the items that they may have take, read and translated.
const LISTS_BYTES: usize = 24 << 20;

#[test]
fn small_things_in_large_numbers_take_bounded_memory() {
    for (name, body) in crowds() {
        // Beside the body: what a list may hold, and the body once more as it is sent.
        let most = 2 * body.len() + LISTS_BYTES;
        let peak = cost(&body).bytes_max;
        assert!(
            peak <= most as u64,
            "{name}: {peak} bytes for {}",
            body.len()
        );
    }
}

/// Ten times as much costs about ten times as much.
#[track_caller]
fn check_growth(size: usize, make: impl Fn(usize) -> Vec<u8>) {
    let small = make(size);
    assert!(converse_body(&small).is_ok(), "it is translated");
    let (small, large) = (cost(&small), cost(&make(10 * size + 9)));
    assert!(
        large.bytes_total < 15 * small.bytes_total && large.count_total < 15 * small.count_total,
        "{small:?}, ten times as much: {large:?}"
    );
}

#[test]
fn memory_grows_with_the_size_and_not_with_its_square() {
    check_growth(20_000, |size| {
        content(&format!("\"{}\"", "é\\n".repeat(size)))
    });
    check_growth(999, conversation);
    let list = |size| format!("[{}1]", "1,".repeat(size));
    check_growth(20_000, |size| {
        calling(&format!(r#"{{"a":{}}}"#, list(size)))
    });
    check_growth(20_000, |size| {
        let enumeration = format!(r#"{{"a":{{"enum":{}}}}}"#, list(size));
        schema(&format!(
            r#"{{"type":"object","properties":{enumeration}}}"#
        ))
    });
}
