//! `outage` (50 % over 30 s) and `severe` (10 % over 5 min).

use super::rig::*;
use crate::outcome::Class;
use crate::outcome::Verdict;
use crate::rollout::Cause;
use crate::rollout::RuleName;
use crate::rollout::RuleState;

/// When the trouble begins in most of these tests.
const ONSET: u64 = 6 * MINUTE;

/// An arm that was well until then, at so many calls a bucket.
fn well(calls: u64, rules: crate::rollout::plan::Rules) -> Rig {
    let mut rig = Rig::new(rules);
    rig.steady_to(ONSET, calls, 0);
    rig
}

/// Seconds from the onset of `failed` of `calls` a bucket to the trip, and the rule that tripped.
fn seconds_to_trip(calls: u64, failed: u64) -> Option<(u64, Cause)> {
    let mut rig = well(calls, defaults());
    rig.steady_to(ONSET + 5 * MINUTE, calls - failed, failed);
    rig.trip()
        .map(|(at, rollback)| ((at - ONSET) / SECOND, rollback.rule))
}

#[test]
fn a_total_outage_trips_in_20_s() {
    let outage = Cause::Rule(RuleName::Outage);
    // 2 and 10 and 50 calls a second.
    assert_eq!(seconds_to_trip(10, 10), Some((20, outage)));
    assert_eq!(seconds_to_trip(50, 50), Some((20, outage)));
    assert_eq!(seconds_to_trip(250, 250), Some((20, outage)));
}

#[test]
fn lesser_rates_trip_later() {
    let severe = Cause::Rule(RuleName::Severe);
    // A share of p is above 10 % of five minutes after 30 s / p, and one bucket because exactly
    // 10 % is not above.
    assert_eq!(seconds_to_trip(50, 25), Some((65, severe)));
    assert_eq!(seconds_to_trip(50, 15), Some((105, severe)));
    assert_eq!(seconds_to_trip(50, 10), Some((155, severe)));
    assert_eq!(seconds_to_trip(100, 15), Some((205, severe)));
    // At exactly the limit of `severe` it is `errors` that trips, after its ten minutes.
    let mut rig = well(10, defaults());
    rig.steady_to(20 * MINUTE, 9, 1);
    let (_, rollback) = rig.trip().unwrap();
    assert_eq!(rollback.rule, Cause::Rule(RuleName::Errors));
}

#[test]
fn exactly_half_is_no_outage() {
    let mut rig = Rig::new(outage());
    rig.steady_to(20 * MINUTE, 10, 10);
    assert_eq!(rig.tripped_at(), None);
    assert_eq!(rig.rule(RuleName::Outage).state, RuleState::Ok);
    rig.steady_to(21 * MINUTE, 9, 11);
    assert_eq!(rig.tripped_at(), Some(20 * MINUTE + 5 * SECOND));
}

#[test]
fn a_total_blip_of_15_s_is_no_outage() {
    let mut rig = well(10, defaults());
    rig.steady_to(ONSET + 15 * SECOND, 0, 10);
    rig.steady_to(30 * MINUTE, 10, 0);
    assert_eq!(rig.tripped_at(), None);
}

#[test]
fn many_failures_of_one_instant_are_no_outage() {
    for buckets in [1, 3] {
        let mut rig = Rig::new(outage());
        for _ in 0..buckets {
            rig.calls(500, Verdict::Failure(Class::Network));
            rig.run_to(rig.now + 5_000);
        }
        rig.run_to(MINUTE);
        assert_eq!(rig.tripped_at(), None);
        assert_eq!(rig.rule(RuleName::Outage).state, RuleState::Breaching);
    }
    let mut rig = Rig::new(outage());
    rig.steady_to(20 * SECOND, 0, 500);
    assert_eq!(rig.tripped_at(), Some(20 * SECOND));
}

#[test]
fn twenty_calls_and_ten_failures_are_needed() {
    // 19 calls, all failed.
    let mut rig = Rig::new(outage());
    for failed in [4, 5, 5, 5] {
        rig.calls(failed, FAILED);
        rig.run_to(rig.now + 5_000);
    }
    rig.run_to(59 * MINUTE);
    assert_eq!(rig.tripped_at(), None);
    let rule = rig.rule(RuleName::Outage);
    assert_eq!(
        (rule.state, rule.judged, rule.window_ms),
        (RuleState::Unknown, 19, 60 * MINUTE)
    );
    rig.call(FAILED);
    rig.run_to(60 * MINUTE);
    assert_eq!(rig.tripped_at(), Some(59 * MINUTE + 5_000));

    // 9 failures of 17 are more than half of enough calls of a small limit.
    let mut rules = outage();
    rules.outage.as_mut().unwrap().above = percent(10.0);
    let mut rig = Rig::new(rules);
    for failed in [2, 2, 2, 3] {
        rig.calls(3, Verdict::Ok);
        rig.calls(failed, FAILED);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.rule(RuleName::Outage).state, RuleState::Breaching);
    assert_eq!(rig.tripped_at(), None);
    rig.call(FAILED);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.tripped_at(), Some(25 * SECOND));
}

