//! What Bedrock demands of a Converse request, in its words.
//!
//! The shape first (unknown members, types, ranges), then the conversation, then the tools. The
//! first violation is the answer. Rules that only some model families have are those that
//! crossfade must know of: images, system messages, tools.

use serde_json::Value;

mod content;

/// What is wrong, as the service says it.
type Message = String;

/// Whether the service takes `request` for `model`.
pub(super) fn check(model: &str, streamed: bool, request: &Value) -> Result<(), Message> {
    check_model(model)?;
    let known = [
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "promptVariables",
        "requestMetadata",
        "performanceConfig",
        "serviceTier",
        "outputConfig",
    ];
    members(request, "#", &known)?;
    if let Some(inference) = request.get("inferenceConfig") {
        check_inference(inference)?;
    }
    check_system(model, request)?;
    let messages = request.get("messages").and_then(Value::as_array);
    let messages = messages.map_or(&[][..], Vec::as_slice);
    content::check(model, messages)?;
    check_tools(model, streamed, request, messages)
}

fn check_model(model: &str) -> Result<(), Message> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    let named = model.starts_with("arn:aws") || model.contains('.');
    if named && model.len() <= 2048 && model.chars().all(allowed) {
        Ok(())
    } else {
        Err("The provided model identifier is invalid.".to_owned())
    }
}

/// Refuses anything but an object with `known` members.
fn members(value: &Value, place: &str, known: &[&str]) -> Result<(), Message> {
    let Some(object) = value.as_object() else {
        return Err(format!(
            "The format of the value at {place} is invalid. Provide a json object for the field \
             and try again."
        ));
    };
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(malformed(&format!(
            "extraneous key [{key}] is not permitted at {place}"
        ))),
        None => Ok(()),
    }
}

fn malformed(what: &str) -> Message {
    format!("Malformed input request: {what}, please reformat your input and try again.")
}

fn constraint(value: &Value, place: &str, must: &str) -> Message {
    format!(
        "1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: \
         Member must {must}"
    )
}

fn check_inference(inference: &Value) -> Result<(), Message> {
    members(
        inference,
        "inferenceConfig",
        &["maxTokens", "temperature", "topP", "stopSequences"],
    )?;
    if let Some(tokens) = inference.get("maxTokens")
        && tokens.as_u64().is_none_or(|tokens| tokens == 0)
    {
        let must = "have value greater than or equal to 1";
        return Err(constraint(tokens, "inferenceConfig.maxTokens", must));
    }
    for key in ["temperature", "topP"] {
        let Some(value) = inference.get(key) else {
            continue;
        };
        let place = format!("inferenceConfig.{key}");
        match value.as_f64() {
            Some(0.0..=1.0) => {}
            Some(low) if low < 0.0 => {
                return Err(constraint(
                    value,
                    &place,
                    "have value greater than or equal to 0",
                ));
            }
            Some(_) | None => {
                return Err(constraint(
                    value,
                    &place,
                    "have value less than or equal to 1",
                ));
            }
        }
    }
    let Some(stops) = inference.get("stopSequences") else {
        return Ok(());
    };
    let place = "inferenceConfig.stopSequences";
    let list = stops
        .as_array()
        .ok_or_else(|| constraint(stops, place, "be a list"))?;
    if list.len() > 2500 {
        return Err(constraint(
            stops,
            place,
            "have length less than or equal to 2500",
        ));
    }
    match list
        .iter()
        .find(|stop| stop.as_str().is_none_or(str::is_empty))
    {
        Some(empty) => Err(constraint(
            empty,
            place,
            "have length greater than or equal to 1",
        )),
        None => Ok(()),
    }
}

