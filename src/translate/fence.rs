//! Strips one Markdown fence around an answer that must be JSON.
//!
//! Models that are asked for JSON in words like to wrap it: a line of three backticks, perhaps with
//! `json`, before it, and three backticks after it. Works on escaped text as it streams: what could
//! be the beginning or the end of a fence is held back until it is known.

/// How far an answer is.
#[derive(Debug)]
pub(super) struct Fence {
    state: State,
    /// Escaped text that may be part of a fence.
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// White space, backticks and a word may come.
    Opening,
    /// There was a fence: the last backticks and white space are held.
    Fenced,
    /// There was none.
    Plain,
}

/// The most text that is held back, in bytes: no fence is that long.
const HELD_MAX: usize = 1024;

/// Three backticks.
const MARK: &str = "```";

/// What may stand between the backticks and the end of their line.
const WORD_MAX: usize = 16;

impl Fence {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Opening,
            held: String::new(),
        }
    }

    /// Takes escaped text and gives what is known to be content; none if nothing is.
    pub(super) fn push(&mut self, text: &str) -> Option<String> {
        self.held.push_str(text);
        if self.state == State::Opening {
            self.open();
        }
        let known = match self.state {
            State::Opening => return None,
            State::Plain => std::mem::take(&mut self.held),
            State::Fenced => {
                let end = content_end(&self.held);
                if self.held.len() - end > HELD_MAX {
                    std::mem::take(&mut self.held)
                } else {
                    self.held.drain(..end).collect()
                }
            }
        };
        (!known.is_empty()).then_some(known)
    }

    /// The text is over: gives what was held and is no fence.
    pub(super) fn finish(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.held);
        let rest = match self.state {
            State::Fenced if trim_end(&held).ends_with(MARK) => return None,
            State::Fenced | State::Opening | State::Plain => held,
        };
        (!rest.is_empty()).then_some(rest)
    }

    /// Decides, if it can be decided, whether there is a fence.
    fn open(&mut self) {
        let trimmed = trim_start(&self.held);
        let Some(after) = trimmed.strip_prefix(MARK) else {
            if !MARK.starts_with(trimmed) || self.held.len() > HELD_MAX {
                self.state = State::Plain;
            }
            return;
        };
        if let Some((word, content)) = after.split_once("\\n") {
            let word = word.strip_suffix("\\r").unwrap_or(word);
            if word.len() <= WORD_MAX && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                self.state = State::Fenced;
                self.held = content.to_owned();
                return;
            }
        }
        if after.contains("\\n") || after.len() > WORD_MAX + 4 {
            self.state = State::Plain;
        }
    }
}

/// Where the content ends for certain: before the white space and backticks that may be its fence.
fn content_end(held: &str) -> usize {
    let trimmed = trim_end(held);
    let unmarked = trimmed.trim_end_matches('`');
    trim_end(unmarked).len()
}

/// Without the white space at its end. Text ends with whole escapes only.
fn trim_end(mut text: &str) -> &str {
    loop {
        let shorter = ["\\n", "\\r", "\\t", " "].iter().find_map(|end| {
            // Behind another backslash it is a letter, not a line break.
            text.strip_suffix(end)
                .filter(|rest| backslashes(rest).is_multiple_of(2) || *end == " ")
        });
        match shorter {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

pub(super) fn trim_start(mut text: &str) -> &str {
    while let Some(rest) = ["\\n", "\\r", "\\t", " "]
        .iter()
        .find_map(|s| text.strip_prefix(s))
    {
        text = rest;
    }
    text
}

/// How many backslashes the text ends with.
fn backslashes(text: &str) -> usize {
    text.len() - text.trim_end_matches('\\').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of every size, never cutting an escape in two.
    #[track_caller]
    fn check(text: &str, content: &str) {
        let mut letters = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let escape = if letter == '\\' { rest.next() } else { None };
            letters.push(letter.to_string() + &escape.map(String::from).unwrap_or_default());
        }
        for size in 1..=letters.len().max(1) {
            let mut fence = Fence::new();
            let mut out = String::new();
            for piece in letters.chunks(size) {
                out += &fence.push(&piece.concat()).unwrap_or_default();
            }
            out += &fence.finish().unwrap_or_default();
            assert_eq!(out, content, "{text} in pieces of {size}");
        }
    }

    #[test]
    fn a_fence_is_stripped() {
        check(r"```json\n{}\n```", "{}");
        check(r#"\n ```\r\n{\"a\":1}\n```\n"#, r#"{\"a\":1}"#);
        check(r"```JSON\n[1,\n2]```", r"[1,\n2]");
    }

    #[test]
    fn a_fence_around_a_long_answer_is_stripped() {
        let long = "x".repeat(2 * HELD_MAX);
        let mut fence = Fence::new();
        let content = fence.push(&format!("```json\\n{long}\\n```"));
        assert_eq!((content, fence.finish()), (Some(long), None));
    }

    #[test]
    fn anything_else_stays() {
        check("{}", "{}");
        check(r"{}\n", r"{}\n");
        check("", "");
        check("``", "``");
        check("`x`", "`x`");
        check(
            r"```a very long line that is no name of a language\n{}",
            r"```a very long line that is no name of a language\n{}",
        );
        check(r#"{\"a\":\"```\"}"#, r#"{\"a\":\"```\"}"#);
    }

    #[test]
    fn what_looks_like_an_end_inside_stays() {
        check(
            r#"```json\n{\"a\":\"``` \\n\"}\n```"#,
            r#"{\"a\":\"``` \\n\"}"#,
        );
        check(r"```\n{} \n", r"{} \n");
    }
}
