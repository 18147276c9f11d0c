//! The latch, the commands, plans and records, and what is said about them.

use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::CallEvent;
use crate::outcome::Class;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::ArmCounts;
use crate::rollout::Cause;
use crate::rollout::Command;
use crate::rollout::Input;
use crate::rollout::Machine;
use crate::rollout::Record;
use crate::rollout::RecordState;
use crate::rollout::Refusal;
use crate::rollout::RolloutState;
use crate::rollout::RuleName;
use crate::rollout::RuleState;
use crate::rollout::Transition;
use crate::split::Percent;

fn tripped() -> Rig {
    let mut rig = Rig::new(defaults());
    rig.steady_to(MINUTE, 0, 10);
    assert!(rig.machine.latched());
    rig
}

/// The only transition, as a sentence.
fn sentence(out: &[Transition]) -> String {
    let [only] = out else { panic!("{out:?}") };
    only.sentence()
}

#[test]
fn a_trip_latches_at_zero_and_happens_once() {
    let mut rig = tripped();
    assert_eq!(rig.machine.percent(), Percent::ZERO);
    let record = rig.machine.record().clone();
    rig.steady_to(20 * MINUTE, 0, 10);
    let trips = rig
        .story()
        .into_iter()
        .filter(|it| it.1 == "tripped")
        .count();
    assert_eq!(trips, 1);
    assert_eq!(rig.machine.record(), &record);
    // What runs out is still shown.
    let report = rig.machine.report(RuleTime(START + rig.now));
    assert_eq!(report.arms.bedrock.total.judged, 20 * 12 * 10);
    assert_eq!(report.state, RolloutState::RolledBack);
    assert_eq!(report.rollback.as_ref(), record.rollback());
}

#[test]
fn a_person_can_roll_back_in_any_state() {
    let mut rig = Rig::new(NO_RULES);
    let out = rig.roll_back();
    assert!(out[0].persist());
    assert_eq!(sentence(&out), "Rolled back 25 % -> 0 % by ops: looks odd");
    let record = rig.machine.record().clone();
    let rollback = record.rollback().unwrap();
    assert_eq!(
        (rollback.rule, rollback.at_unix_ms),
        (Cause::Operator, UNIX_MS)
    );
    assert_eq!(rollback.actor.as_deref(), Some("ops"));
    assert_eq!(rollback.reason.as_deref(), Some("looks odd"));

    rig.now += MINUTE;
    let out = rig.roll_back();
    assert!(!out[0].persist());
    assert_eq!(
        sentence(&out),
        "Nothing to do, a rollback holds already: Rolled back 25 % -> 0 % by ops: looks odd"
    );
    assert_eq!(rig.machine.record(), &record, "the first one is kept");

    // With nothing on Bedrock and without words too.
    let mut rig = Rig::new(defaults());
    rig.replan(|plan| plan.ceiling = Percent::ZERO);
    let command = Command::Rollback {
        reason: " ".to_owned(),
        actor: "ops".to_owned(),
        at_unix_ms: 0,
    };
    let out = rig.input(Input::Command(command));
    assert_eq!(
        sentence(&out),
        "Rolled back 0 % -> 0 % by ops: no reason given"
    );
    assert!(rig.machine.latched());
}

#[test]
fn a_rearm_starts_the_next_attempt_with_nothing_remembered() {
    let mut rig = tripped();
    let running = rig.dispatch();
    let out = rig.rearm("throttling quota raised");
    assert!(out[0].persist());
    assert_eq!(
        sentence(&out),
        "Re-armed at 25 % as attempt 2, windows and clocks empty: ops: throttling quota raised"
    );
    assert_eq!(rig.machine.attempt(), Attempt(2));
    assert_eq!(rig.machine.percent(), percent(25.0));
    assert_eq!(rig.machine.record(), &Record::first(Attempt(2)));
    let report = rig.machine.report(RuleTime(START + rig.now));
    assert_eq!(report.arms.bedrock.total, nothing());
    assert_eq!(report.arms.bedrock.in_flight, 0);
    assert!(
        report
            .rules
            .iter()
            .filter(|rule| rule.state != RuleState::Off)
            .all(|rule| rule.state == RuleState::Unknown)
    );

    // What ends now began in the first attempt: counted, never judged.
    for n in 0..100 {
        let event = CallEvent::Ended {
            verdict: FAILED,
            key: n,
            request_id: "old".into(),
        };
        rig.event(1, running, event);
        let request_id = "old".into();
        rig.event(1, running + n, CallEvent::Dispatched { request_id });
        rig.run_to(rig.now + 5_000);
    }
    let report = rig.machine.report(RuleTime(START + rig.now));
    assert_eq!(
        (report.other_attempt, report.arms.bedrock.total.dispatched),
        (100, 0)
    );
    assert_eq!(report.arms.bedrock.total.judged, 0);
    assert!(!rig.machine.latched());
}

