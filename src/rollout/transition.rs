//! What the machine did: the only thing that is logged, counted and shown as an event.

use super::BasisChange;
use super::Caution;
use super::Paused;
use super::Rollback;
use super::RuleName;
use super::StageCalls;
use super::Wait;
use crate::outcome::Attempt;
use crate::split::Percent;

mod say;

/// One change, or the answer to a command that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A rule rolled back.
    Tripped(Rollback),
    /// A person rolled back.
    RolledBack(Rollback),
    /// A person asked for a rollback while this earlier one holds: nothing to do.
    AlreadyRolledBack(Rollback),
    /// The latch is cleared and the next attempt runs, with empty windows and clocks.
    Rearmed {
        /// The new attempt.
        attempt: Attempt,
        /// The share that is in force again.
        percent: Percent,
        /// Who.
        actor: String,
        /// Why.
        reason: String,
        /// When, on the wall clock, if a command did it.
        at_unix_ms: Option<u64>,
    },
    /// `rollout.attempt` was raised while nothing was rolled back: the next attempt runs, with
    /// empty windows and clocks.
    AttemptStarted {
        /// The new attempt.
        attempt: Attempt,
        /// The share in force.
        percent: Percent,
    },
    /// The machine begins to climb: the first stage is in force, or the share that was before.
    ClimbStarted {
        /// The share in force.
        percent: Percent,
        /// Why now.
        why: ClimbStart,
    },
    /// The next stage is in force, with its age and its calls at 0.
    Advanced(Box<Advanced>),
    /// All that is missing to advance is a gate, or what one of them says changed.
    GateWaiting {
        /// The stage.
        from: Percent,
        /// The next one.
        to: Percent,
        /// The gates that have not agreed.
        gates: Vec<Wait>,
    },
    /// The webhook gate has not been able to tell for ten minutes: a person must look.
    GateUnknown {
        /// The stage.
        from: Percent,
        /// The next one.
        to: Percent,
        /// What went wrong last.
        problem: String,
    },
    /// A day has passed at a stage without the calls that it takes to judge it.
    Stalled {
        /// The stage.
        percent: Percent,
        /// Its calls.
        calls: StageCalls,
        /// At so many judged calls they are looked at; none if no look is to come.
        needed: Option<u64>,
        /// Its age, in milliseconds.
        age_ms: u64,
    },
    /// 100 % has baked: the rollout is finished. The rules watch on.
    Finished {
        /// The calls since 100 % was in force.
        calls: StageCalls,
        /// For how long, in milliseconds.
        age_ms: u64,
    },
    /// A person froze the stage; the rules watch on.
    Paused {
        /// The stage.
        percent: Percent,
        /// Who, when and why.
        by: Paused,
    },
    /// A person asked for a pause while this earlier one holds: nothing to do.
    AlreadyPaused(Paused),
    /// A person ended the pause.
    Resumed {
        /// The stage.
        percent: Percent,
        /// Who.
        actor: String,
        /// Why.
        reason: String,
        /// When, on the wall clock.
        at_unix_ms: u64,
    },
    /// An edit changed the share in force.
    PercentChanged {
        /// Before.
        from: Percent,
        /// Now in force.
        to: Percent,
    },
    /// `rollout.percent` was edited, but a rollback holds the share at 0.
    CeilingHeld {
        /// The new ceiling, which a re-arm would put in force.
        ceiling: Percent,
        /// How to re-arm.
        remedy: String,
    },
    /// A rule is breached and its clock starts.
    ClockStarted {
        /// Which rule.
        rule: RuleName,
        /// What it saw.
        sentence: String,
    },
    /// A clock stopped without a trip.
    ClockReset {
        /// Which rule.
        rule: RuleName,
        /// How long it had run, in milliseconds.
        ran_ms: u64,
        /// Why.
        why: ResetWhy,
    },
    /// A rule found something that is a reason to stop and look.
    Cautioned(Caution),
    /// A trip on throttling: the share went back to the stage before.
    SteppedBack {
        /// The stage that was left.
        from: Percent,
        /// The stage that is in force.
        to: Percent,
        /// What the rule saw.
        caution: Caution,
    },
    /// The original breaks the latency limit itself: the rule does not watch.
    RuleUnreachable {
        /// The original's figure, and what would be right.
        sentence: String,
    },
    /// The original keeps the latency limit: the rule watches.
    RuleReachable,
    /// The local breaker keeps calls from Bedrock.
    BreakerOpened {
        /// For how long, in milliseconds; then one call is tried.
        wait_ms: u64,
    },
    /// The local breaker lets calls go again.
    BreakerClosed,
    /// The state file was read again and taken into account.
    RecordRead {
        /// The attempt that holds now.
        attempt: Attempt,
        /// Whether a rollback holds now.
        latched: bool,
        /// Whether the file is behind and must be written.
        write_back: bool,
    },
    /// A command or an edit that cannot be followed.
    Refused(Refusal),
}

/// A step up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// The stage that was left.
    pub from: Percent,
    /// The stage that is in force.
    pub to: Percent,
    /// How old the one that was left had become, in milliseconds.
    pub age_ms: u64,
    /// Its calls.
    pub calls: StageCalls,
    /// Who did it; none: the machine.
    pub by: Option<Pusher>,
    /// When, on the wall clock.
    pub at_unix_ms: u64,
}

