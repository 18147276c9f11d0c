//! What holds for the chunks of every answer, read as the SDKs read them.

use serde_json::{Value, json};

/// The chunks of a whole stream: they add up to the answer that is not streamed.
pub(crate) fn check_whole(stream: &[u8], answer: &[u8], include_usage: bool) {
    let mut events = events(stream);
    assert_eq!(events.pop(), Some("[DONE]"), "the last event");
    let answer: Value = parse(str::from_utf8(answer).unwrap_or_default());
    let sum = add_up(&events, include_usage);
    let choice = &answer["choices"][0];
    assert_eq!(sum.message, choice["message"]);
    assert_eq!(sum.finish, choice["finish_reason"]);
    assert!(sum.finish.is_string(), "an answer ends with a reason");
    let usage = include_usage.then(|| answer.get("usage")).flatten();
    assert_eq!(sum.usage.as_ref(), usage);
}

/// The chunks of a stream that broke: nothing pretends that it is whole.
pub(crate) fn check_broken(stream: &[u8], include_usage: bool) {
    let events = events(stream);
    assert!(!events.contains(&"[DONE]"), "a broken stream is not done");
    add_up(&events, include_usage);
}

/// The data of the events.
fn events(stream: &[u8]) -> Vec<&str> {
    let stream = str::from_utf8(stream).unwrap_or("not UTF-8");
    let mut events: Vec<&str> = stream.split("\n\n").collect();
    assert_eq!(events.pop(), Some(""), "each event ends with an empty line");
    events
        .into_iter()
        .map(|event| {
            assert!(!event.contains(['\n', '\r']), "one line: {event}");
            let data = event.strip_prefix("data: ");
            assert!(data.is_some(), "only data: {event}");
            data.unwrap_or_default()
        })
        .collect()
}

fn parse(json: &str) -> Value {
    let value = serde_json::from_str(json);
    assert!(value.is_ok(), "{value:?}: {json}");
    value.unwrap_or_default()
}

struct Sum {
    message: Value,
    finish: Value,
    usage: Option<Value>,
}

/// Adds chunks up as the SDKs do.
fn add_up(chunks: &[&str], include_usage: bool) -> Sum {
    let mut sum = Sum {
        message: json!({"role": null, "content": null, "refusal": null}),
        finish: Value::Null,
        usage: None,
    };
    for chunk in chunks {
        let chunk = parse(chunk);
        assert!(sum.usage.is_none(), "nothing follows the usage");
        let Some(choice) = chunk["choices"].get(0) else {
            assert!(include_usage, "the usage was not asked for");
            assert!(sum.finish.is_string(), "the usage comes last");
            sum.usage = chunk.get("usage").cloned();
            assert!(sum.usage.is_some(), "a chunk without choices has the usage");
            continue;
        };
        let usage = include_usage.then_some(&Value::Null);
        assert_eq!(chunk.get("usage"), usage, "null until the last chunk");
        assert!(sum.finish.is_null(), "nothing follows the reason to finish");
        sum.finish = choice["finish_reason"].clone();
        let delta = choice["delta"].as_object();
        assert!(delta.is_some(), "a chunk has a delta");
        for (key, value) in delta.into_iter().flatten() {
            add_delta(&mut sum.message, key, value);
        }
        assert_eq!(sum.message["role"], "assistant", "the first chunk says it");
    }
    sum
}

/// Adds a member of a delta.
fn add_delta(message: &mut Value, key: &str, value: &Value) {
    match key {
        "role" => {
            assert!(message["role"].is_null(), "the role is said once");
            message["role"] = value.clone();
        }
        "content" => add(&mut message["content"], value),
        "reasoning_content" => add(&mut message["reasoning_content"], value),
        "refusal" => assert!(value.is_null(), "nothing is refused"),
        "function_call" => {
            for (key, value) in value.as_object().into_iter().flatten() {
                add(&mut message["function_call"][key], value);
            }
        }
        "tool_calls" => add_call(&mut message["tool_calls"], &value[0]),
        other => assert_eq!(other, "", "an unknown key"),
    }
}

fn add(sum: &mut Value, more: &Value) {
    if let Some(more) = more.as_str() {
        *sum = json!(sum.as_str().unwrap_or_default().to_owned() + more);
    }
}

fn add_call(calls: &mut Value, call: &Value) {
    if calls.is_null() {
        *calls = json!([]);
    }
    let known = calls.as_array().map_or(0, Vec::len);
    let index = call["index"].as_u64().and_then(|i| usize::try_from(i).ok());
    let index = index.unwrap_or(usize::MAX);
    if call.get("id").is_some() {
        assert_eq!(index, known, "numbers have no gaps");
        let mut call = call.clone();
        call.as_object_mut().map(|call| call.remove("index"));
        calls
            .as_array_mut()
            .into_iter()
            .for_each(|calls| calls.push(call.clone()));
    } else {
        assert!(index < known, "a call that did not begin");
        add(
            &mut calls[index]["function"]["arguments"],
            &call["function"]["arguments"],
        );
    }
}
