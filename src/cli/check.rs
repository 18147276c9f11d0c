//! `crossfade check`: what a configuration would do, or everything that is wrong with it. What it
//! would change is `diff`'s.
//!
//! Pure: from what was read to text for a person or JSON for a program. Nothing in it is secret; of
//! keys only says whether there are any.

use super::live;
use crate::clock::millis;
use crate::config::Config;
use crate::config::problems::Problems;
use crate::config::traces::Traces;
use crate::config::words;
use crate::rollout::Advance;
use serde_json::Value;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Whom the result is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A person.
    Text,
    /// A program.
    Json,
}

/// The exit code of `check`: 0, or 78 (`EX_CONFIG` of BSD's sysexits) if there are mistakes.
pub const fn exit_code(result: &Result<Config, Problems>) -> u8 {
    match result {
        Ok(_) => 0,
        Err(_) => 78,
    }
}

/// What to print about `file`, with a line break at the end.
pub fn render(file: &Path, result: &Result<Config, Problems>, format: Format) -> String {
    let mut text = match (result, format) {
        (Ok(config), Format::Text) => valid_text(file, config),
        (Err(problems), Format::Text) => refused_text(file, problems),
        (Ok(config), Format::Json) => pretty(&json!({
            "file": file.display().to_string(),
            "valid": true,
            "problems": [],
            "warnings": config.warnings,
            "effect": effect(config),
        })),
        (Err(problems), Format::Json) => pretty(&json!({
            "file": file.display().to_string(),
            "valid": false,
            "problems": problems,
            "warnings": [],
            "effect": null,
        })),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The same, where the providers were asked too: what they said stands for the effect.
pub(super) fn render_live(
    file: &Path,
    config: &Config,
    report: &live::Report,
    format: Format,
) -> String {
    match format {
        Format::Text => {
            let warnings = config
                .warnings
                .iter()
                .fold(String::new(), |mut text, warning| {
                    // Writing to a string does not fail.
                    let _ = writeln!(text, "  {:<9} {warning}", "warning");
                    text
                });
            format!(
                "{} is valid\n{warnings}{}",
                file.display(),
                live::text(report)
            )
        }
        Format::Json => {
            let told = json!({
                "file": file.display().to_string(),
                "valid": true,
                "problems": [],
                "warnings": config.warnings,
                "effect": effect(config),
                "live": live::json(report),
            });
            pretty(&told) + "\n"
        }
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn refused_text(file: &Path, problems: &Problems) -> String {
    let lines = problems.lines();
    let name = file.display().to_string();
    // That it cannot be read says all, and its name with it.
    if let ([line], Some(_)) = (lines.as_slice(), problems.iter().find(|it| it.path == name)) {
        return line.clone();
    }
    let mistakes = if lines.len() == 1 {
        "1 mistake"
    } else {
        &format!("{} mistakes", lines.len())
    };
    let listed: String = lines
        .iter()
        .fold(String::new(), |text, line| text + "\n  " + line);
    format!("{name} is refused: {mistakes}{listed}")
}

fn valid_text(file: &Path, config: &Config) -> String {
    let mut rows = vec![
        ("share", words::share(config)),
        ("listen", config.listen.to_string()),
        ("admin", config.admin.to_string()),
    ];
    rows.extend(words::routes(config));
    rows.extend(words::rules(&config.rules).into_iter().map(|(name, rule)| {
        (
            "rule",
            rule.map_or_else(
                || format!("{name} is off"),
                |rule| format!("{name}: {rule}"),
            ),
        )
    }));
    rows.extend(words::bounds(config));
    rows.extend(config.traces.iter().map(|to| ("traces", traces(to))));
    rows.push(("state", config.state.display().to_string()));
    rows.extend(
        config
            .warnings
            .iter()
            .map(|warning| ("warning", warning.to_string())),
    );
    rows.into_iter().fold(
        format!("{} is valid", file.display()),
        |mut text, (name, value)| {
            // Writing to a string does not fail.
            let _ = write!(text, "\n  {name:<9} {value}");
            text
        },
    )
}

fn traces(to: &Traces) -> String {
    format!(
        "go to {to}: what callers sample, and {} of the other calls",
        to.sample
    )
}

fn effect(config: &Config) -> Value {
    let (rollout, timeouts, limits) = (&config.rollout, &config.timeouts, &config.limits);
    let models: serde_json::Map<String, Value> = config
        .bedrock
        .models
        .iter()
        .map(|(name, mapping)| {
            let target = &mapping.target;
            let to = json!({
                "model": target.model_id,
                "family": target.family.name(),
                "max_tokens": target.max_tokens,
                "first_token_ms": mapping.first_token.map(millis),
            });
            (name.clone(), to)
        })
        .collect();
    let rules: serde_json::Map<String, Value> = words::rules(&config.rules)
        .into_iter()
        .map(|(name, rule)| (name.to_owned(), json!(rule)))
        .collect();
    json!({
        "percent": rollout.percent,
        "ceiling": rollout.ceiling(),
        "force_openai_provider": rollout.switches.force_original,
        "use_aws_percent": rollout.switches.use_aws_percent,
        "attempt": rollout.attempt,
        "stages": rollout.stages,
        "advance": match rollout.advance {
            Advance::Manual => "manual",
            Advance::Auto(_) => "auto",
        },
        "sticky": rollout.sticky.to_string(),
        "listen": config.listen.to_string(),
        "admin": config.admin.to_string(),
        "original": words::original_url(config),
        "region": config.bedrock.region,
        "endpoint": config.bedrock.endpoint.as_ref().map(http::Uri::to_string),
        "models": models,
        "rules": rules,
        "callers": config.callers.as_ref().map(Vec::len),
        "hosts": config.hosts,
        "timeouts": {
            "connect_ms": millis(timeouts.connect),
            "first_token_ms": millis(timeouts.first_token),
            "idle_ms": millis(timeouts.idle),
            "total_ms": millis(timeouts.total),
        },
        "limits": {
            "body_bytes": limits.body,
            "buffered_bytes": limits.buffered,
            "in_flight": limits.in_flight,
            "connections": limits.connections,
        },
        "drain_ms": millis(config.drain),
        "notify": config.notify.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "traces": config.traces.as_ref().map(|to| json!({
            "to": to.to_string(),
            "sample": to.sample.to_string(),
        })),
        "state": config.state.display().to_string(),
    })
}

#[cfg(test)]
mod tests;
