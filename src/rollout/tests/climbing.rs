//! The way up against a slow machine that keeps every call, and what holds whatever happens.
//!
//! The slow machine knows nothing of stages as the fast one keeps them: it lists the calls since the
//! share last changed and goes through the list at every edge. Whether a breach clock runs it asks
//! the fast one, which has its own slow machine in `reference`.

use super::looks::failures_of;
use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::Verdict;
use crate::rollout::Input;
use crate::rollout::Plan;
use crate::rollout::RolloutState;
use crate::rollout::Transition;
use crate::split::Percent;
use proptest::prelude::*;
use std::sync::OnceLock;

const BAKE: u64 = 2 * MINUTE;
const FIRST_LOOK: u64 = 20;
const BOUND: f64 = 30.0;

#[derive(Clone, Debug)]
enum Act {
    /// So many edges, with so many whole answers and failures before each.
    Run(u64, u64, u64),
    /// So many edges at which something else holds the share at 0.
    Held(u64),
    Pause,
    Resume,
    Advance(bool),
    RollBack,
    Rearm,
    Ceiling(u16),
    Stages(Vec<u16>),
    Salt(u8),
    Attempt(u64),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (1..30u64, 0..8u64, 0..2u64).prop_map(|(n, ok, bad)| Act::Run(n, ok, bad)),
        10 => (10..40u64, 1..8u64).prop_map(|(n, ok)| Act::Run(n, ok, 0)),
        2 => (1..20u64).prop_map(Act::Held),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        2 => any::<bool>().prop_map(Act::Advance),
        1 => Just(Act::RollBack),
        2 => Just(Act::Rearm),
        3 => prop_oneof![1 => Just(0), 5 => Just(10_000), 5 => 1..=10_000u16].prop_map(Act::Ceiling),
        1 => prop::collection::btree_set(1..=10_000u16, 1..6)
            .prop_map(|set| Act::Stages(set.into_iter().collect())),
        1 => (0..3u8).prop_map(Act::Salt),
        1 => (0..2u64).prop_map(Act::Attempt),
        2 => Just(Act::Restart),
    ]
}

fn count(calls: u64) -> usize {
    usize::try_from(calls).unwrap()
}

fn points(basis_points: u16) -> Percent {
    Percent::from_basis_points(basis_points).unwrap()
}

fn small() -> Plan {
    let mut plan = auto(100.0);
    let climb = climb_of(&mut plan);
    (climb.bake_ms, climb.final_bake_ms) = (BAKE, 2 * BAKE);
    (climb.min_calls, climb.error_bound) = (FIRST_LOOK, percent(BOUND));
    plan.rules.errors = errors(20.0, 50 * SECOND).errors;
    plan
}

/// The most failures that pass at each look, from the distribution itself.
fn allowed() -> &'static [(usize, Option<usize>)] {
    static TABLE: OnceLock<Vec<(usize, Option<usize>)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let looks = (0..6_u32).map(|look| {
            let calls = FIRST_LOOK << look;
            let risk = 0.025 / f64::from(1_u32 << look);
            let mut below = 0.0;
            let chances = failures_of(calls, BOUND / 100.0);
            let passing = chances.iter().take_while(|chance| {
                below += *chance;
                below < risk
            });
            (count(calls), passing.count().checked_sub(1))
        });
        looks.collect()
    })
}

/// Keeps every call since the share last changed.
#[derive(Default)]
struct Slow {
    percent: Percent,
    age_ms: u64,
    aged_to: u64,
    /// Whether each failed.
    calls: Vec<bool>,
    /// When calls were judged, in this process and attempt.
    judged_at: Vec<u64>,
    paused: bool,
}

impl Slow {
    fn enter(&mut self, percent: Percent, now: u64) {
        (self.percent, self.age_ms, self.aged_to) = (percent, 0, now);
        self.calls.clear();
    }

    fn next(&self, plan: &mut Plan) -> Option<Percent> {
        let ceiling = plan.ceiling;
        let above = climb_of(plan)
            .stages
            .iter()
            .filter(|&&it| it > self.percent);
        let next = above.min().copied()?.min(ceiling);
        (next > self.percent).then_some(next)
    }

    fn quality(&self) -> bool {
        let looks = allowed().iter().rev();
        let last = looks.clone().find(|(calls, _)| *calls <= self.calls.len());
        last.is_some_and(|&(calls, allowed)| {
            let failures = self.calls[..calls].iter().filter(|failed| **failed).count();
            allowed.is_some_and(|allowed| failures <= allowed)
        })
    }

    fn ready(&self, now: u64, clock: bool) -> bool {
        let hour_ago = (now / 5_000).saturating_sub(720);
        let recent = self.judged_at.iter().filter(|at| **at / 5_000 >= hour_ago);
        self.age_ms >= BAKE && self.quality() && recent.count() >= 20 && !clock
    }

