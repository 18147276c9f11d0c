//! `rollout.schema.json` and `docs/configuration.md`, made of what the resolver says of itself.

use super::settled;
use crossfade::config::notify::Kind;
use crossfade::config::schema::{Key, json, keys};
use crossfade::config::shape::Shape;
use crossfade::translate::{Allowance, Loss};
use serde_json::Value;
use std::fmt::Write;

#[test]
fn the_schema_is_what_the_command_prints() {
    settled("rollout.schema.json", &json());
}

#[test]
fn the_reference_is_what_the_resolver_reads() {
    settled("docs/configuration.md", &page());
}

fn page() -> String {
    let keys = keys();
    let mut page = String::from(
        "# Configuration\n\n\
         Every key of `rollout.yaml`; [the file](../rollout.yaml) at the root of this repository shows them in use. Saved, it takes\n\
         effect within 2 s. A file with any mistake is refused whole, and the last good one stays in force:\n\
         `crossfade check` shows every mistake at once, `crossfade check --diff` what a change would do. Unknown\n\
         keys are mistakes. Relative paths are relative to the directory of the file.\n\n\
         Editors complete and check the file by `rollout.schema.json`, which `crossfade schema` prints: put it\n\
         beside the file, with `# yaml-language-server: $schema=./rollout.schema.json` as the file's first line.\n\n\
         This page is generated: `UPDATE_DOCS=1 cargo test --test integration documents` rewrites it.\n",
    );
    let mut sections: Vec<&str> = Vec::new();
    for key in &keys {
        if !sections.contains(&key.section()) {
            sections.push(key.section());
        }
    }
    for section in sections {
        heading(&mut page, &keys, section);
        page.push_str("| key | accepted | default | meaning |\n|---|---|---|---|\n");
        for key in keys.iter().filter(|key| key.section() == section) {
            row(&mut page, &keys, key);
        }
    }
    lists(&mut page);
    // Other documents are links here, and plain text in an editor.
    page.replace("`docs/traces.md`", "[traces](traces.md)")
}

fn heading(page: &mut String, keys: &[Key], section: &str) {
    let words = keys.iter().find(|key| key.path == section);
    let words = words.map_or("", |key| key.words);
    let name = match section {
        "" => "The file".to_owned(),
        named => format!("`{named}`"),
    };
    let _ = write!(page, "\n## {name}\n\n");
    if !words.is_empty() {
        let _ = write!(page, "{words}\n\n");
    }
}

fn row(page: &mut String, keys: &[Key], key: &Key) {
    let accepted = accepted(key, &key.shape);
    let default = match (&key.default, key.required) {
        (_, true) => "required".to_owned(),
        (Some(value), false) => format!("`{}`", written(value)),
        (None, false) => of_keys(keys, key),
    };
    let restart = if key.restart {
        " **A new value takes a restart.**"
    } else {
        ""
    };
    let words = key.words.replace('|', "\\|");
    let name = key.name();
    let cells = format!("| `{name}` | {accepted} | {default} | {words}{restart} |");
    let _ = writeln!(page, "{cells}");
}

/// A default as the file has it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What holds without a section: a rule is on with the defaults of its keys, and of a larger section
/// the table of its keys says it.
fn of_keys(keys: &[Key], key: &Key) -> String {
    let inside: Vec<String> = keys
        .iter()
        .filter(|inner| inner.section() == key.path)
        .filter_map(|inner| Some((inner.name(), inner.default.as_ref()?)))
        .map(|(name, default)| format!("{name}: {}", written(default)))
        .collect();
    match &key.shape {
        _ if inside.is_empty() => String::new(),
        Shape::Either(shapes) if shapes.contains(&Shape::Off) => {
            format!("`{{ {} }}`", inside.join(", "))
        }
        _ => "those of its keys".to_owned(),
    }
}

/// A link to the heading of a section.
fn keys_of(section: &str) -> String {
    let anchor = section
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_');
    let anchor: String = anchor.map(|c| c.to_ascii_lowercase()).collect();
    format!("[keys](#{anchor})")
}

/// What may be there, for a cell of a table.
fn accepted(key: &Key, shape: &Shape) -> String {
    let path = &key.path;
    match shape {
        Shape::Section => keys_of(path),
        Shape::Word(words) if words.len() > 8 => match key.name() {
            "family" => "the name of a family".to_owned(),
            name => format!("those of [{name}](#{name})"),
        },
        Shape::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Shape::Off => "`off`".to_owned(),
        Shape::List { of, .. } if matches!(**of, Shape::Section) => {
            format!("a list, each entry {}", keys_of(path))
        }
        Shape::List { of, .. } => {
            format!("a list: {}", accepted(key, of))
        }
        Shape::Named { of, .. } => {
            let of = accepted(key, of).replace(&keys_of(path), &keys_of(&format!("{path}.NAME")));
            format!("names, each with {of}")
        }
        Shape::Either(shapes) => {
            let all: Vec<_> = shapes.iter().map(|shape| accepted(key, shape)).collect();
            all.join("; or ")
        }
        Shape::Duration(_)
        | Shape::Share(_)
        | Shape::Percent(_)
        | Shape::Size(_)
        | Shape::Count(_)
        | Shape::Tokens(_)
        | Shape::Fraction
        | Shape::Flag
        | Shape::Text(_) => shape.to_string().replace('|', "\\|"),
    }
}

/// The lists of names that are too long for a cell.
fn lists(page: &mut String) {
    page.push_str(
        "\n## allow\n\nWhat a mapping may allow. Without the allowance a call with that need stays, for the reason given.\n\n\
         | name | without it the call stays for |\n|---|---|\n",
    );
    for &allowance in Allowance::ALL {
        let reason = allowance.lifts().map_or_else(
            || "nothing: it moves, without the feature".to_owned(),
            |reason| format!("`{}`", reason.name()),
        );
        let _ = writeln!(page, "| `{}` | {reason} |", allowance.name());
    }
    page.push_str(
        "\n## refuse\n\nLosses that a mapping may refuse; then such calls stay.\n\n\
         | name | what is lost |\n|---|---|\n",
    );
    for &loss in Loss::ALL {
        let _ = writeln!(page, "| `{}` | {} |", loss.name(), loss.meaning());
    }
    page.push_str(
        "\n## events\n\nWhat a destination of `notify` may be told, and whether it is without `events`.\n\n\
         | name | by default |\n|---|---|\n",
    );
    for &kind in Kind::ALL {
        let told = if kind.by_default() { "yes" } else { "" };
        let _ = writeln!(page, "| `{}` | {told} |", kind.name());
    }
}
