//! What came of a simulation as a page to look at: one file without a request to anywhere.
//!
//! Everything is drawn over the same time: the share, error rates with the limits that they are
//! held to, times to the first token, breach clocks; and through all of them a line where the
//! rollout changed. The numbers are those of `outcome`.

use super::outcome::{Days, Source, Span, app_rows};
use super::play::Play;
use super::series::{Series, Step, Tally};
use super::study::{Findings, Study};
use crate::page::{CHARTS_JS, Escaped, Page, STYLE, UPLOT_CSS, UPLOT_JS};
use crate::rollout::RuleName;
use crate::rollout::plan::Rules;
use crate::split::Percent;
use serde_json::{Value, json};
use std::fmt::Write;

/// Has the charts drawn from the data in the page.
const SCRIPT: &str = include_str!("picture.js");

/// The page of a trace.
pub(crate) fn trace_page(source: &Source, play: &Play) -> String {
    let title = source.trace.as_deref().unwrap_or("made-up traffic");
    let about = format!(
        "{} calls in {}, with the rules of {}.",
        play.told(),
        Span(play.now_ms().saturating_sub(source.first_ms)),
        source.config
    );
    page(
        title,
        &about,
        &verdict(source, play),
        &[card(play)],
        source,
        play,
    )
}

/// The page of made-up traffic.
pub(crate) fn study_page(source: &Source, study: &Study, findings: &Findings) -> String {
    let about = format!(
        "{} calls a second, {} % of them on Bedrock, with the rules of {}; seed {}. The charts show \
         the first play.",
        study.profile.rate,
        findings.sample.plan().ceiling,
        source.config,
        study.seed
    );
    let mut cards = Vec::new();
    let mut said = Vec::new();
    if let Some(quiet) = &findings.quiet {
        let value = match quiet.false_trips {
            0 => "none".to_owned(),
            _ => format!("{:.2} a day", quiet.false_per_day()),
        };
        said.push(format!("false trips: {value}"));
        cards.push(Card {
            value,
            what: format!("false trips, in {} without an incident", Days(quiet.days)),
            tone: if quiet.false_trips > 0 { "bad" } else { "good" },
        });
    }
    if let Some(incidents) = &findings.incidents {
        let found = incidents.delays_ms.len();
        let all = usize::try_from(incidents.runs).unwrap_or(usize::MAX);
        said.push(format!("{found} of {all} incidents found"));
        cards.push(Card {
            value: format!("{found} of {all}"),
            what: "incidents found".to_owned(),
            tone: if found < all { "bad" } else { "good" },
        });
        for (quantile, what) in [(0.5, "half of them within"), (0.99, "99 % of them within")] {
            let value = incidents.delay_ms(quantile);
            cards.push(Card {
                value: value.map_or_else(|| "not found".to_owned(), |ms| Span(ms).to_string()),
                what: format!("detection delay: {what}"),
                tone: "",
            });
        }
    }
    let verdict = match (said.is_empty(), cards.iter().any(|card| card.tone == "bad")) {
        (true, _) => verdict(source, &findings.sample),
        (false, bad) => Verdict {
            said: said.join(", "),
            tone: if bad { "bad" } else { "good" },
        },
    };
    page(
        "made-up traffic",
        &about,
        &verdict,
        &cards,
        source,
        &findings.sample,
    )
}

/// What came of it, in one line.
struct Verdict {
    said: String,
    tone: &'static str,
}

/// One number that matters.
struct Card {
    value: String,
    what: String,
    tone: &'static str,
}

fn verdict(source: &Source, play: &Play) -> Verdict {
    match play.trip() {
        Some((change, trip)) => {
            let at = Span(change.at_ms.saturating_sub(source.first_ms));
            let rule = trip.rollback.rule.name();
            Verdict {
                said: format!("Rolled back at {at} by the rule {rule}"),
                tone: "bad",
            }
        }
        None => Verdict {
            said: "Not rolled back: no rule tripped".to_owned(),
            tone: "good",
        },
    }
}

/// How long it took, or how near it was.
fn card(play: &Play) -> Card {
    let Some((change, trip)) = play.trip() else {
        return Card {
            value: play.clocks().len().to_string(),
            what: "times that a breach clock started".to_owned(),
            tone: "",
        };
    };
    let delay = trip
        .onset_ms
        .map(|onset| change.at_ms.saturating_sub(onset));
    Card {
        value: delay.map_or_else(|| "–".to_owned(), |ms| Span(ms).to_string()),
        what: format!(
            "detection delay; {} {} calls on Bedrock since",
            trip.bad,
            trip.kind()
        ),
        tone: "",
    }
}

