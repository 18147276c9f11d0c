//! JSON that fits a JSON Schema, as a well-behaved model would fill it in.
//!
//! What the question says is used: a call that is written out (`add(1, 2)`) gives a tool its
//! arguments, a quoted phrase its first text. Keywords that real clients send are obeyed;
//! `pattern` is not.

use serde_json::{Map, Value, json};

/// How deep schemas are followed.
const DEPTH: usize = 12;

/// An instance of `schema`; `name` is the property that it fills.
pub(super) fn instance(schema: &Value, name: &str) -> Value {
    Sampler { root: schema }.at_depth(schema, name, 0)
}

/// The arguments of a call of `tool`, whose schema is `schema`, to answer `question`.
pub(super) fn arguments(schema: &Value, tool: &str, question: &str) -> Value {
    let mut filled = instance(schema, "");
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return filled;
    };
    if let Some(values) = written_call(question, tool) {
        for (name, value) in properties.keys().zip(values) {
            if let Some(filled) = filled.as_object_mut() {
                filled.insert(name.clone(), value);
            }
        }
    } else if let Some(phrase) = quoted(question) {
        let free = |(_, schema): &(&String, &Value)| {
            schema.get("type").and_then(Value::as_str) == Some("string")
                && ["enum", "const", "format", "maxLength"]
                    .iter()
                    .all(|key| schema.get(key).is_none())
        };
        let first = properties.iter().find(free).map(|(name, _)| name.clone());
        if let (Some(filled), Some(name)) = (filled.as_object_mut(), first) {
            filled.insert(name, json!(phrase));
        }
    }
    filled
}

/// An object with the keys that `question` quotes; without one its only member is `answer`.
pub(super) fn object_asked_for(question: &str, answer: &str) -> Value {
    let mut keys = Vec::new();
    let mut rest = question;
    while let Some((key, after)) = next_quoted(rest) {
        keys.push(key.to_owned());
        rest = after;
    }
    if keys.is_empty() {
        return json!({ "answer": answer });
    }
    let member = |key: String| {
        let value = string(&Value::Null, &key);
        (key, value)
    };
    Value::Object(keys.into_iter().map(member).collect())
}

/// The arguments of the first `NAME(…)` in a text, if they are JSON.
fn written_call(text: &str, name: &str) -> Option<Vec<Value>> {
    let (_, rest) = text.split_once(&format!("{name}("))?;
    let (inside, _) = rest.split_once(')')?;
    serde_json::from_str(&format!("[{inside}]")).ok()
}

fn quoted(text: &str) -> Option<&str> {
    next_quoted(text).map(|(phrase, _)| phrase)
}

/// The first phrase between quotation marks, and what follows it. An apostrophe is none: before an
/// opening mark there is a space, or nothing.
fn next_quoted(text: &str) -> Option<(&str, &str)> {
    let mut before = ' ';
    for (at, mark) in text.char_indices() {
        let opens = before.is_whitespace() && (mark == '\'' || mark == '"');
        before = mark;
        if !opens {
            continue;
        }
        let rest = text.get(at + mark.len_utf8()..)?;
        if let Some((phrase, after)) = rest.split_once(mark)
            && !phrase.is_empty()
        {
            return Some((phrase, after));
        }
    }
    None
}

/// Follows a schema; references lead into `root`.
struct Sampler<'s> {
    root: &'s Value,
}

impl Sampler<'_> {
    fn at_depth(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH {
            return Value::Null;
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(path) = reference.and_then(|reference| reference.strip_prefix('#')) {
            let referred = self.root.pointer(path).unwrap_or(&Value::Null);
            return self.at_depth(referred, name, depth + 1);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema.get("enum").and_then(|choices| choices.get(0)) {
            return first.clone();
        }
        if let Some(choice) = alternative(schema) {
            return self.at_depth(choice, name, depth + 1);
        }
        match kind(schema) {
            Some("string") => string(schema, name),
            Some("integer" | "number") => number(schema),
            Some("boolean") => json!(true),
            Some("array") => self.array(schema, name, depth),
            Some("null") => Value::Null,
            Some(_) | None => self.object(schema, depth),
        }
    }

    fn array(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let Some(items) = schema.get("items") else {
            return json!([]);
        };
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
        let most = schema.get("maxItems").and_then(Value::as_u64);
        let count = most.unwrap_or(u64::MAX).min(least.max(1));
        (0..count)
            .map(|_| self.at_depth(items, name, depth + 1))
            .collect()
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let parts = schema.get("allOf").and_then(Value::as_array);
        let mut filled = Map::new();
        for part in parts.into_iter().flatten() {
            if let Value::Object(more) = self.at_depth(part, "", depth + 1) {
                filled.extend(more);
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            filled.insert(key.clone(), self.at_depth(inner, key, depth + 1));
        }
        Value::Object(filled)
    }
}

/// The first alternative that says something.
fn alternative(schema: &Value) -> Option<&Value> {
    let choices = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema.get(key)?.as_array())?;
    let says = |choice: &&Value| kind(choice) != Some("null");
    choices.iter().find(says).or_else(|| choices.first())
}

/// The type of a schema; of several the first that is not `null`.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|kind| *kind != "null").or(Some("null"))
        }
        kind => kind.as_str(),
    }
}

