//! The way up: vectors that can be checked by hand.

use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::Verdict;
use crate::rollout::Advance;
use crate::rollout::Input;
use crate::rollout::Phase;
use crate::rollout::Record;
use crate::rollout::Refusal;
use crate::rollout::RolloutState;
use crate::rollout::Transition;
use crate::rollout::Wait;

const HOUR: u64 = 60 * MINUTE;

/// When it went on, and where to.
fn steps(rig: &Rig) -> Vec<(u64, String)> {
    rig.log
        .iter()
        .filter_map(|(at, it)| match it {
            Transition::Advanced(step) => Some((at / SECOND, step.to.to_string())),
            _ => None,
        })
        .collect()
}

#[test]
fn good_calls_climb_to_the_ceiling_and_no_further() {
    let mut rig = Rig::with(auto(25.0));
    assert_eq!(
        rig.share(),
        "0",
        "before the first input nothing is in force"
    );
    rig.tick();
    assert_eq!(rig.share(), "5");
    // 720 calls in each half hour.
    rig.steady_to(100 * MINUTE, 2, 0);
    assert_eq!(
        steps(&rig),
        [(1_800, "10".to_owned()), (3_600, "25".to_owned())]
    );
    let report = rig.report();
    assert_eq!(report.state, RolloutState::Steady, "held by the ceiling");
    assert_eq!(report.stage.unwrap().next, None);
    // What has baked goes on as soon as the ceiling allows it.
    rig.replan(|plan| plan.ceiling = percent(100.0));
    assert_eq!(rig.share(), "25", "an edit raises nothing");
    rig.steady_to(101 * MINUTE, 2, 0);
    assert_eq!(rig.share(), "50");
}

#[test]
fn the_last_stage_bakes_for_a_day_and_then_it_is_finished() {
    let mut plan = auto(100.0);
    climb_of(&mut plan).stages = vec![percent(100.0)];
    let mut rig = Rig::with(plan);
    rig.steady_to(HOUR, 2, 0);
    rig.steady_to(23 * HOUR + 59 * MINUTE, 1, 0);
    assert_eq!(rig.report().state, RolloutState::Advancing);
    rig.steady_to(24 * HOUR, 1, 0);
    let report = rig.report();
    assert_eq!(report.state, RolloutState::Finished);
    assert_eq!(report.stage.unwrap().phase, Phase::Finished);
    rig.restart();
    assert_eq!(rig.report().state, RolloutState::Finished);
    // The rules still watch.
    rig.steady_to(24 * HOUR + MINUTE, 0, 10);
    assert_eq!(rig.report().state, RolloutState::RolledBack);
    let names: Vec<_> = rig.story().into_iter().map(|(_, name)| name).collect();
    assert!(names.contains(&"finished") && !names.contains(&"stalled"));
}

#[test]
fn three_failures_in_five_hundred_pass_and_four_wait_for_the_next_look() {
    for (failures, at_1_000, at_s) in [(3, 3, 1_800), (4, 10, 2_500), (4, 11, 5_000)] {
        let mut plan = auto(10.0);
        plan.rules = NO_RULES;
        let mut rig = Rig::with(plan);
        let mut failed = 0;
        for bucket in 0..1_100 {
            let want = if bucket < 240 { failures } else { at_1_000 };
            let fails = u64::from(failed < want && bucket % 20 == 0);
            failed += fails;
            rig.calls(2 - fails, Verdict::Ok);
            rig.calls(fails, FAILED);
            rig.run_to(rig.now + 5_000);
        }
        assert_eq!(steps(&rig), [(at_s, "10".to_owned())], "{failures}");
    }
}

