//! Gates and people: what the machine asks, and what it is told.

use super::rig::*;
use crate::rollout::Advance;
use crate::rollout::Gate;
use crate::rollout::GateAnswer;
use crate::rollout::Input;
use crate::rollout::Plan;
use crate::rollout::Question;
use crate::rollout::Refusal;
use crate::rollout::RolloutState;
use crate::rollout::Transition;
use crate::rollout::Wait;

fn gated(gates: &[Gate]) -> Plan {
    let mut plan = auto(100.0);
    climb_of(&mut plan).gates = gates.to_vec();
    plan
}

/// At the end of the first stage, with all that it needs but the gates.
fn ready(gates: &[Gate]) -> Rig {
    let mut rig = Rig::with(gated(gates));
    rig.steady_to(30 * MINUTE, 2, 0);
    rig
}

fn question(rig: &Rig) -> Question {
    rig.machine.question().expect("a question")
}

fn answer(rig: &mut Rig, answer: GateAnswer) {
    let question = question(rig).id;
    rig.input(Input::Gate { question, answer });
}

fn unknown() -> GateAnswer {
    GateAnswer::Unknown {
        problem: "it answers 500".to_owned(),
    }
}

fn refusal(out: &[Transition]) -> &Refusal {
    match out {
        [Transition::Refused(refusal)] => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn told(rig: &Rig) -> Vec<&'static str> {
    rig.log.iter().map(|(_, it)| it.name()).collect()
}

#[test]
fn the_manual_gate_waits_for_a_person() {
    let mut rig = ready(&[Gate::Manual]);
    rig.steady_to(90 * MINUTE, 2, 0);
    assert_eq!(rig.share(), "5");
    assert_eq!(rig.report().state, RolloutState::Waiting);
    assert_eq!(told(&rig), ["climb_started", "gate_waiting"], "said once");
    let asked = "; waits for: a person's";
    assert!(rig.report().stage.unwrap().sentence.contains(asked));
    assert_eq!(rig.machine.question(), None, "nobody else to ask");
    let out = rig.advance(false);
    assert_eq!(
        out[0].sentence(),
        "Advanced 5 % -> 10 % by ops: looks good; 5 % held for 1h30m, 0 of 2160 calls failed"
    );
    assert_eq!(rig.share(), "10");
    // The next stage has to earn it again; a person is not sent to a command that is refused.
    let first = "; then waits for: a person's";
    assert!(rig.report().stage.unwrap().sentence.contains(first));
    assert!(matches!(
        refusal(&rig.advance(false)),
        Refusal::NotYet { .. }
    ));
}

#[test]
fn the_webhook_is_asked_when_nothing_else_is_missing() {
    let mut rig = Rig::with(gated(&[Gate::Webhook]));
    rig.steady_to(30 * MINUTE - 5_000, 2, 0);
    assert_eq!(rig.machine.question(), None);
    rig.steady_to(30 * MINUTE, 2, 0);
    let asked = question(&rig);
    assert_eq!(
        serde_json::to_value(&asked).unwrap(),
        serde_json::json!({
            "id": 1, "attempt": 1, "from": 5, "to": 10, "ceiling": 100,
            "age_ms": 30 * MINUTE, "calls": { "judged": 720, "failures": 0 },
        })
    );
    answer(&mut rig, GateAnswer::Yes);
    assert_eq!(rig.machine.question(), None);
    assert_eq!(rig.share(), "5", "at an edge only");
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.share(), "10");
}

#[test]
fn a_no_and_no_answer_wait_and_are_asked_again() {
    for (said, state) in [(GateAnswer::No, "says no"), (unknown(), "it answers 500")] {
        let mut rig = ready(&[Gate::Webhook]);
        let first = question(&rig);
        answer(&mut rig, said);
        rig.run_to(rig.now + 25_000);
        assert_eq!(question(&rig).id, first.id, "not yet");
        rig.run_to(rig.now + 5_000);
        assert!(question(&rig).id > first.id);
        assert_eq!(
            (rig.share().as_str(), rig.report().state),
            ("5", RolloutState::Waiting)
        );
        let sentence = rig.report().stage.unwrap().sentence;
        assert!(sentence.contains(state), "{sentence}");
        // The answer to an earlier question is not heard.
        rig.input(Input::Gate {
            question: first.id,
            answer: GateAnswer::Yes,
        });
        rig.run_to(rig.now + 5_000);
        assert_eq!(rig.share(), "5");
        answer(&mut rig, GateAnswer::Yes);
        rig.run_to(rig.now + 5_000);
        assert_eq!(rig.share(), "10");
    }
}

