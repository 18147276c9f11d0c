//! Pages that need nothing but themselves: one file, opened from a disk or served, without a
//! request to anywhere.
//!
//! A page is a body, a style, scripts and a block of data. Its policy admits exactly the scripts
//! and styles that it was made with, by their hashes, and no connection at all; so text that comes
//! from outside (a request id, an operator's reason) can do nothing even where it were not escaped.
//! Charts are drawn by uPlot, compiled in from `page/uplot` (npm package `uplot` 1.6.32, MIT
//! licence beside it); what is drawn, and when anew, is the same for every page: `page/charts.js`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;

/// The chart library's script; it defines `uPlot`.
pub(crate) const UPLOT_JS: &str = include_str!("page/uplot/uPlot.iife.min.js");

/// How a page has its charts drawn; it defines `charts` and needs `uPlot`.
pub(crate) const CHARTS_JS: &str = include_str!("page/charts.js");

/// The chart library's style.
pub(crate) const UPLOT_CSS: &str = include_str!("page/uplot/uPlot.min.css");

/// The licence under which it is distributed, which goes with every copy.
pub(crate) const UPLOT_LICENSE: &str = include_str!("page/uplot/LICENSE");

/// What every page looks like: colours for light and dark, type, tables, charts.
pub(crate) const STYLE: &str = include_str!("page/page.css");

/// A page to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    /// Its title, not escaped yet.
    pub(crate) title: &'a str,
    /// Its body, as HTML.
    pub(crate) body: &'a str,
    /// Its styles, in order.
    pub(crate) styles: &'a [&'a str],
    /// Its scripts, in order, after the body.
    pub(crate) scripts: &'a [&'a str],
    /// What the scripts find as JSON in the element `data`.
    pub(crate) data: &'a Value,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n",
            policy(self.styles, self.scripts),
            Escaped(self.title)
        )?;
        for style in self.styles {
            writeln!(f, "<style>{style}</style>")?;
        }
        writeln!(
            f,
            "<!-- Charts: uPlot.\n{UPLOT_LICENSE}-->\n</head>\n<body>\n{}",
            self.body
        )?;
        writeln!(
            f,
            "<script type=\"application/json\" id=\"data\">{}</script>",
            // Nothing in a string can then end the element.
            self.data.to_string().replace('<', "\\u003c")
        )?;
        for script in self.scripts {
            writeln!(f, "<script>{script}</script>")?;
        }
        f.write_str("</body>\n</html>\n")
    }
}

/// The content security policy under which exactly these styles and scripts work.
pub(crate) fn policy(styles: &[&str], scripts: &[&str]) -> String {
    let hashes = |texts: &[&str]| {
        let quoted = texts.iter().map(|text| {
            let hash = STANDARD.encode(Sha256::digest(text.as_bytes()));
            format!(" 'sha256-{hash}'")
        });
        quoted.collect::<String>()
    };
    format!(
        "default-src 'none'; style-src{}; script-src{}; base-uri 'none'; form-action 'none'",
        hashes(styles),
        hashes(scripts)
    )
}

/// Text that means nothing as HTML, in content and in quoted attributes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['&', '<', '>', '"', '\'']) {
            let (text, last) = part.split_at(part.len() - usize::from(part.ends_with(SPECIAL)));
            f.write_str(text)?;
            f.write_str(match last {
                "&" => "&amp;",
                "<" => "&lt;",
                ">" => "&gt;",
                "\"" => "&quot;",
                "'" => "&#39;",
                other => other,
            })?;
        }
        Ok(())
    }
}

const SPECIAL: [char; 5] = ['&', '<', '>', '"', '\''];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_comes_from_outside_stays_text() {
        let shown = Escaped("a<b>&\"c\"'d").to_string();
        assert_eq!(shown, "a&lt;b&gt;&amp;&quot;c&quot;&#39;d");
        assert_eq!(Escaped("plain").to_string(), "plain");
        let page = Page {
            title: "<t>",
            body: "",
            styles: &["p{}"],
            scripts: &["1"],
            data: &json!({"reason": "</script><script>alert(1)</script>"}),
        }
        .to_string();
        assert!(page.contains("<title>&lt;t&gt;</title>"));
        assert!(!page.contains("alert(1)</script>"), "{page}");
        // SHA-256 of `1`.
        assert!(page.contains("'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"));
    }

    #[test]
    fn the_chart_library_can_be_put_into_a_page() {
        for text in [UPLOT_JS, UPLOT_CSS, STYLE, CHARTS_JS] {
            assert!(!text.contains("</"), "it would end its element");
            assert!(!text.contains("http-equiv"));
        }
        assert!(UPLOT_JS.contains("1.6.32"));
        assert!(!UPLOT_LICENSE.contains("--"), "it would end its comment");
    }
}