fn number(schema: &Value) -> Value {
    let bound = |key| schema.get(key).filter(|bound: &&Value| bound.is_number());
    if let Some(least) = bound("minimum").or_else(|| bound("multipleOf")) {
        return least.clone();
    }
    let whole = |key| bound(key).and_then(Value::as_i64);
    let above = whole("exclusiveMinimum").map_or(i64::MIN, |bound| bound + 1);
    let most = whole("maximum").unwrap_or(i64::MAX);
    let below = whole("exclusiveMaximum").map_or(i64::MAX, |bound| bound - 1);
    json!(7.max(above).min(most).min(below))
}

fn string(schema: &Value, name: &str) -> Value {
    let name = name.to_ascii_lowercase();
    match schema.get("format").and_then(Value::as_str) {
        Some("date") => return json!("2026-05-04"),
        Some("date-time") => return json!("2026-05-04T10:00:00Z"),
        Some("email") => return json!("somebody@example.com"),
        Some("uri") => return json!("https://example.com/"),
        Some("uuid") => return json!("6f1c7a52-0b1d-4c8e-9a57-3d2f4e5a6b7c"),
        Some(_) | None => {}
    }
    let mut text = if ["city", "location", "place"]
        .iter()
        .any(|place| name.contains(place))
    {
        String::from("Zürich")
    } else {
        format!("some {}", if name.is_empty() { "text" } else { &name })
    };
    let length = |key| {
        let length = schema.get(key).and_then(Value::as_u64)?;
        usize::try_from(length).ok()
    };
    let least = length("minLength").unwrap_or(0).min(1 << 16);
    while text.chars().count() < least {
        text.push('.');
    }
    match length("maxLength") {
        Some(most) => json!(text.chars().take(most).collect::<String>()),
        None => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{arguments, instance, object_asked_for};
    use serde_json::json;

    #[test]
    fn an_instance_fits_its_schema() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["C", "F"]},
            "days": {"type": ["integer", "null"], "minimum": 2},
            "tags": {"type": "array", "items": {"type": "boolean"}},
        }});
        let expected = json!({"city": "Zürich", "unit": "C", "days": 2, "tags": [true]});
        assert_eq!(instance(&schema, ""), expected);
    }

    #[test]
    fn references_alternatives_and_bounds_are_obeyed() {
        let schema = json!({
            "$defs": {"Node": {"type": "object", "properties": {"id": {"type": "string", "maxLength": 3}}}},
            "type": "object",
            "properties": {
                "node": {"$ref": "#/$defs/Node"},
                "maybe": {"anyOf": [{"type": "null"}, {"type": "integer", "exclusiveMaximum": 3}]},
                "pair": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
                "both": {"allOf": [{"$ref": "#/$defs/Node"}]},
            },
        });
        let node = json!({"id": "som"});
        let expected = json!({"node": node, "maybe": 2, "pair": [true, true], "both": node});
        assert_eq!(instance(&schema, ""), expected);
    }

    #[test]
    fn a_question_gives_the_arguments_that_it_names() {
        let schema = json!({"type": "object", "properties": {
            "count": {"type": "integer"}, "name": {"type": "string"},
        }});
        let called = |question: &str| arguments(&schema, "order", question);
        assert_eq!(
            called("What is order(3, \"tea\")?"),
            json!({"count": 3, "name": "tea"})
        );
        assert_eq!(
            called("It's for '你好', isn't it?"),
            json!({"count": 7, "name": "你好"})
        );
        assert_eq!(
            called("It's order(x)."),
            json!({"count": 7, "name": "some name"})
        );
    }

    #[test]
    fn an_object_has_the_keys_that_are_asked_for() {
        assert_eq!(
            object_asked_for("JSON with 'a' and 'b' keys", "-"),
            json!({"a": "some a", "b": "some b"})
        );
        assert_eq!(object_asked_for("JSON", "-"), json!({"answer": "-"}));
    }
}