    /// What an edge does.
    fn edge(&mut self, rig: &mut Rig, held: bool) {
        if self.percent.is_zero() || rig.machine.latched() {
            return;
        }
        if !held {
            self.age_ms += rig.now - self.aged_to;
        }
        self.aged_to = rig.now;
        let clock = rig
            .report()
            .rules
            .iter()
            .any(|rule| rule.clock_ms.is_some());
        let ready = !held && !self.paused && self.ready(rig.now, clock);
        if let (true, Some(next)) = (ready, self.next(&mut rig.plan)) {
            self.enter(next, rig.now);
        }
    }

    /// Follows the plan, and an attempt that began.
    fn follow(&mut self, rig: &mut Rig, new_attempt: bool) {
        if new_attempt {
            *self = Self::default();
        }
        if rig.machine.latched() {
            *self = Self::default();
            return;
        }
        let ceiling = rig.plan.ceiling;
        if self.percent > ceiling || (self.percent.is_zero() && !ceiling.is_zero()) {
            let first = climb_of(&mut rig.plan).stages[0].min(ceiling);
            let to = if self.percent > ceiling {
                ceiling
            } else {
                first
            };
            self.enter(to, rig.now);
        }
    }
}

fn perform(act: &Act, rig: &mut Rig, slow: &mut Slow) -> Vec<Transition> {
    match act {
        Act::Run(edges, ok, bad) => {
            let mut all = Vec::new();
            for _ in 0..*edges {
                rig.calls(*ok, Verdict::Ok);
                rig.calls(*bad, FAILED);
                slow.calls.extend(vec![false; count(*ok)]);
                slow.calls.extend(vec![true; count(*bad)]);
                slow.judged_at.extend(vec![rig.now; count(ok + bad)]);
                rig.now += 5_000;
                all.extend(rig.tick());
                slow.edge(rig, false);
                check_share(rig, slow);
            }
            return all;
        }
        Act::Held(edges) => {
            for _ in 0..*edges {
                rig.now += 5_000;
                rig.input(Input::Tick {
                    unix_ms: UNIX_MS,
                    held: true,
                });
                slow.edge(rig, true);
            }
        }
        Act::Pause => {
            let out = rig.pause();
            slow.paused |= !rig.machine.latched();
            return out;
        }
        Act::Resume => {
            slow.paused = false;
            return rig.resume();
        }
        Act::Advance(force) => return push(*force, rig, slow),
        Act::RollBack => return rig.roll_back(),
        Act::Rearm => return rig.rearm("again"),
        Act::Ceiling(ceiling) => return rig.replan(|plan| plan.ceiling = points(*ceiling)),
        Act::Stages(stages) => {
            return rig.replan(|plan| {
                climb_of(plan).stages = stages.iter().copied().map(points).collect();
            });
        }
        Act::Salt(salt) => {
            let before = rig.plan.clone();
            rig.plan.basis.salt = salt.to_string();
            if rig.machine.refuses(&rig.plan).is_some() {
                let refused = rig.plan.clone();
                rig.plan = before;
                return rig.input(Input::Plan(refused));
            }
            return rig.input(Input::Plan(rig.plan.clone()));
        }
        Act::Attempt(more) => {
            let attempt = Attempt(rig.machine.attempt().0 + more);
            return rig.replan(|plan| plan.attempt = attempt);
        }
        Act::Restart => {
            rig.restart();
            slow.judged_at.clear();
            let saved = rig.machine.record().progress.as_ref();
            let (age_ms, judged) = saved.map_or((0, 0), |it| (it.age_ms, it.calls.judged));
            assert!(slow.age_ms - age_ms <= MINUTE, "a minute is lost at most");
            slow.calls.truncate(count(judged));
            (slow.age_ms, slow.aged_to) = (age_ms, rig.now);
            return rig.input(Input::Plan(rig.plan.clone()));
        }
    }
    Vec::new()
}

fn push(force: bool, rig: &mut Rig, slow: &mut Slow) -> Vec<Transition> {
    let clock = rig
        .report()
        .rules
        .iter()
        .any(|rule| rule.clock_ms.is_some());
    // As of the last edge.
    let edge = rig.now / 5_000 * 5_000;
    let may = !slow.paused && !rig.machine.latched() && (force || slow.ready(edge, clock));
    let next = slow.next(&mut rig.plan);
    let out = rig.advance(force);
    if let (true, Some(next)) = (may, next) {
        slow.enter(next, rig.now);
    }
    out
}

fn check_share(rig: &Rig, slow: &Slow) {
    let expected = if rig.machine.latched() {
        Percent::ZERO
    } else {
        slow.percent
    };
    assert_eq!(rig.machine.percent(), expected, "at {}", rig.now);
}

/// Nothing but a step up, a first stage or a new attempt raises the share.
fn check_rise(before: Percent, after: Percent, out: &[Transition]) {
    let may_rise = out.iter().any(|it| {
        matches!(
            it,
            Transition::Advanced(_)
                | Transition::ClimbStarted { .. }
                | Transition::Rearmed { .. }
                | Transition::AttemptStarted { .. }
        )
    });
    assert!(after <= before || may_rise, "{before} -> {after}: {out:?}");
}

