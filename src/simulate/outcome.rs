//! What came of a simulation: text for a person, one JSON object for a program.

use super::happened::{Change, Clock, Finding, Seen, Trip};
use super::play::Play;
use super::study::{Findings, Incidents, Quiet, Study};
use super::traffic::{Bursts, Profile, Trouble};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// What was played, and with which rules.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The trace's name; none for made-up traffic.
    pub(crate) trace: Option<String>,
    /// The configuration's name.
    pub(crate) config: String,
    /// When the first call began, in milliseconds of the trace.
    pub(crate) first_ms: u64,
    /// What is worth knowing besides, as sentences.
    pub(crate) notes: Vec<String>,
}

/// What came of a trace, for a person.
pub(crate) fn trace_text(source: &Source, play: &Play) -> String {
    let mut text = String::new();
    let name = source.trace.as_deref().unwrap_or("made-up traffic");
    let seen = play.seen();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{name}: {} calls in {}, of which {} on Bedrock and {} on the original; rules of {}",
        play.told(),
        Span(play.now_ms().saturating_sub(source.first_ms)),
        seen.bedrock + seen.stayed,
        seen.original,
        source.config,
    );
    notes(&mut text, source);
    text.push('\n');
    happened(&mut text, source, play);
    text.push('\n');
    app(&mut text, seen);
    text
}

/// What came of made-up traffic, for a person.
pub(crate) fn study_text(source: &Source, study: &Study, findings: &Findings) -> String {
    let mut text = String::new();
    let profile = &study.profile;
    let _ = writeln!(
        text,
        "Made-up traffic: {} calls a second, {} % of them on Bedrock; rules of {}, seed {}",
        profile.rate,
        findings.sample.plan().ceiling,
        source.config,
        study.seed,
    );
    notes(&mut text, source);
    if let Some(quiet) = &findings.quiet {
        quiet_text(&mut text, profile, quiet);
    }
    if let (Some(incidents), Some(trouble)) = (&findings.incidents, profile.trouble) {
        incidents_text(&mut text, trouble, incidents);
        text.push_str("\nThe first of them\n");
    } else {
        text.push_str("\nThe first day\n");
    }
    happened(&mut text, source, &findings.sample);
    text.push('\n');
    app(&mut text, findings.sample.seen());
    text
}

fn notes(text: &mut String, source: &Source) {
    for note in &source.notes {
        let _ = writeln!(text, "note: {note}");
    }
}

fn quiet_text(text: &mut String, profile: &Profile, quiet: &Quiet) {
    let _ = writeln!(
        text,
        "\nWithout an incident, {} of Bedrock's calls failing{}",
        Part(profile.background),
        bursts(profile.bursts)
    );
    let days = Days(quiet.days);
    let false_trips = match quiet.false_trips {
        0 => format!("no false trip in {days}"),
        trips => format!(
            "{:.2} false trips a day ({trips} in {days})",
            quiet.false_per_day()
        ),
    };
    let _ = writeln!(
        text,
        "  {false_trips}; trips in all: {}{}",
        quiet.trips.values().sum::<u64>(),
        by_rule(&quiet.trips),
    );
}

fn incidents_text(text: &mut String, trouble: Trouble, incidents: &Incidents) {
    let _ = writeln!(
        text,
        "\nIncidents: {} fail and {} are slow from {} on, for {}",
        Part(trouble.error_rate),
        Part(trouble.slow_rate),
        Span(trouble.onset_ms),
        Span(trouble.duration_ms),
    );
    let found = incidents.delays_ms.len();
    let _ = writeln!(
        text,
        "  {found} of {} were found{}; {} tripped before the onset",
        incidents.runs,
        by_rule(&incidents.trips),
        incidents.early,
    );
    let delay = |quantile| match incidents.delay_ms(quantile) {
        Some(ms) => Span(ms).to_string(),
        None => "not found".to_owned(),
    };
    let _ = writeln!(
        text,
        "  detection delay: half within {}, 90 % within {}, 99 % within {}",
        delay(0.5),
        delay(0.9),
        delay(0.99),
    );
    if let Some(failed) = incidents.failed.get(incidents.failed.len() / 2) {
        let _ = writeln!(
            text,
            "  Bedrock calls that failed until the trip: {failed} (median)"
        );
    }
}

