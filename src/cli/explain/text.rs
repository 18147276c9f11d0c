//! An explanation for a person: what becomes of the call first, then why, then the details.

use super::json::pretty;
use super::{ArmAt, Explanation, LossReport, SplitReport, TargetReport};
use std::fmt::Write;

/// Whether headings are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Paint {
    /// On a terminal, unless `NO_COLOR` is set.
    Colour,
    /// Plain text.
    Plain,
}

/// The colours, as the terminal's own palette has them.
#[derive(Clone, Copy)]
enum Ink {
    Green,
    Yellow,
    Bold,
}

impl Paint {
    fn of(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Green => "1;32",
            Ink::Yellow => "1;33",
            Ink::Bold => "1",
        };
        match self {
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// The whole explanation, with a line break at the end.
pub(super) fn render(of: &Explanation, paint: Paint) -> String {
    let mut out = format!("{}: {}\n", of.request, what(of));
    if of.eligible {
        goes(of, paint, &mut out);
    } else {
        stays(of, paint, &mut out);
    }
    if let Some(body) = &of.body {
        let _ = write!(
            out,
            "\n{}\n{}\n",
            heading(paint, "The Converse body"),
            pretty(body.get())
        );
    }
    match (&of.response, of.eligible) {
        (Some(reply), _) => {
            let _ = write!(
                out,
                "\n{}\n{}",
                heading(paint, "The way back"),
                reply.text()
            );
        }
        (None, false) if of.response_given => {
            out.push_str("\nThere is no way back: Bedrock is not asked.\n");
        }
        (None, _) => {}
    }
    out
}

fn heading(paint: Paint, text: &str) -> String {
    paint.of(Ink::Bold, text)
}

fn what(of: &Explanation) -> String {
    match &of.model {
        None => "no chat request that crossfade can read".to_owned(),
        Some(model) if of.stream => format!("a chat call for {model:?}, streamed"),
        Some(model) => format!("a chat call for {model:?}, not streamed"),
    }
}

fn stays(of: &Explanation, paint: Paint, out: &mut String) {
    let reason = of.reason.unwrap_or_default();
    let verdict = format!("It stays with the original: {reason}");
    let _ = writeln!(out, "{}", paint.of(Ink::Yellow, &verdict));
    let _ = writeln!(out, "  {}", of.meaning.unwrap_or_default());
    if let Some(detail) = &of.detail {
        let _ = writeln!(out, "  {}: {detail}", of.request);
    }
    let _ = writeln!(out, "  To move it: {}", of.remedy.unwrap_or_default());
    if let (Some(allow), Some(model)) = (of.allow, &of.model) {
        let _ = writeln!(
            out,
            "  To accept it: `allow: [{allow}]` at {model:?} in bedrock.models."
        );
    }
    if let Some(target) = &of.target {
        rows(target, out);
    }
}

fn goes(of: &Explanation, paint: Paint, out: &mut String) {
    let _ = writeln!(out, "{}", paint.of(Ink::Green, "Bedrock can honour it."));
    if let Some(target) = &of.target {
        rows(target, out);
    }
    if let Some(split) = &of.split {
        row("split", &sentence(split, of.arm), out);
    }
    let _ = write!(out, "\n{}\n", heading(paint, "What is lost on the way"));
    if of.losses.is_empty() {
        out.push_str("  nothing\n");
        return;
    }
    let width = of
        .losses
        .iter()
        .map(|loss| loss.loss.len())
        .max()
        .unwrap_or_default();
    for loss in &of.losses {
        let _ = writeln!(out, "  {:<width$}  {}", loss.loss, loss.meaning);
        if let Some(hint) = hint(loss) {
            let _ = writeln!(out, "  {:<width$}  {hint}", "");
        }
    }
    let names: Vec<&str> = of.losses.iter().map(|loss| loss.loss).collect();
    let _ = writeln!(
        out,
        "  `refuse: [{}]` in the mapping would keep such calls with the original.",
        names.join(", ")
    );
}

fn hint(loss: &LossReport) -> Option<String> {
    let allow = loss.allow?;
    Some(if loss.allowed {
        format!("The mapping has `allow: [{allow}]`.")
    } else {
        format!("`allow: [{allow}]` passes it on, where the model takes it.")
    })
}

fn rows(target: &TargetReport, out: &mut String) {
    let TargetReport {
        bedrock_model,
        family,
        region,
        endpoint,
        path,
    } = target;
    row(
        "model",
        &format!("{bedrock_model}, of the family {family}"),
        out,
    );
    let place = endpoint.as_deref().map_or_else(
        || format!("in {region}"),
        |endpoint| format!("at {endpoint}, {region}"),
    );
    if let Some(path) = path {
        row("call", &format!("POST {path} {place}"), out);
    }
}

fn row(name: &str, value: &str, out: &mut String) {
    let _ = writeln!(out, "  {name:<6} {value}");
}

/// Who the split thinks it is, and what that comes to.
fn sentence(split: &SplitReport, arm: ArmAt) -> String {
    let SplitReport {
        sticky,
        key_missing,
        bucket,
        moves_at_percent,
        ceiling,
    } = split;
    let key = match (key_missing, bucket) {
        (true, Some(_)) => format!("its conversation, for want of a key ({sticky})"),
        (true, None) => "a fresh draw, for want of any key".to_owned(),
        (false, Some(_)) => sticky.clone(),
        (false, None) => "a fresh draw for each call".to_owned(),
    };
    let at = match (bucket, moves_at_percent) {
        (Some(bucket), Some(from)) => {
            format!("bucket {bucket} of 10,000 by {key}, so it goes to Bedrock from {from} % on")
        }
        (_, _) => format!("by {key}"),
    };
    let now = match arm {
        ArmAt::Bedrock => "it goes there, unless a rollback or a hold is in force",
        ArmAt::Original => "it stays with the original for now",
        ArmAt::Either => "so many of a hundred such calls go to Bedrock",
    };
    format!("{at};\n         at the {ceiling} % of this configuration {now}")
}
