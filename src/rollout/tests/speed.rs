//! Fast, slow and neither; the `latency` rule: p95 of the first token above 5 s for 5 minutes.

use super::rig::*;
use crate::outcome::CallEvent;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::ArmReport;
use crate::rollout::Cause;
use crate::rollout::ResetWhy;
use crate::rollout::RuleName;
use crate::rollout::Transition;
use crate::rollout::plan::Measure;

fn rig() -> Rig {
    Rig::new(latency(5 * SECOND, 5 * MINUTE))
}

fn total() -> Rig {
    let mut rules = latency(5 * SECOND, 5 * MINUTE);
    rules.latency.as_mut().unwrap().measure = Measure::Total;
    Rig::new(rules)
}

fn bedrock(rig: &Rig) -> ArmReport {
    rig.machine.report(RuleTime(START + rig.now)).arms.bedrock
}

/// Fast, slow, undetermined.
fn speeds(rig: &Rig) -> (u64, u64, u64) {
    let arm = bedrock(rig);
    (arm.total.fast, arm.total.slow, arm.undetermined)
}

#[test]
fn exactly_the_limit_is_fast() {
    let mut rig = rig();
    let call = rig.dispatch();
    rig.now = 5_000;
    rig.tick();
    assert_eq!(speeds(&rig), (0, 0, 1));
    rig.first_token(call);
    assert_eq!(speeds(&rig), (1, 0, 0));

    let call = rig.dispatch();
    rig.now = 10_001;
    rig.first_token(call);
    assert_eq!(speeds(&rig), (1, 1, 0));
}

#[test]
fn a_hung_call_is_slow_from_the_instant_it_crosses() {
    let mut rig = rig();
    rig.now = 1_000;
    let call = rig.dispatch();
    rig.run_to(5_000);
    assert_eq!(speeds(&rig), (0, 0, 1));
    rig.run_to(10_000);
    assert_eq!(speeds(&rig), (0, 1, 0), "without any event of the call");
    // Booked at 6 s, in the second bucket, although the tick came at 10 s.
    assert_eq!(rig.rule(RuleName::Latency).judged, 1);
    // It stays booked once, whatever comes.
    rig.first_token(call);
    rig.end(call, Verdict::Ok);
    assert_eq!(speeds(&rig), (0, 1, 0));
}

#[test]
fn a_call_that_fails_early_has_no_speed_but_a_late_one_is_slow() {
    for verdict in [
        FAILED,
        Verdict::Cancelled,
        Verdict::Rejected,
        Verdict::ContextWindow,
    ] {
        let mut rig = rig();
        let call = rig.dispatch();
        rig.now = 5_000;
        rig.end(call, verdict);
        assert_eq!(speeds(&rig), (0, 0, 0), "{verdict:?}");
        let call = rig.dispatch();
        rig.now = 10_001;
        rig.end(call, verdict);
        assert_eq!(
            speeds(&rig),
            (0, 1, 0),
            "{verdict:?}: it had crossed already"
        );
    }
}

#[test]
fn a_whole_answer_without_a_first_token_is_fast() {
    let mut rig = rig();
    let call = rig.dispatch();
    rig.end(call, Verdict::Ok);
    assert_eq!(speeds(&rig), (1, 0, 0));
}

#[test]
fn the_total_time_can_be_measured_instead() {
    let mut rig = total();
    let (quick, long) = (rig.dispatch(), rig.dispatch());
    rig.first_token(quick);
    rig.first_token(long);
    assert_eq!(speeds(&rig), (0, 0, 2));
    rig.end(quick, Verdict::Ok);
    assert_eq!(speeds(&rig), (1, 0, 1));
    rig.run_to(10_000);
    assert_eq!(speeds(&rig), (1, 1, 0));
    rig.end(long, Verdict::Ok);
    assert_eq!(speeds(&rig), (1, 1, 0));
}

