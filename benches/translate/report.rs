//! The tables.

use crate::measure::Measured;
use serde::Serialize;
use std::fmt::Write as _;

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) requests: Vec<Measured>,
    pub(crate) answers: Vec<Measured>,
    pub(crate) sizes: Vec<Measured>,
    pub(crate) counts: Vec<Measured>,
    pub(crate) crowds: Vec<Measured>,
}

impl Report {
    pub(crate) fn json(&self) -> String {
        // Cannot fail: numbers and strings.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        costs(
            "A request: parsed, judged, keyed, written for Bedrock",
            &self.requests,
            &mut text,
        );
        costs(
            "An answer: events read, chunks or one answer written",
            &self.answers,
            &mut text,
        );
        growth(
            "Longer prompts, per byte",
            &self.sizes,
            |m| m.bytes,
            &mut text,
        );
        growth(
            "More of everything, per piece",
            &self.counts,
            |m| m.items,
            &mut text,
        );
        costs(
            "Bodies of 32 MiB that are nothing but small things",
            &self.crowds,
            &mut text,
        );
        text += "\nx scan: times of reading the JSON and keeping nothing; x tree: of reading it into \
                 a tree\nand writing that. Peak: memory held at one time beside the input.\n";
        text
    }
}

fn costs(title: &str, rows: &[Measured], text: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{title}\n{:28} {:>9} {:>10} {:>7} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "",
        "input",
        "time",
        "x scan",
        "x tree",
        "allocs",
        "allocated",
        "peak",
        "x input",
        "tree's",
        "its peak"
    );
    for row in rows {
        let _ = writeln!(
            text,
            "{:28} {:>9} {:>10} {:>7.2} {:>7.2} {:>8} {:>9} {:>9} {:>9.2} {:>9} {:>9}",
            row.name,
            size(row.bytes as f64),
            duration(row.ns),
            row.of_scan,
            row.of_tree,
            row.allocations,
            size(row.allocated as f64),
            size(row.peak as f64),
            row.peak as f64 / row.bytes as f64,
            row.tree_allocations,
            size(row.tree_peak as f64),
        );
    }
}

fn growth(title: &str, rows: &[Measured], of: fn(&Measured) -> usize, text: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{title}\n{:28} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "time", "ns", "allocs", "allocated", "peak"
    );
    for row in rows {
        let count = of(row) as f64;
        let _ = writeln!(
            text,
            "{:28} {:>10} {:>10.3} {:>10.3} {:>10.1} {:>10.1}",
            row.name,
            duration(row.ns),
            row.ns / count,
            row.allocations as f64 / count,
            row.allocated as f64 / count,
            row.peak as f64 / count,
        );
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes:.0} B"),
        ..1e6 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{:.1} MB", bytes / 1e6),
    }
}

fn duration(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{:.1} us", ns / 1e3),
        _ => format!("{:.1} ms", ns / 1e6),
    }
}