#[test]
fn a_rearm_without_a_rollback_or_a_reason_is_refused() {
    let mut rig = Rig::new(defaults());
    let out = rig.rearm("why not");
    assert_eq!(
        out,
        [Transition::Refused(Refusal::NotRolledBack {
            attempt: Attempt(1),
            percent: percent(25.0)
        })]
    );
    assert_eq!(
        sentence(&out),
        "Nothing to re-arm: attempt 1 runs at 25 %. To change the share edit `rollout.percent`; \
         to empty windows and clocks raise `rollout.attempt` to 2"
    );
    let mut rig = tripped();
    assert_eq!(
        rig.rearm("  "),
        [Transition::Refused(Refusal::ReasonMissing)]
    );
    assert!(rig.machine.latched());
}

#[test]
fn an_edit_of_the_share_acts_at_once_but_never_unlatches() {
    let mut rig = Rig::new(defaults());
    let out = rig.replan(|plan| plan.ceiling = percent(50.0));
    assert_eq!(sentence(&out), "Share changed 25 % -> 50 %");
    assert_eq!(rig.machine.percent(), percent(50.0));
    assert_eq!(
        rig.replan(|_| ()),
        [],
        "the same plan again changes nothing"
    );

    let mut rig = tripped();
    let out = rig.replan(|plan| plan.ceiling = percent(50.0));
    assert_eq!(
        sentence(&out),
        "`rollout.percent` is now 50, but a rollback holds the share at 0 %: re-arm with \
         `crossfade rearm --reason …` or by setting `rollout.attempt: 2`"
    );
    assert_eq!(rig.replan(|plan| plan.rules = NO_RULES), []);
    assert_eq!(rig.replan(|plan| plan.attempt = Attempt(1)), []);
    assert_eq!(rig.replan(|plan| plan.attempt = Attempt(0)), []);
    assert_eq!(rig.machine.percent(), Percent::ZERO);
}

#[test]
fn a_raised_attempt_rearms_or_starts_anew() {
    let mut rig = tripped();
    let out = rig.replan(|plan| (plan.attempt, plan.ceiling) = (Attempt(5), percent(10.0)));
    assert!(out[0].persist());
    assert_eq!(
        sentence(&out),
        "Re-armed at 10 % as attempt 5, windows and clocks empty: rollout.attempt: it was raised \
         to 5"
    );
    assert_eq!(rig.machine.record(), &Record::first(Attempt(5)));

    rig.steady_to(rig.now + MINUTE, 19, 1);
    assert!(rig.rule(RuleName::Errors).clock_ms.is_some());
    let out = rig.replan(|plan| plan.attempt = Attempt(6));
    assert!(out[0].persist());
    assert_eq!(
        sentence(&out),
        "Attempt 6 runs at 10 %, windows and clocks empty: `rollout.attempt` was raised"
    );
    let rule = rig.rule(RuleName::Errors);
    assert_eq!((rule.clock_ms, rule.judged), (None, 0));
    // After a rollback the same number does nothing; the record has it already.
    rig.roll_back();
    assert_eq!(rig.replan(|_| ()), []);
    assert!(rig.machine.latched());
    assert_eq!(
        rig.machine.record().rollback().unwrap().rearm_with_attempt,
        Some(7)
    );
}

#[test]
fn an_attempt_that_was_raised_between_two_processes_acts_at_the_first_input() {
    let mut rig = tripped();
    rig.plan.attempt = Attempt(2);
    rig.restart();
    assert!(rig.machine.latched(), "until it can be told");
    let out = rig.tick();
    assert_eq!(out[0].name(), "rearmed");
    assert!(!rig.machine.latched());
    // A rollback that comes first holds all the same.
    let mut rig = tripped();
    rig.plan.attempt = Attempt(2);
    rig.restart();
    let names: Vec<_> = rig.roll_back().iter().map(Transition::name).collect();
    assert_eq!(names, ["rearmed", "rolled_back"]);
    assert!(rig.machine.latched());
}

