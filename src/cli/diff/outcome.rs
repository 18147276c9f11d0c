//! What becomes of the rollout: the core's own answer to the new plan, on the record that holds.

use crate::config::{Config, Rollout, Sticky};
use crate::controller;
use crate::outcome::RuleTime;
use crate::rollout::{Advance, Input, Machine, Record, Rollback, Transition};
use crate::split::Percent;
use serde::Serialize;

/// What becomes of the rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Why a running process would refuse the file as a whole.
    pub(super) refused: Option<String>,
    /// Who changes arm.
    pub(super) moved: Moved,
    /// What the core says of it, one sentence each.
    pub(super) said: Vec<String>,
    /// How to re-arm, where a rollback holds afterwards.
    latched: Option<String>,
    /// Whether one held before.
    was_latched: bool,
    /// The attempt that runs before.
    attempt: u64,
}

/// How much of the keys changes arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Moved {
    /// The share in force before.
    pub(super) from: Percent,
    /// And after, with `advance: auto` before the next stage.
    pub(super) to: Percent,
    /// From the original to Bedrock.
    to_bedrock: Percent,
    /// From Bedrock to the original.
    back: Percent,
    /// Whether all are drawn anew.
    reshuffled: bool,
}

/// Puts `new` in the place of `old`, on `record`.
pub(super) fn outcome(old: &Config, new: &Config, record: &Record) -> Outcome {
    let start = RuleTime(0);
    let plan = controller::plan(new);
    let mut machine = Machine::new(controller::plan(old), record.clone(), start);
    // What a process that runs has long done with it.
    machine.handle(Input::Plan(controller::plan(old)), start);
    let (from, attempt) = (machine.percent(), machine.attempt().0);
    let was_latched = machine.latched();
    let unsafe_there = new.clone().keeping(old).err();
    let climbing = machine.refuses(&plan);
    let refused = match (unsafe_there, climbing) {
        (Some(problems), _) => Some(problems.to_string()),
        (None, why) => why.map(|refusal| refusal.to_string()),
    };
    if refused.is_some() {
        return Outcome {
            refused,
            moved: Moved::of(old, old, from, from),
            said: Vec::new(),
            latched: None,
            was_latched,
            attempt,
        };
    }
    let transitions = machine.handle(Input::Plan(plan), start);
    let said = transitions.iter().filter(|it| !is_share(it));
    let held = |config: &Config, percent| {
        if config.rollout.switches.force_original {
            Percent::ZERO
        } else {
            percent
        }
    };
    let mut said: Vec<String> = said.map(Transition::sentence).collect();
    let latched = machine.record().rollback().map(Rollback::remedy);
    // Where the percentage is edited, the line of that key says it.
    if let Some(remedy) = &latched
        && old.rollout.percent == new.rollout.percent
    {
        said.push(format!("{LATCHED}; {remedy}."));
    }
    Outcome {
        refused: None,
        moved: Moved::of(old, new, held(old, from), held(new, machine.percent())),
        said,
        latched,
        was_latched,
        attempt,
    }
}

/// What is said in other words anyway.
const fn is_share(transition: &Transition) -> bool {
    matches!(
        transition,
        Transition::PercentChanged { .. } | Transition::CeilingHeld { .. }
    )
}

impl Outcome {
    /// What the new `rollout.percent` means.
    pub(super) fn of_percent(&self, new: &Config) -> String {
        let rollout = &new.rollout;
        if let Some(remedy) = &self.latched {
            return format!("{LATCHED}; {remedy}");
        }
        if rollout.switches.force_original {
            return "the share stays 0 %: FORCE_OPENAI_PROVIDER is set".to_owned();
        }
        if rollout.allowed() < rollout.percent {
            let (moved, allowed) = (self.moved.sentence(&rollout.sticky), rollout.allowed());
            return format!("{moved}: USE_AWS_PERCENT allows {allowed} %");
        }
        let climbs = matches!(rollout.advance, Advance::Auto(_));
        if climbs && self.moved.from == self.moved.to {
            let at = self.moved.to;
            return format!("moves nobody now; the stages climb from {at} % up to it");
        }
        self.moved.sentence(&rollout.sticky)
    }

    /// What a new `rollout.attempt` means.
    pub(super) fn of_attempt(&self, rollout: &Rollout) -> String {
        let new = rollout.attempt;
        match (new > self.attempt, self.was_latched, &self.latched) {
            (true, true, None) => {
                format!(
                    "re-arms the rollback; {}",
                    self.moved.sentence(&rollout.sticky)
                )
            }
            (true, true, Some(remedy)) => format!("does not re-arm: {remedy}"),
            (true, false, _) => {
                format!("starts attempt {new}: windows, clocks and stages begin anew")
            }
            (false, _, _) => format!("nothing: attempt {} runs already", self.attempt),
        }
    }
}

impl Moved {
    /// From the shares and the draw before and after. A key's buckets under two salts have nothing
    /// to do with each other, so that of all keys the products of the shares change arm.
    fn of(old: &Config, new: &Config, from: Percent, to: Percent) -> Self {
        let (a, b) = (&old.rollout, &new.rollout);
        let reshuffled = a.salt != b.salt || a.sticky != b.sticky;
        let less = |more: Percent, less: Percent| {
            let points = more.basis_points().saturating_sub(less.basis_points());
            Percent::from_basis_points(points).unwrap_or_default()
        };
        let (to_bedrock, back) = if reshuffled {
            let not = |share| less(Percent::ALL, share);
            (part(not(from), to), part(from, not(to)))
        } else {
            (less(to, from), less(from, to))
        };
        Self {
            from,
            to,
            to_bedrock,
            back,
            reshuffled,
        }
    }

    /// For a person.
    pub(super) fn sentence(&self, sticky: &Sticky) -> String {
        let Self {
            to_bedrock, back, ..
        } = self;
        let who = match sticky {
            Sticky::Conversation => "conversations".to_owned(),
            Sticky::User => "users".to_owned(),
            Sticky::Header(name) => format!("values of {name}"),
            Sticky::None => "calls".to_owned(),
        };
        match (to_bedrock.is_zero(), back.is_zero(), self.reshuffled) {
            (true, true, false) => "moves nobody".to_owned(),
            (true, true, true) => {
                format!(
                    "reshuffles, which moves nobody while the share is {} %",
                    self.to
                )
            }
            (false, true, _) => format!("moves {to_bedrock} % of {who} to Bedrock, none back"),
            (true, false, _) => format!("moves {back} % of {who} back, none to Bedrock"),
            (_, _, _) => {
                let points = to_bedrock.basis_points() + back.basis_points();
                let all = Percent::from_basis_points(points).unwrap_or(Percent::ALL);
                format!(
                    "reshuffles: {all} % of {who} change arm, {to_bedrock} % to Bedrock and {back} % back"
                )
            }
        }
    }
}

/// So much of so much, to the nearest hundredth of a percent.
fn part(of: Percent, share: Percent) -> Percent {
    let whole = u64::from(Percent::ALL.basis_points());
    let points =
        (u64::from(of.basis_points()) * u64::from(share.basis_points()) + whole / 2) / whole;
    u16::try_from(points)
        .ok()
        .and_then(Percent::from_basis_points)
        .unwrap_or_default()
}

const LATCHED: &str = "the share stays 0 %: a rollback is latched";