#[test]
fn a_call_that_is_left_before_its_first_token_is_abandoned() {
    let mut rig = rig();
    let call = rig.dispatch();
    rig.end(call, Verdict::Cancelled);
    let call = rig.dispatch();
    rig.first_token(call);
    rig.end(call, Verdict::Cancelled);
    let arm = bedrock(&rig);
    assert_eq!(
        (arm.total.cancelled, arm.total.abandoned, arm.total.judged),
        (2, 1, 0)
    );
    assert_eq!((arm.total.dispatched, arm.in_flight), (2, 0));
}

/// `calls` in each bucket, the first `slow` of which never answer.
fn drive(rig: &mut Rig, to: u64, calls: u64, slow: u64) {
    while rig.now < to {
        for _ in 0..slow {
            rig.dispatch();
        }
        rig.calls(calls - slow, Verdict::Ok);
        rig.run_to(rig.now + 5_000);
    }
}

#[test]
fn ten_percent_slow_trip_after_five_minutes() {
    let mut rig = rig();
    drive(&mut rig, 10 * MINUTE, 50, 0);
    drive(&mut rig, 16 * MINUTE, 50, 5);
    // Slow calls are booked 5 s after they began, so the first bucket holds the 45 fast ones only.
    // With three more, 15 of the 295 calls in 30 s are slow: just above 5 %.
    let started = 10 * 60 + 20;
    assert_eq!(
        rig.story(),
        [(started, "clock_started"), (started + 300, "tripped")]
    );
    let (_, rollback) = rig.trip().unwrap();
    assert_eq!(
        rollback.sentence,
        "Rolled back 25 % -> 0 %: latency 9.6 % above 5s (315/3295) for 5m, limit 5 %; \
         last slow request req-9105"
    );
    let numbers = rollback.numbers.unwrap();
    assert_eq!(
        (numbers.slower_than_ms, numbers.window_ms),
        (Some(5_000), 330_000)
    );
    assert!(rollback.classes.is_empty());
}

#[test]
fn exactly_five_percent_slow_is_no_breach() {
    let mut rig = rig();
    drive(&mut rig, 30 * MINUTE, 20, 1);
    // From the second minute on 19 fast and 1 slow are booked in each bucket.
    let rule = rig.rule(RuleName::Latency);
    assert_eq!(
        (rule.value, rule.limit),
        (Some(percent(5.0)), Some(percent(5.0)))
    );
    assert_eq!(rig.story(), []);
}

#[test]
fn a_black_hole_trips_latency_through_its_hung_calls() {
    let mut rig = rig();
    drive(&mut rig, 7 * MINUTE, 10, 10);
    // Two buckets: in the first nothing is slow yet, in the second ten calls are; in the third
    // there are twenty to judge.
    assert_eq!(rig.story(), [(15, "clock_started"), (315, "tripped")]);
    assert_eq!(
        rig.trip().unwrap().1.last_failure_request_id,
        Some("req-620".to_owned()),
        "it is named although it never ended"
    );
    assert_eq!(bedrock(&rig).total.judged, 0);
}

#[test]
fn the_trip_names_the_last_slow_call() {
    let mut rig = rig();
    let mut slow = vec![];
    while rig.tripped_at().is_none() {
        slow.extend((0..10).map(|_| rig.dispatch()).collect::<Vec<_>>());
        rig.run_to(rig.now + 5_000);
        if slow.len() > 60 {
            let call = slow.remove(0);
            rig.end(call, Verdict::Failure(Class::Stall));
        }
        assert!(rig.now < 6 * MINUTE);
    }
    let (_, rollback) = rig.trip().unwrap();
    assert_eq!(rollback.rule, Cause::Rule(RuleName::Latency));
    let id = rollback.last_failure_request_id.clone().unwrap();
    assert!(
        rollback
            .sentence
            .ends_with(&format!("; last slow request {id}"))
    );
}

#[test]
fn two_bad_minutes_do_not_trip_latency() {
    let mut rig = rig();
    drive(&mut rig, 10 * MINUTE, 50, 0);
    drive(&mut rig, 12 * MINUTE, 50, 50);
    drive(&mut rig, 30 * MINUTE, 50, 0);
    assert_eq!(rig.tripped_at(), None);
    assert_eq!(rig.story().len(), 2);
}

