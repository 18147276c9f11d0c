//! How a command ends: a result on stdout or a sentence on stderr, and the exit code.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Bad usage (`EX_USAGE`).
pub(super) const EXIT_USAGE: u8 = 64;

/// The trace is none (`EX_DATAERR`).
pub(super) const EXIT_DATA: u8 = 65;

/// No sidecar or emulator answers, or a provider cannot be reached (`EX_UNAVAILABLE`).
pub(super) const EXIT_UNAVAILABLE: u8 = 69;

/// The configuration is refused (`EX_CONFIG`).
pub(super) const EXIT_CONFIG: u8 = 78;

/// Refused, or failed.
pub(super) const EXIT_FAILED: u8 = 1;

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    refused or failed; the message says what to do instead
  64   bad usage
  65   the trace cannot be read
  69   no sidecar (or emulator) answers; of check --live: a provider cannot be reached
  78   the configuration is refused
  130  the demo was interrupted";

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// For stdout.
    Done(String),
    /// For stdout, or for stderr if it is a sentence: the sidecar refused.
    Refused {
        /// The sentence, or JSON.
        text: String,
        /// Whether it is for a program.
        json: bool,
    },
    /// For stdout: the configuration is refused.
    ConfigRefused(String),
    /// Nobody answers.
    Unavailable(String),
}

/// Prints what a command came to; an error is the system's.
pub(super) fn finish(end: io::Result<End>) -> ExitCode {
    match end {
        Ok(End::Done(text)) => {
            show(&text);
            ExitCode::SUCCESS
        }
        Ok(End::Refused { text, json: true }) => {
            show(&text);
            ExitCode::from(EXIT_FAILED)
        }
        Ok(End::Refused { text, json: false }) => complain(EXIT_FAILED, &text),
        Ok(End::ConfigRefused(text)) => {
            show(&text);
            ExitCode::from(EXIT_CONFIG)
        }
        Ok(End::Unavailable(text)) => complain(EXIT_UNAVAILABLE, &text),
        Err(error) => complain(EXIT_FAILED, &error),
    }
}

/// Writes a result to stdout. A reader that has seen enough is no failure.
pub(super) fn show(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Tells the person what should be known beside the result.
pub(super) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "crossfade: {text}");
}

/// Tells the person what is the matter.
pub(super) fn complain(code: u8, why: &dyn fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "crossfade: {why}");
    ExitCode::from(code)
}
