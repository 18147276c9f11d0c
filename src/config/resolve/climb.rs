//! `rollout.advance` and what belongs to `auto`: bake times, calls, gates.

use super::super::Webhook;
use super::super::address;
use super::super::defaults;
use super::super::problems::Problem;
use super::super::raw::Node;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::section::Sink;
use super::super::shape::{Entries, Reader, Shape};
use super::super::values;
use super::super::values::shown_duration;
use super::list;
use crate::clock;
use crate::rollout::Advance;
use crate::rollout::Climb;
use crate::rollout::Gate;
use crate::rollout::plan::Rules;
use crate::split::Percent;
use serde_json::Value;
use std::time::Duration;

/// Reads `advance`, the keys that only `auto` follows, and where the webhook gate is.
pub(super) fn read(section: &mut Section<'_>, stages: &[Percent]) -> (Advance, Option<Webhook>) {
    let who = values::named(&[Who::Person, Who::Machine], Who::name);
    let who = section.value("advance", Who::Person, who);
    let bake = || values::duration_ms(defaults::BAKES);
    let bake_ms = section.value("bake", clock::millis(defaults::BAKE), bake());
    let final_bake_ms = section.value("final_bake", clock::millis(defaults::FINAL_BAKE), bake());
    let min_calls = section.value(
        "min_calls",
        defaults::MIN_CALLS,
        values::count(defaults::CALLS),
    );
    let error_bound = section.value(
        "error_bound",
        defaults::ERROR_BOUND,
        values::share(defaults::BOUND),
    );
    let (gates, webhook) = gates(section);
    match who {
        Who::Person => (Advance::Manual, webhook),
        Who::Machine => {
            let climb = Climb {
                stages: stages.to_vec(),
                bake_ms,
                final_bake_ms,
                min_calls,
                error_bound,
                gates,
            };
            (Advance::Auto(climb), webhook)
        }
    }
}

/// With `auto` a stage must be long enough for every rule to act within it; and what is allowed
/// should be reachable.
pub(super) fn check(sink: &Sink, rollout: &super::super::Rollout, rules: &Rules) {
    let Advance::Auto(climb) = &rollout.advance else {
        return;
    };
    let (name, longest_ms) = longest(rules);
    let least_ms = longest_ms.saturating_mul(2);
    for (key, given_ms) in [("bake", climb.bake_ms), ("final_bake", climb.final_bake_ms)] {
        if given_ms < least_ms {
            let shown = |ms| shown_duration(Duration::from_millis(ms));
            let accepted = format!(
                "at least {}, twice rollback.{name}, so that the rule can act within a stage",
                shown(least_ms)
            );
            sink.problem(Problem::new(
                format!("rollout.{key}"),
                shown(given_ms),
                accepted,
            ));
        }
    }
    let last = climb.stages.last().copied().unwrap_or_default();
    if rollout.percent > last {
        let text = format!("the climb ends at {last} %, the last of rollout.stages");
        sink.warning("rollout.percent", text);
    }
}

/// The rule that takes longest, with its key.
fn longest(rules: &Rules) -> (&'static str, u64) {
    let all = [
        ("errors.for", rules.errors.map(|rule| rule.for_ms)),
        ("latency.for", rules.latency.map(|rule| rule.for_ms)),
        ("severe.over", rules.severe.map(|rule| rule.over_ms)),
        ("outage.over", rules.outage.map(|rule| rule.over_ms)),
    ];
    let on = all.into_iter().filter_map(|(name, ms)| Some((name, ms?)));
    on.max_by_key(|&(_, ms)| ms).unwrap_or(("errors.for", 0))
}

/// Who advances.
#[derive(Clone, Copy)]
enum Who {
    Person,
    Machine,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Person => "manual",
            Self::Machine => "auto",
        }
    }
}

/// One entry of `gates`.
enum Entry {
    Manual,
    Webhook(Webhook),
}

fn gates(section: &mut Section<'_>) -> (Vec<Gate>, Option<Webhook>) {
    let (sink, path) = (section.sink(), section.path("gates"));
    let at = std::cell::Cell::new(0_usize);
    let read = |node: &Node| {
        let number = at.replace(at.get() + 1);
        entry(sink, format!("{path}[{number}]"), node)
    };
    let manual = Shape::Word(vec![Gate::Manual.name()]);
    let each = Reader::new(Shape::Either(vec![manual, Shape::Section]), read);
    let entries = list(section, "gates", GATES, Entries::Once, each);
    section.amend("gates", |note| {
        note.default = Some(Value::Array(Vec::new()))
    });
    let mut gates = Vec::new();
    let mut webhook = None;
    for entry in entries.unwrap_or_default() {
        let gate = match entry {
            Entry::Manual => Gate::Manual,
            Entry::Webhook(it) => {
                webhook = Some(it);
                Gate::Webhook
            }
        };
        if gates.contains(&gate) {
            let found = format!("{} twice", gate.name());
            sink.problem(Problem::new(path.clone(), found, "each gate once"));
        } else {
            gates.push(gate);
        }
    }
    (gates, webhook)
}

fn entry(sink: &Sink, path: String, node: &Node) -> Result<Entry, Mistake> {
    let map = match node {
        Node::Text(text) if text == Gate::Manual.name() => return Ok(Entry::Manual),
        Node::Map(map) if map.value("webhook").is_some() => map,
        Node::Nothing
        | Node::Bool(_)
        | Node::Number(_)
        | Node::Text(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged => return Err(Mistake::from(GATE)),
    };
    let mut keys = Section::of(sink, path, Some(map));
    let url = keys.required("webhook", GATE, address::url(|url| url.uri()));
    let timeout = keys.value(
        "timeout",
        defaults::GATE_TIMEOUT,
        values::duration(defaults::GATE_TIMEOUTS),
    );
    keys.finish();
    // What stands for a wrong address is never called: the file is refused.
    let url = url.unwrap_or_default();
    Ok(Entry::Webhook(Webhook { url, timeout }))
}

const GATE: &str = "manual, or { webhook: https://… }, with a timeout if 10s do not fit";

const GATES: &str = "a list of gates, such as [manual]";