#[test]
fn a_tighter_limit_keeps_what_was_booked_and_a_looser_one_does_not() {
    let mut rig = rig();
    drive(&mut rig, MINUTE, 20, 10);
    let before = speeds(&rig);
    assert!(before.1 > 0);
    let waiting = rig.dispatch();
    rig.run_to(rig.now + 3 * SECOND);
    let out = rig.replan(|plan| plan.rules = latency(2 * SECOND, 5 * MINUTE));
    assert_eq!(out, []);
    rig.run_to(rig.now + 2 * SECOND);
    assert!(speeds(&rig).1 > before.1, "the waiting call is slow now");
    rig.end(waiting, Verdict::Ok);
    let out = rig.replan(|plan| plan.rules = latency(3 * SECOND, 5 * MINUTE));
    assert!(matches!(
        out.as_slice(),
        [Transition::ClockReset {
            rule: RuleName::Latency,
            why: ResetWhy::Edited,
            ..
        }]
    ));
    assert_eq!((speeds(&rig).0, speeds(&rig).1), (0, 0));
    // The calls that were booked are not booked again.
    rig.run_to(rig.now + MINUTE);
    assert_eq!((speeds(&rig).0, speeds(&rig).1), (0, 0));
}

#[test]
fn a_rule_switched_on_later_times_the_calls_that_wait() {
    let mut rig = Rig::new(NO_RULES);
    let (waiting, answered) = (rig.dispatch(), rig.dispatch());
    rig.first_token(answered);
    rig.run_to(20 * SECOND);
    assert_eq!(speeds(&rig), (0, 0, 0));
    rig.replan(|plan| plan.rules = latency(5 * SECOND, 5 * MINUTE));
    rig.run_to(25 * SECOND);
    assert_eq!(speeds(&rig), (0, 1, 0));
    rig.end(waiting, FAILED);
    rig.end(answered, Verdict::Ok);
    assert_eq!(speeds(&rig), (0, 1, 0));
}

#[test]
fn the_originals_answers_are_its_own() {
    let mut rig = rig();
    let original = |verdict, first_body_ms: Option<u64>| CallEvent::Original {
        verdict,
        heard: first_body_ms.is_some(),
        first_body_ms,
        took_ms: 70_000,
    };
    rig.event(1, 1, original(Verdict::Ok, Some(5_000)));
    rig.event(1, 2, original(Verdict::Ok, Some(5_001)));
    rig.event(1, 3, original(Verdict::Ok, None));
    rig.event(1, 4, original(FAILED, None));
    rig.event(1, 5, original(Verdict::Cancelled, None));
    let arms = rig.machine.report(RuleTime(START)).arms;
    let seen = arms.original.total;
    assert_eq!((seen.ok, seen.judged, seen.fast, seen.slow), (3, 4, 1, 1));
    assert_eq!((seen.cancelled, seen.failures[&Class::Server]), (1, 1));
    assert_eq!(arms.bedrock.total.judged, 0);
    // However badly it fares, it is not Bedrock that is rolled back for it.
    for call in 10..2_000 {
        rig.event(1, call, original(FAILED, Some(60_000)));
        rig.run_to(rig.now + SECOND);
    }
    let names: Vec<_> = rig.story().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["rule_unreachable"], "no rollback");
}

#[test]
fn calls_beyond_the_bound_are_judged_all_the_same() {
    use crate::outcome::CallId;
    use crate::rollout::calls::Calls;
    let mut calls = Calls::default();
    for call in 0..200_000 {
        calls.dispatched(CallId(call), RuleTime(0), "id".into());
    }
    assert_eq!(calls.running(), 131_072);

    let mut rig = rig();
    rig.end(77, FAILED);
    let report = rig.machine.report(RuleTime(START));
    assert_eq!((report.unmatched, report.arms.bedrock.total.judged), (1, 1));
}
