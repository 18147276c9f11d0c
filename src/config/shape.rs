//! What a value of the file may be, as data beside the function that reads it.
//!
//! A [`Reader`] is a parser together with its [`Shape`]. Sections take nothing else, so there is no
//! key whose schema could be forgotten or could say something else than its parser: `schema` asks
//! the resolver itself what it reads. Messages about wrong values are made of the shape too.

use super::raw::Node;
use super::section::Mistake;
use super::values::shown_duration;
use super::values::shown_size;
use crate::split::Percent;
use serde_json::Value;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `10m`, `90s`, `500ms`, `1h30m`.
    Duration(RangeInclusive<Duration>),
    /// `2%`: a share in a rule, always with the sign.
    Share(RangeInclusive<Percent>),
    /// `5`, `2.5` or `5%`: a percentage of calls.
    Percent(RangeInclusive<Percent>),
    /// `32MiB`, in bytes.
    Size(RangeInclusive<usize>),
    /// A whole number.
    Count(RangeInclusive<u64>),
    /// A whole number that may be written as text.
    Tokens(RangeInclusive<u64>),
    /// A number from 0 to 1.
    Fraction,
    /// `true` or `false`.
    Flag,
    /// `off`.
    Off,
    /// One of a few words; `true` and `false` among them may be written without quotes.
    Word(Vec<&'static str>),
    /// Any other text.
    Text(Text),
    /// A list.
    List {
        /// What each entry may be.
        of: Box<Self>,
        /// How many there are.
        entries: Entries,
        /// The most that there may be.
        most: usize,
    },
    /// Values under names that the operator chooses.
    Named {
        /// What a name may be.
        name: Text,
        /// What each value may be.
        of: Box<Self>,
        /// The fewest that there may be.
        least: usize,
        /// The most that there may be.
        most: usize,
    },
    /// One of these.
    Either(Vec<Self>),
    /// Keys and values of its own.
    Section,
}

/// Text that is not one of a few words.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// What is accepted, in words.
    pub accepted: &'static str,
    /// A regular expression that every accepted text matches, in what JavaScript, Python and Rust
    /// have in common.
    pub pattern: &'static str,
    /// The longest accepted text, in characters.
    pub longest: Option<usize>,
    /// Whether a number without quotes will do.
    pub number: bool,
}

/// How many entries a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// Any number.
    Any,
    /// One at least.
    Some,
    /// Any number, each once.
    Once,
    /// One at least, each above the one before.
    Rising,
}

impl Text {
    /// Text as `accepted` says, that matches `pattern`.
    pub(crate) const fn new(accepted: &'static str, pattern: &'static str) -> Self {
        Self {
            accepted,
            pattern,
            longest: None,
            number: false,
        }
    }

    /// That text, or a number without quotes.
    pub(crate) const fn or_number(self) -> Self {
        Self {
            number: true,
            ..self
        }
    }

    /// That text, of so many characters at most.
    pub(crate) const fn up_to(self, chars: usize) -> Self {
        Self {
            longest: Some(chars),
            ..self
        }
    }
}

impl fmt::Display for Shape {
    /// What is accepted, as messages say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(range) => {
                let (min, max) = (shown_duration(*range.start()), shown_duration(*range.end()));
                write!(
                    f,
                    "a duration such as 10m, 90s or 500ms, from {min} to {max}"
                )
            }
            Self::Share(range) => {
                let (min, max) = (range.start(), range.end());
                write!(f, "a share such as 2%, from {min}% to {max}%")
            }
            Self::Percent(range) => {
                write!(
                    f,
                    "{} to {}, at most two decimals",
                    range.start(),
                    range.end()
                )
            }
            Self::Size(range) => {
                let (min, max) = (shown_size(*range.start()), shown_size(*range.end()));
                write!(
                    f,
                    "a size such as 32MiB, 512KiB or 1GiB, from {min} to {max}"
                )
            }
            Self::Count(range) => {
                write!(
                    f,
                    "a whole number from {} to {}",
                    range.start(),
                    range.end()
                )
            }
            Self::Tokens(range) => {
                let (min, max) = (range.start(), range.end());
                write!(f, "a number of tokens from {min} to {max}")
            }
            Self::Fraction => f.write_str("a number from 0 to 1"),
            Self::Flag => f.write_str("true or false"),
            Self::Off => f.write_str("off"),
            Self::Word(words) => f.write_str(&words.join(", ")),
            Self::Text(text) => f.write_str(text.accepted),
            Self::List { of, .. } => write!(f, "a list, each entry {of}"),
            Self::Named { of, .. } => write!(f, "names, each with {of}"),
            Self::Either(shapes) => {
                for (at, shape) in shapes.iter().enumerate() {
                    write!(f, "{}{shape}", if at == 0 { "" } else { "; or " })?;
                }
                Ok(())
            }
            Self::Section => f.write_str("keys and values"),
        }
    }
}

/// How a value is read.
pub(crate) struct Reader<'a, T> {
    shape: Shape,
    read: Read<'a, T>,
    write: Write<'a, T>,
}

type Write<'a, T> = Box<dyn Fn(&T) -> Option<Value> + 'a>;

type Read<'a, T> = Box<dyn Fn(&Node) -> Result<T, Mistake> + 'a>;

impl<'a, T: 'a> Reader<'a, T> {
    /// Reads with `read` what has this shape.
    pub(crate) fn new(shape: Shape, read: impl Fn(&Node) -> Result<T, Mistake> + 'a) -> Self {
        Self {
            shape,
            read: Box::new(read),
            write: Box::new(|_| None),
        }
    }

    /// With the way back, for values that are defaults.
    pub(crate) fn written(self, write: impl Fn(&T) -> Option<Value> + 'a) -> Self {
        Self {
            write: Box::new(write),
            ..self
        }
    }

    /// With a narrower shape, which whoever reads holds the value to.
    pub(crate) fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// With the way back of values that are shown as the file writes them.
    pub(crate) fn shown(self) -> Self
    where
        T: fmt::Display,
    {
        self.written(|value| Some(Value::String(value.to_string())))
    }

    /// The value that is there, or why it is none.
    pub(crate) fn read(&self, node: &Node) -> Result<T, Mistake> {
        (self.read)(node)
    }

    /// What may be there.
    pub(crate) const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// As the file writes `value`; none where no default is ever written.
    pub(crate) fn write(&self, value: &T) -> Option<Value> {
        (self.write)(value)
    }

    /// Reads the same, and makes something else of it.
    pub(crate) fn map<U: 'a>(self, made: impl Fn(T) -> U + 'a) -> Reader<'a, U> {
        let Self { shape, read, .. } = self;
        Reader::new(shape, move |node| read(node).map(&made))
    }

    /// Reads the same, but says in other words what is accepted.
    pub(crate) fn saying(self, accepted: impl Fn(String) -> String + 'a) -> Self {
        let Self { shape, read, write } = self;
        let reworded = move |mistake: Mistake| Mistake {
            accepted: accepted(mistake.accepted),
            ..mistake
        };
        Self {
            shape,
            read: Box::new(move |node| read(node).map_err(&reworded)),
            write,
        }
    }
}
