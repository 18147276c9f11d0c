//! How far the machine climbed: the part of the record that `advance: auto` adds.
//!
//! The position is the percentage, never an index into the list of stages, so the list can be
//! edited at any time. What is kept across restarts is what was reached, for how long, and what the
//! calls of the stage came to as far as it was written: at every change, at every look at the error
//! rate (a look that was lost could be had again, until one passes by luck), and once a minute.

use super::looks::Looked;
use crate::split::Percent;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// The stage that is reached, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The share that is reached.
    pub percent: Percent,
    /// How long it has been in force, in milliseconds; time at 0 % for other reasons does not count.
    pub age_ms: u64,
    /// What Bedrock's calls came to since the stage was entered.
    pub calls: StageCalls,
    /// The last scheduled look at them.
    pub looked: Option<Looked>,
    /// How it goes with the stage.
    pub phase: Phase,
    /// What the calls were made with.
    pub basis: Basis,
    /// The stage before it, if that one was left with nothing missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baked: Option<Percent>,
}

/// Judged calls of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCalls {
    /// Complete answers and failures.
    pub judged: u64,
    /// Failures.
    pub failures: u64,
}

/// How it goes with a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It bakes, or waits.
    Open,
    /// It was said that calls are missing.
    Stalled,
    /// 100 % have baked.
    Finished,
}

/// Promotion is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who froze it.
    pub actor: String,
    /// Why, in that person's words.
    pub reason: String,
    /// When, on the wall clock.
    pub at_unix_ms: u64,
}

/// What the evidence of a stage is about: who is on Bedrock, and with which models. Within an
/// attempt that climbs it may lose models and not change otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// `rollout.salt`.
    pub salt: String,
    /// `rollout.sticky`.
    pub sticky: String,
    /// `bedrock.models`: what the app asks for, and what Bedrock serves.
    pub models: BTreeMap<String, String>,
}

/// What an edit changed of a [`Basis`]; the first of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BasisChange {
    /// `rollout.salt`.
    Salt,
    /// `rollout.sticky`.
    Sticky,
    /// A model was added to `bedrock.models`, or maps to another one.
    Model(String),
}

impl Basis {
    /// Why evidence of `self` says nothing about `new`.
    pub(super) fn change_to(&self, new: &Self) -> Option<BasisChange> {
        if self.salt != new.salt {
            return Some(BasisChange::Salt);
        }
        if self.sticky != new.sticky {
            return Some(BasisChange::Sticky);
        }
        let mut models = new.models.iter();
        models
            .find(|&(asked, served)| self.models.get(asked) != Some(served))
            .map(|(asked, _)| BasisChange::Model(asked.clone()))
    }
}

impl Progress {
    /// A stage that was just entered.
    pub(super) const fn entered(percent: Percent, basis: Basis) -> Self {
        Self {
            percent,
            age_ms: 0,
            calls: StageCalls {
                judged: 0,
                failures: 0,
            },
            looked: None,
            phase: Phase::Open,
            basis,
            baked: None,
        }
    }
}
