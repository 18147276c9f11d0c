//! The status as a person reads it in a terminal, at three in the morning: first what is the case
//! and what to do, then the numbers. Plain text, aligned, without colour; the same for `crossfade
//! status`, for `GET /api/status` with `Accept: text/plain` and for the page.

use super::status::{EligibilityCounts, MigratableReport, ShareReport, StateFile, Status};
use crate::rollout::{
    ArmCounts, BreakerState, ODDS_SHOWN_MAX, Paused, Rollback, RuleReport, RuleState,
};
use crate::snapshot::Hold;
use crate::telemetry::metrics::rule_state_name;
use std::fmt::Write;
use std::time::Duration;

/// The whole status, with a line break at the end.
pub(super) fn render(status: &Status) -> String {
    let mut out = format!("{}\n", status.verdict);
    for line in advice(status) {
        push(&mut out, &line);
    }
    out.push('\n');
    push(&mut out, &summary(status));
    if let Some(stage) = &status.stage {
        push(&mut out, &stage.sentence);
    }
    out.push('\n');
    arms(status, &mut out);
    out.push('\n');
    rules(&status.rules, &mut out);
    if let Some(detectable) = &status.detectable {
        push(&mut out, &detectable.to_string());
    }
    out.push('\n');
    push(&mut out, &eligibility(&status.eligibility));
    push(&mut out, &migratable(&status.migratable));
    if status.capped_answers > 0 {
        let line = format!(
            "answers cut off at a cap that the app did not ask for: {} (raise `max_tokens` of the \
             mapping)",
            status.capped_answers
        );
        push(&mut out, &line);
    }
    for line in files(status) {
        push(&mut out, &line);
    }
    let up = ago(status.uptime_s.saturating_mul(1_000));
    push(
        &mut out,
        &format!("crossfade {}, started {up}", status.version),
    );
    out
}

