//! The status page: one HTML document that needs nothing but itself and `/api/events`.
//!
//! The server fills in the verdict, the status as text and the first state as data; so it can be
//! read without scripts, and shows something before the first event. The script then keeps it up
//! to date: `page/words.js` says it in words, `page/ask.js` asks for a reason before a change,
//! `page/page.js` follows the events. Charts and colours are those of every page.

use super::guard::Changes;
use super::live::{InForce, Live};
use super::pulse::Point;
use super::text;
use crate::page::{CHARTS_JS, Escaped, STYLE, UPLOT_CSS, UPLOT_JS, UPLOT_LICENSE, policy};
use serde::Serialize;
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("page/page.html");
const STYLES: [&str; 3] = [UPLOT_CSS, STYLE, include_str!("page/page.css")];
const SCRIPTS: [&str; 5] = [
    UPLOT_JS,
    CHARTS_JS,
    include_str!("page/words.js"),
    include_str!("page/ask.js"),
    include_str!("page/page.js"),
];

/// What the page begins with.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    pub(super) live: Live,
    pub(super) config: InForce,
    pub(super) history: Vec<Point>,
    /// The most points that the page keeps.
    pub(super) points_max: usize,
    pub(super) changes: Changes,
}

/// The page and the content security policy under which it works.
pub(super) fn render(start: &Start) -> (String, String) {
    let status = &start.live.status;
    // Only a map with keys that are no text cannot be encoded, and there is none.
    let data = serde_json::to_string(start).unwrap_or_default();
    let html = filled(|name| match name {
        "title" => format!("{} % · crossfade", status.percent),
        "verdict" => Escaped(&status.verdict).to_string(),
        "text" => Escaped(&text::render(status)).to_string(),
        "licence" => UPLOT_LICENSE.to_owned(),
        "styles" => elements("style", &STYLES),
        "scripts" => elements("script", &SCRIPTS),
        // Nothing in a string can then end the element.
        "data" => data.replace('<', "\\u003c"),
        other => format!("{{{{{other}}}}}"),
    });
    let policy = format!(
        "{}; img-src data:; connect-src 'self'; frame-ancestors 'none'",
        policy(&STYLES, &SCRIPTS)
    );
    (html, policy)
}

/// The template with a text for each `{{name}}`; what is filled in is not looked at again.
fn filled(text: impl Fn(&str) -> String) -> String {
    let mut parts = TEMPLATE.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        out.push_str(&text(name));
        out.push_str(rest);
    }
    out
}

fn elements(name: &str, texts: &[&str]) -> String {
    texts.iter().fold(String::new(), |mut out, text| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "<{name}>{text}</{name}>");
        out
    })
}
