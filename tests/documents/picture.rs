//! Draws the charts of `crossfade simulate --html` as a picture that stands in a document: the same
//! data, without a script.

use serde_json::Value;
use std::fmt::Write;

/// What of a play is drawn.
pub(super) struct View<'a> {
    /// What is seen, for who cannot.
    pub(super) title: &'a str,
    /// The charts, by the beginning of their titles, each with the beginning of the labels of the
    /// limits that matter.
    pub(super) charts: &'a [(&'a str, &'a str)],
    /// The first and the last second.
    pub(super) seconds: (f64, f64),
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 26.0;
const PANEL: f64 = 130.0;
const HEAD: f64 = 40.0;
const TOP: f64 = 18.0;
const FOOT: f64 = 34.0;

/// Light and dark, as the reader's system has it.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#52525b}.title{font-weight:600;fill:#18181b}\
.back{fill:#fff}.grid{stroke:#e4e4e7}.limit{stroke:#71717a;stroke-dasharray:5 4}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}\
.bedrock{stroke:#c2410c}.original{stroke:#2563eb}.clock{stroke:#7c3aed}\
.trip{stroke:#b91c1c}.note{stroke:#a1a1aa;stroke-dasharray:2 3}.triptext{fill:#b91c1c}\
@media(prefers-color-scheme:dark){text{fill:#a1a1aa}.title{fill:#fafafa}.back{fill:#18181b}\
.grid{stroke:#3f3f46}.limit{stroke:#a1a1aa}.bedrock{stroke:#fb923c}.original{stroke:#60a5fa}\
.clock{stroke:#a78bfa}.trip{stroke:#f87171}.note{stroke:#71717a}.triptext{fill:#f87171}}";

/// Draws a view of a play's data.
pub(super) fn draw(data: &Value, view: &View<'_>) -> String {
    let charts: Vec<(&Value, &str)> = view.charts.iter().map(|chart| pick(data, *chart)).collect();
    let height = TOP + FOOT + charts.len() as f64 * (HEAD + PANEL);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
        view.title
    );
    let bottom = height - FOOT;
    marks(&mut svg, data, view, bottom);
    for (place, (chart, limits)) in charts.iter().enumerate() {
        let top = TOP + place as f64 * (HEAD + PANEL) + HEAD;
        panel(&mut svg, data, view, chart, limits, top);
    }
    minutes(&mut svg, view, bottom);
    svg.push_str("</svg>\n");
    svg
}

fn pick<'a>(data: &'a Value, (title, limits): (&str, &'a str)) -> (&'a Value, &'a str) {
    let charts = data["charts"].as_array().expect("charts");
    let begins = |chart: &&Value| text(&chart["title"]).starts_with(title);
    (charts.iter().find(begins).expect("the chart"), limits)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// Where a second is.
fn across(view: &View<'_>, second: f64) -> f64 {
    let (first, last) = view.seconds;
    LEFT + (second - first) / (last - first) * (WIDTH - LEFT - RIGHT)
}

fn inside(view: &View<'_>, second: f64) -> bool {
    (view.seconds.0..=view.seconds.1).contains(&second)
}

/// Lines through all charts, where the rollout changed.
fn marks(svg: &mut String, data: &Value, view: &View<'_>, bottom: f64) {
    let seen = || {
        let all = list(&data["marks"]).iter();
        all.filter(|mark| inside(view, number(&mark["at"])))
    };
    let trip = seen().find(|mark| mark["bad"] == true);
    let trip = trip.map(|mark| across(view, number(&mark["at"])));
    for mark in seen() {
        let x = across(view, number(&mark["at"]));
        let bad = mark["bad"] == true;
        // What began so shortly before could not be told from the trip, nor its label be read.
        if !bad && trip.is_some_and(|trip| (trip - x).abs() < 20.0) {
            continue;
        }
        let (class, words) = if bad {
            ("trip", "triptext")
        } else {
            ("note", "")
        };
        let _ = writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
             <text class=\"{words}\" x=\"{x:.1}\" y=\"13\" text-anchor=\"middle\">{}</text>",
            text(&mark["label"])
        );
    }
}

/// One chart.
fn panel(svg: &mut String, data: &Value, view: &View<'_>, chart: &Value, limits: &str, top: f64) {
    let unit = text(&chart["unit"]);
    let limits: Vec<&Value> = list(&chart["limits"])
        .iter()
        .filter(|limit| text(&limit["label"]).starts_with(limits))
        .collect();
    let times: Vec<f64> = list(&data["times"]).iter().map(number).collect();
    let seen = |values: &Value| -> Vec<(f64, Option<f64>)> {
        let pairs = times
            .iter()
            .copied()
            .zip(list(values).iter().map(Value::as_f64));
        pairs.filter(|(time, _)| inside(view, *time)).collect()
    };
    // One line for each arm: what half of the calls take is left to the page.
    let series = list(&chart["lines"]).iter();
    let series: Vec<&Value> = series.filter(|line| line["dashed"] != true).collect();
    let highest = series
        .iter()
        .flat_map(|line| seen(&line["values"]))
        .filter_map(|(_, value)| value)
        .chain(limits.iter().map(|limit| number(&limit["at"]) * 1.1))
        .fold(0.0, f64::max);
    let most = round_up(highest);
    let down = |value: f64| top + PANEL - value / most * PANEL;

    let (left, right) = (LEFT, WIDTH - RIGHT);
    for part in [0.0, 0.5, 1.0] {
        let (y, value) = (down(most * part), most * part);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}{unit}</text>",
            left - 6.0,
            y + 4.0
        );
    }
    let title = text(&chart["title"]);
    let y = top - 12.0;
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{left}\" y=\"{y}\">{title}</text>"
    );
    legend(svg, &series, right, y);
    for limit in limits {
        let y = down(number(&limit["at"]));
        let _ = writeln!(
            svg,
            "<path class=\"limit\" d=\"M{left} {y:.1}H{right}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            right - 4.0,
            y - 4.0,
            text(&limit["label"])
        );
    }
    for line in series {
        let path = path(
            &seen(&line["values"]),
            line["steps"] == true,
            |time| across(view, time),
            down,
        );
        let _ = writeln!(svg, "<path class=\"line {}\" d=\"{path}\"/>", class(line));
    }
}

/// What the lines are, from the right.
fn legend(svg: &mut String, series: &[&Value], right: f64, y: f64) {
    let mut x = right;
    for line in series.iter().rev().filter(|_| series.len() > 1) {
        let label = text(&line["label"]);
        x -= label.chars().count() as f64 * 6.6;
        let _ = writeln!(
            svg,
            "<path class=\"line {}\" d=\"M{:.1} {:.1}h16\"/><text x=\"{x:.1}\" y=\"{y}\">{label}</text>",
            class(line),
            x - 22.0,
            y - 4.0
        );
        x -= 36.0;
    }
}

/// The colour of a line: that of its arm, or of a clock.
fn class(line: &Value) -> &'static str {
    match text(&line["colour"]) {
        "--original" => "original",
        "--bedrock" => "bedrock",
        _ => "clock",
    }
}

/// A line through the points; where it stays level only its ends are drawn.
fn path(
    points: &[(f64, Option<f64>)],
    steps: bool,
    across: impl Fn(f64) -> f64,
    down: impl Fn(f64) -> f64,
) -> String {
    let (mut path, mut last) = (String::new(), None);
    for (place, (time, value)) in points.iter().enumerate() {
        let Some(value) = *value else {
            last = None;
            continue;
        };
        let next = points.get(place + 1).and_then(|(_, next)| *next);
        let (x, y) = (across(*time), down(value));
        match last {
            None => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            // A step goes level up to where it changes.
            Some(before) if steps && before != value => {
                let _ = write!(path, "H{x:.1}V{y:.1}");
            }
            Some(before) if before == value && next == Some(value) => {}
            Some(_) => {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
        }
        last = Some(value);
    }
    path
}

/// The time below all charts, in a handful of steps.
fn minutes(svg: &mut String, view: &View<'_>, bottom: f64) {
    let (first, last) = view.seconds;
    let steps = [15.0, 30.0, 60.0, 120.0, 300.0, 1_800.0, 3_600.0];
    let step = steps.into_iter().find(|step| (last - first) / step <= 12.0);
    let step = step.unwrap_or(7_200.0);
    let mut at = (first / step).ceil() * step;
    while at <= last {
        let x = across(view, at);
        let told = if step >= 1_800.0 {
            format!("{} h", at / 3_600.0)
        } else if step >= 60.0 {
            format!("{} min", at / 60.0)
        } else {
            format!("{}:{:02}", (at / 60.0).floor(), at % 60.0)
        };
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {bottom}v5\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{told}</text>",
            bottom + 20.0
        );
        at += step;
    }
}

/// The next number that an axis may end with.
fn round_up(value: f64) -> f64 {
    let unit = 10_f64.powf(value.max(0.1).log10().floor());
    let ends = [1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let end = ends.into_iter().find(|end| end * unit >= value);
    // To a tenth: what powers of ten leave behind is no number for an axis.
    (end.unwrap_or(10.0) * unit * 10.0).round() / 10.0
}
