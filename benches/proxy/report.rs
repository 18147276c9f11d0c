//! Medians over rounds, and ratios to bare within each round: machines drift, rounds do not.

use crate::load::Latencies;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// One measurement of one proxy.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    /// CPU of the proxy for one call, or for one delta where deltas are paced, in microseconds.
    pub(crate) cpu_us: f64,
    /// Calls in a second, at the load of the case.
    pub(crate) calls_per_s: f64,
    /// To the first body byte, in microseconds.
    pub(crate) first_p50_us: f64,
    /// To the first body byte, in microseconds.
    pub(crate) first_p99_us: f64,
    /// To the end of the answer, in microseconds.
    pub(crate) whole_p50_us: f64,
    /// To the end of the answer, in microseconds.
    pub(crate) whole_p99_us: f64,
}

impl Measured {
    pub(crate) fn new(
        cpu: Duration,
        units: usize,
        elapsed: Duration,
        mut latencies: Latencies,
    ) -> Self {
        let calls = latencies.whole.len();
        latencies.first.sort_unstable();
        latencies.whole.sort_unstable();
        Self {
            cpu_us: micros(cpu) / count(units * calls),
            calls_per_s: count(calls) / elapsed.as_secs_f64(),
            first_p50_us: quantile(&latencies.first, 50),
            first_p99_us: quantile(&latencies.first, 99),
            whole_p50_us: quantile(&latencies.whole, 50),
            whole_p99_us: quantile(&latencies.whole, 99),
        }
    }
}

/// All rounds of one proxy in one case.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    /// What `cpu_us` is for.
    pub(crate) unit: &'static str,
    pub(crate) proxy: &'static str,
    pub(crate) rounds: Vec<Measured>,
    /// CPU against bare's in the same round; the median. None for bare itself.
    pub(crate) cpu_ratio: Option<f64>,
    /// Median time to the end of the answer against bare's in the same round; the median.
    pub(crate) whole_ratio: Option<f64>,
}

/// What one proxy costs at rest, and at its start.
#[derive(Debug, Serialize)]
pub(crate) struct Footprint {
    pub(crate) proxy: &'static str,
    /// Before the first call, in MiB.
    pub(crate) idle_mib: f64,
    /// For each open stream, in kB (1,000 bytes).
    pub(crate) stream_kb: f64,
    /// From the start of the process to its first answer, in milliseconds: each start.
    pub(crate) starts_ms: Vec<f64>,
}

/// The whole result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) footprints: Vec<Footprint>,
}

impl Report {
    /// Fills in the ratios, where bare took part.
    pub(crate) fn finish(&mut self) {
        let ratios: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let of_case = |bare: &&Row| bare.case == row.case && bare.proxy == "bare";
                let bare = self.rows.iter().find(of_case)?;
                let ratio = |field: fn(&Measured) -> f64| {
                    let pairs = row.rounds.iter().zip(&bare.rounds);
                    median(pairs.map(|(own, bare)| field(own) / field(bare)).collect())
                };
                (row.proxy != bare.proxy).then(|| (ratio(|m| m.cpu_us), ratio(|m| m.whole_p50_us)))
            })
            .collect();
        for (row, ratio) in self.rows.iter_mut().zip(ratios) {
            (row.cpu_ratio, row.whole_ratio) = ratio.unzip();
        }
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let mut line = |parts: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{parts}");
        };
        line(format_args!(
            "{:<24} {:<15} {:>9} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
            "case",
            "proxy",
            "CPU µs",
            "× bare",
            "calls/s",
            "first p50",
            "first p99",
            "whole p50",
            "whole p99",
            "× bare"
        ));
        for row in &self.rows {
            let of = |field: fn(&Measured) -> f64| median(row.rounds.iter().map(field).collect());
            line(format_args!(
                "{:<24} {:<15} {:>9.1} {:>7} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>7}",
                format!("{} ({})", row.case, row.unit),
                row.proxy,
                of(|m| m.cpu_us),
                ratio(row.cpu_ratio),
                of(|m| m.calls_per_s),
                of(|m| m.first_p50_us),
                of(|m| m.first_p99_us),
                of(|m| m.whole_p50_us),
                of(|m| m.whole_p99_us),
                ratio(row.whole_ratio),
            ));
        }
        line(format_args!(
            "\n{:<15} {:>9} {:>14} {:>11} {:>10}",
            "proxy", "idle MiB", "kB per stream", "start ms", "worst ms"
        ));
        for footprint in &self.footprints {
            line(format_args!(
                "{:<15} {:>9.1} {:>14.1} {:>11.1} {:>10.1}",
                footprint.proxy,
                footprint.idle_mib,
                footprint.stream_kb,
                median(footprint.starts_ms.clone()),
                footprint.starts_ms.iter().copied().fold(0.0, f64::max),
            ));
        }
        text
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

/// The middle value; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(&value), 1) => value,
        (Some(&value), _) => f64::midpoint(values[middle - 1], value),
    }
}

/// In microseconds; 0 of none.
fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |&duration| micros(duration))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Counts here are far below 2³².
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
