//! The part of JSON Schema that Bedrock compiles for an answer.

use crate::openai::token::Raw;
use crate::translate::Reason;
use crate::translate::request::fields::refuse;
use crate::translate::request::json::{self, Members};
use crate::translate::request::schema;
use serde_json::value::RawValue;

/// Whether a schema is in the subset that Bedrock compiles. Taking a keyword out would weaken what
/// the app was promised.
pub(super) fn check(schema: Raw<'_>) -> Result<(), Reason> {
    refuse(schema.json().len() > SCHEMA_MAX, Reason::JsonSchema)?;
    if schema::has_reference(schema.json()) {
        // Fails where a reference has no end, or none that is found.
        schema::inline(schema.token()).map_err(|_| Reason::JsonSchema)?;
    }
    let mut counts = Counts::default();
    let top = Members::of(schema.token()).ok_or(Reason::JsonSchema)?;
    refuse(
        top.find("type").and_then(json::string).as_deref() != Some("object"),
        Reason::JsonSchema,
    )?;
    counts.schema(schema.token())?;
    refuse(
        counts.unions > UNIONS_MAX || counts.optional > OPTIONAL_MAX,
        Reason::JsonSchema,
    )
}

/// The most text of a schema: what bounds reading it level by level.
const SCHEMA_MAX: usize = 256 * 1024;

/// The most properties of several types that Bedrock compiles.
const UNIONS_MAX: usize = 16;

/// The most properties that need not be there.
const OPTIONAL_MAX: usize = 24;

/// Keywords that Bedrock does not compile.
const REFUSED: [&str; 24] = [
    "maxItems",
    "uniqueItems",
    "contains",
    "prefixItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "if",
    "then",
    "else",
    "not",
    "minContains",
    "maxContains",
];

#[derive(Default)]
struct Counts {
    unions: usize,
    optional: usize,
}

impl Counts {
    fn schema(&mut self, schema: &RawValue) -> Result<(), Reason> {
        // `true` and `false` are schemas too.
        let Some(members) = Members::of(schema) else {
            return Ok(());
        };
        // Bedrock compiles only one of them, and both are to become that one.
        let (any, one) = (members.has("anyOf"), members.has("oneOf"));
        refuse(any && one, Reason::JsonSchema)?;
        self.unions += usize::from(any || one);
        self.unions += usize::from(
            members
                .find("type")
                .is_some_and(|t| t.get().starts_with('[')),
        );
        self.object(&members)?;
        for (key, value) in &members.0 {
            refuse(REFUSED.contains(&&**key), Reason::JsonSchema)?;
            match &**key {
                "minItems" => refuse(!matches!(value.get(), "0" | "1"), Reason::JsonSchema)?,
                "properties" | "$defs" | "definitions" => {
                    for (_, member) in &Members::of(value).ok_or(Reason::JsonSchema)?.0 {
                        self.schema(member)?;
                    }
                }
                "items" => self.schema(value)?,
                "anyOf" | "oneOf" | "allOf" => {
                    for item in json::items(value).ok_or(Reason::JsonSchema)? {
                        self.schema(item)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An object must say that nothing else may come.
    fn object(&mut self, members: &Members<'_>) -> Result<(), Reason> {
        let properties = members.find("properties").and_then(Members::of);
        let is_object = members.find("type").and_then(json::string).as_deref() == Some("object");
        if !is_object && properties.is_none() {
            return Ok(());
        }
        let closed = members
            .find("additionalProperties")
            .is_some_and(|v| v.get() == "false");
        refuse(!closed, Reason::JsonSchema)?;
        let required = members
            .find("required")
            .and_then(json::items)
            .map_or(0, |items| items.len());
        let all = properties.map_or(0, |properties| properties.0.len());
        self.optional += all.saturating_sub(required);
        Ok(())
    }
}

/// The schema with `anyOf` where it has `oneOf`, which Bedrock does not compile; none: it has none.
/// For a schema that passed [`check`].
pub(super) fn compilable(schema: Raw<'_>) -> Option<String> {
    // What has not even the word is not read again.
    memchr::memmem::find(schema.json().as_bytes(), b"\"oneOf\"")?;
    let mut writer = Writer::default();
    writer.schema(schema.token());
    writer.changed.then_some(writer.text)
}

/// Writes a schema anew, keys in their order.
#[derive(Default)]
struct Writer {
    text: String,
    changed: bool,
}

impl Writer {
    fn schema(&mut self, schema: &RawValue) {
        self.object(schema, |writer, key, value| {
            let one = key == "oneOf";
            writer.changed |= one;
            writer.key(if one { "anyOf" } else { key });
            match key {
                // The keys in here are names.
                "properties" | "$defs" | "definitions" => {
                    writer.object(value, |writer, name, schema| {
                        writer.key(name);
                        writer.schema(schema);
                    });
                }
                "items" => writer.schema(value),
                "anyOf" | "oneOf" | "allOf" => writer.schemas(value),
                _ => writer.text.push_str(value.get()),
            }
        });
    }

    /// An object, whose members `write` writes; anything else as it is.
    fn object(&mut self, raw: &RawValue, write: impl Fn(&mut Self, &str, &RawValue)) {
        let Some(members) = Members::of(raw) else {
            return self.text.push_str(raw.get());
        };
        self.text.push('{');
        for (index, (key, value)) in members.0.iter().enumerate() {
            self.text.push_str(if index == 0 { "" } else { "," });
            write(self, key, value);
        }
        self.text.push('}');
    }

    fn schemas(&mut self, list: &RawValue) {
        self.text.push('[');
        for (index, schema) in json::items(list).unwrap_or_default().iter().enumerate() {
            self.text.push_str(if index == 0 { "" } else { "," });
            self.schema(schema);
        }
        self.text.push(']');
    }

    fn key(&mut self, key: &str) {
        json::push_string(key, &mut self.text);
        self.text.push(':');
    }
}