#[test]
fn ten_minutes_without_an_answer_are_an_alarm_and_a_no_is_not() {
    for (said, names) in [
        (Some(unknown()), vec!["gate_waiting", "gate_unknown"]),
        (None, vec!["gate_waiting", "gate_unknown"]),
        (Some(GateAnswer::No), vec!["gate_waiting", "gate_waiting"]),
    ] {
        let mut rig = ready(&[Gate::Webhook]);
        while rig.now < 39 * MINUTE {
            if let Some(said) = &said {
                answer(&mut rig, said.clone());
            }
            rig.steady_to(rig.now + 30 * SECOND, 2, 0);
        }
        assert!(!told(&rig).contains(&"gate_unknown"), "{said:?}");
        while rig.now < 60 * MINUTE {
            if let Some(said) = &said {
                answer(&mut rig, said.clone());
            }
            rig.steady_to(rig.now + 30 * SECOND, 2, 0);
        }
        assert_eq!(told(&rig)[1..], names, "{said:?}");
    }
}

#[test]
fn a_yes_is_worth_nothing_when_something_else_comes_up() {
    let mut rig = ready(&[Gate::Webhook, Gate::Manual]);
    answer(&mut rig, GateAnswer::Yes);
    rig.steady_to(31 * MINUTE, 2, 0);
    assert_eq!(rig.machine.question(), None, "it has agreed");
    assert_eq!(
        rig.report().state,
        RolloutState::Waiting,
        "a person has not"
    );
    // Bad calls start a clock: what was said before is of another moment.
    rig.steady_to(31 * MINUTE + 30 * SECOND, 9, 1);
    rig.steady_to(38 * MINUTE, 9, 0);
    let asked = question(&rig);
    assert!(asked.id.0 > 1);
    assert!(matches!(
        refusal(&rig.advance(false)),
        Refusal::NotYet { waits, .. } if matches!(waits[..], [Wait::Gate { gate: Gate::Webhook, .. }])
    ));
    answer(&mut rig, GateAnswer::Yes);
    rig.advance(false);
    assert_eq!(rig.share(), "10", "both agree");
}

#[test]
fn force_goes_past_what_is_missing_but_for_the_latch_a_pause_and_the_ceiling() {
    let mut rig = Rig::with(gated(&[Gate::Webhook]));
    rig.steady_to(10 * MINUTE, 1, 0);
    let text = refusal(&rig.advance(false)).to_string();
    for part in [
        "Not yet 10 %",
        "20m more of bake time",
        "120 of 500 calls",
        "--force",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let out = rig.advance(true);
    let sentence = out[0].sentence();
    assert!(
        sentence.contains("forced, still missing: 20m more of bake time; 120 of 500 calls"),
        "{sentence}"
    );
    assert_eq!(rig.share(), "10");
    rig.pause();
    assert!(matches!(refusal(&rig.advance(true)), Refusal::IsPaused(_)));
    rig.resume();
    rig.replan(|plan| plan.ceiling = percent(10.0));
    assert!(matches!(
        refusal(&rig.advance(true)),
        Refusal::AtCeiling { .. }
    ));
    rig.replan(|plan| {
        plan.ceiling = percent(80.0);
        climb_of(plan).stages = vec![percent(5.0)];
    });
    assert!(matches!(
        refusal(&rig.advance(true)),
        Refusal::AtLastStage { .. }
    ));
    rig.roll_back();
    for out in [rig.advance(true), rig.pause(), rig.resume()] {
        let text = refusal(&out).to_string();
        assert!(text.contains("crossfade rearm"), "{text}");
    }
    assert!(rig.machine.latched());
}

#[test]
fn a_pause_freezes_the_stage_and_no_rule() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(20 * MINUTE, 2, 0);
    let out = rig.pause();
    assert_eq!(
        out[0].sentence(),
        "Paused at 5 % by ops: let me look; the rules watch on"
    );
    assert!(matches!(&rig.pause()[..], [Transition::AlreadyPaused(by)] if by.actor == "ops"));
    rig.steady_to(60 * MINUTE, 2, 0);
    assert_eq!(
        (rig.share().as_str(), rig.report().state),
        ("5", RolloutState::Paused)
    );
    rig.restart();
    rig.steady_to(62 * MINUTE, 2, 0);
    assert_eq!(
        rig.report().state,
        RolloutState::Paused,
        "a restart keeps it"
    );
    rig.resume();
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.share(), "10", "what has baked meanwhile has baked");
    rig.pause();
    rig.steady_to(63 * MINUTE, 0, 10);
    assert_eq!(rig.report().state, RolloutState::RolledBack);
}

