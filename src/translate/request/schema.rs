//! JSON Schemas of tools: what each family of models takes of them.
//!
//! A schema goes through as it is, keys in their order. It is rebuilt only where a model refuses
//! something that can be said otherwise; where it cannot, the call stays.

use super::Losses;
use super::fields::refuse;
use super::json::{self, Members};
use crate::converse::request::Json;
use crate::openai::token::Raw;
use crate::translate::capability::SchemaRules;
use crate::translate::{Loss, Reason};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// The schema of a function's arguments. OpenAI takes none, and one without a type; Bedrock does
/// not.
pub(super) fn input<'r>(
    parameters: Option<Raw<'r>>,
    rules: SchemaRules,
    losses: &mut Losses,
) -> Result<Json<'r>, Reason> {
    let Some(raw) = parameters.filter(|raw| !json::is_empty_object(*raw)) else {
        return rebuilt(r#"{"type":"object","properties":{}}"#.to_owned());
    };
    refuse(
        !raw.is_object() || !json::is_sound(raw.token()),
        Reason::Malformed,
    )?;
    let mut schema = Cow::Borrowed(raw.token());
    let inlines = match rules {
        SchemaRules::Claude => false,
        SchemaRules::Grok | SchemaRules::Nova | SchemaRules::Plain => has_reference(raw.json()),
    };
    refuse(
        rules == SchemaRules::Grok && looks_around(raw.json()),
        Reason::ToolSchema,
    )?;
    if inlines {
        schema = Cow::Owned(inline(raw.token())?);
        losses.add(Loss::ToolSchema);
    }
    match rewrite_top(&schema, rules, losses)? {
        Some(json) => rebuilt(json),
        None => Ok(Json::Raw(schema)),
    }
}

fn rebuilt<'r>(text: String) -> Result<Json<'r>, Reason> {
    Ok(Json::Raw(Cow::Owned(
        json::owned(text).ok_or(Reason::ToolSchema)?,
    )))
}

/// What the top of a schema must become; none: it may stay.
fn rewrite_top(
    schema: &RawValue,
    rules: SchemaRules,
    losses: &mut Losses,
) -> Result<Option<String>, Reason> {
    let members = Members::of(schema).ok_or(Reason::Malformed)?;
    let combined = ["anyOf", "oneOf", "allOf"]
        .iter()
        .any(|key| members.has(key));
    let typed = match members.find("type").and_then(json::string).as_deref() {
        Some("object") => true,
        Some(_) => return Err(Reason::ToolSchema),
        // A list of types is no object; without a type the alternatives would have to be read.
        None if members.has("type") || combined => return Err(Reason::ToolSchema),
        None => false,
    };
    let keeps: fn(&str) -> bool = match rules {
        SchemaRules::Claude => {
            refuse(combined, Reason::ToolSchema)?;
            |_| true
        }
        SchemaRules::Grok | SchemaRules::Plain => |_| true,
        SchemaRules::Nova => {
            let meaningful = members
                .0
                .iter()
                .any(|(key, _)| !NOVA_TAKES.contains(&&**key) && !SAYS_LITTLE.contains(&&**key));
            refuse(meaningful, Reason::ToolSchema)?;
            |key| NOVA_TAKES.contains(&key)
        }
    };
    let strips = members.0.iter().any(|(key, _)| !keeps(key));
    losses.add_if(strips, Loss::ToolSchema);
    if typed && !strips {
        return Ok(None);
    }
    let mut text = String::from(if typed { "{" } else { r#"{"type":"object","# });
    for (key, value) in members.0.iter().filter(|(key, _)| keeps(key)) {
        push_member(key, value.get(), &mut text);
    }
    Ok(Some(close(text)))
}

/// What Nova takes at the top of a schema.
const NOVA_TAKES: [&str; 3] = ["type", "properties", "required"];

/// What may go from the top of a schema: it describes more than it demands. (That no other property
/// may come is what models keep to anyway.)
const SAYS_LITTLE: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "additionalProperties",
    "examples",
    "$defs",
    "definitions",
];

fn push_member(key: &str, value: &str, text: &mut String) {
    json::push_string(key, text);
    text.push(':');
    text.push_str(value);
    text.push(',');
}

/// Ends an object whose members each end with a comma.
fn close(mut text: String) -> String {
    if text.ends_with(',') {
        text.pop();
    }
    text.push('}');
    text
}

/// Whether a schema may have a pattern that looks around. Careful: a text that only speaks of one
/// counts too.
fn looks_around(schema: &str) -> bool {
    let has = |part: &str| memchr::memmem::find(schema.as_bytes(), part.as_bytes()).is_some();
    has("\"pattern\"") && ["(?=", "(?!", "(?<=", "(?<!"].into_iter().any(has)
}

/// Whether a schema may have references.
pub(super) fn has_reference(schema: &str) -> bool {
    memchr::memmem::find(schema.as_bytes(), b"\"$ref\"").is_some()
}

/// A schema whose references are replaced by what they refer to.
pub(super) fn inline(schema: &RawValue) -> Result<Box<RawValue>, Reason> {
    let top = Members::of(schema).ok_or(Reason::ToolSchema)?;
    let mut definitions = HashMap::new();
    for place in ["$defs", "definitions"] {
        if let Some(members) = top.find(place).and_then(Members::of) {
            let named = |(name, value)| (format!("#/{place}/{name}"), value);
            definitions.extend(members.0.into_iter().map(named));
        }
    }
    let mut inliner = Inliner {
        definitions,
        ..Inliner::default()
    };
    inliner.value(schema)?;
    json::owned(inliner.text).ok_or(Reason::ToolSchema)
}

#[derive(Default)]
struct Inliner<'a> {
    definitions: HashMap<String, &'a RawValue>,
    /// The references that are being replaced: one inside itself has no end.
    open: Vec<Cow<'a, str>>,
    /// How deep the value that is being written is.
    depth: usize,
    /// How much was read, in bytes; a definition counts each time.
    read: usize,
    text: String,
}

