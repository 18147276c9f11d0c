//! `rollout` and `rollback`: how much moves, who, and when it is taken back.

use super::super::Rollout;
use super::super::Sticky;
use super::super::Switches;
use super::super::Timeouts;
use super::super::defaults;
use super::super::problems::Problem;
use super::super::raw::Node;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::section::Sink;
use super::super::section::quoted;
use super::super::shape::{Entries, Reader, Shape, Text};
use super::super::values;
use super::climb;
use super::compared;
use super::list;
use super::variable;
use crate::rollout::plan::Errors;
use crate::rollout::plan::Fast;
use crate::rollout::plan::Latency;
use crate::rollout::plan::Measure;
use crate::rollout::plan::Percentile;
use crate::rollout::plan::Rules;
use crate::split::Percent;
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;

/// Reads `rollout` and the environment's switches.
pub(super) fn read(mut section: Section<'_>, env: &impl Fn(&str) -> Option<String>) -> Rollout {
    let fits = |text: &str| {
        (1..=SALT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
    };
    let salt = section.value("salt", defaults::SALT.to_owned(), values::text(SALT, fits));
    let percent = section.value("percent", defaults::PERCENT, values::percent());
    let stages = stages(&mut section);
    let (advance, webhook) = climb::read(&mut section, &stages);
    let rollout = Rollout {
        percent,
        stages,
        advance,
        webhook,
        sticky: section.value("sticky", Sticky::Conversation, sticky()),
        salt: Arc::from(salt),
        attempt: section.value(
            "attempt",
            defaults::ATTEMPT,
            values::count(defaults::ATTEMPTS),
        ),
        allow_override: section.value("allow_override", defaults::ALLOW_OVERRIDE, values::flag()),
        switches: switches(section.sink(), env),
    };
    section.finish();
    rollout
}

/// Reads `rollback`.
pub(super) fn rules(mut section: Section<'_>) -> Rules {
    let rules = Rules {
        errors: rule(&mut section, "errors", |mut keys| {
            let Errors { above, for_ms } = defaults::ERRORS;
            let rule = Errors {
                above: keys.value("above", above, values::share(defaults::ABOVE)),
                for_ms: keys.value("for", for_ms, values::duration_ms(defaults::FOR)),
            };
            keys.finish();
            rule
        }),
        latency: rule(&mut section, "latency", latency),
        severe: rule(&mut section, "severe", |keys| fast(keys, defaults::SEVERE)),
        outage: rule(&mut section, "outage", |keys| fast(keys, defaults::OUTAGE)),
        relative: rule(&mut section, "relative", compared::relative),
        rejected: rule(&mut section, "rejected", compared::relative),
        abandoned: rule(&mut section, "abandoned", compared::abandoned),
        breaker: rule(&mut section, "breaker", |keys| {
            fast(keys, defaults::BREAKER)
        }),
        on_throttle: compared::on_throttle(&mut section),
    };
    section.finish();
    rules
}

/// One rule: `off`, or keys that replace the defaults one by one.
fn rule<'a, T>(
    section: &mut Section<'a>,
    key: &'static str,
    read: impl FnOnce(Section<'a>) -> T,
) -> Option<T> {
    let sink = section.sink();
    let path = section.path(key);
    let shape = Shape::Either(vec![Shape::Off, Shape::Section]);
    section.note(key, &shape, None);
    let map = match section.node(key) {
        None => None,
        Some(Node::Map(map)) => Some(map),
        Some(Node::Bool(false)) => return None,
        Some(Node::Text(text)) if text == "off" => return None,
        Some(node) => {
            let accepted = "off, or keys such as { above: …, for: … }";
            sink.problem(Mistake::from(accepted).at(path, node));
            return None;
        }
    };
    Some(read(Section::of(sink, path, map)))
}

fn latency(mut keys: Section<'_>) -> Latency {
    let Latency {
        above_ms,
        for_ms,
        percentile,
        measure,
    } = defaults::LATENCY;
    let percentiles = [
        Percentile::P50,
        Percentile::P90,
        Percentile::P95,
        Percentile::P99,
    ];
    let percentiles = values::named(&percentiles, Percentile::name);
    let measures = values::named(&[Measure::FirstToken, Measure::Total], Measure::name);
    let rule = Latency {
        above_ms: keys.value("above", above_ms, values::duration_ms(defaults::SLOW)),
        for_ms: keys.value("for", for_ms, values::duration_ms(defaults::FOR)),
        percentile: keys.value("percentile", percentile, percentiles),
        measure: keys.value("measure", measure, measures),
    };
    keys.finish();
    rule
}

fn fast(mut keys: Section<'_>, default: Fast) -> Fast {
    let rule = Fast {
        above: keys.value("above", default.above, values::share(defaults::ABOVE)),
        over_ms: keys.value("over", default.over_ms, values::duration_ms(defaults::OVER)),
    };
    keys.finish();
    rule
}

/// A call that times out first is a failure and never becomes a slow one.
pub(super) fn warn_of_deaf_latency(sink: &Sink, rules: &Rules, timeouts: &Timeouts) {
    let Some(rule) = rules.latency else { return };
    let (name, timeout) = match rule.measure {
        Measure::FirstToken => ("first_token", timeouts.first_token),
        Measure::Total => ("total", timeouts.total),
    };
    if Duration::from_millis(rule.above_ms) >= timeout {
        let shown = values::shown_duration(timeout);
        let text = format!(
            "no call can be that slow: timeouts.{name} ends it after {shown}, as a failure"
        );
        sink.warning("rollback.latency.above", text);
    }
}

fn stages(section: &mut Section<'_>) -> Vec<Percent> {
    let share = values::percent().shaped(Shape::Percent(defaults::STAGE));
    let stages = list(section, "stages", STAGES, Entries::Rising, share);
    let default = || serde_json::to_value(defaults::STAGES).ok();
    section.amend("stages", |note| note.default = default());
    let Some(stages) = stages else {
        return defaults::STAGES.to_vec();
    };
    let rising = stages.is_sorted_by(|a, b| a < b);
    if stages.first().is_none_or(|first| first.is_zero()) || !rising {
        let shown: Vec<String> = stages.iter().map(Percent::to_string).collect();
        let found = format!("[{}]", shown.join(", "));
        section
            .sink()
            .problem(Problem::new(section.path("stages"), found, STAGES));
    }
    stages
}

fn sticky() -> Reader<'static, Sticky> {
    let words = Shape::Word(vec!["conversation", "user", "none"]);
    let shape = Shape::Either(vec![words, Shape::Text(HEADER)]);
    values::parsed(shape, STICKY, sticky_of).shown()
}

