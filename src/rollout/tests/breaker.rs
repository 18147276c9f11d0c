//! The local breaker within the machine: it keeps calls back and moves nothing.

use super::rig::*;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::Admission;
use crate::rollout::BreakerState;
use crate::rollout::Transition;
use crate::rollout::plan::Rules;
use proptest::prelude::*;

fn only_breaker() -> Rules {
    Rules {
        breaker: outage().outage,
        ..NO_RULES
    }
}

#[test]
fn it_opens_tries_one_call_and_closes() {
    let mut rig = Rig::new(only_breaker());
    rig.steady_to(30 * SECOND, 0, 5);
    let record = rig.machine.record().clone();
    assert_eq!(rig.story(), [(20, "local_breaker_open")]);
    assert_eq!(rig.machine.admission(), Admission::None);
    assert_eq!(rig.machine.percent(), percent(25.0), "the share stays");
    rig.run_to(80 * SECOND);
    let Admission::One(_) = rig.machine.admission() else {
        panic!("{:?}", rig.machine.admission());
    };
    // The trial fails: twice as long.
    rig.call(FAILED);
    assert_eq!(rig.machine.admission(), Admission::None);
    let left_ms = rig
        .machine
        .report(RuleTime(START + rig.now))
        .breaker
        .left_ms;
    assert_eq!(left_ms, Some(2 * MINUTE));
    rig.run_to(80 * SECOND + 2 * MINUTE);
    rig.call(Verdict::Ok);
    assert_eq!(rig.machine.admission(), Admission::All);
    let names: Vec<_> = rig.story().into_iter().map(|(_, name)| name).collect();
    let expected = [
        "local_breaker_open",
        "local_breaker_open",
        "local_breaker_closed",
    ];
    assert_eq!(names, expected);
    // What failed before is forgotten: one more failure does not open it.
    rig.call(FAILED);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.machine.admission(), Admission::All);
    assert_eq!(rig.machine.record(), &record);
}

#[test]
fn calls_that_were_on_their_way_are_no_trial() {
    let mut rig = Rig::new(only_breaker());
    let before = rig.dispatch();
    rig.steady_to(30 * SECOND, 0, 5);
    rig.run_to(80 * SECOND);
    rig.end(before, Verdict::Ok);
    let report = rig.machine.report(RuleTime(START + rig.now));
    assert_eq!(report.breaker.state, BreakerState::Trial);
}

#[test]
fn a_rollback_comes_first_and_ends_it() {
    let mut rig = Rig::new(Rules {
        outage: outage().outage,
        ..only_breaker()
    });
    rig.steady_to(MINUTE, 0, 5);
    assert_eq!(rig.story(), [(20, "tripped")]);
    assert_eq!(
        rig.machine.admission(),
        Admission::All,
        "the latch is enough"
    );
}

#[test]
fn it_stays_closed_while_the_original_is_worse() {
    let mut rig = Rig::new(only_breaker());
    for _ in 0..24 {
        rig.calls(4, Verdict::Ok);
        rig.calls(6, FAILED);
        rig.originals(10, FAILED);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.story(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// With and without it the same is recorded and the same is decided, whatever comes.
    #[test]
    fn it_never_moves_the_rollout(
        buckets in prop::collection::vec((0..12u64, 0..12u64, 0..4u64), 1..120),
    ) {
        let mut with = Rig::new(Rules { breaker: severe().severe, ..defaults() });
        let mut without = Rig::new(defaults());
        for (ok, failed, quiet) in buckets {
            for rig in [&mut with, &mut without] {
                rig.calls(ok, Verdict::Ok);
                rig.calls(failed, FAILED);
                rig.run_to(rig.now + 5_000 + quiet * 20 * SECOND);
            }
            prop_assert_eq!(with.machine.record(), without.machine.record());
            prop_assert_eq!(with.machine.percent(), without.machine.percent());
        }
        with.log.retain(|(_, it)| {
            !matches!(it, Transition::BreakerOpened { .. } | Transition::BreakerClosed)
        });
        prop_assert_eq!(with.log, without.log);
    }
}
