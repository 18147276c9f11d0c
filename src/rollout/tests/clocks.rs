//! The breach clock of `errors`: 2 % for 10 minutes, unless said otherwise.

use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::CallEvent;
use crate::outcome::CallId;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::Input;
use crate::rollout::ResetWhy;
use crate::rollout::RuleName;
use crate::rollout::RuleState;
use crate::rollout::Transition;
use crate::rollout::plan::Errors;

fn rig() -> Rig {
    Rig::new(errors(2.0, 10 * MINUTE))
}

#[test]
fn exactly_the_limit_starts_no_clock() {
    let mut rig = rig();
    rig.steady_to(20 * MINUTE, 49, 1);
    assert_eq!(rig.story(), []);
    let rule = rig.rule(RuleName::Errors);
    assert_eq!(
        (rule.state, rule.value),
        (RuleState::Ok, Some(percent(2.0)))
    );
    assert_eq!(
        (rule.failures, rule.judged, rule.window_ms),
        (12, 600, MINUTE)
    );
    assert_eq!(rule.sentence, "errors 2 % (12/600 in 1m), limit 2 %");
}

#[test]
fn three_percent_trips_after_ten_minutes() {
    let mut rig = rig();
    // Seen from the first closed bucket on, since nothing was before it.
    rig.steady_to(11 * MINUTE, 97, 3);
    assert_eq!(rig.story(), [(5, "clock_started"), (605, "tripped")]);
    let (_, rollback) = rig.trip().unwrap();
    let numbers = rollback.numbers.unwrap();
    assert_eq!((numbers.failures, numbers.judged), (363, 12_100));
    assert_eq!((numbers.value, numbers.limit), (percent(3.0), percent(2.0)));
    // Ten minutes and the minute of lead-in.
    assert_eq!(
        (numbers.for_ms, numbers.window_ms),
        (Some(600_000), 660_000)
    );
    assert_eq!(numbers.slower_than_ms, None);
}

#[test]
fn three_percent_after_clean_traffic_trips_after_ten_minutes_and_the_detection() {
    let mut rig = rig();
    rig.steady_to(20 * MINUTE, 100, 0);
    rig.steady_to(32 * MINUTE, 97, 3);
    // Nine bad buckets of the minute's twelve are 2.25 %, eight are exactly 2 %.
    let started = 20 * 60 + 45;
    assert_eq!(
        rig.story(),
        [(started, "clock_started"), (started + 600, "tripped")]
    );
}

#[test]
fn nine_minutes_of_three_percent_do_not_trip() {
    let mut rig = rig();
    rig.steady_to(9 * MINUTE, 97, 3);
    rig.steady_to(30 * MINUTE, 100, 0);
    // Three minutes are at 2 % when 24 bad buckets of 36 are left: a minute after the last.
    assert_eq!(rig.story(), [(5, "clock_started"), (600, "clock_reset")]);
    let reset = rig.log.last().unwrap().1.sentence();
    assert_eq!(
        reset,
        "The errors clock stopped after 9m55s: the rate is at or below its limit again"
    );
}

#[test]
fn a_dip_within_three_minutes_does_not_reset() {
    let mut rig = rig();
    rig.steady_to(5 * MINUTE, 95, 5);
    // 90 s clean: the worst three minutes are 2.5 %.
    rig.steady_to(6 * MINUTE + 30 * SECOND, 100, 0);
    rig.steady_to(11 * MINUTE, 95, 5);
    assert_eq!(rig.story(), [(5, "clock_started"), (605, "tripped")]);
}

#[test]
fn a_dip_of_three_minutes_resets() {
    let mut rig = rig();
    rig.steady_to(5 * MINUTE, 95, 5);
    rig.steady_to(8 * MINUTE, 100, 0);
    rig.steady_to(19 * MINUTE, 95, 5);
    // Reset when 22 clean buckets of 36 leave 1.94 %; started anew when 5 of 12 are bad again.
    let again = 8 * 60 + 25;
    assert_eq!(
        rig.story(),
        [
            (5, "clock_started"),
            (410, "clock_reset"),
            (again, "clock_started"),
            (again + 600, "tripped")
        ]
    );
}

