//! What holds whatever happens: whole rollouts with generated calls, commands, plans, restarts.

use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::Cause;
use crate::rollout::Input;
use crate::rollout::Record;
use crate::rollout::RuleName;
use crate::rollout::Transition;
use crate::rollout::plan::Errors;
use crate::split::Percent;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Act {
    /// So many whole answers, failures and calls without an answer.
    Calls(u64, u64, u64),
    /// The oldest call without an answer ends.
    End(Verdict),
    Wait(u64),
    Tick,
    RollBack,
    Rearm,
    Ceiling(u16),
    /// Relative to the record's.
    Attempt(i64),
    /// `errors` above so many percent; none switches it off.
    Errors(Option<u32>),
    Restart,
    /// The state file is read: as it was so many writes ago.
    Reread(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        Just(Verdict::Ok),
        Just(FAILED),
        Just(Verdict::Cancelled),
        Just(Verdict::ContextWindow),
    ];
    prop_oneof![
        12 => (0..30u64, 0..6u64, 0..3u64).prop_map(|(ok, failed, hung)| Act::Calls(ok, failed, hung)),
        6 => end.prop_map(Act::End),
        8 => (0..9_000u64).prop_map(Act::Wait),
        1 => (0..100_000u64).prop_map(Act::Wait),
        16 => Just(Act::Tick),
        1 => Just(Act::RollBack),
        1 => Just(Act::Rearm),
        1 => (0..=10_000u16).prop_map(Act::Ceiling),
        1 => (-2..3i64).prop_map(Act::Attempt),
        1 => prop::option::of(0..30u32).prop_map(Act::Errors),
        1 => Just(Act::Restart),
        1 => (0..3usize).prop_map(Act::Reread),
    ]
}

/// What the test knows besides the machine.
#[derive(Default)]
struct Model {
    /// Calls without an answer, with when they were dispatched and whether they have a speed.
    hung: BTreeMap<u64, u64>,
    /// Of the attempt and process that run.
    dispatched: u64,
    judged: u64,
    without_speed: u64,
    bad_at: Option<u64>,
    ticked_at: u64,
    files: Vec<Record>,
    trips: u64,
}

impl Model {
    fn forget(&mut self) {
        let (files, trips, ticked_at) =
            (std::mem::take(&mut self.files), self.trips, self.ticked_at);
        *self = Self {
            files,
            trips,
            ticked_at,
            ..Self::default()
        };
    }
}

const ABOVE_MS: u64 = 2_000;

fn drive(acts: &[Act]) -> u64 {
    let mut rules = defaults();
    rules.errors = errors(5.0, 50 * SECOND).errors;
    rules.latency = latency(ABOVE_MS, 50 * SECOND).latency;
    let mut rig = Rig::new(rules);
    let mut model = Model {
        files: vec![rig.machine.record().clone()],
        ..Model::default()
    };
    for act in acts {
        let before = (rig.machine.record().clone(), rig.machine.percent());
        let out = perform(act, &mut rig, &mut model);
        check(act, &before, &out, &rig);
        check_counts(act, &rig, &model);
        for transition in &out {
            if let Transition::Tripped(rollback) = transition {
                check_trip(rollback, &rig, &model);
                model.trips += 1;
            }
        }
        if rig.machine.record() != &before.0 {
            model.files.push(rig.machine.record().clone());
        }
        if rig.machine.attempt() != before.0.attempt {
            model.forget();
        }
        if let Act::Tick = act {
            model.ticked_at = rig.now;
        }
    }
    model.trips
}

