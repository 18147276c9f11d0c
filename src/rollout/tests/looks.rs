//! The check of the error rate: its table, two independent ways to the same numbers, its odds.

use super::draws::Draws;
use super::rig::percent;
use crate::rollout::StageCalls;
use crate::rollout::looks::Looked;
use crate::rollout::looks::Quality;
use crate::rollout::looks::Schedule;

fn shown(schedule: &Schedule, judged: u64, failures: u64) -> bool {
    let looked = schedule.look(StageCalls { judged, failures });
    schedule.quality(looked, judged) == Quality::Shown
}

/// The most failures that pass at a look, found by trying.
fn most(schedule: &Schedule, judged: u64) -> Option<u64> {
    (0..=judged)
        .take_while(|&failures| shown(schedule, judged, failures))
        .last()
}

/// More failures than any of these tests allows.
const FEW: usize = 300;

#[test]
fn the_published_table() {
    let schedule = Schedule::new(500, percent(2.0));
    let table = [500, 1_000, 2_000, 4_000, 8_000, 16_000]
        .map(|calls| most(&schedule, calls).expect("some pass"));
    assert_eq!(table, [3, 10, 24, 56, 123, 264]);
    // Nothing is shown between the looks, however good it is, nor after the last one.
    for calls in [1, 250, 499, 501, 999, 3_000, 15_999, 16_001, 32_000] {
        assert_eq!(most(&schedule, calls), None, "{calls}");
    }
}

#[test]
fn a_look_stands_until_the_next_one() {
    let schedule = Schedule::new(500, percent(2.0));
    let looked = |judged, failures| Some(Looked { judged, failures });
    assert_eq!(schedule.quality(looked(500, 3), 999), Quality::Shown);
    let next = |quality| match quality {
        Quality::NotShown { next, allowed, .. } => (next.map(|look| look.at), allowed),
        Quality::Shown | Quality::Unknown { .. } => panic!("not shown"),
    };
    assert_eq!(
        next(schedule.quality(looked(500, 4), 999)),
        (Some(1_000), Some(3))
    );
    assert_eq!(
        next(schedule.quality(looked(16_000, 265), 20_000)),
        (None, Some(264))
    );
    // A look that another schedule made is none.
    let other = Schedule::new(600, percent(2.0));
    assert!(matches!(
        other.quality(looked(500, 0), 500),
        Quality::Unknown { next: Some(_) }
    ));
}

/// The distribution of the failures in `n` calls, call by call: no formula.
pub(super) fn failures_of(n: u64, p: f64) -> Vec<f64> {
    let mut chance = vec![1.0];
    for _ in 0..n {
        let with = chance.iter().map(|it| it * p);
        let mut next: Vec<f64> = chance.iter().map(|it| it * (1.0 - p)).collect();
        next.push(0.0);
        for (at, more) in with.enumerate() {
            next[at + 1] += more;
        }
        next.truncate(FEW);
        chance = next;
    }
    chance
}

/// So many failures or fewer.
fn at_most(failures: u64, n: u64, p: f64) -> f64 {
    let failures = usize::try_from(failures).unwrap();
    failures_of(n, p).iter().take(failures + 1).sum()
}

#[test]
fn the_limit_is_that_of_clopper_and_pearson() {
    for (n, bound, risk) in [
        (100, 0.10, 0.025),
        (500, 0.02, 0.025),
        (500, 0.05, 0.025),
        (1_000, 0.02, 0.012_5),
    ] {
        let min_calls = if n == 1_000 { 500 } else { n };
        let most = most(&Schedule::new(min_calls, percent(bound * 100.0)), n).expect("some pass");
        for failures in [most, most + 1] {
            // The limit is the rate at which so few failures have just the chance `risk`.
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..30 {
                let middle = f64::midpoint(low, high);
                if at_most(failures, n, middle) > risk {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            assert_eq!(
                high < bound,
                failures == most,
                "{failures} of {n}: at most {high}, bound {bound}"
            );
        }
    }
}

#[test]
fn a_bound_that_cannot_be_shown_is_not() {
    // 0 of 150 show 2.5 %, not 2 %: the rule of three with a risk of 2.5 %.
    assert_eq!(most(&Schedule::new(150, percent(2.0)), 150), None);
    assert_eq!(most(&Schedule::new(200, percent(2.0)), 200), Some(0));
    assert_eq!(most(&Schedule::new(20, percent(0.0)), 20), None);
}

/// How many of `runs` arms that fail with the rate `p` have been let on by the first look, by the
/// second …
fn let_on(runs: u64, p: f64, looks: &[u64], seed: u64) -> Vec<f64> {
    let schedule = Schedule::new(500, percent(2.0));
    let mut draws = Draws::new(seed);
    let mut by = vec![0_u64; looks.len()];
    for _ in 0..runs {
        let (mut judged, mut failures) = (0, 0);
        let passed = looks.iter().position(|&look| {
            while judged < look {
                judged += 1;
                failures += u64::from(draws.unit() <= p);
            }
            shown(&schedule, judged, failures)
        });
        if let Some(passed) = passed {
            by[passed..].iter_mut().for_each(|it| *it += 1);
        }
    }
    by.into_iter().map(|it| it as f64 / runs as f64).collect()
}

#[test]
fn the_published_odds() {
    let table = [
        (0.003, [0.93, 1.0, 1.0]),
        (0.005, [0.76, 0.99, 1.0]),
        (0.010, [0.26, 0.61, 0.87]),
        (0.015, [0.06, 0.14, 0.23]),
        (0.020, [0.009, 0.016, 0.019]),
    ];
    for (p, expected) in table {
        let found = let_on(800, p, &[500, 1_000, 2_000], 7);
        for (found, expected) in found.iter().zip(expected) {
            // Four standard errors, and what the table is rounded to.
            let band = 4.0 * (expected * (1.0 - expected) / 800_f64).sqrt() + 0.011;
            assert!(
                (found - expected).abs() <= band,
                "{p}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn looking_for_ever_lets_few_bad_arms_on() {
    let all = [500, 1_000, 2_000, 4_000, 8_000, 16_000];
    for (p, at_most) in [(0.020, 0.05), (0.025, 0.012), (0.030, 0.006)] {
        let ever = let_on(400, p, &all, 11)[all.len() - 1];
        assert!(ever <= at_most, "{p}: {ever}");
    }
}