#[test]
fn a_young_clock_does_not_reset() {
    let mut rig = rig();
    rig.steady_to(10 * MINUTE, 100, 0);
    // A blip of 15 s starts the clock. When it is older than three minutes one bad bucket of 36
    // is still in sight, which is 2.8 %; a bucket later none is.
    rig.steady_to(10 * MINUTE + 15 * SECOND, 0, 100);
    rig.steady_to(30 * MINUTE, 100, 0);
    let started = 10 * 60 + 5;
    assert_eq!(
        rig.story(),
        [(started, "clock_started"), (started + 190, "clock_reset")]
    );
}

#[test]
fn a_blip_of_15_s_does_not_trip() {
    for ok in [10, 50] {
        let mut rig = rig();
        rig.steady_to(20 * MINUTE, ok, 0);
        rig.steady_to(20 * MINUTE + 15 * SECOND, 0, ok);
        rig.steady_to(40 * MINUTE, ok, 0);
        assert_eq!(rig.tripped_at(), None);
        assert_eq!(rig.story().len(), 2, "it does start and reset the clock");
    }
}

#[test]
fn a_gap_in_the_traffic_does_not_reset() {
    let mut rig = rig();
    rig.steady_to(4 * MINUTE, 19, 1);
    rig.run_to(6 * MINUTE);
    rig.steady_to(11 * MINUTE, 19, 1);
    assert_eq!(rig.story(), [(5, "clock_started"), (605, "tripped")]);
}

