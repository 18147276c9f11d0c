//! The difference as a person or a program reads it.

use super::ground::{Ground, What};
use super::outcome::Outcome;
use super::{Change, changes};
use crate::cli::check::Format;
use crate::config::Config;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// What the file would do in the place of what is in force, and the exit code: 78 if it would be
/// refused.
pub(super) fn render(
    file: &Path,
    new: &Config,
    ground: &Ground,
    outcome: &Outcome,
    format: Format,
) -> String {
    let changes = changes(&ground.config, new, outcome);
    let restart = ground.config.restart_needed(new);
    match format {
        Format::Text => told(file, ground, outcome, &changes, &restart),
        Format::Json => {
            let value = json!({
                "file": file.display().to_string(),
                "valid": true,
                "against": ground.told,
                "refused": outcome.refused,
                "changes": changes,
                "share": outcome.moved,
                "notes": outcome.said,
                "remarks": ground.remarks,
                "restart_needed": restart,
                "warnings": new.warnings,
            });
            format!("{value:#}\n")
        }
    }
}

/// Where there is nothing to compare with yet.
pub(super) fn first(file: &Path, copy: &str, format: Format) -> String {
    let file = file.display();
    match format {
        Format::Text => format!(
            "{file} is valid, and the first: no configuration was accepted yet ({copy} is not there).\n\
             `crossfade check` shows its effect; `--against FILE` compares it with a file.\n"
        ),
        Format::Json => {
            let value = json!({
                "file": file.to_string(),
                "valid": true,
                "against": null,
                "refused": null,
                "changes": null,
            });
            format!("{value:#}\n")
        }
    }
}

fn told(
    file: &Path,
    ground: &Ground,
    outcome: &Outcome,
    changes: &[Change],
    restart: &[&str],
) -> String {
    let file = file.display();
    let other = other(ground);
    let mut text = match (changes.is_empty(), &outcome.refused) {
        (true, _) => format!("No change: {file} means the same as {other}.\n"),
        (false, None) => format!("{file}, compared with {other}:\n\n"),
        (false, Some(why)) => format!(
            "{file} is REFUSED in this state, and {other} stays in force:\n  {why}\n\nIt would change:\n\n"
        ),
    };
    let width = changes.iter().map(|it| it.key.chars().count()).max();
    let width = width.unwrap_or_default();
    for Change {
        key,
        from,
        to,
        means,
    } in changes
    {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {key:<width$}  {from} → {to}");
        let _ = writeln!(text, "  {:<width$}  {means}", "");
    }
    if !outcome.said.is_empty() {
        text.push('\n');
    }
    for sentence in &outcome.said {
        let _ = writeln!(text, "  {sentence}");
    }
    for remark in &ground.remarks {
        let _ = writeln!(text, "\nNote: {remark}.");
    }
    if !restart.is_empty() {
        let _ = writeln!(
            text,
            "\nIn force only after a restart: {}. All else within 2 s of saving.",
            restart.join(", ")
        );
    }
    text
}

fn other(ground: &Ground) -> String {
    let told = &ground.told;
    let (file, hash) = (&told.file, &told.hash);
    match (told.what, &told.admin) {
        (What::InForce, Some(admin)) => format!("what is in force at {admin} ({hash})"),
        (What::InForce | What::LastAccepted, _) => {
            format!("the last accepted configuration ({file}, {hash}; no sidecar runs it now)")
        }
        (What::File, _) => format!("{file} ({hash})"),
    }
}
