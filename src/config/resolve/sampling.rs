//! `defaults` of a mapped model: sampling parameters that are sent where the app sends none.

use super::super::raw::Node;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::section::Sink;
use super::super::shape::{Reader, Shape};
use crate::translate::Defaults;
use crate::translate::Fraction;
use crate::translate::capability::Sampling;

/// What was read, and where it is in the file.
#[derive(Debug)]
pub(super) struct Read {
    defaults: Defaults,
    temperature: String,
    top_p: String,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Read {
    let read = Read {
        temperature: section.path("temperature"),
        top_p: section.path("top_p"),
        defaults: Defaults {
            temperature: section.optional("temperature", fraction()),
            top_p: section.optional("top_p", fraction()),
        },
    };
    section.finish();
    read
}

impl Read {
    /// The defaults, if a model that takes `sampling` takes them; those that it does not are
    /// mistakes.
    pub(super) fn of(self, sink: &Sink, sampling: Sampling) -> Defaults {
        let Self {
            defaults,
            temperature,
            top_p,
        } = self;
        let mistake = |path: String, value: &Fraction, accepted: &str| {
            sink.problem(Mistake::from(accepted).at(path, &Node::Number(value.to_string())));
        };
        match (sampling, &defaults.temperature, &defaults.top_p) {
            (Sampling::Both, _, _) => {}
            (Sampling::One, Some(_), Some(value)) => {
                mistake(
                    top_p,
                    value,
                    "temperature or top_p: this model takes only one of them",
                );
            }
            (Sampling::One, _, _) => {}
            (Sampling::Neither, first, second) => {
                for (path, value) in [(temperature, first), (top_p, second)] {
                    if let Some(value) = value {
                        mistake(
                            path,
                            value,
                            "nothing: this model takes neither temperature nor top_p",
                        );
                    }
                }
            }
        }
        defaults
    }
}

fn fraction() -> Reader<'static, Fraction> {
    let read = |node: &Node| {
        let number = node.number().and_then(Fraction::new);
        number.ok_or_else(|| Mistake::from(Shape::Fraction.to_string()))
    };
    Reader::new(Shape::Fraction, read)
}