/// The most that is read to inline the references of one schema: what bounds definitions that
/// multiply.
const READ_MAX: usize = 4 * 1024 * 1024;

/// How deep a schema without references may be, and how long a chain of them: what the parser takes
/// too.
const DEPTH_MAX: usize = 127;

impl<'a> Inliner<'a> {
    fn value(&mut self, value: &'a RawValue) -> Result<(), Reason> {
        self.read += value.get().len();
        self.depth += 1;
        refuse(
            self.read > READ_MAX || self.depth > DEPTH_MAX,
            Reason::ToolSchema,
        )?;
        self.write(value)?;
        self.depth -= 1;
        Ok(())
    }

    fn write(&mut self, value: &'a RawValue) -> Result<(), Reason> {
        match value.get().as_bytes() {
            [b'{', ..] => self.object(&Members::of(value).ok_or(Reason::ToolSchema)?),
            [b'[', ..] => {
                self.text.push('[');
                for (index, item) in json::items(value)
                    .unwrap_or_default()
                    .into_iter()
                    .enumerate()
                {
                    self.text.push_str(if index == 0 { "" } else { "," });
                    self.value(item)?;
                }
                self.text.push(']');
                Ok(())
            }
            _ => {
                self.text.push_str(value.get());
                Ok(())
            }
        }
    }

    fn object(&mut self, members: &Members<'a>) -> Result<(), Reason> {
        let Some(reference) = members.find("$ref").and_then(json::string) else {
            return self.members(members, None);
        };
        let definition = *self
            .definitions
            .get(&*reference)
            .ok_or(Reason::ToolSchema)?;
        self.read += definition.get().len();
        let endless = self.open.contains(&reference) || self.open.len() >= DEPTH_MAX;
        refuse(endless || self.read > READ_MAX, Reason::ToolSchema)?;
        let target = Members::of(definition).ok_or(Reason::ToolSchema)?;
        // Beside a reference only what describes can stand: the rest would have to be combined.
        let demands = members.0.iter().any(|(key, _)| {
            !matches!(
                &**key,
                "$ref" | "description" | "title" | "default" | "examples"
            )
        });
        refuse(demands, Reason::ToolSchema)?;
        self.open.push(reference);
        self.members(&target, Some(members))?;
        self.open.pop();
        Ok(())
    }

    /// Writes an object: its members, those of `over` instead of its own.
    fn members(&mut self, own: &Members<'a>, over: Option<&Members<'a>>) -> Result<(), Reason> {
        // A definition that only refers to another.
        if over.is_some() && own.has("$ref") {
            return self.object(own);
        }
        let replaced = |key: &str| over.is_some_and(|over| over.has(key));
        let kept = own
            .0
            .iter()
            .filter(|(key, _)| !matches!(&**key, "$defs" | "definitions") && !replaced(key));
        let over = over.map(|over| over.0.as_slice()).unwrap_or_default();
        let mut first = true;
        self.text.push('{');
        for (key, value) in kept.chain(over.iter().filter(|(key, _)| key != "$ref")) {
            self.text.push_str(if first { "" } else { "," });
            first = false;
            json::push_string(key, &mut self.text);
            self.text.push(':');
            self.value(value)?;
        }
        self.text.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