fn check_system(model: &str, request: &Value) -> Result<(), Message> {
    let Some(system) = request.get("system").and_then(Value::as_array) else {
        return Ok(());
    };
    if ["amazon.titan", "mistral-7b", "mixtral"]
        .iter()
        .any(|family| model.contains(family))
    {
        return Err(
            "This model doesn't support system messages. Try again without a system \
                    message or use a model that supports system messages."
                .to_owned(),
        );
    }
    for (at, block) in system.iter().enumerate() {
        members(
            block,
            &format!("system.{at}"),
            &["text", "guardContent", "cachePoint"],
        )?;
        if let Some(text) = block.get("text")
            && text.as_str().is_none_or(|text| text.trim().is_empty())
        {
            return Err(format!(
                "The text field in the SystemContentBlock object at system.{at} is blank. Add \
                 text to the text field, and try again."
            ));
        }
    }
    Ok(())
}

fn check_tools(
    model: &str,
    streamed: bool,
    request: &Value,
    messages: &[Value],
) -> Result<(), Message> {
    let Some(config) = request.get("toolConfig") else {
        return if messages.iter().any(content::has_tool_blocks) {
            Err(
                "The toolConfig field must be defined when using toolUse and toolResult content \
                 blocks."
                    .to_owned(),
            )
        } else {
            Ok(())
        };
    };
    members(config, "toolConfig", &["tools", "toolChoice"])?;
    let tools = config
        .get("tools")
        .and_then(Value::as_array)
        .filter(|tools| !tools.is_empty());
    let Some(tools) = tools else {
        let must = "have length greater than or equal to 1";
        let empty = config.get("tools").unwrap_or(&Value::Null);
        return Err(constraint(empty, "toolConfig.tools", must));
    };
    let without = ["amazon.titan", "mistral-7b", "mixtral", "deepseek.r1"];
    if without.iter().any(|family| model.contains(family)) {
        return Err("This model doesn't support tool use.".to_owned());
    }
    let unstreamed = ["meta.llama", "mistral-large"];
    if streamed && unstreamed.iter().any(|family| model.contains(family)) {
        return Err("This model doesn't support tool use in streaming mode.".to_owned());
    }
    let mut names = Vec::new();
    for (at, tool) in tools.iter().enumerate() {
        members(
            tool,
            &format!("toolConfig.tools.{at}"),
            &["toolSpec", "systemTool", "cachePoint"],
        )?;
        if let Some(spec) = tool.get("toolSpec") {
            names.push(check_spec(spec, at, &names)?);
        }
    }
    let Some(choice) = config.get("toolChoice") else {
        return Ok(());
    };
    members(choice, "toolConfig.toolChoice", &["auto", "any", "tool"])?;
    match choice.pointer("/tool/name").and_then(Value::as_str) {
        Some(named) if !names.contains(&named) => {
            Err(format!("Tool '{named}' not found in provided tools"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_spec<'s>(spec: &'s Value, at: usize, before: &[&str]) -> Result<&'s str, Message> {
    let place = format!("toolConfig.tools.{at}.toolSpec");
    members(
        spec,
        &place,
        &["name", "description", "inputSchema", "strict"],
    )?;
    let name = spec.get("name").unwrap_or(&Value::Null);
    let wrong = || {
        let must = "satisfy regular expression pattern: [a-zA-Z0-9_-]+";
        constraint(name, &format!("{place}.name"), must)
    };
    let name = name
        .as_str()
        .filter(|name| content::is_name(name, "_-"))
        .ok_or_else(wrong)?;
    if before.contains(&name) {
        return Err(malformed(&format!(
            "tools: Tool names must be unique: {name}"
        )));
    }
    if let Some(empty @ Value::String(text)) = spec.get("description")
        && text.is_empty()
    {
        let must = "have length greater than or equal to 1";
        return Err(constraint(empty, &format!("{place}.description"), must));
    }
    let schema = spec.pointer("/inputSchema/json").unwrap_or(&Value::Null);
    let place = format!("{place}.inputSchema.json");
    if !schema.is_object() {
        return Err(format!(
            "The format of the value at {place} is invalid. Provide a json object for the field \
             and try again."
        ));
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(format!(
            "The value at {place}.type must be one of the following: object."
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