#[test]
fn ten_minutes_without_a_judged_call_reset() {
    let mut rig = rig();
    rig.steady_to(4 * MINUTE, 19, 1);
    // Calls that nobody judges are no evidence.
    while rig.now < 20 * MINUTE {
        rig.call(Verdict::Cancelled);
        rig.call(Verdict::ContextWindow);
        rig.call(Verdict::Rejected);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(
        rig.story(),
        [(5, "clock_started"), (14 * 60, "clock_reset")]
    );
    assert!(matches!(
        rig.log.last(),
        Some((
            _,
            Transition::ClockReset {
                why: ResetWhy::Idle,
                ran_ms: 835_000,
                ..
            }
        ))
    ));
}

#[test]
fn silence_never_trips_but_the_next_failure_does() {
    let mut rig = rig();
    rig.steady_to(9 * MINUTE, 50, 50);
    rig.run_to(15 * MINUTE);
    assert_eq!(
        rig.story(),
        [(5, "clock_started")],
        "above for 10 min, but nothing fails now"
    );
    rig.calls(1, Verdict::Ok);
    rig.run_to(15 * MINUTE + 5_000);
    assert_eq!(
        rig.tripped_at(),
        None,
        "a success in the tick is no failure"
    );
    rig.call(FAILED);
    rig.run_to(16 * MINUTE);
    assert_eq!(rig.tripped_at(), Some(15 * MINUTE + 10_000));
}

#[test]
fn a_clock_that_is_old_enough_waits_for_the_rate_to_be_above_now() {
    let mut rig = rig();
    // 20 % for 8 min, then 1.5 %: the hour is far above, the minute is not.
    rig.steady_to(8 * MINUTE, 80, 20);
    rig.steady_to(12 * MINUTE, 197, 3);
    assert_eq!(rig.tripped_at(), None);
}

#[test]
fn a_clock_that_is_old_enough_waits_for_all_since_its_start_to_be_above() {
    let mut rig = rig();
    rig.steady_to(5_000, 19, 1);
    // A crowd of good calls in the one bucket that no recovery window sees.
    rig.steady_to(10_000, 5_000, 0);
    rig.steady_to(20 * MINUTE, 19, 1);
    // 167 failures of 167 * 20 + 5000 calls are the first above 2 %.
    assert_eq!(rig.story(), [(5, "clock_started"), (840, "tripped")]);
    let numbers = rig.trip().unwrap().1.numbers.unwrap();
    assert_eq!((numbers.failures, numbers.judged), (167, 8_340));
}

#[test]
fn a_clock_resets_only_when_it_is_older_than_the_recovery_window() {
    // 50 s: c = 15 s. Two bad buckets, then good ones: at 15 s of age nothing bad is left in
    // sight, but only an older clock resets.
    let mut rig = Rig::new(errors(2.0, 50 * SECOND));
    rig.steady_to(5_000, 0, 100);
    rig.steady_to(MINUTE, 100, 0);
    assert_eq!(rig.story(), [(5, "clock_started"), (25, "clock_reset")]);
}

#[test]
fn windows_stretch_until_they_hold_twenty_calls() {
    let mut rig = rig();
    rig.call(FAILED);
    rig.calls(18, Verdict::Ok);
    rig.run_to(5_000);
    let rule = rig.rule(RuleName::Errors);
    assert_eq!(
        (rule.state, rule.value, rule.window_ms),
        (RuleState::Unknown, None, 10 * MINUTE)
    );
    assert_eq!(
        rule.sentence,
        "errors unknown: 19 of the 20 calls that it needs in 10m"
    );
    assert_eq!(rig.story(), []);

    for (quiet_for, window) in [(1, 2), (2, 3), (3, 5), (5, 10)] {
        let mut rig = self::rig();
        rig.call(FAILED);
        rig.calls(18, Verdict::Ok);
        rig.run_to(quiet_for * MINUTE);
        assert_eq!(rig.story(), []);
        rig.call(Verdict::Ok);
        rig.run_to(rig.now + 5_000);
        let rule = rig.rule(RuleName::Errors);
        assert_eq!((rule.state, rule.judged), (RuleState::Breaching, 20));
        assert_eq!(rule.window_ms, window * MINUTE);
        assert_eq!(rig.story(), [(quiet_for * 60 + 5, "clock_started")]);
    }
}

#[test]
fn windows_do_not_stretch_beyond_ten_minutes() {
    let mut rig = rig();
    rig.calls(19, FAILED);
    rig.run_to(10 * MINUTE);
    rig.call(FAILED);
    rig.run_to(10 * MINUTE + 5_000);
    assert_eq!(rig.story(), []);
    assert_eq!(rig.rule(RuleName::Errors).judged, 1);
}

#[test]
fn nine_failures_are_not_enough() {
    let mut rig = rig();
    // 6 calls a minute, every tenth fails: a failure every 100 s.
    for call in 0..95 {
        rig.call(if call % 10 == 0 { FAILED } else { Verdict::Ok });
        rig.run_to(rig.now + 10 * SECOND);
    }
    // The clock starts with the twentieth call and looks back a minute from there, so the failures
    // of calls 20, 30 … 90 are its eight.
    assert_eq!(rig.story(), [(195, "clock_started")]);
    assert_eq!(rig.rule(RuleName::Errors).state, RuleState::Breaching);
    for call in 95..130 {
        rig.call(if call % 10 == 0 { FAILED } else { Verdict::Ok });
        rig.run_to(rig.now + 10 * SECOND);
    }
    assert_eq!(rig.tripped_at(), Some(1_105 * SECOND));
    let numbers = rig.trip().unwrap().1.numbers.unwrap();
    assert_eq!(numbers.failures, 10);
}

#[test]
fn the_duration_scales_all_windows() {
    // 50 s: s = 5 s, c = 15 s.
    let mut rig = Rig::new(errors(2.0, 50 * SECOND));
    rig.steady_to(MINUTE, 97, 3);
    assert_eq!(rig.story(), [(5, "clock_started"), (55, "tripped")]);
    let mut rig = Rig::new(errors(2.0, 50 * SECOND));
    rig.steady_to(50 * SECOND, 97, 3);
    rig.steady_to(2 * MINUTE, 100, 0);
    // Two bad buckets of three are exactly 2 %.
    assert_eq!(rig.story(), [(5, "clock_started"), (55, "clock_reset")]);
    // Two hours: no window is longer than the hour that is kept.
    let mut rig = Rig::new(errors(2.0, 120 * MINUTE));
    rig.steady_to(121 * MINUTE, 19, 1);
    assert_eq!(rig.story(), [(5, "clock_started"), (7_205, "tripped")]);
    assert_eq!(
        rig.trip().unwrap().1.numbers.unwrap().window_ms,
        60 * MINUTE
    );
}

#[test]
fn a_tighter_rule_acts_on_the_windows_as_they_are() {
    let mut rig = Rig::new(errors(10.0, 10 * MINUTE));
    rig.steady_to(5 * MINUTE, 95, 5);
    assert_eq!(rig.story(), []);
    rig.replan(|plan| plan.rules = errors(2.0, 10 * MINUTE));
    rig.steady_to(6 * MINUTE, 95, 5);
    assert_eq!(rig.story(), [(305, "clock_started")]);
    rig.replan(|plan| plan.rules = errors(2.0, MINUTE));
    rig.steady_to(7 * MINUTE, 95, 5);
    assert_eq!(rig.tripped_at(), Some(365 * SECOND));
}

#[test]
fn a_looser_rule_stops_the_clock_only_by_its_own_measure() {
    let mut rig = rig();
    rig.steady_to(5 * MINUTE, 95, 5);
    rig.replan(|plan| plan.rules = errors(4.0, 10 * MINUTE));
    rig.steady_to(6 * MINUTE, 95, 5);
    assert_eq!(rig.story(), [(5, "clock_started")], "5 % is above 4 % too");
    rig.replan(|plan| plan.rules = errors(6.0, 10 * MINUTE));
    rig.steady_to(7 * MINUTE, 95, 5);
    assert_eq!(rig.story(), [(5, "clock_started"), (365, "clock_reset")]);
}

#[test]
fn a_rule_that_is_off_has_no_clock() {
    let mut rig = rig();
    rig.steady_to(5 * MINUTE, 95, 5);
    let out = rig.replan(|plan| plan.rules = NO_RULES);
    assert_eq!(
        out,
        [Transition::ClockReset {
            rule: RuleName::Errors,
            ran_ms: 295_000,
            why: ResetWhy::Edited
        }]
    );
    rig.steady_to(30 * MINUTE, 0, 100);
    assert_eq!(rig.story().len(), 2);
    let rule = rig.rule(RuleName::Errors);
    assert_eq!(
        (rule.state, rule.clock_ms, rule.limit),
        (RuleState::Off, None, None)
    );
    rig.replan(|plan| {
        plan.rules.errors = Some(Errors {
            above: percent(2.0),
            for_ms: 600_000,
        })
    });
    rig.steady_to(31 * MINUTE, 0, 100);
    assert_eq!(rig.story().last(), Some(&(30 * 60 + 5, "clock_started")));
}

#[test]
fn the_status_line_tells_the_clock() {
    let mut rig = rig();
    rig.steady_to(6 * MINUTE + 40 * SECOND, 97, 3);
    rig.now += 2_500;
    let rule = rig.rule(RuleName::Errors);
    assert_eq!(
        rule.sentence,
        "errors clock 6m37s/10m, now 3 % (36/1200 in 1m), since start 3 %, last failure 7s ago"
    );
    assert_eq!((rule.clock_ms, rule.for_ms), (Some(397_500), Some(600_000)));
}

#[test]
fn ticks_may_be_late_doubled_or_between_the_edges() {
    let drive = |ticks: &dyn Fn(u64) -> u64| {
        let mut rig = rig();
        while rig.now < 12 * MINUTE {
            rig.calls(19, Verdict::Ok);
            rig.call(FAILED);
            rig.now += 5_000;
            for _ in 0..ticks(rig.now) {
                rig.tick();
            }
        }
        rig.tick();
        rig
    };
    let usual = drive(&|_| 1);
    assert_eq!(usual.story(), [(5, "clock_started"), (605, "tripped")]);
    let doubled = drive(&|_| 3);
    assert_eq!(doubled.story(), usual.story());
    let late = drive(&|now| u64::from(now % 45_000 == 0));
    // Found at the tick that came, with the numbers of the edge where it happened.
    assert_eq!(late.tripped_at(), Some(630 * SECOND));
    let numbers = |rig: &Rig| rig.trip().unwrap().1.numbers;
    assert_eq!(numbers(&late), numbers(&usual));

    let mut between = rig();
    between.now = 3_210;
    while between.now < 12 * MINUTE {
        between.calls(19, Verdict::Ok);
        between.call(FAILED);
        between.now += 5_000;
        between.tick();
    }
    assert_eq!(between.story(), [(8, "clock_started"), (608, "tripped")]);
}

#[test]
fn a_clock_that_stood_for_hours_is_caught_up_with() {
    let mut rig = rig();
    rig.steady_to(9 * MINUTE, 80, 20);
    rig.now += 1_000 * 60 * MINUTE;
    let out = rig.tick();
    assert!(matches!(
        out.as_slice(),
        [Transition::ClockReset {
            why: ResetWhy::Idle,
            ..
        }]
    ));
    rig.steady_to(rig.now + 5 * MINUTE, 80, 20);
    assert_eq!(rig.tripped_at(), None);
    // Time that goes back stands still.
    let now = rig.now;
    rig.now = 0;
    assert_eq!(rig.tick(), []);
    rig.now = now;
    assert_eq!(rig.rule(RuleName::Errors).state, RuleState::Breaching);
}

#[test]
fn a_failure_that_is_booked_late_counts_where_it_happened_and_as_news() {
    let mut rig = rig();
    rig.steady_to(9 * MINUTE, 50, 50);
    rig.run_to(12 * MINUTE);
    let booking = Booking {
        at: RuleTime(START + 9 * MINUTE - 1),
        attempt: Attempt(1),
        call: CallId(0),
        event: CallEvent::Ended {
            verdict: Verdict::Failure(Class::Network),
            key: 0,
            request_id: "late".into(),
        },
    };
    rig.input(Input::Booking(booking));
    rig.tick();
    assert_eq!(rig.tripped_at(), None, "no new edge, nothing to look at");
    rig.run_to(13 * MINUTE);
    assert_eq!(rig.tripped_at(), Some(12 * MINUTE + 5_000));
    let (_, rollback) = rig.trip().unwrap();
    assert_eq!(rollback.last_failure_request_id.as_deref(), Some("late"));
    assert_eq!(rollback.classes.get(&Class::Network), Some(&1));
}

#[test]
fn a_booking_of_the_future_counts_now() {
    let mut rig = rig();
    let booking = Booking {
        at: RuleTime(START + 60 * MINUTE),
        attempt: Attempt(1),
        call: CallId(0),
        event: CallEvent::Ended {
            verdict: FAILED,
            key: 0,
            request_id: "early".into(),
        },
    };
    rig.input(Input::Booking(booking));
    rig.run_to(5_000);
    assert_eq!(rig.rule(RuleName::Errors).failures, 1);
}

#[test]
fn the_trip_says_it_all() {
    let mut rig = rig();
    while rig.tripped_at().is_none() {
        rig.calls(95, Verdict::Ok);
        rig.calls(4, Verdict::Failure(Class::Throttle));
        rig.call(Verdict::Failure(Class::Stall));
        rig.run_to(rig.now + 5_000);
    }
    let (at, rollback) = rig.trip().unwrap();
    assert_eq!(
        rollback.sentence,
        "Rolled back 25 % -> 0 %: errors 5 % (605/12100) for 10m, limit 2 %; mostly throttle \
         (80 %); last failing request req-12100"
    );
    assert_eq!(rollback.at_unix_ms, UNIX_MS + at);
    assert_eq!(rollback.from_percent, percent(25.0));
    assert_eq!(
        rollback.classes,
        [(Class::Throttle, 484), (Class::Stall, 121)].into()
    );
    assert_eq!(
        rollback.last_failure_request_id.as_deref(),
        Some("req-12100")
    );
    assert_eq!(rollback.rearm_with_attempt, Some(2));
}
