//! Leaves out what a model thinks aloud at the beginning of its text.
//!
//! Nova of the first generation likes to begin with `<thinking>…</thinking>` when it has tools. Works
//! on escaped text as it streams: what could be the beginning of a tag is held back until it is
//! known. Only a leading block is left out; later ones may be quotations.

use super::fence::trim_start;
use std::borrow::Cow;

/// How far an answer is.
#[derive(Debug)]
pub(super) struct Thinking {
    state: State,
    /// Escaped text that may be part of a tag.
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// White space and the tag may come.
    Opening,
    /// Its end may come.
    Inside,
    /// White space behind it may come.
    Behind,
    /// The answer itself.
    Answer,
}

/// The tags, as JSON may spell them.
const OPEN: [&str; 3] = [
    "<thinking>",
    "\\u003cthinking\\u003e",
    "\\u003Cthinking\\u003E",
];
const CLOSE: [&str; 3] = [
    "</thinking>",
    "\\u003c/thinking\\u003e",
    "\\u003C/thinking\\u003E",
];

/// The longest of them, in bytes.
const TAG_MAX: usize = 21;

/// White space before a tag beyond this is part of an answer.
const HELD_MAX: usize = 1024;

impl Thinking {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Opening,
            held: String::new(),
        }
    }

    /// Takes escaped text and gives what is known to be part of the answer.
    pub(super) fn push<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if self.state == State::Answer {
            return Cow::Borrowed(text);
        }
        self.held.push_str(text);
        if self.state == State::Opening {
            self.open();
        }
        if self.state == State::Inside {
            self.close();
        }
        if self.state == State::Behind {
            self.held = trim_start(&self.held).to_owned();
            if !self.held.is_empty() {
                self.state = State::Answer;
            }
        }
        match self.state {
            State::Answer => Cow::Owned(std::mem::take(&mut self.held)),
            State::Opening | State::Inside | State::Behind => Cow::Borrowed(""),
        }
    }

    /// The text is over, or something else comes: gives what was held and is no thinking.
    pub(super) fn finish(&mut self) -> String {
        let before = std::mem::replace(&mut self.state, State::Answer);
        let held = std::mem::take(&mut self.held);
        match before {
            State::Opening | State::Answer => held,
            State::Inside | State::Behind => String::new(),
        }
    }

    fn open(&mut self) {
        let trimmed = trim_start(&self.held);
        if let Some(inside) = OPEN.iter().find_map(|tag| trimmed.strip_prefix(tag)) {
            self.held = inside.to_owned();
            self.state = State::Inside;
        } else if self.held.len() > HELD_MAX || !OPEN.iter().any(|tag| tag.starts_with(trimmed)) {
            self.state = State::Answer;
        }
    }

    fn close(&mut self) {
        let end = CLOSE
            .iter()
            .filter_map(|tag| self.held.find(tag).map(|at| at + tag.len()))
            .min();
        match end {
            Some(end) => {
                self.held.drain(..end);
                self.state = State::Behind;
            }
            None => {
                // The beginning of a tag is shorter than a tag.
                let mut keep = self.held.len().saturating_sub(TAG_MAX);
                while !self.held.is_char_boundary(keep) {
                    keep -= 1;
                }
                self.held.drain(..keep);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a text, which must not depend on where it is cut.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        for width in [1, 2, 3, 7, text.len().max(1)] {
            let mut thinking = Thinking::new();
            let mut left = String::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(width) {
                left += &thinking.push(&piece.iter().collect::<String>());
            }
            left += &thinking.finish();
            assert_eq!(left, expected, "{width} at a time");
        }
    }

    #[test]
    fn a_leading_block_is_left_out_with_the_space_around_it() {
        check("<thinking>é hm <x></thinking> Hi", "Hi");
        check("<thinking></thinking>", "");
        check("\\u003cthinking\\u003ea\\u003c/thinking\\u003eb", "b");
        check("<thinking>cut off", "");
    }

    #[test]
    fn everything_else_stays() {
        check("Hi", "Hi");
        check("", "");
        check("  Hi <thinking>a</thinking>", "  Hi <thinking>a</thinking>");
        check("<think>a</think>", "<think>a</think>");
        check("<thinkin", "<thinkin");
        check(
            "<thinking>a</thinking><thinking>b</thinking>",
            "<thinking>b</thinking>",
        );
    }

    #[test]
    fn escaped_space_counts_as_space_where_it_comes_whole() {
        let mut thinking = Thinking::new();
        assert_eq!(thinking.push("\\n<thinking>a\\n</thinking>\\n\\nHi"), "Hi");
    }

    #[test]
    fn no_tag_is_longer_than_what_is_kept() {
        assert!(OPEN.iter().chain(&CLOSE).all(|tag| tag.len() <= TAG_MAX));
    }
}
