use super::check;
use serde_json::{Value, json};

const NOVA: &str = "amazon.nova-lite-v1:0";

fn verdict(request: &Value) -> Result<(), String> {
    check(NOVA, true, request)
}

fn user(content: Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

fn with(key: &str, value: Value) -> Value {
    let mut request = user(json!([{"text": "hi"}]));
    request[key] = value;
    request
}

fn tools() -> Value {
    json!({"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]})
}

fn tool_turns(results: Value) -> Value {
    json!({"toolConfig": tools(), "messages": [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "a", "name": "t", "input": {}}},
            {"toolUse": {"toolUseId": "b", "name": "t", "input": {}}},
        ]},
        {"role": "user", "content": results},
    ]})
}

fn result(id: &str) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": [{"text": "1"}]}})
}

#[test]
fn ordinary_requests_pass() {
    for request in [
        user(json!([{"text": "hi"}])),
        with("system", json!([{"text": "be brief"}])),
        with(
            "inferenceConfig",
            json!({"maxTokens": 1, "temperature": 0, "stopSequences": ["x"]}),
        ),
        with("toolConfig", tools()),
        tool_turns(json!([result("a"), result("b")])),
        user(
            json!([{"text": "see"}, {"image": {"format": "gif", "source": {"bytes": "R0lGODlh"}}}]),
        ),
    ] {
        assert_eq!(verdict(&request), Ok(()), "{request}");
    }
}

#[test]
fn each_violation_has_the_words_of_the_service() {
    let assistant_first = json!({"messages": [{"role": "assistant", "content": [{"text": "x"}]}]});
    let twice = json!({"messages": [
        {"role": "user", "content": [{"text": "x"}]}, {"role": "user", "content": [{"text": "x"}]},
    ]});
    let mut no_config = tool_turns(json!([result("a"), result("b")]));
    no_config.as_object_mut().unwrap().remove("toolConfig");
    let cases = [
        (json!({}), "must start with a user message"),
        (assistant_first, "must start with a user message"),
        (twice, "must alternate between user and assistant"),
        (
            user(json!([])),
            "The content field in the Message object at messages.0 is empty",
        ),
        (
            user(json!([{"text": " \n"}])),
            "at messages.0.content.0 is blank",
        ),
        (
            user(json!([{"text": "x", "image": {}}])),
            "exactly one member",
        ),
        (user(json!([{"txt": "x"}])), "extraneous key [txt]"),
        (
            user(json!([{"image": {"format": "png", "source": {"bytes": "AAAA"}}}])),
            "process image",
        ),
        (with("modelId", json!("x")), "extraneous key [modelId]"),
        (
            with("system", json!([{"text": ""}])),
            "SystemContentBlock object at system.0 is blank",
        ),
        (
            with("inferenceConfig", json!({"temperature": 1.5})),
            "less than or equal to 1",
        ),
        (
            with("inferenceConfig", json!({"maxTokens": 0})),
            "greater than or equal to 1",
        ),
        (
            with("toolConfig", json!({"tools": []})),
            "length greater than or equal to 1",
        ),
        (no_config, "toolConfig field must be defined"),
        (
            tool_turns(json!([{"text": "x"}])),
            "without `tool_result` blocks immediately after: a, b",
        ),
        (tool_turns(json!([result("a")])), "for the following Ids: b"),
        (
            tool_turns(json!([result("a"), result("b"), result("c")])),
            "exceeds the number of toolUse",
        ),
    ];
    for (request, words) in cases {
        let message = verdict(&request).expect_err(words);
        assert!(message.contains(words), "{message} should contain {words}");
    }
}

#[test]
fn families_differ() {
    let hi = user(json!([{"text": "hi"}]));
    let image = user(json!([{"image": {"format": "gif", "source": {"bytes": "R0lGODlh"}}}]));
    let llama = "us.meta.llama3-3-70b-instruct-v1:0";
    let say = |model: &str, streamed, request: &Value| check(model, streamed, request).unwrap_err();
    assert!(say("not-a-model", false, &hi).contains("model identifier is invalid"));
    assert!(say("amazon.nova-micro-v1:0", false, &image).contains("image content block"));
    assert!(say(llama, true, &with("toolConfig", tools())).contains("streaming mode"));
    assert_eq!(check(llama, false, &with("toolConfig", tools())), Ok(()));
    let system = with("system", json!([{"text": "x"}]));
    assert!(say("mistral.mistral-7b-instruct-v0:2", false, &system).contains("system messages"));
}