fn perform(act: &Act, rig: &mut Rig, model: &mut Model) -> Vec<Transition> {
    match *act {
        Act::Calls(ok, failed, hung) => {
            rig.calls(ok, Verdict::Ok);
            rig.calls(failed, FAILED);
            for _ in 0..hung {
                let call = rig.dispatch();
                model.hung.insert(call, rig.now);
            }
            model.dispatched += ok + failed + hung;
            model.judged += ok + failed;
            model.without_speed += failed;
            if failed > 0 {
                model.bad_at = Some(rig.now);
            }
        }
        Act::End(verdict) => {
            let Some((call, since)) = model.hung.pop_first() else {
                return vec![];
            };
            rig.end(call, verdict);
            if rig.now - since > ABOVE_MS {
                model.bad_at = model.bad_at.max(Some(since + ABOVE_MS));
            } else if verdict != Verdict::Ok {
                model.without_speed += 1;
            }
            match verdict {
                Verdict::Ok => model.judged += 1,
                Verdict::Failure(_) => {
                    model.judged += 1;
                    model.bad_at = Some(rig.now);
                }
                Verdict::Rejected | Verdict::ContextWindow | Verdict::Cancelled => {}
            }
        }
        Act::Wait(ms) => rig.now += ms,
        Act::Tick => {
            let crossed = model.hung.values().map(|since| since + ABOVE_MS);
            let crossed = crossed.filter(|&at| at < rig.now).max();
            model.bad_at = model.bad_at.max(crossed);
            return rig.tick();
        }
        Act::RollBack => return rig.roll_back(),
        Act::Rearm => return rig.rearm("try again"),
        Act::Ceiling(basis_points) => {
            let ceiling = Percent::from_basis_points(basis_points).unwrap();
            return rig.replan(|plan| plan.ceiling = ceiling);
        }
        Act::Attempt(by) => {
            let attempt = Attempt(rig.machine.attempt().0.saturating_add_signed(by));
            return rig.replan(|plan| plan.attempt = attempt);
        }
        Act::Errors(above) => {
            let rule = above.map(|it| Errors {
                above: percent(it.into()),
                for_ms: 50 * SECOND,
            });
            return rig.replan(|plan| plan.rules.errors = rule);
        }
        Act::Restart => {
            rig.restart();
            model.forget();
        }
        Act::Reread(ago) => {
            let read = model.files[model.files.len().saturating_sub(1 + ago)].clone();
            return rig.input(Input::Record(read));
        }
    }
    vec![]
}

/// The latch, the share and the record.
fn check(act: &Act, before: &(Record, Percent), out: &[Transition], rig: &Rig) {
    let (record, machine) = (&before.0, &rig.machine);
    // 0 while latched, the ceiling while not: never above what the operator allows.
    let share = if machine.latched() {
        Percent::ZERO
    } else {
        rig.plan.ceiling
    };
    assert_eq!(machine.percent(), share);
    // Within an attempt a rollback is final and stays the same; only a re-arm starts the next.
    assert!(machine.attempt() >= record.attempt);
    if record.rollback().is_some() && machine.attempt() == record.attempt {
        assert_eq!(machine.record(), record);
    }
    if record.rollback().is_some() && matches!(act, Act::Reread(_)) {
        assert!(machine.latched(), "no file ends a rollback");
    }
    if machine.attempt() > record.attempt {
        let allowed = match act {
            Act::Rearm => record.rollback().is_some(),
            Act::Attempt(by) => *by > 0,
            Act::Reread(_) => true,
            _ => false,
        };
        assert!(allowed, "{act:?} raised the attempt");
    }
    // What changes is said, and what must outlive the process is said to.
    if machine.record() != record {
        assert!(
            out.iter()
                .any(|it| it.persist() || it.name() == "record_read"),
            "{out:?}"
        );
    }
    if !out.iter().any(Transition::persist) && !matches!(act, Act::Reread(_)) {
        assert_eq!(machine.record(), record);
    }
    if machine.percent() != before.1 {
        assert!(!out.is_empty());
    }
    assert!(out.iter().all(|it| !it.sentence().is_empty()));
}

/// One verdict and at most one speed for each call.
fn check_counts(act: &Act, rig: &Rig, model: &Model) {
    if matches!(act, Act::Rearm | Act::Attempt(_) | Act::Reread(_)) {
        return;
    }
    let arm = rig.machine.report(RuleTime(START + rig.now)).arms.bedrock;
    let total = &arm.total;
    assert_eq!(
        (total.dispatched, total.judged),
        (model.dispatched, model.judged)
    );
    assert_eq!(arm.in_flight, model.hung.len() as u64);
    assert_eq!(
        total.fast + total.slow + arm.undetermined + model.without_speed,
        model.dispatched
    );
    if let Act::Tick = act {
        // No call that is older than the limit is still open after a tick.
        let young = model
            .hung
            .values()
            .filter(|&since| since + ABOVE_MS >= rig.now);
        assert_eq!(arm.undetermined, young.count() as u64);
    }
}

