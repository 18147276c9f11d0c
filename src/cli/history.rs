//! `crossfade history`: the journal, as it lies beside the state file. It needs no running sidecar.

use super::End;
use super::place::Place;
use crate::clock::unix_ms;
use crate::journal::Line;
use crate::journal::file::{self, History};
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Print what happened to the rollout, oldest first: every transition and every act of a person.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    /// Only the last so many.
    #[arg(short = 'n', long, value_name = "COUNT")]
    last: Option<usize>,
    /// Only what happened since: a time ago such as 2h or 7d, or a date such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// For programs: one object with `entries`.
    #[arg(long)]
    json: bool,
}

/// A point in time as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    Ago(Duration),
    At(SystemTime),
}

/// Reads the journal and shows it.
pub(super) fn run(args: &Show) -> End {
    let state = match args.place.state() {
        Ok(state) => state,
        Err(text) => return End::Refused { text, json: false },
    };
    let history = match file::read(&state) {
        Ok(history) => history,
        Err(error) => {
            return End::Refused {
                text: error.to_string(),
                json: false,
            };
        }
    };
    let lines = chosen(&history, args.last, args.since.map(Since::unix_ms));
    End::Done(if args.json {
        let entries = json!({ "entries": lines, "unreadable": history.unreadable });
        format!("{entries:#}\n")
    } else {
        text(&state, &history, lines)
    })
}

fn chosen(history: &History, last: Option<usize>, since_ms: Option<u64>) -> &[Line] {
    let lines = history.lines.as_slice();
    let from = since_ms.map_or(0, |ms| lines.partition_point(|line| line.at_unix_ms < ms));
    let lines = lines.get(from..).unwrap_or_default();
    let skipped = last.map_or(0, |last| lines.len().saturating_sub(last));
    lines.get(skipped..).unwrap_or_default()
}

fn text(state: &Path, history: &History, lines: &[Line]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for line in lines {
        let _ = write!(text, "{}  {}", line.at, line.sentence);
        let told = |said: &Option<String>| {
            let said = said.as_deref().filter(|said| !line.sentence.contains(said));
            said.map(str::to_owned)
        };
        let more: Vec<_> = [
            told(&line.actor).map(|actor| format!("by {actor}")),
            told(&line.reason),
            (!line.config.is_empty()).then(|| format!("config {:.8}", bare(&line.config))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !more.is_empty() {
            let _ = write!(text, "  ({})", more.join(", "));
        }
        text.push('\n');
    }
    if lines.is_empty() {
        let _ = writeln!(text, "Nothing in the journal beside {}.", state.display());
    }
    match history.unreadable {
        0 => {}
        1 => text.push_str("One unfinished line, as a crash leaves it, is left out.\n"),
        n => {
            let _ = writeln!(
                text,
                "{n} unfinished lines, as crashes leave them, are left out."
            );
        }
    }
    text
}

/// A hash without the name of its function.
fn bare(hash: &str) -> &str {
    hash.split_once(':').map_or(hash, |(_, digits)| digits)
}

impl Since {
    fn unix_ms(self) -> u64 {
        let now = Duration::from_millis(unix_ms());
        let at = match self {
            Self::Ago(ago) => now.saturating_sub(ago),
            Self::At(time) => time.duration_since(UNIX_EPOCH).unwrap_or_default(),
        };
        u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
    }
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Since::Ago(ago));
    }
    humantime::parse_rfc3339_weak(text)
        .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")))
        .map(Since::At)
        .map_err(|_| "accepted: a time ago such as 2h or 7d, or a date such as 2026-01-31 or 2026-01-31T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> Line {
        let line = json!({
            "sentence": format!("Thing {seq} happened"), "at": "2026-01-31T12:00:00.000Z",
            "event": "held", "attempt": 1, "at_unix_ms": seq * 1_000, "seq": seq,
            "id": seq.to_string(), "journal": "j", "actor": "alice", "config": "sha256:0123456789ab",
        });
        serde_json::from_value(line).expect("a line")
    }

    #[test]
    fn the_last_lines_since_a_time_are_chosen() {
        let history = History {
            lines: (1..=9).map(line).collect(),
            unreadable: 1,
        };
        let seqs = |last, since| {
            let lines = chosen(&history, last, since).iter();
            lines.map(|line| line.seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(None, None).len(), 9);
        assert_eq!(seqs(Some(2), None), [8, 9]);
        assert_eq!(seqs(None, Some(8_000)), [8, 9]);
        assert_eq!(seqs(Some(1), Some(3_000)), [9]);
        assert!(seqs(None, Some(10_000)).is_empty());
        let text = text(
            Path::new("s.json"),
            &history,
            chosen(&history, Some(1), None),
        );
        let expected = "2026-01-31T12:00:00.000Z  Thing 9 happened  (by alice, config 01234567)\n\
                        One unfinished line, as a crash leaves it, is left out.\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn times_are_said_in_two_ways() {
        assert_eq!(since("2h"), Ok(Since::Ago(Duration::from_secs(7_200))));
        let noon = UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        for text in ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00"] {
            assert_eq!(since(text), Ok(Since::At(noon)), "{text}");
        }
        assert!(since("2026-01-31").is_ok());
        assert!(since("yesterday").is_err());
    }
}