#[test]
fn a_restart_keeps_the_latch_and_nothing_else() {
    let mut rig = tripped();
    rig.restart();
    rig.steady_to(rig.now + MINUTE, 50, 0);
    rig.replan(|plan| plan.ceiling = Percent::ALL);
    assert!(rig.machine.latched());

    let mut rig = Rig::new(defaults());
    rig.steady_to(9 * MINUTE, 19, 1);
    rig.restart();
    assert_eq!(rig.rule(RuleName::Errors).clock_ms, None);
    rig.steady_to(18 * MINUTE, 19, 1);
    assert_eq!(rig.tripped_at(), None);
    rig.steady_to(20 * MINUTE, 19, 1);
    assert_eq!(rig.tripped_at(), Some(19 * MINUTE + 5_000));
}

#[test]
fn a_lost_state_file_is_a_rollback_that_only_the_command_ends() {
    let mut rig = Rig::new(defaults());
    let record = Record::lost(Attempt(1), "the state file is torn", UNIX_MS);
    rig.machine = Machine::new(rig.plan.clone(), record, RuleTime(START));
    assert_eq!(rig.machine.percent(), Percent::ZERO);
    let rollback = rig.machine.record().rollback().unwrap();
    assert_eq!(
        rollback.sentence,
        "Rolled back to 0 %: the state file is torn, so a rollback may have been lost"
    );
    assert_eq!(
        rollback.remedy(),
        "re-arm with `crossfade rearm --reason …`"
    );
    let out = rig.replan(|plan| plan.attempt = Attempt(9));
    assert_eq!(out, [Transition::Refused(Refusal::LostStateNeedsRearm)]);
    assert_eq!(
        sentence(&out),
        "Raising `rollout.attempt` does not re-arm after the state file was lost: use `crossfade \
         rearm --reason …`"
    );
    rig.tick();
    assert!(rig.machine.latched());
    rig.rearm("state volume restored");
    assert_eq!(
        rig.machine.record(),
        &Record::first(Attempt(9)),
        "in one step"
    );
    assert_eq!(rig.tick(), []);
}

#[test]
fn what_is_read_again_counts() {
    let armed = |attempt| Record::first(Attempt(attempt));
    let latched = |attempt, at_unix_ms| {
        let mut rig = Rig::new(NO_RULES);
        rig.roll_back();
        let RecordState::RolledBack(mut rollback) = rig.machine.record().state.clone() else {
            panic!("not latched")
        };
        rollback.at_unix_ms = at_unix_ms;
        rollback.rearm_with_attempt = Some(attempt + 1);
        let state = RecordState::RolledBack(rollback);
        Record {
            attempt: Attempt(attempt),
            state,
            ..armed(1)
        }
    };
    let lost = |attempt| Record::lost(Attempt(attempt), "it is torn", 3);
    // Known, and the file was lost since: no number re-arms it.
    let kept = |attempt, at_unix_ms| {
        let mut record = latched(attempt, at_unix_ms);
        if let RecordState::RolledBack(rollback) = &mut record.state {
            rollback.rearm_with_attempt = None;
        }
        record
    };
    let table = [
        // known, read, holds
        (armed(1), armed(1), armed(1)),
        (armed(1), latched(1, 5), latched(1, 5)),
        (armed(1), armed(2), armed(2)),
        (armed(2), latched(1, 5), armed(2)),
        (latched(1, 5), armed(1), latched(1, 5)),
        (latched(1, 5), armed(2), latched(2, 5)),
        (latched(1, 5), latched(2, 6), latched(2, 6)),
        (latched(1, 5), latched(1, 4), latched(1, 4)),
        (latched(1, 5), latched(1, 6), latched(1, 5)),
        (latched(2, 5), armed(1), latched(2, 5)),
        (armed(3), lost(1), lost(3)),
        (armed(1), lost(3), lost(3)),
        (latched(3, 5), lost(1), kept(3, 5)),
        (latched(1, 5), lost(3), kept(3, 5)),
        // An older file that turns up then ends nothing.
        (kept(3, 5), armed(1), latched(3, 5)),
        (lost(3), armed(1), armed(1)),
        (lost(1), latched(2, 5), latched(2, 5)),
    ];
    for (known, read, holds) in table {
        let mut plan = plan(defaults());
        plan.attempt = Attempt(0);
        let mut machine = Machine::new(plan, known.clone(), RuleTime(START));
        let out = machine.handle(Input::Record(read.clone()), RuleTime(START));
        assert_eq!(machine.record(), &holds, "{known:?} {read:?}");
        assert_eq!(machine.latched(), holds.rollback().is_some());
        assert_eq!(
            out,
            [Transition::RecordRead {
                attempt: holds.attempt,
                latched: machine.latched(),
                write_back: holds != read
            }]
        );
        assert_eq!(out[0].persist(), holds != read);
    }
}

