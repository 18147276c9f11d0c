//! The runbook: a page for every alert, and nothing named in it that there is not.

use super::families;
use super::page::{Part, code, file, pages, parts, text};
use crossfade::config::schema::keys;
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::fs;

/// What each page has, in this order.
const HEADINGS: &[&str] = &["Means", "The app", "Look", "Do", "Over", "Escalate"];

/// An alert as Prometheus has it.
struct Alert {
    name: String,
    expr: String,
    severity: String,
    runbook: String,
}

fn alerts() -> Vec<Alert> {
    let rules: Value =
        serde_yaml::from_str(&text("dashboards/prometheus/alerts.yaml")).expect("YAML");
    let rules = rules["groups"][0]["rules"].as_sequence().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let alerts = rules.iter().map(|rule| Alert {
        name: text(&rule["alert"]),
        expr: text(&rule["expr"]),
        severity: text(&rule["labels"]["severity"]),
        runbook: text(&rule["annotations"]["runbook_url"]),
    });
    alerts.collect()
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let words = text.split(word);
    words
        .filter(|word| word.starts_with("crossfade_"))
        .collect()
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let index = text("docs/runbook/README.md");
    let mut expected: BTreeSet<String> = BTreeSet::from(["README.md".to_owned()]);
    for alert in alerts() {
        let Alert { name, severity, .. } = &alert;
        let path = format!("docs/runbook/{name}.md");
        assert_eq!(alert.runbook, path);
        assert!(file(&path).exists(), "{path} is missing");
        let page = text(&path);
        let begins = format!("# {name}\n\nSeverity `{severity}`. ");
        assert!(
            page.starts_with(&begins),
            "{path} does not begin with {begins:?}"
        );
        let headings: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        assert_eq!(headings, HEADINGS, "{path}");
        for metric in metrics(&alert.expr) {
            assert!(
                metrics(&page).contains(metric),
                "{path} does not name {metric}"
            );
        }
        let line = format!("| [{name}]({name}.md) | {severity} | ");
        assert!(index.contains(&line), "the index has no {line:?}");
        expected.insert(format!("{name}.md"));
    }
    let found = fs::read_dir(file("docs/runbook")).expect("a folder");
    let found = found.map(|entry| entry.expect("an entry").file_name());
    let found: BTreeSet<String> = found
        .map(|name| name.into_string().expect("text"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_metric_that_a_document_names_exists() {
    let families = families();
    for page in pages() {
        let text = text(&page);
        for name in metrics(&text)
            .into_iter()
            .filter(|name| *name != "crossfade_")
        {
            let stem = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            let known =
                families.contains_key(name) || stem.is_some_and(|it| families.contains_key(it));
            assert!(known, "{page}: there is no metric {name}");
        }
    }
}

/// The titles of both dashboards and of their panels.
fn titles() -> BTreeSet<String> {
    let mut titles = BTreeSet::new();
    for name in ["migration", "sidecar"] {
        let text = text(&format!("dashboards/grafana/crossfade-{name}.json"));
        let board: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let panels = board["panels"].as_array().expect("a list");
        let all = panels
            .iter()
            .chain([&board])
            .filter_map(|it| it["title"].as_str());
        titles.extend(all.map(str::to_owned));
    }
    titles
}

/// What a page has in italics: the text between single asterisks, list marks and code aside.
fn italics(text: &str) -> Vec<String> {
    let mut prose = String::new();
    for part in parts(text) {
        if let Part::Line(_, line) = part {
            let line = line.trim_start();
            let line = line.strip_prefix("* ").unwrap_or(line);
            prose.extend(line.split('`').step_by(2));
            prose.push(' ');
        }
    }
    prose
        .split('*')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_panel_that_the_runbook_names_exists() {
    let titles = titles();
    let mut seen = 0;
    for page in pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/runbook/"))
    {
        for name in italics(&text(&page)) {
            assert!(titles.contains(&name), "{page}: there is no panel {name:?}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn every_key_that_a_document_names_exists() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys
        .iter()
        .map(|key| key.path.split('.').next().unwrap_or_default())
        .collect();
    let mut seen = 0;
    for page in pages() {
        let text = text(&page);
        let lines = parts(&text).into_iter().filter_map(|part| match part {
            Part::Line(number, line) => Some((number, line)),
            Part::Block(_) => None,
        });
        for (number, line) in lines {
            for code in code(line) {
                let path = code.split(':').next().unwrap_or_default();
                let section = path.split('.').next().unwrap_or_default();
                let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
                let dotted =
                    path.contains('.') && path.chars().all(plain) && sections.contains(section);
                let file = ["yaml", "json", "md"]
                    .iter()
                    .any(|end| path.ends_with(&format!(".{end}")));
                if dotted && !file {
                    let known = keys.iter().any(|key| key.path == path);
                    assert!(known, "{page}:{number}: rollout.yaml has no {path}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 30, "{seen}");
}