/// No trip on little, on nothing, or in silence.
fn check_trip(rollback: &crate::rollout::Rollback, rig: &Rig, model: &Model) {
    let numbers = rollback.numbers.unwrap();
    assert!(numbers.failures >= 10 && numbers.judged >= 20 && numbers.failures <= numbers.judged);
    assert!(
        numbers.failures * 10_000 > numbers.judged * u64::from(numbers.limit.basis_points()),
        "{numbers:?}"
    );
    if let Some(for_ms) = numbers.for_ms {
        assert!(for_ms >= 50 * SECOND);
    }
    // A bad call came since the bucket that was open at the last tick began.
    assert!(model.bad_at.unwrap() >= model.ticked_at / 5_000 * 5_000);
    assert_eq!(rollback.at_unix_ms, UNIX_MS + rig.now);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_rollout_keeps_its_promises(acts in prop::collection::vec(act(), 1..200)) {
        drive(&acts);
    }

    /// The first thing after a rollback is another process, however often.
    #[test]
    fn a_rollback_outlives_any_number_of_processes(
        acts in prop::collection::vec(act(), 1..60),
        by_hand in any::<bool>(),
    ) {
        let mut rig = Rig::new(defaults());
        if by_hand { rig.roll_back(); } else { rig.steady_to(MINUTE, 0, 10); }
        let record = rig.machine.record().clone();
        let mut model = Model { files: vec![record.clone()], ..Model::default() };
        for act in acts {
            let rearms = matches!(act, Act::Rearm) || matches!(act, Act::Attempt(by) if by > 0);
            if !rearms {
                rig.restart();
                perform(&act, &mut rig, &mut model);
            }
            prop_assert_eq!(rig.machine.percent(), Percent::ZERO);
            prop_assert_eq!(rig.machine.record(), &record);
        }
    }

    /// 3 times the limit in every bucket trips after the duration, and not much later. (Without
    /// the clean traffic before, a window would first have to fill.)
    #[test]
    fn steady_trouble_trips_in_time(
        for_ms in prop::sample::select(vec![50_000, 100_000, 300_000, 600_000u64]),
        limit in 1..20u64,
        calls in 2..40u64,
        clean in 10..30u64,
    ) {
        let mut rig = Rig::new(errors(limit as f64, for_ms));
        let onset = clean * 5_000;
        rig.steady_to(onset, calls, 0);
        let failed = (calls * 3 * limit).div_ceil(100);
        rig.steady_to(onset + for_ms + 30 * SECOND, calls - failed, failed);
        let at = rig.tripped_at().expect("a trip");
        prop_assert!(at >= onset + for_ms && at <= onset + for_ms + 30 * SECOND, "{}", at - onset);
    }

    /// Nothing trips while every bucket is at or below the limits, however the traffic goes.
    #[test]
    fn no_bucket_above_the_limit_no_trip(
        limit in 0..30u64,
        buckets in prop::collection::vec((0..80u64, 0..=100u64, 0..3u64), 1..150),
    ) {
        let mut rules = errors(limit as f64, 50 * SECOND);
        rules.outage = outage().outage;
        rules.severe = severe().severe;
        rules.outage.as_mut().unwrap().above = percent(limit as f64);
        rules.severe.as_mut().unwrap().above = percent(limit as f64);
        let mut rig = Rig::new(rules);
        for (calls, luck, quiet) in buckets {
            let failed = calls * limit * luck / 100 / 100;
            rig.steady_to(rig.now + 5_000, calls - failed, failed);
            rig.run_to(rig.now + quiet * 20 * SECOND);
        }
        prop_assert_eq!(rig.story(), []);
    }

    /// A tick more or less at the same time changes nothing.
    #[test]
    fn a_spurious_tick_changes_nothing(acts in prop::collection::vec(act(), 1..40)) {
        let mut rig = Rig::new(defaults());
        let mut model = Model { files: vec![rig.machine.record().clone()], ..Model::default() };
        for act in acts {
            perform(&act, &mut rig, &mut model);
            rig.tick();
            let before = rig.machine.clone();
            prop_assert_eq!(rig.tick(), []);
            let at = RuleTime(START + rig.now);
            prop_assert_eq!(rig.machine.report(at), before.report(at));
            prop_assert_eq!(rig.machine.record(), before.record());
        }
    }
}

#[test]
fn the_generated_rollouts_do_trip() {
    let mut runner = TestRunner::deterministic();
    let acts = || prop::collection::vec(act(), 150..250);
    let trips: u64 = (0..40)
        .map(|_| drive(&acts().new_tree(&mut runner).unwrap().current()))
        .sum();
    assert!(trips >= 2, "{trips}");
}

#[test]
fn rules_watch_whatever_the_share_is() {
    for ceiling in [0.0, 0.01, 100.0] {
        let mut rig = Rig::new(defaults());
        rig.replan(|plan| plan.ceiling = percent(ceiling));
        rig.steady_to(MINUTE, 0, 10);
        let (_, rollback) = rig.trip().unwrap();
        assert_eq!(rollback.rule, Cause::Rule(RuleName::Outage));
        assert_eq!(rollback.from_percent, percent(ceiling));
    }
}

#[test]
fn an_edit_of_the_share_does_not_touch_a_clock() {
    let mut rig = Rig::new(errors(2.0, 10 * MINUTE));
    rig.steady_to(5 * MINUTE, 19, 1);
    for share in [0.0, 50.0, 100.0] {
        rig.replan(|plan| plan.ceiling = percent(share));
    }
    rig.steady_to(11 * MINUTE, 19, 1);
    assert_eq!(rig.tripped_at(), Some(605 * SECOND));
}