/// What happened, in the order of time.
fn happened(text: &mut String, source: &Source, play: &Play) {
    let mut lines = Vec::new();
    for clock in play.clocks() {
        lines.push((clock.started_ms, clock.sentence.clone()));
        if let Some((at_ms, "reset")) = clock.stopped {
            let ran = Span(at_ms.saturating_sub(clock.started_ms));
            let rule = clock.rule.name();
            lines.push((at_ms, format!("{rule} clock stopped after {ran}")));
        }
    }
    for finding in play.findings() {
        lines.push((finding.at_ms, finding.sentence.clone()));
    }
    for change in play.changes() {
        lines.push((change.at_ms, change.sentence.clone()));
        if let Some((trip, onset_ms)) = change.trip.as_ref().and_then(|it| Some((it, it.onset_ms?)))
        {
            let delay = Span(change.at_ms.saturating_sub(onset_ms));
            let at = Span(onset_ms.saturating_sub(source.first_ms));
            let (bad, kind) = (trip.bad, trip.kind());
            lines.push((
                change.at_ms,
                format!(
                    "detection delay {delay}: it began at {at}; {bad} {kind} calls on Bedrock since"
                ),
            ));
        }
    }
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    if lines.is_empty() {
        text.push_str("Nothing happened: no rule was breached.\n");
    }
    let skipped = lines.len().saturating_sub(LINES_MAX);
    if skipped > 0 {
        let _ = writeln!(
            text,
            "  ({skipped} earlier lines are left out; --json has them)"
        );
    }
    for (at_ms, line) in lines.iter().skip(skipped) {
        let at = Span(at_ms.saturating_sub(source.first_ms)).to_string();
        let _ = writeln!(text, "  {at:>9}  {line}");
    }
    if play.trip().is_none() {
        text.push_str("No rule rolled back.\n");
    }
}

fn app(text: &mut String, seen: &Seen) {
    text.push_str("What the app would have seen\n");
    for (calls, what) in app_rows(seen) {
        let _ = writeln!(text, "  {calls:>9}  {what}");
    }
}

/// What the app would have seen, in words, without what did not happen.
pub(crate) fn app_rows(seen: &Seen) -> Vec<(u64, &'static str)> {
    let all = [
        (seen.answered, "answered by Bedrock"),
        (
            seen.failed_over,
            "failed on Bedrock before the first token: answered by the original instead",
        ),
        (
            seen.broken,
            "failed on Bedrock after the first token: an error, if the app asked for a stream",
        ),
        (
            seen.refused,
            "refused by Bedrock for what they are: left to the original",
        ),
        (seen.cancelled, "left by the app while Bedrock worked"),
        (
            seen.stayed - seen.spared,
            "answered by Bedrock in the record, after the rollback: would have gone to the original",
        ),
        (
            seen.spared,
            "failed on Bedrock in the record, after the rollback: spared, the original instead",
        ),
        (
            seen.original - seen.original_failed,
            "answered by the original",
        ),
        (seen.original_failed, "failed on the original"),
    ];
    all.into_iter().filter(|(calls, _)| *calls > 0).collect()
}

/// What came of a trace, for a program.
pub(crate) fn trace_json(source: &Source, play: &Play) -> Value {
    let mut object = played(play);
    object.insert("source".to_owned(), json!(source.trace));
    object.insert("config".to_owned(), json!(source.config));
    object.insert("notes".to_owned(), json!(source.notes));
    object.insert("from".to_owned(), seconds(source.first_ms));
    object.insert("to".to_owned(), seconds(play.now_ms()));
    Value::Object(object)
}

/// What came of made-up traffic, for a program. `transitions` and the like are of the sample.
pub(crate) fn study_json(source: &Source, study: &Study, findings: &Findings) -> Value {
    let mut object = played(&findings.sample);
    let profile = &study.profile;
    object.insert("source".to_owned(), Value::Null);
    object.insert("config".to_owned(), json!(source.config));
    object.insert("notes".to_owned(), json!(source.notes));
    object.insert("seed".to_owned(), json!(study.seed));
    object.insert(
        "traffic".to_owned(),
        json!({
            "rate": profile.rate,
            "percent": findings.sample.plan().ceiling,
            "background_error_rate": profile.background,
            "error_rate": profile.trouble.map(|trouble| trouble.error_rate),
            "slow_rate": profile.trouble.map(|trouble| trouble.slow_rate),
            "onset": profile.trouble.map(|trouble| seconds(trouble.onset_ms)),
            "duration": profile.trouble.map(|trouble| seconds(trouble.duration_ms)),
            "bursts": profile.bursts.map(|bursts| json!({
                "length": seconds(bursts.length_ms),
                "every": seconds(bursts.every_ms),
            })),
        }),
    );
    let quiet = findings.quiet.as_ref();
    object.insert(
        "false_trips_per_day".to_owned(),
        json!(quiet.map(Quiet::false_per_day)),
    );
    object.insert(
        "quiet".to_owned(),
        json!(quiet.map(|quiet| json!({
            "days": quiet.days,
            "calls": quiet.calls,
            "trips": quiet.trips.values().sum::<u64>(),
            "false_trips": quiet.false_trips,
            "by_rule": quiet.trips,
        }))),
    );
    let incidents = findings.incidents.as_ref();
    object.insert(
        "incidents".to_owned(),
        json!(incidents.map(|incidents| json!({
            "runs": incidents.runs,
            "found": incidents.delays_ms.len(),
            "before_the_onset": incidents.early,
            "by_rule": incidents.trips,
        }))),
    );
    let delay = |incidents: &Incidents| {
        let at = |quantile| incidents.delay_ms(quantile).map(seconds);
        json!({
            "p10": at(0.1), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99),
            "min": incidents.delays_ms.first().copied().map(seconds),
            "max": incidents.delays_ms.last().copied().map(seconds),
        })
    };
    object.insert("delay_seconds".to_owned(), json!(incidents.map(delay)));
    Value::Object(object)
}

