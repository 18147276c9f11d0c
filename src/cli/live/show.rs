//! The report of a live check, for a person and for a program.

use super::diagnosis::Weight;
use super::{Finding, Model, Problem, Reached, Report, Verdict, Who};
use crate::upstream::reach::Step;
use humantime::format_duration;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// The rows that follow "FILE is valid".
pub(in crate::cli) fn text(report: &Report) -> String {
    let mut text = String::new();
    row(&mut text, "region", &report.region);
    match &report.identity {
        Ok(who) => row(&mut text, "identity", &identity(who)),
        Err(why) => {
            row(&mut text, "identity", "FAILED: no AWS credentials");
            more(&mut text, why);
            more(&mut text, &credentials_remedy(why));
        }
    }
    provider(&mut text, "original", &report.original);
    provider(&mut text, "bedrock", &report.bedrock);
    for model in &report.models {
        one(&mut text, model);
    }
    text.push_str(&summary(report));
    text.push('\n');
    text
}

// Writing to a string does not fail.
fn row(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<9} {value}");
}

/// Lines below a row, indented; one that is too long is broken between words.
fn more(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut width = 0;
        let _ = write!(text, "{:INDENT$}{:indent$}", "", "");
        for word in line.split_whitespace() {
            let letters = word.chars().count();
            if width > 0 && width + 1 + letters > WIDTH {
                let _ = write!(text, "\n{:INDENT$}{:indent$}", "", "");
                width = 0;
            } else if width > 0 {
                text.push(' ');
                width += 1;
            }
            text.push_str(word);
            width += letters;
        }
        text.push('\n');
    }
}

fn identity(who: &Who) -> String {
    let mut told = who.source.clone();
    if let Some(principal) = &who.principal {
        let _ = write!(told, ", {principal}");
    } else if let Some(account) = &who.account {
        let _ = write!(told, ", account {account}");
    }
    if let Some(left) = who.expires_in {
        let left = format_duration(Duration::from_secs(left.as_secs()));
        let _ = write!(told, ", for {left}");
    }
    told
}

fn provider(text: &mut String, name: &str, reached: &Reached) {
    let Reached { url, result } = reached;
    match result {
        Ok(took) => row(
            text,
            name,
            &format!("{url}, connected in {} ms", took.as_millis()),
        ),
        Err(why) => {
            row(
                text,
                name,
                &format!("FAILED: {url} cannot be reached: {}", why.detail),
            );
            more(text, why.step.remedy());
        }
    }
}

fn one(text: &mut String, model: &Model) {
    let Model { id, names, .. } = model;
    let names = names.join(", ");
    match &model.finding {
        Finding::NotAsked => row(text, "model", &format!("not asked: {id} (for {names})")),
        Finding::Answered(answered) => {
            let mut told = format!(
                "ok: {id} (for {names}), first token in {} ms",
                answered.first_token_ms
            );
            if let Some(usage) = answered.usage {
                let (sent, said) = (usage.input_tokens, usage.output_tokens);
                let _ = write!(told, ", {sent} tokens in and {said} out");
            }
            row(text, "model", &told);
        }
        Finding::Refused(problem) => {
            let Problem {
                cause,
                detail,
                told,
            } = problem.as_ref();
            let mark = match cause.weight() {
                Weight::Warning => "ok, but",
                Weight::Failure => "FAILED:",
            };
            row(
                text,
                "model",
                &format!("{mark} {id} (for {names}): {}", told.what),
            );
            more(text, detail);
            more(text, &told.remedy);
            if let Some(policy) = &told.policy {
                more(text, &policy.pretty());
            }
        }
    }
}