#[test]
fn severe_needs_fifty_calls() {
    let mut rig = Rig::new(severe());
    for _ in 0..7 {
        rig.calls(5, Verdict::Ok);
        rig.calls(2, FAILED);
        rig.run_to(rig.now + 5_000);
    }
    let rule = rig.rule(RuleName::Severe);
    assert_eq!((rule.state, rule.judged), (RuleState::Unknown, 49));
    assert_eq!(
        rule.sentence,
        "severe unknown: 49 of the 50 calls that it needs in 1h"
    );
    rig.call(FAILED);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.tripped_at(), Some(40 * SECOND));
    assert_eq!(
        rig.trip().unwrap().1.sentence,
        "Rolled back 25 % -> 0 %: severe 30 % (15/50) in 5m, limit 10 %; mostly server (100 %); \
         last failing request req-50"
    );
}

#[test]
fn windows_stretch_in_steps_to_an_hour() {
    // One call every three minutes, all failed: the twentieth is 57 minutes after the first.
    let mut rig = Rig::new(outage());
    let mut windows = vec![];
    for _ in 0..20 {
        rig.call(FAILED);
        rig.run_to(rig.now + 5_000);
        windows.push(rig.rule(RuleName::Outage).window_ms / MINUTE);
        rig.run_to(rig.now + 3 * MINUTE - 5_000);
    }
    assert_eq!(rig.tripped_at(), Some(57 * MINUTE + 5_000));
    // The same calls faster need smaller windows.
    for (every, window) in [
        (1, 30 * SECOND),
        (2, MINUTE),
        (5, 2 * MINUTE),
        (10, 5 * MINUTE),
        (20, 10 * MINUTE),
        (55, 20 * MINUTE),
        (80, 30 * MINUTE),
    ] {
        let mut rig = Rig::new(outage());
        for _ in 0..20 {
            rig.call(FAILED);
            rig.run_to(rig.now + every * SECOND);
        }
        rig.run_to(rig.now + 5_000);
        assert_eq!(
            rig.trip().unwrap().1.numbers.unwrap().window_ms,
            window,
            "every {every} s"
        );
    }
}

#[test]
fn silence_never_trips() {
    // An outage rule that is broken by 20 failures in three buckets, then nothing.
    let mut rig = Rig::new(defaults());
    for failed in [7, 7, 7] {
        rig.calls(failed, FAILED);
        rig.run_to(rig.now + 5_000);
    }
    rig.run_to(5 * 60 * MINUTE);
    assert_eq!(rig.tripped_at(), None);
    // Successes do not fill the fourth bucket.
    rig.calls(1, Verdict::Ok);
    rig.run_to(rig.now + MINUTE);
    assert_eq!(rig.tripped_at(), None);
}

#[test]
fn a_tighter_rule_trips_with_the_next_failure_only() {
    let mut rig = Rig::new(severe());
    rig.steady_to(4 * MINUTE, 91, 9);
    rig.replan(|plan| plan.rules.severe.as_mut().unwrap().above = percent(5.0));
    rig.run_to(4 * MINUTE + 30 * SECOND);
    assert_eq!(rig.tripped_at(), None);
    rig.call(FAILED);
    rig.run_to(5 * MINUTE);
    assert_eq!(rig.tripped_at(), Some(4 * MINUTE + 35 * SECOND));
}

#[test]
fn a_black_hole_trips_outage_through_its_stalls() {
    let mut rig = well(10, defaults());
    let mut waiting = std::collections::VecDeque::new();
    while rig.tripped_at().is_none() && rig.now < 30 * MINUTE {
        for _ in 0..10 {
            let call = rig.dispatch();
            waiting.push_back((rig.now, call));
        }
        while waiting
            .front()
            .is_some_and(|&(at, _)| at + 30 * SECOND <= rig.now)
        {
            let (_, call) = waiting.pop_front().unwrap();
            rig.end(call, Verdict::Failure(Class::Stall));
        }
        rig.run_to(rig.now + 5_000);
    }
    let (at, rollback) = rig.trip().unwrap();
    assert_eq!(at - ONSET, 50 * SECOND);
    assert_eq!(rollback.rule, Cause::Rule(RuleName::Outage));
    assert_eq!(rollback.classes, [(Class::Stall, 40)].into());
}