#[test]
fn a_later_attempt_on_file_starts_with_nothing_remembered() {
    let mut rig = Rig::new(defaults());
    rig.steady_to(MINUTE, 19, 1);
    assert!(rig.rule(RuleName::Errors).clock_ms.is_some());
    rig.input(Input::Record(Record::first(Attempt(2))));
    let rule = rig.rule(RuleName::Errors);
    assert_eq!((rule.clock_ms, rule.judged), (None, 0));
    rig.call(FAILED);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.rule(RuleName::Errors).judged, 1, "its own calls count");
}

#[test]
fn one_odd_prompt_counts_once_a_minute() {
    for verdict in [Verdict::Failure(Class::Incompatible), Verdict::Rejected] {
        let mut rig = Rig::new(NO_RULES);
        let refuse = |rig: &mut Rig, key| {
            let call = rig.dispatch();
            rig.end_keyed(call, verdict, key);
            let total = rig
                .machine
                .report(RuleTime(START + rig.now))
                .arms
                .bedrock
                .total;
            (
                total.failures[&Class::Incompatible] + total.rejected,
                total.repeated,
            )
        };
        assert_eq!(refuse(&mut rig, 7), (1, 0));
        rig.run_to(MINUTE - 1);
        assert_eq!(refuse(&mut rig, 7), (1, 1));
        assert_eq!(refuse(&mut rig, 8), (2, 1), "another key");
        rig.now += 1;
        assert_eq!(
            refuse(&mut rig, 7),
            (3, 1),
            "a minute after the one that counted"
        );
        rig.run_to(2 * MINUTE - 1);
        assert_eq!(refuse(&mut rig, 7), (3, 2));
        // More keys than are remembered: each counts.
        let (counted, _) = refuse(&mut rig, 9);
        for key in 1_000..11_000 {
            refuse_quietly(&mut rig, verdict, key);
        }
        assert_eq!(refuse(&mut rig, 11_000).0, counted + 10_001);
    }
    // Other failures of one key count always.
    let mut rig = Rig::new(NO_RULES);
    for _ in 0..5 {
        let call = rig.dispatch();
        rig.end_keyed(call, FAILED, 7);
    }
    let total = rig.machine.report(RuleTime(START)).arms.bedrock.total;
    assert_eq!((total.failures[&Class::Server], total.repeated), (5, 0));
}

fn refuse_quietly(rig: &mut Rig, verdict: Verdict, key: u64) {
    let call = rig.dispatch();
    rig.end_keyed(call, verdict, key);
}

#[test]
fn one_odd_prompt_cannot_roll_back() {
    let mut rig = Rig::new(defaults());
    while rig.now < 30 * MINUTE {
        rig.calls(5, Verdict::Ok);
        for _ in 0..20 {
            let call = rig.dispatch();
            rig.end_keyed(call, Verdict::Failure(Class::Incompatible), 7);
        }
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.tripped_at(), None);
}