#[test]
fn too_few_calls_wait_and_are_called_stalled_after_a_day() {
    let mut plan = auto(100.0);
    plan.rules = NO_RULES;
    let mut rig = Rig::with(plan);
    // 312 calls in 26 minutes, then none.
    rig.steady_to(26 * MINUTE, 1, 0);
    let stage = rig.report().stage.unwrap();
    assert_eq!(
        stage.sentence,
        "stage 5 %, next 10 %: 26m of 30m, 312 of 500 calls, about 16 min at this traffic, 0 failed"
    );
    assert_eq!((stage.needed, stage.allowed), (Some(500), Some(3)));
    assert_eq!(stage.left_ms, Some(188 * 5_000));
    rig.run_to(23 * HOUR + 59 * MINUTE);
    assert_eq!(rig.story(), [(0, "climb_started")]);
    assert_eq!(rig.report().stage.unwrap().left_ms, None, "nobody knows");
    rig.run_to(30 * HOUR);
    assert_eq!(
        rig.story(),
        [(0, "climb_started"), (24 * 3_600, "stalled")],
        "said once"
    );
    assert_eq!(rig.report().state, RolloutState::Advancing);
    // The calls come after all.
    rig.steady_to(30 * HOUR + 20 * MINUTE, 1, 0);
    assert_eq!(rig.share(), "10");
}

#[test]
fn a_good_record_is_not_enough_where_the_calls_have_stopped() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(25 * MINUTE, 2, 0);
    rig.run_to(29 * MINUTE);
    rig.replan(|plan| climb_of(plan).bake_ms = 3 * HOUR);
    rig.run_to(5 * HOUR);
    assert_eq!(rig.share(), "5");
    let waits = rig.report().stage.unwrap().waits;
    assert_eq!(
        waits,
        [Wait::Recent {
            judged: 0,
            needed: 20
        }]
    );
    rig.calls(20, Verdict::Ok);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.share(), "10");
}

#[test]
fn a_running_clock_forbids_to_go_on() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(28 * MINUTE, 4, 0);
    // One bad minute starts the clock just before the stage would be left.
    rig.steady_to(29 * MINUTE, 9, 1);
    rig.steady_to(31 * MINUTE, 10, 0);
    let report = rig.report();
    assert_eq!(rig.share(), "5");
    assert!(
        report
            .stage
            .unwrap()
            .sentence
            .contains("waits for: the errors clock, which runs"),
        "it says so"
    );
    rig.steady_to(34 * MINUTE, 10, 0);
    let names: Vec<_> = rig.story().into_iter().map(|(_, name)| name).collect();
    let told = [
        "climb_started",
        "clock_started",
        "clock_reset",
        "stage_advanced",
    ];
    assert_eq!(names, told);
}

#[test]
fn a_restart_keeps_what_was_reached_and_for_how_long() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(50 * MINUTE, 3, 0);
    assert_eq!(rig.share(), "10");
    let before = rig.report().stage.unwrap();
    rig.restart();
    assert_eq!(rig.share(), "10");
    let after = rig.report().stage.unwrap();
    assert!(before.age_ms - after.age_ms < MINUTE);
    // The windows are empty, so nothing goes on before there is something to see.
    rig.run_to(62 * MINUTE);
    assert_eq!(rig.share(), "10");
    rig.steady_to(63 * MINUTE, 3, 0);
    assert_eq!(rig.share(), "25");
}

#[test]
fn a_look_is_not_had_twice() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(1_000 * SECOND, 2, 0);
    rig.calls(4, FAILED);
    rig.calls(100, Verdict::Ok);
    let saved = rig.machine.record().progress.clone().unwrap();
    assert_eq!(
        saved.looked.map(|it| (it.judged, it.failures)),
        Some((500, 4))
    );
    rig.restart();
    rig.steady_to(40 * MINUTE, 1, 0);
    let stage = rig.report().stage.unwrap();
    assert!(!stage.shown && stage.needed == Some(1_000), "{stage:?}");
}

