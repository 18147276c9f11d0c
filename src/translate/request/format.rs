//! `response_format`: text, JSON, or JSON that follows a schema.

use super::Losses;
use super::fields::refuse;
use super::json::{self, Members};
use super::schema;
use super::tools::{description, is_name};
use crate::converse::request::{
    InputSchema, JsonSchema, OutputConfig, Structure, Text, TextFormat, ToolSpec,
};
use crate::openai::request::Fields;
use crate::openai::token::Raw;
use crate::openai::tool;
use crate::translate::capability::{AnswerSchema, Choice, Tools};
use crate::translate::{Allowance, Loss, Reason, Target};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How the form of the answer is asked for.
pub(super) enum Format<'r> {
    /// Not at all.
    Text,
    /// By a sentence.
    JsonObject,
    /// By a schema that the model is held to.
    Native(OutputConfig<'r>),
    /// By a tool that must be called.
    Tool(ToolSpec<'r>),
}

/// What is said to a model that cannot be held to JSON otherwise.
pub(super) const JSON_SENTENCE: &str =
    "Answer with one JSON object and nothing else: no explanation before or after it, no Markdown.";

/// Translates `response_format`.
pub(super) fn translate<'r>(
    fields: &'r Fields<'r>,
    target: &Target,
    losses: &mut Losses,
) -> Result<Format<'r>, Reason> {
    let Some(format) = &fields.response_format else {
        return Ok(Format::Text);
    };
    refuse(format.unknown, Reason::UnknownField)?;
    match format.kind.ok_or(Reason::Malformed)?.decode().as_ref() {
        "text" => Ok(Format::Text),
        "json_object" => {
            // With tools the text may be a remark beside a call; a fence cannot be told from it.
            let tools = fields.tools.is_some() || fields.functions.is_some();
            let accepted = target.allow.contains(Allowance::JsonObject) && !tools;
            refuse(!accepted, Reason::JsonObject)?;
            losses.add(Loss::JsonObject);
            Ok(Format::JsonObject)
        }
        "json_schema" => {
            let asked = format.json_schema.as_ref().ok_or(Reason::Malformed)?;
            refuse(asked.unknown, Reason::UnknownField)?;
            json_schema(asked, fields, target, losses)
        }
        _ => Err(Reason::UnknownField),
    }
}

fn json_schema<'r>(
    asked: &'r tool::JsonSchema<'r>,
    fields: &Fields<'_>,
    target: &Target,
    losses: &mut Losses,
) -> Result<Format<'r>, Reason> {
    let name = asked.name.ok_or(Reason::Malformed)?;
    refuse(!is_name(&name.decode()), Reason::Malformed)?;
    let schema = asked.schema.ok_or(Reason::JsonSchema)?;
    refuse(
        !schema.is_object() || !json::is_sound(schema.token()),
        Reason::Malformed,
    )?;
    let capabilities = &target.capabilities;
    match capabilities.answer_schema {
        AnswerSchema::Unsupported => Err(Reason::JsonSchema),
        AnswerSchema::Native => {
            check_subset(schema)?;
            // The service wants the schema as a string.
            let text = Cow::Owned(schema.json().to_owned());
            let structure = Structure::JsonSchema(JsonSchema {
                schema: Text::Plain(text),
                name: Text::Token(name.token()),
                description: asked.description.and_then(description),
            });
            let text_format = TextFormat {
                kind: "json_schema",
                structure,
            };
            Ok(Format::Native(OutputConfig { text_format }))
        }
        AnswerSchema::Tool => {
            // The model would have to choose between this tool and the app's own.
            let tools = [
                fields.tools.as_ref().map(|tools| tools.len()),
                fields.functions.as_ref().map(|functions| functions.len()),
            ];
            let own = tools.iter().flatten().any(|count| *count > 0);
            let forced =
                capabilities.choice >= Choice::Named && capabilities.tools == Tools::Streamed;
            refuse(own || !forced, Reason::JsonSchema)?;
            let json = schema::input(Some(schema), capabilities.schema, losses)
                .map_err(|_| Reason::JsonSchema)?;
            losses.add(Loss::JsonSchemaAsTool);
            Ok(Format::Tool(ToolSpec {
                name: name.decode(),
                description: asked.description.and_then(description),
                input_schema: InputSchema { json },
                strict: None,
            }))
        }
    }
}

/// Whether a schema is in the subset that Bedrock compiles. Taking a keyword out would weaken what
/// the app was promised.
fn check_subset(schema: Raw<'_>) -> Result<(), Reason> {
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
const REFUSED: [&str; 25] = [
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
    "oneOf",
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
        self.unions += usize::from(members.has("anyOf"));
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
                "anyOf" | "allOf" => {
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
