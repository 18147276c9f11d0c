//! Bedrock against the original: what is found, what is done about it, and what is not.

use super::rig::*;
use crate::outcome::Class;
use crate::outcome::Verdict;
use crate::rollout::CautionKind;
use crate::rollout::RuleName;
use crate::rollout::RuleState;
use crate::rollout::Transition;
use crate::rollout::odds::Odds;
use crate::rollout::odds::Pair;
use crate::rollout::plan::Abandoned;
use crate::rollout::plan::Action;
use crate::rollout::plan::Relative;
use crate::rollout::plan::Rules;
use crate::rollout::ratio::Ratio;
use crate::split::Percent;
use proptest::prelude::*;

fn relative(action: Action) -> Rules {
    let rule = Some(Relative {
        odds: 1_000,
        action,
    });
    Rules {
        relative: rule,
        rejected: rule,
        ..NO_RULES
    }
}

/// `n` buckets with 5 calls of Bedrock's and 95 of the original's; in every second one a call of
/// Bedrock's ends with `verdict`.
fn worse(rig: &mut Rig, n: u64, verdict: Verdict) {
    for bucket in 0..n {
        let bad = bucket % 2;
        rig.calls(5 - bad, Verdict::Ok);
        rig.calls(bad, verdict);
        rig.originals(95, Verdict::Ok);
        rig.run_to(rig.now + 5_000);
    }
}

#[test]
fn a_difference_is_held_once_and_moves_nothing() {
    let mut rig = Rig::new(relative(Action::Caution));
    worse(&mut rig, 18, FAILED);
    assert_eq!(rig.story(), [], "nine failures are no evidence");
    worse(&mut rig, 40, FAILED);
    assert_eq!(
        rig.story(),
        [(100, "cautioned")],
        "the tenth, and only once"
    );
    let sentence = rig.log[0].1.sentence();
    for part in [
        "relative: Bedrock got 5 % of the calls",
        "100 % of the failures (10/10)",
    ] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert_eq!(rig.machine.percent(), percent(25.0));
    let report = rig.rule(RuleName::Relative);
    assert_eq!(report.state, RuleState::Breaching);
    assert!(report.odds.unwrap() > 1_000);
    // It outlives the process, and ends when a person has taken note.
    rig.restart();
    assert_eq!(rig.cautions(), [(RuleName::Relative, CautionKind::Worse)]);
    let resumed = rig.resume();
    assert_eq!(resumed[0].name(), "resumed");
    assert_eq!(rig.cautions(), []);
    assert_eq!(rig.resume()[0].name(), "refused", "there is nothing more");
}

#[test]
fn what_was_taken_note_of_is_looked_for_anew() {
    let mut rig = Rig::new(relative(Action::Caution));
    worse(&mut rig, 20, FAILED);
    rig.resume();
    assert_eq!(rig.rule(RuleName::Relative).odds, Some(1));
    worse(&mut rig, 18, FAILED);
    assert_eq!(rig.cautions(), []);
    worse(&mut rig, 2, FAILED);
    assert_eq!(rig.cautions(), [(RuleName::Relative, CautionKind::Worse)]);
}

#[test]
fn a_rollback_is_made_where_one_is_asked_for() {
    let mut rig = Rig::new(relative(Action::Rollback));
    worse(&mut rig, 40, FAILED);
    let (at, rollback) = rig.trip().expect("a trip");
    assert_eq!(at, 100 * SECOND);
    assert_eq!(rollback.rule.name(), "relative");
    let numbers = rollback.numbers.expect("numbers");
    assert_eq!((numbers.failures, numbers.judged), (10, 100));
    assert_eq!(rollback.classes[&Class::Server], 10);
    for part in [
        "relative 10 %",
        "server (100 %)",
        "odds against chance",
        "req-",
    ] {
        assert!(
            rollback.sentence.contains(part),
            "{part}: {}",
            rollback.sentence
        );
    }
    assert_eq!(rig.machine.percent(), Percent::ZERO);
}