/// The last line.
fn summary(report: &Report) -> String {
    let count = |is: fn(&Finding) -> bool| {
        report
            .models
            .iter()
            .filter(|model| is(&model.finding))
            .count()
    };
    let (all, ok) = (report.models.len(), count(may_be_called));
    let asked = count(|finding| !matches!(finding, Finding::NotAsked));
    match report.verdict() {
        Verdict::Fine if all == 1 => "The model may be called.".to_owned(),
        Verdict::Fine => format!("All {all} models may be called."),
        Verdict::Wrong | Verdict::Unreached if asked == 0 => {
            "No model was asked; mend what failed above first.".to_owned()
        }
        Verdict::Wrong | Verdict::Unreached if asked < all => {
            "The other models were not asked: they would fail the same way.".to_owned()
        }
        Verdict::Wrong | Verdict::Unreached => format!("{ok} of {all} models may be called."),
    }
}

fn may_be_called(finding: &Finding) -> bool {
    match finding {
        Finding::NotAsked => false,
        Finding::Answered(_) => true,
        Finding::Refused(problem) => problem.cause.weight() == Weight::Warning,
    }
}

/// What gives credentials, by what the SDK says of those that it missed.
fn credentials_remedy(why: &str) -> String {
    // What an SSO session or a process gives is a feature of the SDK that is not compiled in.
    if why.contains("cargo feature") {
        return "That kind of profile is not read by crossfade. `eval \"$(aws configure \
                export-credentials --format env)\"` puts its keys into the environment."
            .to_owned();
    }
    "crossfade looks where the AWS SDK looks: AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID and \
     AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), web identity (EKS), the container's role \
     (ECS, EKS Pod Identity), the instance's role (IMDS; in a container its hop limit must be 2)."
        .to_owned()
}

/// The same for programs.
pub(in crate::cli) fn json(report: &Report) -> Value {
    let identity = match &report.identity {
        Ok(who) => json!({
            "ok": true,
            "source": who.source,
            "account": who.account,
            "principal": who.principal,
            "expires_in_s": who.expires_in.map(|left| left.as_secs()),
            "detail": null,
            "remedy": null,
        }),
        Err(why) => json!({
            "ok": false,
            "source": null,
            "account": null,
            "principal": null,
            "expires_in_s": null,
            "detail": why,
            "remedy": credentials_remedy(why),
        }),
    };
    let models: Vec<Value> = report.models.iter().map(model_json).collect();
    json!({
        "ok": report.verdict() == Verdict::Fine,
        "region": report.region,
        "identity": identity,
        "original": reached_json(&report.original),
        "bedrock": reached_json(&report.bedrock),
        "models": models,
    })
}

fn reached_json(reached: &Reached) -> Value {
    let Reached { url, result } = reached;
    let took = result
        .as_ref()
        .ok()
        .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let why = result.as_ref().err();
    json!({
        "url": url,
        "ok": result.is_ok(),
        "connected_ms": took,
        "failed_at": why.map(|why| why.step).map(Step::name),
        "detail": why.map(|why| why.detail.as_str()),
        "remedy": why.map(|why| why.step.remedy()),
    })
}

fn model_json(model: &Model) -> Value {
    let mut told = json!({
        "model": model.id,
        "names": model.names,
        "ok": may_be_called(&model.finding),
        "asked": !matches!(model.finding, Finding::NotAsked),
        "first_token_ms": null,
        "input_tokens": null,
        "output_tokens": null,
        "cause": null,
        "what": null,
        "detail": null,
        "remedy": null,
        "policy": null,
    });
    let more = match &model.finding {
        Finding::NotAsked => json!({}),
        Finding::Answered(answered) => json!({
            "first_token_ms": answered.first_token_ms,
            "input_tokens": answered.usage.map(|usage| usage.input_tokens),
            "output_tokens": answered.usage.map(|usage| usage.output_tokens),
        }),
        Finding::Refused(problem) => json!({
            "cause": problem.cause.name(),
            "what": problem.told.what,
            "detail": problem.detail,
            "remedy": problem.told.remedy,
            "policy": problem.told.policy,
        }),
    };
    if let (Some(all), Value::Object(more)) = (told.as_object_mut(), more) {
        all.extend(more);
    }
    told
}

/// Letters to a line below a row.
const WIDTH: usize = 100;

/// Where the lines below a row begin: behind its name.
const INDENT: usize = 12;