/// The page, with the verdict on top.
fn page(
    title: &str,
    about: &str,
    verdict: &Verdict,
    cards: &[Card],
    source: &Source,
    play: &Play,
) -> String {
    let mut body = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        body,
        "<main>\n<h1 class=\"{}\">{}</h1>\n<p class=\"quiet\">crossfade simulate, {}: {}</p>\n",
        verdict.tone,
        Escaped(&verdict.said),
        Escaped(title),
        Escaped(about)
    );
    for note in &source.notes {
        let _ = writeln!(body, "<p class=\"quiet\">{}</p>", Escaped(note));
    }
    body.push_str("<div class=\"cards\">\n");
    for Card { value, what, tone } in cards {
        let _ = writeln!(
            body,
            "<div class=\"card\"><b class=\"{tone}\">{}</b><span>{}</span></div>",
            Escaped(value),
            Escaped(what)
        );
    }
    body.push_str("</div>\n<div id=\"charts\"></div>\n<h2>What happened</h2>\n");
    happened(&mut body, source, play);
    body.push_str("<h2>What the app would have seen</h2>\n<table>\n");
    for (calls, what) in app_rows(play.seen()) {
        let _ = writeln!(
            body,
            "<tr><td class=\"number\">{calls}</td><td>{what}</td></tr>"
        );
    }
    body.push_str("</table>\n</main>\n");
    Page {
        title: &format!("{title} · crossfade simulate"),
        body: &body,
        styles: &[UPLOT_CSS, STYLE],
        scripts: &[UPLOT_JS, CHARTS_JS, SCRIPT],
        data: &data(source, play),
    }
    .to_string()
}

fn happened(body: &mut String, source: &Source, play: &Play) {
    let mut rows: Vec<(u64, &str, bool)> = Vec::new();
    for clock in play.clocks() {
        rows.push((clock.started_ms, &clock.sentence, false));
    }
    for finding in play.findings() {
        rows.push((finding.at_ms, &finding.sentence, false));
    }
    for change in play.changes() {
        rows.push((change.at_ms, &change.sentence, change.trip.is_some()));
    }
    rows.sort_by_key(|(at_ms, _, _)| *at_ms);
    if rows.is_empty() {
        body.push_str("<p>Nothing: no rule was breached.</p>\n");
        return;
    }
    let skipped = rows.len().saturating_sub(ROWS_MAX);
    if skipped > 0 {
        let _ = writeln!(
            body,
            "<p class=\"quiet\">{skipped} earlier rows are left out; --json has them.</p>"
        );
    }
    body.push_str("<table>\n");
    for (at_ms, sentence, bad) in rows.into_iter().skip(skipped) {
        let _ = writeln!(
            body,
            "<tr><td class=\"number\">{}</td><td class=\"{}\">{}</td></tr>",
            Span(at_ms.saturating_sub(source.first_ms)),
            if bad { "bad" } else { "" },
            Escaped(&sentence.replace("->", "→"))
        );
    }
    body.push_str("</table>\n");
}

