//! What the demo shows: a live list of steps, plain lines, or one JSON object.
//!
//! Colour comes only from indicatif's templates, which leave it out where `NO_COLOR` says so.

use super::Options;
use crate::clock::RuleClock;
use crate::outcome::RuleTime;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Where long texts are broken.
const WIDTH: usize = 92;

/// How often plain output repeats the line of numbers.
const PLAIN_LINE_MS: u64 = 5_000;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// Where everything is shown.
#[derive(Debug)]
pub(super) struct View {
    kind: Kind,
    clock: RuleClock,
    start: RuleTime,
    last_line: RuleTime,
    /// What each finished step observed.
    observed: Vec<Value>,
}

#[derive(Debug)]
enum Kind {
    Live(Live),
    Plain,
    Json,
}

#[derive(Debug)]
struct Live {
    screen: MultiProgress,
    /// The running step and those to come.
    steps: VecDeque<ProgressBar>,
    numbers: ProgressBar,
}

impl View {
    /// Chooses the kind: live needs a terminal.
    pub(super) fn new(options: &Options) -> Self {
        let clock = RuleClock::system();
        let start = clock.now();
        let kind = if options.json {
            Kind::Json
        } else if options.plain || !io::stdout().is_terminal() {
            Kind::Plain
        } else {
            Kind::Live(Live::new())
        };
        Self {
            kind,
            clock,
            start,
            last_line: start,
            observed: Vec::new(),
        }
    }

    /// Seconds since the view was opened.
    pub(super) fn seconds(&self) -> u64 {
        self.clock.now().since(self.start) / 1000
    }

    /// Shows a paragraph above everything that follows.
    pub(super) fn say(&self, text: &str) {
        match &self.kind {
            Kind::Live(live) => {
                // A terminal that cannot be written to shows nothing anyway.
                let _ = live.screen.println(text);
            }
            Kind::Plain => print(text),
            Kind::Json => {}
        }
    }

    /// Lists the steps to come.
    pub(super) fn list(&mut self, titles: &[String]) {
        if let Kind::Live(live) = &mut self.kind {
            live.list(titles);
        }
    }

    /// The next step begins.
    pub(super) fn begin(&mut self, title: &str) {
        match &mut self.kind {
            Kind::Live(live) => live.begin(),
            Kind::Plain => print(&format!("[{:>3} s] … {title}", self.seconds())),
            Kind::Json => {}
        }
    }

    /// The running step was observed.
    pub(super) fn done(&mut self, title: &str, observed: &str) {
        self.observed
            .push(json!({"step": title, "observed": observed}));
        match &mut self.kind {
            Kind::Live(live) => live.finish("✔", "green", title, observed),
            Kind::Plain => {
                print(&format!("[{:>3} s] ✔ {title}", self.seconds()));
                print(&wrapped(observed, "          "));
            }
            Kind::Json => {}
        }
    }

    /// The running step was not observed.
    pub(super) fn failed(&mut self, title: &str) {
        match &mut self.kind {
            Kind::Live(live) => live.finish("✘", "red", title, ""),
            Kind::Plain => print(&format!("[{:>3} s] ✘ {title}", self.seconds())),
            Kind::Json => {}
        }
    }

    /// The numbers: the share, and what the calls came to.
    pub(super) fn numbers(&mut self, share: &str, calls: &str) {
        let now = self.clock.now();
        match &self.kind {
            Kind::Live(live) => live.numbers.set_message(format!("{share}\n  {calls}")),
            Kind::Plain if now.since(self.last_line) >= PLAIN_LINE_MS => {
                self.last_line = now;
                print(&format!("[{:>3} s]   {share} │ {calls}", self.seconds()));
            }
            Kind::Plain | Kind::Json => {}
        }
    }

    /// The end of the story, for a program; `extra` is an object.
    pub(super) fn result(&self, ok: bool, extra: Value) {
        let Kind::Json = self.kind else { return };
        let mut result = extra;
        if let Some(result) = result.as_object_mut() {
            result.insert("ok".to_owned(), json!(ok));
            result.insert("seconds".to_owned(), json!(self.seconds()));
            result.insert("steps".to_owned(), json!(self.observed));
        }
        print(&result.to_string());
    }

    /// Leaves the terminal as it was; what was shown stays.
    pub(super) fn close(&mut self) {
        if let Kind::Live(live) = &mut self.kind {
            live.numbers.finish_and_clear();
            live.steps.iter().for_each(ProgressBar::finish_and_clear);
            self.kind = Kind::Plain;
        }
    }
}

impl Live {
    fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let numbers = screen.add(ProgressBar::new_spinner());
        numbers.set_style(style("\n  {msg}\n  {elapsed_precise:.dim}"));
        numbers.enable_steady_tick(TURN);
        Self {
            screen,
            steps: VecDeque::new(),
            numbers,
        }
    }

    fn list(&mut self, titles: &[String]) {
        for title in titles {
            let bar = self
                .screen
                .insert_before(&self.numbers, ProgressBar::new_spinner());
            bar.set_style(style("  {msg:.dim}"));
            bar.set_message(format!("· {title}"));
            // Drawn once, even before it begins.
            bar.tick();
            self.steps.push_back(bar);
        }
    }

    fn begin(&self) {
        if let Some(bar) = self.steps.front() {
            let title = bar.message().trim_start_matches("· ").to_owned();
            bar.set_style(style("  {spinner:.cyan} {msg}"));
            bar.set_message(title);
            bar.enable_steady_tick(TURN);
        }
    }

    fn finish(&mut self, mark: &'static str, colour: &str, title: &str, observed: &str) {
        if let Some(bar) = self.steps.pop_front() {
            bar.set_style(style(&format!("  {{prefix:.{colour}}} {{msg}}")));
            bar.set_prefix(mark);
            let observed = wrapped(observed, "    ");
            let separator = if observed.is_empty() { "" } else { "\n" };
            bar.finish_with_message(format!("{title}{separator}{observed}"));
        }
    }
}

/// A template that is known to be right; a wrong one shows the default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Writes a line; who closed the pipe does not read it.
fn print(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// `text` in lines of at most [`WIDTH`] characters, each with `indent` before it.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
        .iter()
        .map(|line| format!("{indent}{line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, wrapped};

    #[test]
    fn long_texts_are_broken_between_words() {
        let text = "word ".repeat(60);
        let lines = wrapped(&text, "  ");
        assert!(
            lines
                .lines()
                .all(|line| line.len() <= WIDTH + 2 && line.starts_with("  w"))
        );
        assert_eq!(lines.split_whitespace().count(), 60);
    }
}