/// What is known of a play.
fn played(play: &Play) -> Map<String, Value> {
    let seen = play.seen();
    let object = json!({
        "calls": play.told(),
        "transitions": play.changes().iter().map(transition).collect::<Vec<_>>(),
        "findings": play.findings().iter().map(finding).collect::<Vec<_>>(),
        "clocks": play.clocks().iter().map(clock).collect::<Vec<_>>(),
        "rolled_back": play.trip().is_some(),
        "detection_delay": play.trip().and_then(|(change, trip)| delay(change, trip)),
        "app": {
            "bedrock": seen.bedrock,
            "answered_by_bedrock": seen.answered,
            "failed_over": seen.failed_over,
            "errors_after_first_token": seen.broken,
            "refused": seen.refused,
            "cancelled": seen.cancelled,
            "original": seen.original,
            "original_failed": seen.original_failed,
            "would_have_gone_to_original": seen.stayed,
            "spared": seen.spared,
        },
    });
    match object {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// What a rule found.
fn finding(finding: &Finding) -> Value {
    json!({
        "at": seconds(finding.at_ms),
        "event": finding.event,
        "rule": finding.rule.name(),
        "reason": finding.sentence,
    })
}

/// One change of the share or the state.
pub(crate) fn transition(change: &Change) -> Value {
    let rollback = change.trip.as_ref().map(|trip| &trip.rollback);
    json!({
        "at": seconds(change.at_ms),
        "event": change.event,
        "from": change.from,
        "to": change.to,
        "rule": change.rule,
        "reason": change.sentence,
        "numbers": rollback.and_then(|rollback| rollback.numbers),
        "classes": rollback.map(|rollback| &rollback.classes),
        "last_failure_request_id": rollback.and_then(|it| it.last_failure_request_id.as_ref()),
        "onset": change.trip.as_ref().and_then(|trip| trip.onset_ms).map(seconds),
        "detection_delay": change.trip.as_ref().and_then(|trip| delay(change, trip)),
        "bad_since_onset": change.trip.as_ref().map(|trip| trip.bad),
    })
}

fn delay(change: &Change, trip: &Trip) -> Option<Value> {
    let onset_ms = trip.onset_ms?;
    Some(seconds(change.at_ms.saturating_sub(onset_ms)))
}

fn clock(clock: &Clock) -> Value {
    json!({
        "rule": clock.rule.name(),
        "started": seconds(clock.started_ms),
        "sentence": clock.sentence,
        "stopped": clock.stopped.map(|(at_ms, _)| seconds(at_ms)),
        "why": clock.stopped.map(|(_, why)| why),
    })
}

/// Milliseconds as a number of seconds: whole ones without a decimal point.
pub(crate) fn seconds(ms: u64) -> Value {
    match ms % 1_000 {
        0 => json!(ms / 1_000),
        _ => json!(ms as f64 / 1_000.0),
    }
}

fn by_rule(trips: &BTreeMap<&'static str, u64>) -> String {
    let listed: Vec<_> = trips
        .iter()
        .map(|(rule, trips)| format!("{rule} {trips}"))
        .collect();
    if listed.is_empty() {
        String::new()
    } else {
        format!(" ({})", listed.join(", "))
    }
}

fn bursts(bursts: Option<Bursts>) -> String {
    bursts.map_or_else(
        String::new,
        |Bursts {
             length_ms,
             every_ms,
         }| {
            format!(
                ", and all of them for {} every {} on average",
                Span(length_ms),
                Span(every_ms)
            )
        },
    )
}

/// A number of days in words.
pub(crate) struct Days(pub(crate) f64);

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} day{}", self.0, if self.0 == 1.0 { "" } else { "s" })
    }
}

/// A part of all as a percentage.
struct Part(f64);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 10_000.0).round() / 100.0;
        write!(f, "{rounded} %")
    }
}

/// Milliseconds as `1d02h`, `1h02m`, `6m40s`, `12.5s`.
pub(crate) struct Span(pub(crate) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        match (days, hours, minutes) {
            (0, 0, 0) if self.0.is_multiple_of(1_000) => write!(f, "{seconds}s"),
            (0, 0, 0) => write!(f, "{seconds}.{}s", self.0 % 1_000 / 100),
            (0, 0, _) => write!(f, "{minutes}m{:02}s", seconds % 60),
            (0, _, _) => write!(f, "{hours}h{minutes:02}m{:02}s", seconds % 60),
            (_, _, _) => write!(f, "{days}d{hours:02}h{minutes:02}m"),
        }
    }
}

/// The most lines of what happened that a terminal is given.
const LINES_MAX: usize = 60;
