//! The rules of `rollback`: what of them is switched, looser or tighter.

use super::{Changes, percent, time};
use crate::rollout::plan::{Action, Fast, Latency, OnThrottle, Relative, Rules};
use std::time::Duration;

/// Notes what `new` says otherwise.
pub(super) fn compare(changes: &mut Changes, old: &Rules, new: &Rules) {
    if let Some((a, b)) = both(changes, "errors", old.errors, new.errors) {
        changes.note(
            "rollback.errors.above",
            (&a.above, &b.above),
            percent,
            later("trips", a.above, b.above),
        );
        changes.note(
            "rollback.errors.for",
            (&a.for_ms, &b.for_ms),
            ms,
            later("trips", a.for_ms, b.for_ms),
        );
    }
    if let Some((a, b)) = both(changes, "latency", old.latency, new.latency) {
        latency(changes, &a, &b);
    }
    fast(changes, "severe", old.severe, new.severe);
    fast(changes, "outage", old.outage, new.outage);
    relative(changes, "relative", old.relative, new.relative);
    relative(changes, "rejected", old.rejected, new.rejected);
    if let Some((a, b)) = both(changes, "abandoned", old.abandoned, new.abandoned) {
        let means = later("finds", a.times, b.times);
        changes.note(
            "rollback.abandoned.times",
            (&a.times, &b.times),
            ToString::to_string,
            means,
        );
    }
    fast(changes, "breaker", old.breaker, new.breaker);
    let means = match new.on_throttle {
        OnThrottle::Rollback => "throttling takes everything back",
        OnThrottle::StepBack => "throttling goes one stage back",
    };
    let show = |choice: &OnThrottle| choice.name().to_owned();
    changes.note(
        "rollback.on_throttle",
        (&old.on_throttle, &new.on_throttle),
        show,
        means,
    );
}

/// Both, if the rule is on before and after; notes a switch.
fn both<T>(changes: &mut Changes, name: &str, old: Option<T>, new: Option<T>) -> Option<(T, T)> {
    let show = |on: &bool| if *on { "on" } else { "off" }.to_owned();
    let means = if new.is_some() {
        "the rule watches, from empty windows"
    } else {
        "nothing watches for this any more"
    };
    let switched = (&old.is_some(), &new.is_some());
    changes.note(format!("rollback.{name}"), switched, show, means);
    old.zip(new)
}

fn latency(changes: &mut Changes, a: &Latency, b: &Latency) {
    let means = later("trips", a.above_ms, b.above_ms);
    changes.note(
        "rollback.latency.above",
        (&a.above_ms, &b.above_ms),
        ms,
        means,
    );
    changes.note(
        "rollback.latency.for",
        (&a.for_ms, &b.for_ms),
        ms,
        later("trips", a.for_ms, b.for_ms),
    );
    let (slow, now) = (a.percentile.slow_share(), b.percentile.slow_share());
    let means = format!(
        "{}: more than {now} % may not be slow",
        later("trips", slow, now)
    );
    let percentiles = (&a.percentile, &b.percentile);
    changes.note(
        "rollback.latency.percentile",
        percentiles,
        |it| it.name().to_owned(),
        means,
    );
    let measures = (&a.measure, &b.measure);
    let means = "slow calls are counted anew";
    changes.note(
        "rollback.latency.measure",
        measures,
        |it| it.name().to_owned(),
        means,
    );
}

fn fast(changes: &mut Changes, name: &str, old: Option<Fast>, new: Option<Fast>) {
    if let Some((a, b)) = both(changes, name, old, new) {
        let does = if name == "breaker" { "opens" } else { "trips" };
        let key = |key: &str| format!("rollback.{name}.{key}");
        changes.note(
            key("above"),
            (&a.above, &b.above),
            percent,
            later(does, a.above, b.above),
        );
        changes.note(
            key("over"),
            (&a.over_ms, &b.over_ms),
            ms,
            later(does, a.over_ms, b.over_ms),
        );
    }
}

fn relative(changes: &mut Changes, name: &str, old: Option<Relative>, new: Option<Relative>) {
    if let Some((a, b)) = both(changes, name, old, new) {
        let key = |key: &str| format!("rollback.{name}.{key}");
        changes.note(
            key("odds"),
            (&a.odds, &b.odds),
            |odds| format!("{odds}:1"),
            later("finds", a.odds, b.odds),
        );
        let means = match b.action {
            Action::Caution => "looser: a finding only stops an automatic advance",
            Action::Rollback => "tighter: a finding takes everything back",
        };
        let show = |action: &Action| action.name().to_owned();
        changes.note(key("action"), (&a.action, &b.action), show, means);
    }
}

/// What a higher limit or a longer time means for a rule that `does` something.
fn later<T: PartialOrd>(does: &str, old: T, new: T) -> String {
    if new > old {
        format!("looser: {does} later")
    } else {
        format!("tighter: {does} sooner")
    }
}

fn ms(ms: &u64) -> String {
    time(Duration::from_millis(*ms))
}
