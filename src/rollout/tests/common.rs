//! Trouble of both arms: when a rollback helps nobody.

use super::rig::*;
use crate::outcome::Verdict;
use crate::rollout::CautionKind;
use crate::rollout::RuleName;
use crate::rollout::plan::Rules;

fn fast() -> Rules {
    Rules {
        severe: severe().severe,
        ..outage()
    }
}

/// A minute with ten calls of each arm in five seconds, so many of which fail.
fn minute(rig: &mut Rig, bedrock: u64, original: u64) {
    let until = rig.now + MINUTE;
    while rig.now < until && rig.tripped_at().is_none() {
        rig.calls(10 - bedrock, Verdict::Ok);
        rig.calls(bedrock, FAILED);
        rig.originals(10 - original, Verdict::Ok);
        rig.originals(original, FAILED);
        rig.run_to(rig.now + 5_000);
    }
}

#[test]
fn no_rollback_into_an_original_that_is_down_and_worse() {
    let mut rig = Rig::new(fast());
    minute(&mut rig, 0, 0);
    minute(&mut rig, 6, 9);
    assert_eq!(rig.tripped_at(), None);
    assert_eq!(rig.machine.percent(), percent(25.0));
    let found = rig.cautions();
    assert!(
        found
            .iter()
            .all(|(_, kind)| *kind == CautionKind::OriginalDown),
        "{found:?}"
    );
    assert!(found.iter().any(|(rule, _)| *rule == RuleName::Severe));
    let sentence = rig.log[0].1.sentence();
    for part in [
        "No rollback by",
        "the original is in an outage itself, ",
        "crossfade rollback",
    ] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert!(rig.machine.record().cautions[0].kind.urgent());
    // A person can override it.
    let mut by_hand = Rig {
        machine: rig.machine.clone(),
        plan: rig.plan.clone(),
        now: rig.now,
        log: Vec::new(),
        calls: 1_000_000,
    };
    assert_eq!(by_hand.roll_back()[0].name(), "rolled_back");
    // The original recovers, Bedrock does not: back it goes.
    minute(&mut rig, 6, 0);
    let (_, rollback) = rig.trip().expect("a trip");
    assert!(!rollback.common_mode || rollback.sentence.contains("as well"));
}

#[test]
fn an_original_that_is_down_but_better_is_gone_back_to() {
    let mut rig = Rig::new(fast());
    minute(&mut rig, 0, 6);
    minute(&mut rig, 9, 6);
    let (_, rollback) = rig.trip().expect("a trip");
    assert!(rollback.common_mode);
    assert!(
        rollback.sentence.contains("the original as well: "),
        "{}",
        rollback.sentence
    );
}

#[test]
fn an_original_that_is_well_is_no_common_mode() {
    let mut rig = Rig::new(fast());
    minute(&mut rig, 0, 0);
    minute(&mut rig, 9, 0);
    let (_, rollback) = rig.trip().expect("a trip");
    assert!(!rollback.common_mode);
    assert!(!rollback.sentence.contains("as well"));
}

#[test]
fn few_calls_of_the_original_prove_nothing() {
    let mut rig = Rig::new(fast());
    minute(&mut rig, 0, 0);
    let until = rig.now + MINUTE;
    while rig.now < until && rig.tripped_at().is_none() {
        rig.calls(10, FAILED);
        rig.originals(1, FAILED);
        rig.run_to(rig.now + 5_000);
    }
    assert!(rig.tripped_at().is_some());
    assert_eq!(rig.cautions(), []);
}