#[test]
fn without_a_climb_there_is_nothing_to_pause_or_to_push() {
    let mut rig = Rig::new(defaults());
    for out in [rig.pause(), rig.advance(true)] {
        let text = refusal(&out).to_string();
        assert!(text.contains("`rollout.percent` is edited"), "{text}");
    }
    assert!(matches!(refusal(&rig.resume()), Refusal::NotPaused));
    let mut rig = Rig::with(auto(0.0));
    assert!(matches!(
        refusal(&rig.advance(true)),
        Refusal::AtCeiling { .. }
    ));
}

#[test]
fn a_pause_outlives_a_time_of_manual_care() {
    let mut rig = Rig::with(auto(100.0));
    rig.steady_to(20 * MINUTE, 2, 0);
    rig.pause();
    let climbing = rig.plan.advance.clone();
    rig.replan(|plan| {
        plan.advance = Advance::Manual;
        plan.ceiling = percent(5.0);
    });
    assert_eq!(rig.report().state, RolloutState::Steady);
    rig.replan(|plan| {
        plan.advance = climbing;
        plan.ceiling = percent(100.0);
    });
    rig.steady_to(60 * MINUTE, 2, 0);
    assert_eq!(
        (rig.share().as_str(), rig.report().state),
        ("5", RolloutState::Paused)
    );
}

/// Brings a machine into a state.
type Make = fn() -> Rig;

#[test]
fn a_rollback_works_in_every_state() {
    let states: [(&str, Make); 6] = [
        ("idle", || Rig::with(auto(0.0))),
        ("baking", || {
            let mut rig = Rig::with(auto(100.0));
            rig.steady_to(10 * MINUTE, 2, 0);
            rig
        }),
        ("waiting", || ready(&[Gate::Manual])),
        ("asking", || ready(&[Gate::Webhook])),
        ("paused", || {
            let mut rig = ready(&[Gate::Manual]);
            rig.pause();
            rig
        }),
        ("finished", || {
            let mut plan = auto(100.0);
            climb_of(&mut plan).stages = vec![percent(100.0)];
            climb_of(&mut plan).final_bake_ms = 30 * MINUTE;
            let mut rig = Rig::with(plan);
            rig.steady_to(31 * MINUTE, 2, 0);
            rig
        }),
    ];
    for (name, make) in states {
        let mut by_hand = make();
        let from = by_hand.share();
        let out = by_hand.roll_back();
        assert!(
            matches!(&out[..], [Transition::RolledBack(it)] if it.from_percent.to_string() == from)
        );
        let again = by_hand.roll_back();
        assert!(
            matches!(&again[..], [Transition::AlreadyRolledBack(_)]),
            "{name}"
        );
        assert_eq!(by_hand.machine.question(), None);
        let mut by_rule = make();
        by_rule.steady_to(by_rule.now + 60 * SECOND, 0, 10);
        assert!(by_rule.machine.latched(), "{name}: the rules watch");
        for mut rig in [by_hand, by_rule] {
            rig.restart();
            rig.steady_to(rig.now + 40 * MINUTE, 2, 0);
            assert_eq!(rig.share(), "0", "{name}");
        }
    }
}