fn drive(acts: &[Act]) -> Vec<&'static str> {
    let mut rig = Rig::with(small());
    let mut slow = Slow::default();
    rig.input(Input::Plan(rig.plan.clone()));
    slow.follow(&mut rig, false);
    for act in acts {
        let (percent, attempt) = (rig.machine.percent(), rig.machine.attempt());
        let latched = rig.machine.latched();
        let out = perform(act, &mut rig, &mut slow);
        let new_attempt = rig.machine.attempt() != attempt;
        slow.follow(&mut rig, new_attempt);
        check_share(&rig, &slow);
        check_rise(percent, rig.machine.percent(), &out);
        let report = rig.report();
        match act {
            Act::Ceiling(_) | Act::Stages(_) | Act::Salt(_) | Act::Restart => {
                assert_eq!(rig.machine.attempt(), attempt);
                assert_eq!(rig.machine.latched(), latched);
                let first = rig.machine.percent() <= percent || percent.is_zero();
                assert!(first, "an edit raises nothing");
            }
            Act::RollBack => assert!(rig.machine.latched()),
            Act::Rearm => assert!(!rig.machine.latched()),
            Act::Run(..)
            | Act::Held(_)
            | Act::Pause
            | Act::Resume
            | Act::Advance(_)
            | Act::Attempt(_) => {}
        }
        let rolled_back = report.state == RolloutState::RolledBack;
        assert_eq!(rolled_back, rig.machine.latched());
        assert_eq!(
            rig.machine.record().progress.is_some(),
            !rig.machine.percent().is_zero(),
            "what is in force is on record"
        );
    }
    rig.log.iter().map(|(_, it)| it.name()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_climb_is_that_of_the_slow_machine(acts in prop::collection::vec(act(), 1..40)) {
        drive(&acts);
    }

    /// A pause, its end and pushes change nothing for the rules: clocks and trips are the same.
    #[test]
    fn what_people_do_to_the_climb_moves_no_clock(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let (mut with, mut without) = (Rig::with(small()), Rig::with(small()));
        for act in &acts {
            match act {
                Act::Run(..) | Act::Held(_) | Act::RollBack | Act::Rearm => {
                    perform_alone(act, &mut with);
                    perform_alone(act, &mut without);
                }
                Act::Pause => drop(with.pause()),
                Act::Resume => drop(with.resume()),
                Act::Advance(force) => drop(with.advance(*force)),
                Act::Ceiling(_)
                | Act::Stages(_)
                | Act::Salt(_)
                | Act::Attempt(_)
                | Act::Restart => {}
            }
            prop_assert_eq!(with.machine.latched(), without.machine.latched());
            prop_assert_eq!(with.report().rules, without.report().rules);
        }
    }

    /// Of several pushes at one moment one wins at most, and with a rollback among them it ends
    /// rolled back.
    #[test]
    fn a_rollback_among_pushes_wins(order in prop::collection::vec(0..3u8, 1..8)) {
        let mut rig = Rig::with(small());
        rig.steady_to(BAKE - 5_000, 5, 0);
        rig.pause();
        rig.steady_to(BAKE + MINUTE, 5, 0);
        rig.resume();
        let mut steps = 0;
        for command in &order {
            let out = match command {
                0 => rig.advance(false),
                1 => rig.roll_back(),
                _ => rig.resume(),
            };
            steps += out.iter().filter(|it| matches!(it, Transition::Advanced(_))).count();
        }
        prop_assert!(steps <= 1);
        prop_assert_eq!(rig.machine.latched(), order.contains(&1));
        let first = order.iter().find(|it| **it < 2);
        prop_assert_eq!(steps == 1, first == Some(&0));
    }
}

/// Calls, edges and the latch, without a slow machine beside.
fn perform_alone(act: &Act, rig: &mut Rig) {
    match act {
        Act::Run(edges, ok, bad) => {
            for _ in 0..*edges {
                rig.calls(*ok, Verdict::Ok);
                rig.calls(*bad, FAILED);
                rig.now += 5_000;
                rig.tick();
            }
        }
        Act::Held(edges) => {
            rig.now += 5_000 * edges;
            rig.tick();
        }
        Act::RollBack => drop(rig.roll_back()),
        Act::Rearm => drop(rig.rearm("again")),
        Act::Pause
        | Act::Resume
        | Act::Advance(_)
        | Act::Ceiling(_)
        | Act::Stages(_)
        | Act::Salt(_)
        | Act::Attempt(_)
        | Act::Restart => {}
    }
}

/// The generated histories are worth something: they climb, stall on clocks, roll back and finish.
#[test]
fn the_generated_histories_climb() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let histories = prop::collection::vec(act(), 30..40);
    let mut told: Vec<&str> = Vec::new();
    for _ in 0..40 {
        let acts = histories.new_tree(&mut runner).unwrap().current();
        told.extend(drive(&acts));
    }
    for name in [
        "climb_started",
        "stage_advanced",
        "finished",
        "paused",
        "resumed",
        "rolled_back",
        "tripped",
        "rearmed",
        "clock_started",
        "refused",
    ] {
        assert!(told.contains(&name), "{name} never happened");
    }
}