/// A person who advanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pusher {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What was still waited for, the manual gate apart: passed over by force.
    pub forced: Vec<Wait>,
}

/// Why the machine begins to climb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClimbStart {
    /// The ceiling is above 0.
    Allowed,
    /// The configuration changed while no process ran, so that the evidence says nothing: from the
    /// first stage again.
    BasisChanged(BasisChange),
    /// `advance` was changed to `auto`: on from the share in force.
    Switched,
}

/// Why a clock stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetWhy {
    /// The recovery window is at or below the limit.
    Recovered,
    /// No call was judged for as long as the rule's duration.
    Idle,
    /// The original does not keep the limit either.
    Unreachable,
    /// The rule was switched off, or its limit changed so that what was counted means nothing.
    Edited,
}

/// Why nothing was done, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A re-arm, but nothing is rolled back.
    NotRolledBack {
        /// The attempt that runs.
        attempt: Attempt,
        /// The share in force.
        percent: Percent,
    },
    /// A re-arm without a reason.
    ReasonMissing,
    /// `rollout.attempt` was raised, but the rollback stands in for a lost state file.
    LostStateNeedsRearm,
    /// A pause, a resume or an advance while a rollback holds.
    RolledBack {
        /// How to re-arm.
        remedy: String,
    },
    /// A pause or an advance, but nothing climbs by itself.
    AdvanceIsManual {
        /// The share in force.
        percent: Percent,
    },
    /// A resume, but nothing is paused.
    NotPaused,
    /// An advance during a pause.
    IsPaused(Paused),
    /// An advance, but the ceiling is reached.
    AtCeiling {
        /// The share in force.
        percent: Percent,
    },
    /// An advance, but no higher stage is listed.
    AtLastStage {
        /// The share in force.
        percent: Percent,
    },
    /// An advance, but something is waited for.
    NotYet {
        /// The next stage.
        next: Percent,
        /// What.
        waits: Vec<Wait>,
    },
    /// An edit that takes the ground from what was learnt in this attempt.
    BasisChanged {
        /// What was edited.
        change: BasisChange,
        /// The `rollout.attempt` to save with it.
        attempt: Attempt,
    },
}

impl Refusal {
    /// A word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRolledBack { .. } => "not_rolled_back",
            Self::ReasonMissing => "reason_missing",
            Self::LostStateNeedsRearm => "lost_state_needs_rearm",
            Self::RolledBack { .. } => "rolled_back",
            Self::AdvanceIsManual { .. } => "advance_is_manual",
            Self::NotPaused => "not_paused",
            Self::IsPaused(_) => "paused",
            Self::AtCeiling { .. } => "at_ceiling",
            Self::AtLastStage { .. } => "at_last_stage",
            Self::NotYet { .. } => "not_yet",
            Self::BasisChanged { .. } => "basis_changed",
        }
    }
}

impl Transition {
    /// Whether it is reported only when the record that goes with it is on disk.
    pub const fn persist(&self) -> bool {
        match self {
            Self::Tripped(_)
            | Self::RolledBack(_)
            | Self::Rearmed { .. }
            | Self::AttemptStarted { .. }
            | Self::ClimbStarted { .. }
            | Self::Advanced(_)
            | Self::Stalled { .. }
            | Self::Finished { .. }
            | Self::Paused { .. }
            | Self::Resumed { .. }
            | Self::Cautioned(_)
            | Self::SteppedBack { .. } => true,
            Self::RecordRead { write_back, .. } => *write_back,
            Self::AlreadyRolledBack(_)
            | Self::AlreadyPaused(_)
            | Self::GateWaiting { .. }
            | Self::GateUnknown { .. }
            | Self::PercentChanged { .. }
            | Self::CeilingHeld { .. }
            | Self::ClockStarted { .. }
            | Self::ClockReset { .. }
            | Self::RuleUnreachable { .. }
            | Self::RuleReachable
            | Self::BreakerOpened { .. }
            | Self::BreakerClosed
            | Self::Refused(_) => false,
        }
    }

    /// The event's name in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tripped(_) => "tripped",
            Self::RolledBack(_) => "rolled_back",
            Self::AlreadyRolledBack(_) => "already_rolled_back",
            Self::Rearmed { .. } => "rearmed",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::ClimbStarted { .. } => "climb_started",
            Self::Advanced(_) => "stage_advanced",
            Self::GateWaiting { .. } => "gate_waiting",
            Self::GateUnknown { .. } => "gate_unknown",
            Self::Stalled { .. } => "stalled",
            Self::Finished { .. } => "finished",
            Self::Paused { .. } => "paused",
            Self::AlreadyPaused(_) => "already_paused",
            Self::Resumed { .. } => "resumed",
            Self::PercentChanged { .. } => "percent_changed",
            Self::CeilingHeld { .. } => "ceiling_held",
            Self::ClockStarted { .. } => "clock_started",
            Self::ClockReset { .. } => "clock_reset",
            Self::Cautioned(_) => "cautioned",
            Self::SteppedBack { .. } => "stepped_back",
            Self::RuleUnreachable { .. } => "rule_unreachable",
            Self::RuleReachable => "rule_reachable",
            Self::BreakerOpened { .. } => "local_breaker_open",
            Self::BreakerClosed => "local_breaker_closed",
            Self::RecordRead { .. } => "record_read",
            Self::Refused(_) => "refused",
        }
    }

    /// What happened, for a person.
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}