#[test]
fn time_at_zero_for_other_reasons_is_no_bake_time() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(20 * MINUTE, 3, 0);
    while rig.now < 60 * MINUTE {
        rig.now += 5_000;
        rig.input(Input::Tick {
            unix_ms: UNIX_MS,
            held: true,
        });
    }
    rig.steady_to(69 * MINUTE, 3, 0);
    assert_eq!(rig.share(), "5");
    rig.steady_to(70 * MINUTE, 3, 0);
    assert_eq!(rig.share(), "10");
}

#[test]
fn the_position_is_the_percentage() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(30 * MINUTE, 2, 0);
    assert_eq!(rig.share(), "10");
    // No longer listed, it is kept; the next one is the smallest above it.
    rig.replan(|plan| climb_of(plan).stages = [1.0, 20.0, 60.0].map(percent).into());
    assert_eq!(rig.share(), "10");
    rig.steady_to(60 * MINUTE, 2, 0);
    assert_eq!(rig.share(), "20");
    // The ceiling lowers at once, and takes back what it gives only step by step.
    rig.replan(|plan| plan.ceiling = percent(7.0));
    assert_eq!(rig.share(), "7");
    rig.replan(|plan| plan.ceiling = percent(30.0));
    assert_eq!(rig.share(), "7");
    rig.steady_to(90 * MINUTE, 2, 0);
    assert_eq!(rig.share(), "20");
    rig.steady_to(120 * MINUTE, 2, 0);
    assert_eq!(
        rig.share(),
        "30",
        "the ceiling, which is below the next stage"
    );
    rig.replan(|plan| plan.ceiling = percent(0.0));
    assert_eq!(rig.share(), "0");
    assert_eq!(rig.machine.record().progress, None);
    rig.replan(|plan| plan.ceiling = percent(30.0));
    assert_eq!(rig.share(), "1", "from the first stage");
}

#[test]
fn edited_rules_act_within_the_stage_and_leave_it_alone() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(20 * MINUTE, 99, 1);
    let age = rig.report().stage.unwrap().age_ms;
    rig.replan(|plan| plan.rules.errors = errors(0.5, 50 * SECOND).errors);
    assert_eq!(rig.report().stage.unwrap().age_ms, age);
    rig.steady_to(22 * MINUTE, 99, 1);
    assert!(
        rig.machine.latched(),
        "the tighter rule sees what was there"
    );
    rig.replan(|plan| plan.rules.errors = None);
    assert!(rig.machine.latched(), "a looser one unlatches nothing");
}

#[test]
fn what_the_evidence_is_about_does_not_change_within_an_attempt() {
    let models = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(asked, served)| ((*asked).to_owned(), (*served).to_owned()))
            .collect()
    };
    let mut plan = auto(100.0);
    plan.basis.models = models(&[("a", "nova"), ("b", "nova")]);
    let mut rig = Rig::with(plan);
    rig.steady_to(30 * MINUTE, 2, 0);
    let refused = |rig: &mut Rig, edit: &dyn Fn(&mut crate::rollout::Plan)| {
        let mut edited = rig.plan.clone();
        edit(&mut edited);
        assert!(rig.machine.refuses(&edited).is_some());
        let out = rig.input(Input::Plan(edited));
        assert!(
            matches!(
                &out[..],
                [Transition::Refused(Refusal::BasisChanged { attempt, .. })] if *attempt == Attempt(2)
            ),
            "{out:?}"
        );
        assert_eq!(rig.share(), "10");
    };
    refused(&mut rig, &|plan| plan.basis.salt = "other".to_owned());
    refused(&mut rig, &|plan| plan.basis.sticky = "user".to_owned());
    refused(&mut rig, &|plan| {
        plan.basis.models = models(&[("a", "claude"), ("b", "nova")]);
    });
    refused(&mut rig, &|plan| {
        plan.basis.models = models(&[("a", "nova"), ("b", "nova"), ("c", "nova")]);
    });
    // Fewer models are less risk; the one that went is new when it comes back.
    rig.replan(|plan| plan.basis.models = models(&[("a", "nova")]));
    assert_eq!(rig.share(), "10");
    refused(&mut rig, &|plan| {
        plan.basis.models = models(&[("a", "nova"), ("b", "nova")]);
    });
    // With the next attempt all is allowed, and all begins again.
    rig.replan(|plan| {
        plan.basis.salt = "other".to_owned();
        plan.attempt = Attempt(2);
    });
    assert_eq!(
        (rig.share(), rig.machine.attempt()),
        ("5".to_owned(), Attempt(2))
    );
    // At 0 % nothing is at stake.
    rig.steady_to(61 * MINUTE, 2, 0);
    rig.replan(|plan| {
        plan.ceiling = percent(0.0);
        plan.basis.salt = "third".to_owned();
    });
    assert_eq!(rig.share(), "0");
}