#[test]
fn the_report_is_what_status_shows() {
    let mut rig = Rig::new(defaults());
    rig.call(Verdict::Ok);
    let report = serde_json::to_value(rig.machine.report(RuleTime(START))).unwrap();
    assert_eq!(report["state"], "steady");
    assert_eq!(report["percent"], 25);
    assert_eq!(report["rollback"], serde_json::Value::Null);
    assert_eq!(report["rules"][0]["name"], "errors");
    assert_eq!(report["rules"][0]["state"], "unknown");
    assert_eq!(report["rules"][0]["limit"], 2);
    assert_eq!(report["arms"]["bedrock"]["recent"]["judged"], 1);
    assert_eq!(
        report["arms"]["bedrock"]["total"]["failures"]["throttle"],
        0
    );

    rig.replan(|plan| plan.ceiling = Percent::ALL);
    assert_eq!(
        rig.machine.report(RuleTime(START)).state,
        RolloutState::Finished
    );
    rig.run_to(6 * MINUTE);
    let arms = rig.machine.report(RuleTime(START + rig.now)).arms;
    assert_eq!(
        (arms.bedrock.recent.judged, arms.bedrock.total.judged),
        (0, 1)
    );

    let rig = tripped();
    let report = serde_json::to_value(rig.machine.report(RuleTime(START + rig.now))).unwrap();
    assert_eq!(report["state"], "rolled_back");
    assert_eq!(report["rollback"]["rule"], "outage");
    assert_eq!(report["rollback"]["numbers"]["value"], 100);
    assert_eq!(report["rollback"]["classes"]["server"], 40);
}

#[test]
fn a_record_survives_the_file() {
    let rig = tripped();
    let record = rig.machine.record();
    let text = serde_json::to_string(record).unwrap();
    assert_eq!(&serde_json::from_str::<Record>(&text).unwrap(), record);
    let first = Record::first(Attempt(1));
    let text = serde_json::to_string(&first).unwrap();
    assert_eq!(text, r#"{"version":1,"attempt":1,"state":"armed"}"#);
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), first);
    for unreadable in [
        r#"{"version":2,"attempt":1,"state":"armed"}"#,
        r#"{"version":1,"attempt":1}"#,
        r#"{"version":1,"attempt":-1,"state":"armed"}"#,
        r#"{"version":1,"attempt":1,"state":"disarmed"}"#,
    ] {
        assert!(
            serde_json::from_str::<Record>(unreadable).is_err(),
            "{unreadable}"
        );
    }
    for cause in RuleName::ALL
        .map(Cause::Rule)
        .into_iter()
        .chain([Cause::Operator, Cause::StateFile])
    {
        let text = serde_json::to_string(&cause).unwrap();
        assert_eq!(text, format!("\"{}\"", cause.name()));
        assert_eq!(serde_json::from_str::<Cause>(&text).unwrap(), cause);
    }
    assert!(serde_json::from_str::<Cause>("\"weather\"").is_err());
}

#[test]
fn words_of_people_are_bounded() {
    let mut rig = Rig::new(NO_RULES);
    let (reason, actor) = ("ä".repeat(100_000), "ops".to_owned());
    rig.input(Input::Command(Command::Rollback {
        reason,
        actor,
        at_unix_ms: 0,
    }));
    let rollback = rig.machine.record().rollback().unwrap();
    assert_eq!(rollback.reason.as_ref().unwrap().chars().count(), 500);
}

#[test]
fn the_next_tick_is_the_next_edge() {
    let mut rig = Rig::new(NO_RULES);
    assert_eq!(rig.machine.next_tick(), RuleTime(START + 5_000));
    rig.now = 4_999;
    rig.tick();
    assert_eq!(rig.machine.next_tick(), RuleTime(START + 5_000));
    rig.now = 5_000;
    rig.tick();
    assert_eq!(rig.machine.next_tick(), RuleTime(START + 10_000));
}

#[test]
fn spans_and_shares_read_well() {
    use crate::rollout::ratio::Ratio;
    use crate::rollout::words::Span;
    let spans = [
        (0, "0s"),
        (1_500, "1.5s"),
        (30_000, "30s"),
        (60_000, "1m"),
        (400_999, "6m40s"),
        (604_000, "10m04s"),
        (3_600_000, "1h"),
        (3_720_000, "1h02m"),
    ];
    for (ms, said) in spans {
        assert_eq!(Span(ms).to_string(), said);
    }
    let ratios = [
        (0, 0, "0 % (0/0)"),
        (41, 1_320, "3.1 % (41/1320)"),
        (212, 6_230, "3.4 % (212/6230)"),
        (1, 300, "0.33 % (1/300)"),
        (2, 3, "66.7 % (2/3)"),
        (7, 7, "100 % (7/7)"),
    ];
    for (bad, of, said) in ratios {
        assert_eq!(Ratio { bad, of }.to_string(), said);
    }
}

/// The counters of an arm that saw nothing.
fn nothing() -> ArmCounts {
    ArmCounts {
        failures: Class::ALL.map(|class| (class, 0)).into(),
        ..ArmCounts::default()
    }
}
