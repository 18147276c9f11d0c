//! `capabilities` of a mapped model: what it can do, where the operator knows better than the table.

use super::super::problems::Problem;
use super::super::raw::Node;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::shape::{Reader, Shape};
use crate::translate::Capabilities;
use crate::translate::capability::Accepted;
use crate::translate::capability::AnswerSchema;
use crate::translate::capability::Choice;
use crate::translate::capability::Column;
use crate::translate::capability::Tools;
use std::cell::Cell;

/// What `told` becomes with the section's own values in it; none: the model is a mistake itself.
pub(super) fn read(mut section: Section<'_>, told: Option<Capabilities>) -> Capabilities {
    let own = Cell::new(told.unwrap_or_default());
    for column in Column::all() {
        let read = |node: &Node| {
            let text = match node {
                Node::Bool(true) => "true",
                Node::Bool(false) => "false",
                Node::Number(text) | Node::Text(text) => text,
                Node::Nothing | Node::List(_) | Node::Map(_) | Node::Tagged => "",
            };
            let mut capabilities = own.get();
            let set = column.set(&mut capabilities, text);
            own.set(capabilities);
            set.ok_or_else(|| Mistake::from(shape(column).to_string()))
        };
        section.optional(column.name(), Reader::new(shape(column), read));
    }
    let capabilities = own.get();
    if let Some(told) = told {
        check(&section, told, capabilities);
    }
    section.finish();
    capabilities
}

fn shape(column: &Column) -> Shape {
    match column.accepted() {
        Accepted::Words(words) => Shape::Word(words.to_vec()),
        Accepted::Tokens(range) => {
            Shape::Tokens(u64::from(*range.start())..=u64::from(*range.end()))
        }
    }
}

/// What cannot be true together. The table's own values are no mistake of the file.
fn check(section: &Section<'_>, told: Capabilities, own: Capabilities) {
    let problem = |key: &str, found: &str, accepted: &str| {
        let problem = Problem::new(section.path(key), found, accepted);
        section.sink().problem(problem);
    };
    let as_tool =
        own.answer_schema == AnswerSchema::Tool && told.answer_schema != AnswerSchema::Tool;
    let forced = own.tools == Tools::Streamed && own.choice == Choice::Named;
    if as_tool && !forced {
        problem("json_schema", "tool", AS_TOOL);
    }
    if own.max_output.is_some_and(|most| most < own.min_output) {
        problem("min_output", "more than max_output", "at most max_output");
    }
}

const AS_TOOL: &str = "native or none; or tool, beside tools: streamed and tool_choice: named, \
                       because that tool must be called";