fn sticky_of(text: &str) -> Result<Sticky, Mistake> {
    let accepted = || Mistake::from(STICKY);
    match (text, text.strip_prefix("header:")) {
        ("conversation", _) => Ok(Sticky::Conversation),
        ("user", _) => Ok(Sticky::User),
        ("none", _) => Ok(Sticky::None),
        (_, Some(name)) => {
            let name = name.trim().to_ascii_lowercase();
            HeaderName::from_bytes(name.as_bytes())
                .map(Sticky::Header)
                .map_err(|_| accepted())
        }
        (_, None) => Err(accepted()),
    }
}

fn switches(sink: &Sink, env: &impl Fn(&str) -> Option<String>) -> Switches {
    let force_original =
        variable(env, FORCE).is_some_and(|value| match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => {
                sink.problem(Problem::new(
                    Problem::variable(FORCE),
                    quoted(&value),
                    "true or false",
                ));
                true
            }
        });
    let use_aws_percent = variable(env, USE_PERCENT).map(|value| {
        values::percent_text(value.trim()).unwrap_or_else(|| {
            let path = Problem::variable(USE_PERCENT);
            sink.problem(Problem::new(path, quoted(&value), values::PERCENT));
            Percent::ZERO
        })
    });
    Switches {
        force_original,
        use_aws_percent,
    }
}

/// Holds the share at 0.
const FORCE: &str = "FORCE_OPENAI_PROVIDER";

/// A second ceiling.
const USE_PERCENT: &str = "USE_AWS_PERCENT";

const STAGES: &str = "a rising list of percentages above 0, such as [5, 25, 100]";

const STICKY: &str = "conversation, user, header:NAME or none";

const HEADER: Text = Text::new("header:NAME", r"^header:\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*$");

const SALT: Text = Text::new(
    "text of 1 to 128 bytes",
    r"^[^\u0000-\u001f\u007f-\u009f]+$",
)
.up_to(SALT_BYTES_MAX);

const SALT_BYTES_MAX: usize = 128;
