//! The conversation itself: roles, blocks, and tool calls with their results.

use super::{Message, constraint, members};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const START: &str = "A conversation must start with a user message. Try again with a conversation \
                     that starts with a user message.";

const ALTERNATE: &str = "A conversation must alternate between user and assistant roles. Make sure \
                         the conversation alternates between user and assistant roles and try again.";

/// Whether the service takes this conversation.
pub(super) fn check(model: &str, messages: &[Value]) -> Result<(), Message> {
    let mut last_role = "assistant";
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        members(message, &format!("messages.{at}"), &["role", "content"])?;
        let role = message.get("role").unwrap_or(&Value::Null);
        let Some(role @ ("user" | "assistant")) = role.as_str() else {
            let must = "satisfy enum value set: [user, assistant]";
            return Err(constraint(role, &format!("messages.{at}.role"), must));
        };
        if role == last_role {
            return Err(if at == 0 { START } else { ALTERNATE }.to_owned());
        }
        last_role = role;
        let blocks = message.get("content").and_then(Value::as_array);
        let Some(blocks) = blocks.filter(|blocks| !blocks.is_empty()) else {
            return Err(format!(
                "The content field in the Message object at messages.{at} is empty. Add a \
                 ContentBlock object to the content field and try again."
            ));
        };
        for (nth, block) in blocks.iter().enumerate() {
            check_block(model, role, block, &format!("messages.{at}.content.{nth}"))?;
        }
        check_results(at, &open, blocks)?;
        check_mixture(model, blocks)?;
        open = ids(blocks, "toolUse");
    }
    if messages.is_empty() {
        return Err(START.to_owned());
    }
    if !open.is_empty() {
        return Err(unanswered(messages.len() - 1, &open));
    }
    Ok(())
}

/// Whether a message has tool calls or results.
pub(super) fn has_tool_blocks(message: &Value) -> bool {
    let blocks = message
        .get("content")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    blocks
        .into_iter()
        .any(|block| block.get("toolUse").is_some() || block.get("toolResult").is_some())
}

/// 1 to 64 letters, digits and characters of `others`.
pub(super) fn is_name(name: &str, others: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

fn ids<'b>(blocks: &'b [Value], kind: &str) -> Vec<&'b str> {
    blocks
        .iter()
        .filter_map(|block| block.get(kind)?.get("toolUseId")?.as_str())
        .collect()
}

fn unanswered(at: usize, ids: &[&str]) -> Message {
    format!(
        "The model returned the following errors: messages.{at}: `tool_use` ids were found without \
         `tool_result` blocks immediately after: {}. Each `tool_use` block must have a \
         corresponding `tool_result` block in the next message.",
        ids.join(", ")
    )
}

fn check_results(at: usize, open: &[&str], blocks: &[Value]) -> Result<(), Message> {
    let results = ids(blocks, "toolResult");
    let missing: Vec<&str> = open
        .iter()
        .copied()
        .filter(|id| !results.contains(id))
        .collect();
    if !missing.is_empty() {
        return Err(if results.is_empty() {
            unanswered(at.saturating_sub(1), &missing)
        } else {
            let ids = missing.join(", ");
            format!(
                "Expected toolResult blocks at messages.{at}.content for the following Ids: {ids}"
            )
        });
    }
    if results.len() > open.len() {
        return Err(format!(
            "The number of toolResult blocks at messages.{at}.content exceeds the number of \
             toolUse blocks of previous turn."
        ));
    }
    Ok(())
}

/// Some families refuse tool results, or calls, beside other blocks.
fn check_mixture(model: &str, blocks: &[Value]) -> Result<(), Message> {
    let families = ["meta.llama", "mistral."];
    let has = |kind: &str| blocks.iter().any(|block| block.get(kind).is_some());
    if !families.iter().any(|family| model.contains(family)) || !has("text") {
        return Ok(());
    }
    let what = if has("toolResult") {
        "tool result"
    } else if has("toolUse") {
        "tool use"
    } else {
        return Ok(());
    };
    Err(format!(
        "Conversation blocks and {what} blocks cannot be provided in the same turn."
    ))
}