#[test]
fn truncated_answers_refusals_and_slow_calls_have_tests_of_their_own() {
    let truncated = Verdict::Failure(Class::Truncated);
    for (verdict, rules) in [
        (
            truncated,
            vec![RuleName::Relative, RuleName::RelativeTruncated],
        ),
        (Verdict::Rejected, vec![RuleName::Rejected]),
    ] {
        let mut rig = Rig::new(relative(Action::Caution));
        worse(&mut rig, 30, verdict);
        let found: Vec<_> = rig.cautions().into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(found, rules, "{verdict:?}");
    }
    let mut rules = relative(Action::Caution);
    rules.latency = latency(1_000, 10 * MINUTE).latency;
    let mut rig = Rig::new(rules);
    for _ in 0..40 {
        let slow = rig.dispatch();
        rig.run_to(rig.now + 2_000);
        rig.first_token(slow);
        rig.end(slow, Verdict::Ok);
        rig.calls(4, Verdict::Ok);
        rig.originals(95, Verdict::Ok);
        rig.run_to(rig.now + 3_000);
    }
    assert_eq!(
        rig.cautions(),
        [(RuleName::RelativeSlow, CautionKind::Worse)]
    );
}

#[test]
fn trouble_of_both_and_an_original_that_is_worse_are_no_finding() {
    for original_fails in [1, 3] {
        let mut rig = Rig::new(relative(Action::Rollback));
        for _ in 0..200 {
            rig.calls(9, Verdict::Ok);
            rig.call(FAILED);
            rig.originals(30 - 3 * original_fails, Verdict::Ok);
            rig.originals(3 * original_fails, FAILED);
            rig.run_to(rig.now + 5_000);
        }
        assert_eq!(rig.story(), [], "{original_fails}");
    }
}

#[test]
fn with_all_calls_on_bedrock_there_is_nothing_to_compare() {
    let mut rig = Rig::new(relative(Action::Rollback));
    rig.steady_to(10 * MINUTE, 3, 3);
    assert_eq!(rig.story(), []);
    let report = rig.rule(RuleName::Relative);
    assert_eq!(report.state, RuleState::Unknown);
    assert!(
        report.sentence.contains("nothing to compare"),
        "{}",
        report.sentence
    );
}

#[test]
fn without_a_latency_limit_slow_calls_are_not_compared() {
    let rig = Rig::new(relative(Action::Caution));
    let state = |rule| rig.rule(rule).state;
    assert_eq!(state(RuleName::RelativeSlow), RuleState::Off);
    assert_eq!(state(RuleName::RelativeTruncated), RuleState::Unknown);
    let latency = defaults().latency;
    assert!(latency.is_some());
    let rig = Rig::new(Rules {
        latency,
        ..relative(Action::Caution)
    });
    assert_eq!(rig.rule(RuleName::RelativeSlow).state, RuleState::Unknown);
}

#[test]
fn one_odd_prompt_repeated_for_ever_trips_nothing() {
    for verdict in [Verdict::Failure(Class::Incompatible), Verdict::Rejected] {
        let mut rules = defaults();
        (rules.relative, rules.rejected) = {
            let compared = relative(Action::Rollback);
            (compared.relative, compared.rejected)
        };
        let mut rig = Rig::new(rules);
        // Half a day with very few other calls: each refusal that counted would weigh much.
        while rig.now < 12 * 60 * MINUTE {
            rig.calls(1, Verdict::Ok);
            rig.originals(1, Verdict::Ok);
            let odd = rig.dispatch();
            rig.end_keyed(odd, verdict, 7);
            rig.run_to(rig.now + 20 * SECOND);
        }
        assert_eq!(rig.tripped_at(), None, "{verdict:?}");
        assert_eq!(rig.cautions(), [], "{verdict:?}");
        // Many odd prompts are another matter.
        let many = rig.now + 60 * MINUTE;
        while rig.now < many && rig.tripped_at().is_none() {
            rig.calls(1, Verdict::Ok);
            rig.originals(1, Verdict::Ok);
            rig.call(verdict);
            rig.run_to(rig.now + 20 * SECOND);
        }
        assert!(rig.tripped_at().is_some(), "{verdict:?}");
    }
}

fn abandoned() -> Rules {
    Rules {
        abandoned: Some(Abandoned { times: 3 }),
        ..NO_RULES
    }
}