#[test]
fn a_configuration_that_changed_between_two_processes_begins_again() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(61 * MINUTE, 2, 0);
    assert_eq!(rig.share(), "25");
    rig.plan.basis.salt = "other".to_owned();
    rig.restart();
    assert_eq!(rig.share(), "0", "until the first input");
    let out = rig.tick();
    assert_eq!(rig.share(), "5");
    let sentence = out[0].sentence();
    assert!(
        sentence.starts_with("Climbing from 5 %: `rollout.salt` was changed"),
        "{sentence}"
    );
}

#[test]
fn a_person_takes_over_and_hands_back() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(30 * MINUTE, 2, 0);
    let climbing = rig.plan.advance.clone();
    rig.replan(|plan| {
        plan.advance = Advance::Manual;
        plan.ceiling = percent(40.0);
    });
    assert_eq!(rig.share(), "40", "a person's word is in force at once");
    assert_eq!(rig.report().state, RolloutState::Steady);
    assert_eq!(rig.machine.record().progress, None);
    rig.replan(|plan| {
        plan.advance = climbing.clone();
        plan.ceiling = percent(100.0);
    });
    assert_eq!(rig.share(), "40", "on from where it is");
    let stage = rig.report().stage.unwrap();
    assert_eq!((stage.age_ms, stage.judged), (0, 0));
    assert_eq!(stage.next.unwrap().to_string(), "50");
}

#[test]
fn after_a_rollback_the_climb_begins_at_the_first_stage() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(61 * MINUTE, 2, 0);
    rig.pause();
    rig.roll_back();
    assert_eq!(rig.share(), "0");
    let Record {
        progress, paused, ..
    } = rig.machine.record();
    assert_eq!((progress, paused), (&None, &None));
    let out = rig.rearm("mended");
    assert!(
        out[0]
            .sentence()
            .starts_with("Re-armed at 5 % as attempt 2")
    );
    assert_eq!(rig.report().state, RolloutState::Advancing);
}

#[test]
fn a_file_of_a_version_that_did_not_climb_is_read() {
    for (file, latched) in [
        (r#"{"version":1,"attempt":3,"state":"armed"}"#, false),
        (
            r#"{"version":1,"attempt":3,"state":{"rolled_back":{"rule":"operator","sentence":"s",
            "at_unix_ms":1,"from_percent":25,"numbers":null,"classes":{},
            "last_failure_request_id":null,"actor":"ops","reason":"r","rearm_with_attempt":4}}}"#,
            true,
        ),
    ] {
        let record: Record = serde_json::from_str(file).expect("readable");
        assert_eq!(
            (record.attempt, record.rollback().is_some()),
            (Attempt(3), latched)
        );
        assert_eq!((record.progress, record.paused), (None, None));
    }
    // An armed record without a stage is written as it always was, so that an older version reads
    // it; and one with a stage comes back as it went.
    let armed = serde_json::to_string(&Record::first(Attempt(3))).unwrap();
    assert_eq!(armed, r#"{"version":1,"attempt":3,"state":"armed"}"#);
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(31 * MINUTE, 2, 0);
    rig.pause();
    let text = serde_json::to_string(rig.machine.record()).unwrap();
    let back: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(&back, rig.machine.record());
}
