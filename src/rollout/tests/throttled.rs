//! `on_throttle: step_back`: less traffic cures throttling.

use super::rig::*;
use crate::outcome::Class;
use crate::outcome::Verdict;
use crate::rollout::Advance;
use crate::rollout::CautionKind;
use crate::rollout::Climb;
use crate::rollout::plan::Action;
use crate::rollout::plan::OnThrottle;
use crate::rollout::plan::Relative;
use crate::rollout::plan::Rules;
use crate::split::Percent;

const THROTTLED: Verdict = Verdict::Failure(Class::Throttle);

/// A rig that has climbed from 5 % to 10 %.
fn at_ten(on_throttle: OnThrottle) -> Rig {
    let mut rig = Rig::new(Rules {
        severe: severe().severe,
        on_throttle,
        ..outage()
    });
    let climb = Climb {
        stages: [5.0, 10.0, 25.0].map(percent).into(),
        bake_ms: 2 * MINUTE,
        final_bake_ms: 2 * MINUTE,
        min_calls: 500,
        error_bound: percent(2.0),
        gates: Vec::new(),
    };
    rig.replan(|plan| plan.ceiling = Percent::ZERO);
    rig.replan(|plan| plan.advance = Advance::Auto(climb));
    rig.replan(|plan| plan.ceiling = percent(10.0));
    assert_eq!(rig.machine.percent(), percent(5.0));
    climb_on(&mut rig);
    rig
}

fn climb_on(rig: &mut Rig) {
    rig.steady_to(rig.now + 3 * MINUTE, 20, 0);
    assert_eq!(rig.machine.percent(), percent(10.0));
}

/// Two minutes of throttling, and what share is left.
fn throttle(rig: &mut Rig, verdict: Verdict) -> Percent {
    for _ in 0..24 {
        rig.calls(2, Verdict::Ok);
        rig.calls(8, verdict);
        rig.run_to(rig.now + 5_000);
        if rig.machine.percent() != percent(10.0) {
            break;
        }
    }
    rig.machine.percent()
}

#[test]
fn throttling_goes_one_stage_back_and_holds() {
    let mut rig = at_ten(OnThrottle::StepBack);
    assert_eq!(throttle(&mut rig, THROTTLED), percent(5.0));
    assert_eq!(rig.cautions().len(), 1);
    assert_eq!(rig.cautions()[0].1, CautionKind::SteppedBack);
    let said = &rig.log.last().expect("a transition").1;
    assert_eq!(said.name(), "stepped_back");
    for part in ["10 % -> 5 %", "throttle (100 %)", "held at 5 %"] {
        assert!(said.sentence().contains(part), "{part}: {said}");
    }
    // It holds until a person has taken note.
    rig.steady_to(rig.now + 10 * MINUTE, 20, 0);
    assert_eq!(rig.machine.percent(), percent(5.0));
    rig.resume();
    climb_on(&mut rig);
    // A second time within the hour is once too often.
    assert_eq!(throttle(&mut rig, THROTTLED), Percent::ZERO);
    assert!(rig.tripped_at().is_some());
}

#[test]
fn a_restart_does_not_make_a_second_time_the_first() {
    let mut rig = at_ten(OnThrottle::StepBack);
    throttle(&mut rig, THROTTLED);
    rig.resume();
    climb_on(&mut rig);
    rig.restart();
    rig.steady_to(rig.now + 2 * MINUTE, 20, 0);
    assert_eq!(throttle(&mut rig, THROTTLED), Percent::ZERO);
}

#[test]
fn after_an_hour_it_may_go_back_again() {
    for restarts in [false, true] {
        let mut rig = at_ten(OnThrottle::StepBack);
        throttle(&mut rig, THROTTLED);
        rig.resume();
        climb_on(&mut rig);
        if restarts {
            rig.restart();
        }
        rig.steady_to(rig.now + 61 * MINUTE, 20, 0);
        assert_eq!(throttle(&mut rig, THROTTLED), percent(5.0), "{restarts}");
    }
}

#[test]
fn everything_else_goes_to_zero() {
    // By default, for other failures, and from a stage that nothing baked before.
    let mut rig = at_ten(OnThrottle::Rollback);
    assert_eq!(throttle(&mut rig, THROTTLED), Percent::ZERO);
    let mut rig = at_ten(OnThrottle::StepBack);
    assert_eq!(throttle(&mut rig, FAILED), Percent::ZERO);
    let mut rig = at_ten(OnThrottle::StepBack);
    throttle(&mut rig, THROTTLED);
    rig.restart();
    rig.steady_to(rig.now + 2 * MINUTE, 0, 0);
    for _ in 0..24 {
        rig.calls(8, THROTTLED);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(
        rig.machine.percent(),
        Percent::ZERO,
        "the first stage has none before it"
    );
}

/// Both that there is throttling and that it is Bedrock's is found; one step back answers both.
#[test]
fn a_comparison_forgets_what_it_saw_before_the_step() {
    let mut rig = at_ten(OnThrottle::StepBack);
    rig.replan(|plan| {
        plan.rules.outage = None;
        plan.rules.severe = None;
        plan.rules.relative = Some(Relative {
            odds: 1_000,
            action: Action::Rollback,
        });
    });
    for _ in 0..24 {
        rig.calls(2, Verdict::Ok);
        rig.calls(8, THROTTLED);
        rig.originals(90, Verdict::Ok);
        rig.run_to(rig.now + 5_000);
        if rig.machine.percent() != percent(10.0) {
            break;
        }
    }
    assert_eq!(rig.machine.percent(), percent(5.0));
    // What little is throttled at the lower share is looked at on its own.
    for _ in 0..24 {
        rig.calls(4, Verdict::Ok);
        rig.originals(95, Verdict::Ok);
        rig.run_to(rig.now + 5_000);
    }
    rig.calls(1, THROTTLED);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.machine.percent(), percent(5.0));
    assert_eq!(rig.tripped_at(), None);
}
