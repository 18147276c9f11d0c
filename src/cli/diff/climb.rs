//! What changes of the climb: stages, how long and how many calls each takes, and who is asked.

use super::{Changes, bracketed, percent, time};
use crate::config::{Config, Webhook};
use crate::rollout::{Advance, Climb, Gate};
use crate::split::Percent;
use std::time::Duration;

/// A climb that begins, in words: nothing of it was in force before.
pub(super) fn in_words(climb: &Climb) -> String {
    let stages: Vec<_> = climb.stages.iter().map(Percent::to_string).collect();
    let gates: Vec<_> = climb.gates.iter().map(|gate| gate.name()).collect();
    let asked = if gates.is_empty() {
        "nobody is asked".to_owned()
    } else {
        format!("asked are {}", gates.join(" and "))
    };
    format!(
        "{} %, each for {} (the last for {}) and {} calls at least, with an error rate below {} %; {asked}",
        stages.join(", "),
        time(Duration::from_millis(climb.bake_ms)),
        time(Duration::from_millis(climb.final_bake_ms)),
        climb.min_calls,
        climb.error_bound
    )
}

/// How the stages are climbed; with `manual` nothing of it is in force.
pub(super) fn compare(changes: &mut Changes, old: &Config, new: &Config) {
    let (Advance::Auto(a), Advance::Auto(b)) = (&old.rollout.advance, &new.rollout.advance) else {
        return;
    };
    let stages = |list: &Vec<Percent>| bracketed(list.iter().map(Percent::to_string));
    let means = "the next stage is the next of these above the share in force";
    changes.note("rollout.stages", (&a.stages, &b.stages), stages, means);
    let later = |rises: bool| {
        if rises {
            "the climb takes longer"
        } else {
            "the climb is faster"
        }
    };
    let ms = |ms: &u64| time(Duration::from_millis(*ms));
    let Climb {
        bake_ms,
        final_bake_ms,
        min_calls,
        error_bound,
        ..
    } = b;
    changes.note(
        "rollout.bake",
        (&a.bake_ms, bake_ms),
        ms,
        later(*bake_ms > a.bake_ms),
    );
    let means = later(*final_bake_ms > a.final_bake_ms);
    changes.note(
        "rollout.final_bake",
        (&a.final_bake_ms, final_bake_ms),
        ms,
        means,
    );
    let means = later(*min_calls > a.min_calls);
    changes.note(
        "rollout.min_calls",
        (&a.min_calls, min_calls),
        ToString::to_string,
        means,
    );
    let means = if *error_bound > a.error_bound {
        "looser: a stage passes with more failures"
    } else {
        "tighter: a stage passes with fewer failures"
    };
    changes.note(
        "rollout.error_bound",
        (&a.error_bound, error_bound),
        percent,
        means,
    );
    let gates = |list: &Vec<Gate>| bracketed(list.iter().map(|gate| gate.name()));
    changes.note(
        "rollout.gates",
        (&a.gates, &b.gates),
        gates,
        "who must agree to the next stage",
    );
    let asked = |webhook: &Option<Webhook>| {
        webhook.as_ref().map_or_else(
            || "nobody".to_owned(),
            |it| format!("{}, {}", it.url, time(it.timeout)),
        )
    };
    if a.gates == b.gates {
        let webhooks = (&old.rollout.webhook, &new.rollout.webhook);
        changes.note("rollout.gates", webhooks, asked, "who is asked");
    }
}