/// What the script draws.
fn data(source: &Source, play: &Play) -> Value {
    let since = |ms: u64| ms.saturating_sub(source.first_ms) as f64 / 1_000.0;
    let step_s = play
        .series()
        .map_or(5.0, |it| it.step_ms() as f64 / 1_000.0);
    let steps: Vec<(u64, Step)> = play.series().map(Series::over_a_minute).unwrap_or_default();
    let times: Vec<f64> = steps.iter().map(|(at_ms, _)| since(*at_ms)).collect();
    let line = |label: &str, colour: &str, of: &dyn Fn(&Step) -> Option<f64>| {
        let values: Vec<_> = steps
            .iter()
            .map(|(_, step)| of(step).map(rounded))
            .collect();
        json!({ "label": label, "colour": colour, "values": values })
    };
    let per_second = |label: &str, colour: &str, of: &dyn Fn(&Step) -> &Tally| {
        let rates = steps.iter().zip(&times).map(|((_, step), time)| {
            // The first minute is not over yet.
            let counted_s = step_s.max(60.0).min(time + step_s);
            rounded(of(step).judged as f64 / counted_s)
        });
        json!({ "label": label, "colour": colour, "values": rates.collect::<Vec<_>>() })
    };
    let rules = &play.plan().rules;
    let mut share = line("in force", "--bedrock", &|step| Some(percent(step.percent)));
    share["steps"] = json!(true);
    share["filled"] = json!(true);
    let mut typical = line("Bedrock, half", "--bedrock-soft", &|it| {
        it.bedrock.first_token_s(0.5)
    });
    typical["dashed"] = json!(true);
    // It lies under Bedrock's, so that both are seen where they are equal.
    let wide = |mut line: Value| {
        line["wide"] = json!(true);
        line
    };
    let clocks = play.clocks();
    let clock_lines: Vec<_> = clock_rules(rules)
        .into_iter()
        .filter(|(rule, _, _)| clocks.iter().any(|clock| clock.rule == *rule))
        .map(|(rule, for_ms, colour)| {
            line(rule.name(), colour, &move |step| {
                let ran = step.clocks.iter().find(|(each, _)| *each == rule);
                Some(ran.map_or(0.0, |(_, ms)| *ms as f64 / for_ms as f64 * 100.0))
            })
        })
        .collect();
    let mut charts = vec![
        json!({
            "title": "Share of the calls that may go to Bedrock", "unit": " %", "limits": [],
            "lines": [share],
        }),
        json!({
            "title": "Calls that fail, in the last minute", "unit": " %", "limits": error_limits(rules),
            "lines": [
                wide(line("original", "--original", &|it| it.original.error_percent())),
                line("Bedrock", "--bedrock", &|it| it.bedrock.error_percent()),
            ],
        }),
        json!({
            "title": "Time to the first token: 95 % of the calls within, in the last minute", "unit": " s",
            "limits": latency_limits(rules),
            "lines": [
                wide(line("original", "--original", &|it| it.original.first_token_s(0.95))),
                typical,
                line("Bedrock", "--bedrock", &|it| it.bedrock.first_token_s(0.95)),
            ],
        }),
    ];
    if !clock_lines.is_empty() {
        charts.push(json!({
            "title": "Breach clocks, of the time that trips", "unit": " %",
            "limits": [{ "at": 100.0, "label": "trips" }], "lines": clock_lines,
        }));
    }
    charts.push(json!({
        "title": "Judged calls a second", "unit": "/s", "limits": [],
        "lines": [
            wide(per_second("original", "--original", &|it| &it.original)),
            per_second("Bedrock", "--bedrock", &|it| &it.bedrock),
        ],
    }));
    json!({ "times": times, "charts": charts, "marks": marks(play, since) })
}

/// Lines through all charts.
fn marks(play: &Play, since: impl Fn(u64) -> f64) -> Vec<Value> {
    let mut marks = Vec::new();
    for change in play.changes() {
        let label = match &change.trip {
            Some(trip) => format!("{} → 0 %: {}", change.from, trip.rollback.rule.name()),
            None => format!("{} → {} %", change.from, change.to),
        };
        let bad = change.trip.is_some();
        marks.push(json!({ "at": since(change.at_ms), "label": label, "bad": bad }));
        if let Some(onset_ms) = change.trip.as_ref().and_then(|trip| trip.onset_ms) {
            marks.push(json!({ "at": since(onset_ms), "label": "it began", "onset": true }));
        }
    }
    let skipped = marks.len().saturating_sub(MARKS_MAX);
    marks.split_off(skipped)
}

/// The rules that count failures: where their limits are.
fn error_limits(rules: &Rules) -> Vec<Value> {
    let limits = [
        (RuleName::Errors, rules.errors.map(|rule| rule.above)),
        (RuleName::Severe, rules.severe.map(|rule| rule.above)),
        (RuleName::Outage, rules.outage.map(|rule| rule.above)),
    ];
    let on = limits
        .into_iter()
        .filter_map(|(rule, above)| Some((rule, above?)));
    on.map(|(rule, above)| {
        json!({ "at": percent(above), "label": format!("{} {above} %", rule.name()) })
    })
    .collect()
}

fn latency_limits(rules: &Rules) -> Vec<Value> {
    let limit = rules.latency.map(|rule| {
        let label = format!("latency {} {}", rule.percentile.name(), Span(rule.above_ms));
        json!({ "at": rule.above_ms as f64 / 1_000.0, "label": label })
    });
    limit.into_iter().collect()
}

/// The rules with a clock, how long it must run, and their colour.
fn clock_rules(rules: &Rules) -> Vec<(RuleName, u64, &'static str)> {
    let clocks = [
        (
            RuleName::Errors,
            rules.errors.map(|rule| rule.for_ms),
            "--bad",
        ),
        (
            RuleName::Latency,
            rules.latency.map(|rule| rule.for_ms),
            "--clock",
        ),
    ];
    let on = clocks
        .into_iter()
        .filter_map(|(rule, for_ms, colour)| Some((rule, for_ms?, colour)));
    on.collect()
}

fn percent(share: Percent) -> f64 {
    f64::from(share.basis_points()) / 100.0
}

/// As exact as a screen is: it halves the size of the page.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// The most rows of what happened.
const ROWS_MAX: usize = 200;

/// The most lines through the charts.
const MARKS_MAX: usize = 60;
