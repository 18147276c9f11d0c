//! `response_format`: text, JSON, or JSON that follows a schema.

mod subset;

use super::Losses;
use super::fields::refuse;
use super::json;
use super::schema;
use super::tools::{description, is_name};
use crate::converse::request::{
    InputSchema, JsonSchema, OutputConfig, Structure, Text, TextFormat, ToolSpec,
};
use crate::openai::request::Fields;
use crate::openai::tool;
use crate::translate::capability::{AnswerSchema, Choice, Tools};
use crate::translate::{Allowance, Loss, Reason, Target};
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
            subset::check(schema)?;
            // The service wants the schema as a string.
            let text = subset::compilable(schema);
            losses.add_if(text.is_some(), Loss::JsonSchemaOneOf);
            let text = Cow::Owned(text.unwrap_or_else(|| schema.json().to_owned()));
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