#[test]
fn callers_that_leave_bedrock_more_often_are_noticed() {
    let mut rig = Rig::new(abandoned());
    for bucket in 0..19 {
        rig.calls(4, Verdict::Ok);
        rig.call(Verdict::Cancelled);
        rig.originals(30, Verdict::Ok);
        rig.original(Verdict::Cancelled, bucket % 4 != 0, 100);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.cautions(), [], "nineteen are too few");
    rig.call(Verdict::Cancelled);
    rig.run_to(rig.now + 5_000);
    assert_eq!(rig.cautions(), [(RuleName::Abandoned, CautionKind::Worse)]);
    assert_eq!(
        rig.machine.percent(),
        percent(25.0),
        "nothing is taken back"
    );
    // Taken note of, the same calls are no news.
    rig.resume();
    rig.call(Verdict::Cancelled);
    rig.run_to(rig.now + MINUTE);
    assert_eq!(rig.cautions(), []);
}

#[test]
fn callers_as_impatient_with_the_original_are_none() {
    let mut rig = Rig::new(abandoned());
    for _ in 0..100 {
        rig.calls(4, Verdict::Ok);
        rig.call(Verdict::Cancelled);
        rig.originals(9, Verdict::Ok);
        rig.original(Verdict::Cancelled, false, 100);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.story(), []);
}

#[test]
fn a_hang_that_nobody_waits_for_is_urgent_and_one_restart_of_an_app_is_not() {
    let mut rig = Rig::new(abandoned());
    rig.calls(10, Verdict::Ok);
    rig.calls(19, Verdict::Cancelled);
    rig.run_to(10 * SECOND);
    assert_eq!(rig.story(), [], "all in one instant");
    for _ in 0..4 {
        rig.calls(4, Verdict::Cancelled);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.cautions(), [(RuleName::Abandoned, CautionKind::Left)]);
    let Transition::Cautioned(caution) = &rig.log[0].1 else {
        panic!("{:?}", rig.log);
    };
    assert!(caution.kind.urgent());
    assert!(
        caution.sentence.contains("leave most"),
        "{}",
        caution.sentence
    );
}

#[test]
fn callers_that_leave_during_an_answer_do_not_count() {
    let mut rig = Rig::new(abandoned());
    for _ in 0..40 {
        let call = rig.dispatch();
        rig.first_token(call);
        rig.end(call, Verdict::Cancelled);
        rig.run_to(rig.now + 5_000);
    }
    assert_eq!(rig.story(), []);
}

/// E from all calls, counted anew: pools of whole buckets until each arm has 20 calls.
fn slow_odds(buckets: &[[u64; 4]]) -> f64 {
    let (mut products, mut pool) = ([1.0f64; 4], [0u64; 4]);
    for bucket in buckets {
        for (sum, n) in pool.iter_mut().zip(bucket) {
            *sum += n;
        }
        let [bad, of, original_bad, original_of] = pool;
        if of < 20 || original_of < 20 {
            continue;
        }
        let w = of as f64 / (of + original_of) as f64;
        let q = |r: f64| r * w / (r * w + 1.0 - w);
        for (product, r) in products.iter_mut().zip([2.5, 5.0, 10.0, 20.0]) {
            for _ in 0..bad {
                *product *= q(r) / q(1.5);
            }
            for _ in 0..original_bad {
                *product *= (1.0 - q(r)) / (1.0 - q(1.5));
            }
        }
        pool = [0; 4];
    }
    products.iter().sum::<f64>() / 4.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The odds are those of a slow count over single calls, and nothing is found on fewer than
    /// ten bad calls, in fewer than four buckets.
    #[test]
    fn the_odds_are_those_of_a_slow_count(
        buckets in prop::collection::vec((0..12u64, 0..4u64, 0..60u64, 0..3u64), 1..120),
    ) {
        let (mut odds, mut all) = (Odds::default(), vec![]);
        for (ok, bad, original_ok, original_bad) in buckets {
            all.push([bad, ok + bad, original_bad, original_ok + original_bad]);
            odds.take(Pair {
                bedrock: Ratio { bad, of: ok + bad },
                original: Ratio { bad: original_bad, of: original_ok + original_bad },
            });
            let slow = slow_odds(&all);
            let (low, high) = (slow * 0.999 - 1.0, slow * 1.001 + 1.0);
            let fast = odds.against_chance() as f64;
            prop_assert!((low..=high).contains(&fast) || slow > 1e15, "{fast} {slow}");
            let failures: u64 = all.iter().map(|it| it[0]).sum();
            let spread = all.iter().filter(|it| it[0] > 0).count();
            if odds.exceed(1_000) {
                prop_assert!(failures >= 10 && spread >= 4);
            }
        }
    }
}