/// How long ago something was: one number is enough for a person.
pub(super) fn ago(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// What to do, and what else must not be missed.
fn advice(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    match &status.rollback {
        Some(rollback) => {
            lines.push(remedy(rollback));
            lines.extend(
                status
                    .holds
                    .iter()
                    .map(|hold| format!("Also: {}", hold.sentence())),
            );
        }
        None if status.percent.is_zero() && status.holds.is_empty() => {
            lines.push(
                if status
                    .switches
                    .use_aws_percent
                    .is_some_and(|it| it.is_zero())
                {
                    "USE_AWS_PERCENT is 0 in the environment.".to_owned()
                } else {
                    "Raise `rollout.percent` in rollout.yaml to begin.".to_owned()
                },
            );
        }
        None => {}
    }
    if let Some(paused) = &status.paused {
        let Paused { actor, reason, .. } = paused;
        lines.push(format!(
            "PAUSED by {actor}: {reason}. Nothing is advanced until: crossfade resume --reason \"…\""
        ));
    }
    for caution in &status.cautions {
        let name = caution.rule.name();
        let urgent = if caution.kind.urgent() {
            "ATTENTION"
        } else {
            "CAUTION"
        };
        lines.push(format!(
            "{urgent}, {name}: {}. Noted with: crossfade resume --reason \"…\"",
            caution.sentence
        ));
    }
    let unreachable = |rule: &&RuleReport| rule.state == RuleState::Unreachable;
    lines.extend(
        status
            .rules
            .iter()
            .filter(unreachable)
            .map(|rule| format!("ATTENTION: {}.", rule.sentence)),
    );
    match (status.breaker.state, status.breaker.left_ms) {
        (BreakerState::Open, Some(left_ms)) => lines.push(format!(
            "ATTENTION: the local breaker is open, calls stay; one is tried in {}.",
            span(left_ms)
        )),
        (BreakerState::Open, None) | (BreakerState::Trial, _) => {
            lines.push("ATTENTION: the local breaker tries one call.".to_owned());
        }
        (BreakerState::Closed, _) => {}
    }
    if let Some(problem) = &status.state_problem {
        lines.push(format!("ATTENTION: {problem}."));
    }
    if let Some(problem) = &status.journal_problem {
        lines.push(format!("ATTENTION: the journal is not written: {problem}."));
    }
    let others = [&status.credentials_problem, &status.descriptors_problem];
    let others = others.into_iter().flatten();
    lines.extend(others.map(|problem| format!("ATTENTION: {problem}.")));
    if !status.config.problems.is_empty() {
        lines.push("ATTENTION: rollout.yaml is refused and not in force; see below.".to_owned());
    }
    lines
}

fn remedy(rollback: &Rollback) -> String {
    let command = "Nothing goes to Bedrock until: crossfade rearm --reason \"…\"";
    match rollback.rearm_with_attempt {
        Some(attempt) => format!("{command} (or rollout.attempt: {attempt})"),
        None => command.to_owned(),
    }
}

fn summary(status: &Status) -> String {
    let ShareReport {
        actual,
        eligible,
        since_unix_ms,
        ..
    } = status.share;
    let since = ago(status.now_unix_ms.saturating_sub(since_unix_ms));
    let measured = match actual {
        Some(ratio) => format!(
            "measured {:.1} % of {eligible} eligible calls",
            ratio * 100.0
        ),
        None => "no eligible calls since".to_owned(),
    };
    let Status {
        attempt,
        percent,
        ceiling,
        ..
    } = status;
    format!(
        "attempt {attempt}, share {percent} % of a ceiling of {ceiling} %, {measured}, set {since}"
    )
}

fn arms(status: &Status, out: &mut String) {
    let arms = [
        ("original", &status.arms.original),
        ("bedrock", &status.arms.bedrock),
    ];
    let head = [
        "ARM",
        "5 MIN: CALLS",
        "FAILED",
        "SLOW",
        "ATTEMPT: CALLS",
        "FAILED",
        "SLOW",
        "IN FLIGHT",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, arm) in arms {
        let mut row = vec![name.to_owned()];
        for counts in [&arm.recent, &arm.total] {
            row.extend([
                counts.judged.to_string(),
                failed(counts),
                counts.slow.to_string(),
            ]);
        }
        row.push(arm.in_flight.to_string());
        rows.push(row);
    }
    table(&rows, 1, out);
    let bedrock = &status.arms.bedrock;
    let classes = bedrock
        .recent
        .failures
        .iter()
        .map(|(class, count)| (class.name(), *count));
    let total = &bedrock.total;
    let apart = [
        ("rejected", total.rejected),
        ("context_window", total.context_window),
        ("cancelled", total.cancelled),
        ("repeated", total.repeated),
        ("other_attempt", status.other_attempt),
    ];
    for (title, said) in [
        ("bedrock failures in 5 min", listed(classes)),
        ("bedrock calls not judged", listed(apart.into_iter())),
    ] {
        if !said.is_empty() {
            push(out, &format!("{title}: {said}"));
        }
    }
}

fn failed(counts: &ArmCounts) -> String {
    let failures: u64 = counts.failures.values().sum();
    match failures.saturating_mul(1_000).checked_div(counts.judged) {
        None | Some(0) if failures == 0 => failures.to_string(),
        None => failures.to_string(),
        Some(per_mille) => format!("{failures} ({}.{} %)", per_mille / 10, per_mille % 10),
    }
}

fn rules(rules: &[RuleReport], out: &mut String) {
    let mut rows = vec![
        ["RULE", "STATE", "NOW", "LIMIT", "CLOCK"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for rule in rules {
        let now = match (rule.state, rule.odds, rule.value) {
            (RuleState::Off, _, _) => "-".to_owned(),
            (_, Some(odds), _) => {
                let odds = odds.min(ODDS_SHOWN_MAX);
                format!("odds {odds}:1 ({}/{})", rule.failures, rule.judged)
            }
            (_, None, Some(value)) => format!("{value} % ({}/{})", rule.failures, rule.judged),
            (_, None, None) => format!("{} calls, too few", rule.judged),
        };
        let limit = match (rule.limit, rule.odds_limit) {
            (Some(limit), _) => format!("{limit} %"),
            (None, Some(odds)) => format!("{odds}:1"),
            (None, None) => "-".to_owned(),
        };
        let clock = match (rule.clock_ms, rule.for_ms) {
            (Some(ran), Some(of)) => format!("{} of {}", span(ran), span(of)),
            (None, Some(of)) => format!("0s of {}", span(of)),
            (Some(_) | None, None) => "-".to_owned(),
        };
        let state = rule_state_name(rule.state).to_owned();
        rows.push(vec![rule.name.name().to_owned(), state, now, limit, clock]);
    }
    table(&rows, 5, out);
}

fn eligibility(counts: &EligibilityCounts) -> String {
    let EligibilityCounts {
        eligible,
        ineligible,
        unread,
        reasons,
    } = counts;
    let why = listed(reasons.iter().map(|(reason, count)| (*reason, *count)));
    let why = if why.is_empty() {
        why
    } else {
        format!(" ({why})")
    };
    format!(
        "chat calls since the start: {eligible} eligible, {ineligible} stay{why}, {unread} unread"
    )
}

/// What could move, and what of that is a guess from a sample.
fn migratable(report: &MigratableReport) -> String {
    let MigratableReport {
        ratio,
        migratable,
        examined,
        sampled,
        unexamined,
        stays,
    } = report;
    let Some(ratio) = ratio else {
        return format!("migratable: not known yet, {unexamined} calls and none examined");
    };
    let of = if *sampled == 0 {
        String::new()
    } else {
        format!(", {sampled} of them a sample at 0 %")
    };
    let why: String = stays
        .iter()
        .map(|(reason, part)| format!("; {reason} {:.1} %", part * 100.0))
        .collect();
    format!(
        "migratable: {:.1} % ({migratable} of {examined} examined calls{of}; {unexamined} not \
         examined){why}",
        ratio * 100.0
    )
}

fn files(status: &Status) -> Vec<String> {
    let config = &status.config;
    let standing = if status.holds.contains(Hold::ConfigRefused) {
        "the last accepted copy"
    } else if config.problems.is_empty() {
        "in force"
    } else {
        "still in force"
    };
    let mut lines = vec![format!(
        "config generation {}, {}, {standing}",
        config.generation, config.hash
    )];
    lines.extend(
        config
            .problems
            .iter()
            .map(|problem| format!("  refused: {problem}")),
    );
    lines.extend(
        config
            .warnings
            .iter()
            .map(|warning| format!("  warning: {warning}")),
    );
    if !config.restart_needed.is_empty() {
        lines.push(format!(
            "  restart needed for: {}",
            config.restart_needed.join(", ")
        ));
    }
    if status.switches.force_openai_provider {
        lines.push("switch FORCE_OPENAI_PROVIDER is set".to_owned());
    }
    if let Some(percent) = status.switches.use_aws_percent {
        lines.push(format!("switch USE_AWS_PERCENT is {percent}"));
    }
    lines.push(match status.state_file {
        StateFile::Ok => "state file ok".to_owned(),
        StateFile::Busy => "state file is being written".to_owned(),
        StateFile::Failing => "state file FAILING, tried again every second".to_owned(),
        StateFile::Locked => "state file owned by another process".to_owned(),
    });
    lines.extend(status.notify.iter().map(|it| match &it.problem {
        Some(problem) => format!(
            "notify {} FAILING, tried {} times, {} wait: {problem}",
            it.to, it.failed_tries, it.waiting
        ),
        None => format!("notify {} ok, {} wait", it.to, it.waiting),
    }));
    lines.extend(status.traces.iter().map(|it| match &it.problem {
        Some(problem) => format!("traces to {} FAILING: {problem}", it.to),
        None => format!("traces to {} ok, sample {}", it.to, it.sample),
    }));
    lines
}

/// `throttle 40, server 1`: those that are not 0.
fn listed<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let said = counts.filter(|(_, count)| *count > 0);
    said.map(|(name, count)| format!("{name} {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn span(ms: u64) -> String {
    humantime::format_duration(Duration::from_secs(ms / 1_000)).to_string()
}

/// Rows in columns two spaces apart; the first `left` columns are text, the others numbers.
fn table(rows: &[Vec<String>], left: usize, out: &mut String) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _ = if column < left {
                write!(line, "{gap}{cell:<width$}")
            } else {
                write!(line, "{gap}{cell:>width$}")
            };
        }
        push(out, line.trim_end());
    }
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}
