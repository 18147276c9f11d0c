//! A latency rule that the original breaks itself is not armed; any percentile, either measure.

use super::rig::*;
use crate::outcome::Verdict;
use crate::rollout::RuleName;
use crate::rollout::RuleState;
use crate::rollout::plan::Latency;
use crate::rollout::plan::Measure;
use crate::rollout::plan::Percentile;
use crate::rollout::plan::Rules;

fn rule(percentile: Percentile, measure: Measure) -> Rules {
    Rules {
        latency: Some(Latency {
            above_ms: 5_000,
            for_ms: 50_000,
            percentile,
            measure,
        }),
        ..NO_RULES
    }
}

/// So many of a hundred of the original's calls, evenly among them, take 8 s; over fifty seconds.
fn original(rig: &mut Rig, slow: u64) {
    for bucket in 0..10 {
        for n in 0..10 {
            let call = bucket * 10 + n;
            let is_slow = (call + 1) * slow / 100 > call * slow / 100;
            let took_ms = if is_slow { 8_000 } else { 200 };
            rig.original(Verdict::Ok, true, took_ms);
        }
        rig.run_to(rig.now + 5_000);
    }
}

/// Bedrock answers nothing in time for `ms`.
fn hang(rig: &mut Rig, ms: u64) {
    let until = rig.now + ms;
    while rig.now < until && rig.tripped_at().is_none() {
        for _ in 0..5 {
            rig.dispatch();
        }
        rig.run_to(rig.now + 5_000);
    }
}

#[test]
fn a_limit_that_the_original_breaks_is_not_armed_and_says_what_would_be_right() {
    let mut rig = Rig::new(rule(Percentile::P95, Measure::FirstToken));
    original(&mut rig, 20);
    let names: Vec<_> = rig.story().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["rule_unreachable"]);
    let report = rig.rule(RuleName::Latency);
    assert_eq!(report.state, RuleState::Unreachable);
    for part in [
        "the original's own p95 of first_token is 8",
        "above 5s",
        "`rollback.latency.above` to 15s or more",
        "`latency: off`",
    ] {
        assert!(
            report.sentence.contains(part),
            "{part}: {}",
            report.sentence
        );
    }
    hang(&mut rig, 10 * MINUTE);
    assert_eq!(rig.tripped_at(), None, "it does not watch");
    // An edit to the suggested value arms it.
    rig.replan(|plan| plan.rules.latency.as_mut().unwrap().above_ms = 15_000);
    rig.run_to(rig.now + 5_000);
    original(&mut rig, 20);
    assert_ne!(rig.rule(RuleName::Latency).state, RuleState::Unreachable);
    hang(&mut rig, 10 * MINUTE);
    assert!(rig.tripped_at().is_some());
}

#[test]
fn a_tightened_limit_is_asked_with_what_is_known_under_it() {
    let mut rig = Rig::new(rule(Percentile::P95, Measure::FirstToken));
    rig.replan(|plan| plan.rules.latency.as_mut().unwrap().above_ms = 10_000);
    original(&mut rig, 20);
    assert_eq!(rig.story(), [], "8 s are fast under 10 s");
    rig.replan(|plan| plan.rules.latency.as_mut().unwrap().above_ms = 5_000);
    original(&mut rig, 20);
    assert_eq!(rig.rule(RuleName::Latency).state, RuleState::Unreachable);
}

#[test]
fn it_is_armed_by_itself_once_the_original_keeps_the_limit() {
    let mut rig = Rig::new(rule(Percentile::P95, Measure::FirstToken));
    original(&mut rig, 20);
    for _ in 0..20 {
        original(&mut rig, 0);
    }
    assert_eq!(rig.story().last().map(|it| it.1), Some("rule_reachable"));
    hang(&mut rig, 10 * MINUTE);
    assert!(rig.tripped_at().is_some());
}

#[test]
fn an_armed_rule_watches_on_when_both_become_slow() {
    let mut rig = Rig::new(rule(Percentile::P95, Measure::FirstToken));
    original(&mut rig, 0);
    let until = rig.now + 10 * MINUTE;
    while rig.now < until && rig.tripped_at().is_none() {
        for _ in 0..5 {
            rig.dispatch();
            rig.original(Verdict::Ok, true, 9_000);
        }
        rig.run_to(rig.now + 5_000);
    }
    let (_, rollback) = rig.trip().expect("a trip");
    assert!(rollback.common_mode, "{}", rollback.sentence);
    assert_eq!(rig.story()[0].1, "clock_started");
}

#[test]
fn a_raised_share_asks_again() {
    let mut rig = Rig::new(rule(Percentile::P95, Measure::FirstToken));
    original(&mut rig, 0);
    original(&mut rig, 60);
    assert_eq!(rig.story(), [], "it was armed before");
    rig.replan(|plan| plan.ceiling = percent(10.0));
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.rule(RuleName::Latency).state, RuleState::Unknown);
    rig.replan(|plan| plan.ceiling = percent(50.0));
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.rule(RuleName::Latency).state, RuleState::Unreachable);
    assert_eq!(
        rig.machine.percent(),
        percent(50.0),
        "the share is the operator's"
    );
}

#[test]
fn every_percentile_and_both_measures_have_their_own_share() {
    for (percentile, limit) in [
        (Percentile::P50, 50),
        (Percentile::P90, 10),
        (Percentile::P95, 5),
    ] {
        for measure in [Measure::FirstToken, Measure::Total] {
            let mut kept = Rig::new(rule(percentile, measure));
            (0..3).for_each(|_| original(&mut kept, limit));
            assert_eq!(kept.story(), [], "{percentile:?} {measure:?}");
            let mut broken = Rig::new(rule(percentile, measure));
            (0..3).for_each(|_| original(&mut broken, limit + 5));
            assert_eq!(
                broken.rule(RuleName::Latency).state,
                RuleState::Unreachable,
                "{percentile:?} {measure:?}"
            );
        }
    }
}

#[test]
fn the_originals_whole_time_counts_where_the_rule_times_the_whole() {
    let mut rig = Rig::new(rule(Percentile::P95, Measure::Total));
    rig.original(Verdict::Ok, false, 4_000);
    rig.original(Verdict::Ok, true, 6_000);
    rig.original(FAILED, true, 4_000);
    rig.original(FAILED, true, 6_000);
    rig.original(Verdict::Cancelled, false, 4_000);
    let total = rig
        .machine
        .report(crate::outcome::RuleTime(START))
        .arms
        .original
        .total;
    assert_eq!((total.fast, total.slow, total.abandoned), (1, 2, 1));
}