fn check_block(model: &str, role: &str, block: &Value, place: &str) -> Result<(), Message> {
    let known = [
        "text",
        "image",
        "document",
        "video",
        "audio",
        "toolUse",
        "toolResult",
        "guardContent",
        "cachePoint",
        "reasoningContent",
        "citationsContent",
        "searchResult",
    ];
    members(block, place, &known)?;
    let mut kinds = block.as_object().into_iter().flatten();
    let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else {
        return Err(constraint(block, place, "have exactly one member set"));
    };
    match (kind.as_str(), role) {
        ("text", _) if value.as_str().is_none_or(|text| text.trim().is_empty()) => Err(format!(
            "The text field in the ContentBlock object at {place} is blank. Add text to the text \
             field, and try again."
        )),
        ("image", "user") => check_image(model, value, place),
        ("toolUse", "assistant") => check_use(value, place),
        ("toolResult", "user") => check_result(value, place),
        ("image" | "document" | "toolResult", "assistant") => Err(format!(
            "{kind} blocks are only supported in messages with the user role."
        )),
        ("toolUse", _) => {
            Err("toolUse blocks are only supported in messages with the assistant role.".to_owned())
        }
        (_, _) => Ok(()),
    }
}

fn check_id(value: &Value, place: &str) -> Result<(), Message> {
    let id = value.get("toolUseId").unwrap_or(&Value::Null);
    if id.as_str().is_some_and(|id| is_name(id, "_.:-")) {
        return Ok(());
    }
    let must = "satisfy regular expression pattern: [a-zA-Z0-9_.:-]+";
    Err(constraint(id, &format!("{place}.toolUseId"), must))
}

fn check_use(value: &Value, place: &str) -> Result<(), Message> {
    let place = format!("{place}.toolUse");
    members(value, &place, &["toolUseId", "name", "input", "type"])?;
    check_id(value, &place)?;
    let name = value.get("name").unwrap_or(&Value::Null);
    if !name.as_str().is_some_and(|name| is_name(name, "_-")) {
        let must = "satisfy regular expression pattern: [a-zA-Z0-9_-]+";
        return Err(constraint(name, &format!("{place}.name"), must));
    }
    if value.get("input").is_some_and(Value::is_object) {
        return Ok(());
    }
    Err(format!(
        "The format of the value at {place}.input is invalid. Provide a json object for the field \
         and try again."
    ))
}

fn check_result(value: &Value, place: &str) -> Result<(), Message> {
    let place = format!("{place}.toolResult");
    members(value, &place, &["toolUseId", "content", "status", "type"])?;
    check_id(value, &place)?;
    let content = value.get("content").and_then(Value::as_array);
    let content = content
        .ok_or_else(|| constraint(&Value::Null, &format!("{place}.content"), "not be null"))?;
    let known = ["json", "text", "image", "document", "video", "searchResult"];
    for (at, block) in content.iter().enumerate() {
        members(block, &format!("{place}.content.{at}"), &known)?;
    }
    match value.get("status") {
        None => Ok(()),
        Some(status) if ["success", "error"].contains(&status.as_str().unwrap_or_default()) => {
            Ok(())
        }
        Some(status) => {
            let must = "satisfy enum value set: [success, error]";
            Err(constraint(status, &format!("{place}.status"), must))
        }
    }
}

fn check_image(model: &str, value: &Value, place: &str) -> Result<(), Message> {
    let blind = [
        "nova-micro",
        "amazon.titan",
        "llama3-1",
        "llama3-3",
        "mistral-large-2402",
    ];
    if blind.iter().any(|family| model.contains(family)) {
        return Err(
            "This model doesn't support the image content block that you provided.".to_owned(),
        );
    }
    members(value, &format!("{place}.image"), &["format", "source"])?;
    let format = value.get("format").unwrap_or(&Value::Null);
    let magic: &[u8] = match format.as_str() {
        Some("png") => b"\x89PNG\r\n\x1a\n",
        Some("jpeg") => b"\xff\xd8\xff",
        Some("gif") => b"GIF8",
        Some("webp") => b"RIFF",
        Some(_) | None => {
            let must = "satisfy enum value set: [png, jpeg, gif, webp]";
            return Err(constraint(format, &format!("{place}.image.format"), must));
        }
    };
    let bytes = value
        .pointer("/source/bytes")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let bytes = STANDARD.decode(bytes).unwrap_or_default();
    if bytes.len() > 3_932_160 {
        return Err(format!("{place}.image: image exceeds 3.75 MB maximum"));
    }
    if bytes.starts_with(magic) {
        return Ok(());
    }
    Err(format!(
        "The model returned the following errors: {place}.image: Could not process image"
    ))
}
