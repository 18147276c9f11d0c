//! Generated documents, against their generators, and what they tell to type. `UPDATE_DOCS=1` rewrites
//! what is generated.

use crossfade::telemetry::metrics::Metrics;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

mod cases;
mod commands;
mod configuration;
mod links;
mod page;
mod picture;
mod rules;
mod runbook;
mod sample;
mod snippets;
mod stage;
mod translation;

/// A generated file is what its generator makes.
#[track_caller]
fn settled(name: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, generated).expect("writable");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == generated,
        "{name} is old; UPDATE_DOCS=1 rewrites it"
    );
}

/// What a scrape says of one metric.
#[derive(Default)]
struct Family {
    help: String,
    kind: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The metrics of a process that has done nothing yet, by name: every series is there from the
/// start, but those of the process itself have values of their own.
fn families() -> BTreeMap<String, Family> {
    let text = Metrics::new().render().expect("metrics");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (of, help) = rest.split_once(' ').expect("a help");
            of.clone_into(&mut name);
            let family = families.entry(name.clone()).or_default();
            help.clone_into(&mut family.help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (_, kind) = rest.split_once(' ').expect("a type");
            let family = families.get_mut(&name).expect("its help came first");
            kind.clone_into(&mut family.kind);
        } else if let Some((labels, _)) = line.split_once('{').and_then(|it| it.1.split_once('}')) {
            let family = families.get_mut(&name).expect("its help came first");
            for label in labels.split(',') {
                let (key, value) = label.split_once('=').expect("a label");
                let values = family.labels.entry(key.to_owned()).or_default();
                values.insert(value.trim_matches('"').to_owned());
            }
        }
    }
    families
}

fn table() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         What `http://127.0.0.1:8788/metrics` says. Every series is there from the start, and the values of\n\
         labels are closed sets, so that the number of series is fixed. This page is generated:\n\
         `UPDATE_DOCS=1 cargo test --test integration documents` rewrites it.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for (name, family) in families() {
        let mut labels = String::new();
        for (key, values) in family.labels.iter().filter(|(key, _)| *key != "le") {
            let values: Vec<_> = values.iter().filter(|value| !value.is_empty()).collect();
            if !labels.is_empty() {
                labels.push_str("; ");
            }
            let _ = write!(labels, "`{key}`: ");
            if values.len() > 12 {
                let _ = write!(labels, "{} values, below", values.len());
            } else {
                let values: Vec<_> = values.iter().map(|value| value.as_str()).collect();
                labels.push_str(&values.join(", "));
            }
        }
        let Family { help, kind, .. } = family;
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
    }
    page.push_str("\n## Long sets of values\n");
    for (name, family) in families() {
        for (key, values) in family
            .labels
            .iter()
            .filter(|(key, it)| *key != "le" && it.len() > 12)
        {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            let _ = write!(page, "\n### `{name}`, `{key}`\n\n{}\n", values.join(", "));
        }
    }
    page
}

#[test]
fn the_table_of_metrics_is_what_a_scrape_says() {
    settled("docs/metrics.md", &table());
}

#[test]
fn every_metric_that_a_dashboard_or_an_alert_names_exists() {
    let families = families();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let mut names = BTreeSet::new();
    for file in [
        "grafana/crossfade-migration.json",
        "grafana/crossfade-sidecar.json",
        "prometheus/alerts.yaml",
    ] {
        let text = fs::read_to_string(root.join(file)).expect("the file");
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let ours = text
            .split(word)
            .filter(|name| name.starts_with("crossfade_") || name.starts_with("process_"));
        names.extend(ours.map(str::to_owned));
    }
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let stem = name.strip_suffix("_bucket").unwrap_or(&name);
        assert!(families.contains_key(stem), "there is no metric {name}");
    }
}
