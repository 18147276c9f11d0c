//! The published factors, counts and odds of the test.

use super::*;
use crate::rollout::tests::draws::Draws;

fn ratio(bad: u64, of: u64) -> Ratio {
    Ratio { bad, of }
}

fn pair(bedrock: (u64, u64), original: (u64, u64)) -> Pair {
    Pair {
        bedrock: ratio(bedrock.0, bedrock.1),
        original: ratio(original.0, original.1),
    }
}

/// The four factors of one bad call among 10,000 calls of which Bedrock has `share` percent.
fn factors(share: u64, ours: bool) -> [f64; 4] {
    let mut odds = Odds::default();
    let (bedrock, original) = (share * 100, 10_000 - share * 100);
    odds.weigh(pair(
        (u64::from(ours), bedrock),
        (u64::from(!ours), original),
    ));
    odds.ln.map(f64::exp)
}

fn assert_near(found: [f64; 4], expected: [f64; 4]) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 0.000_6, "{found} {expected}");
    }
}

#[test]
fn the_factors_at_five_percent_are_the_published_ones() {
    assert_near(factors(5, true), [1.589, 2.847, 4.713, 7.009]);
    assert_near(factors(5, false), [0.953, 0.854, 0.707, 0.526]);
}

#[test]
fn so_many_failures_of_bedrock_alone_are_enough() {
    for (share, needed) in [(5, 5), (10, 6), (25, 9), (50, 17), (75, 43), (95, 244)] {
        let mut odds = Odds::default();
        let one = pair((1, share * 100), (0, 10_000 - share * 100));
        for n in 1..=needed {
            assert!(odds.against_chance() < 1_000, "{share} %: {n}");
            odds.weigh(one);
        }
        assert!(odds.against_chance() >= 1_000, "{share} %: {}", odds.e());
    }
}

#[test]
fn ten_failures_in_four_buckets_are_wanted_besides() {
    let mut odds = Odds::default();
    odds.take(pair((40, 100), (0, 1_900)));
    odds.take(pair((0, 100), (0, 1_900)));
    assert!(odds.against_chance() > 1_000_000);
    assert!(!odds.exceed(1_000), "one burst is no evidence");
    for _ in 0..2 {
        odds.take(pair((1, 100), (0, 1_900)));
        assert!(!odds.exceed(1_000), "two and three are none either");
    }
    odds.take(pair((1, 100), (0, 1_900)));
    assert!(odds.exceed(1_000));

    let mut few = Odds::default();
    for n in 0..9 {
        few.take(pair((1, 100), (0, 1_900)));
        assert!(!few.exceed(1_000), "{n}");
    }
    few.take(pair((1, 100), (0, 1_900)));
    assert!(few.exceed(1_000), "the tenth");
}

#[test]
fn with_one_arm_there_is_nothing_to_compare() {
    let mut odds = Odds::default();
    for _ in 0..1_000 {
        odds.take(pair((50, 50), (0, 0)));
    }
    assert_eq!(odds.against_chance(), 1);
    let mut odds = Odds::default();
    for _ in 0..1_000 {
        odds.take(pair((0, 0), (50, 50)));
    }
    assert_eq!(odds.against_chance(), 1);
}

#[test]
fn trouble_of_both_arms_is_no_difference() {
    let mut odds = Odds::default();
    for _ in 0..200 {
        odds.take(pair((25, 50), (75, 150)));
        assert!(odds.against_chance() <= 1, "{}", odds.e());
    }
}

#[test]
fn little_traffic_is_pooled_and_not_lost() {
    // Every bucket has a call of one arm only: by itself none of them says anything.
    let mut odds = Odds::default();
    for n in 0..4_000u64 {
        let ours = n % 20 == 0;
        let bad = u64::from(n % 100 == 0);
        let (bedrock, original) = if ours {
            ((bad, 1), (0, 0))
        } else {
            ((0, 0), (0, 1))
        };
        odds.take(pair(bedrock, original));
    }
    assert!(odds.exceed(1_000), "{}", odds.e());
}

#[test]
fn at_the_boundary_it_hardly_ever_trips() {
    // r = 1.5 exactly: of 500 failures in 1,500 runs, at most 1 in 1,000 runs may ever exceed.
    for share in [5u64, 25, 50] {
        let w = share as f64 / 100.0;
        let q = 1.5 * w / (1.5 * w + 1.0 - w);
        let mut draws = Draws::new(share);
        let mut exceeded = 0;
        for _ in 0..500 {
            let mut odds = Odds::default();
            let mut ever = false;
            for _ in 0..500 {
                let ours = draws.unit() <= q;
                odds.weigh(pair(
                    (u64::from(ours), share),
                    (u64::from(!ours), 100 - share),
                ));
                ever |= odds.against_chance() > 1_000;
            }
            exceeded += u32::from(ever);
        }
        assert!(exceeded <= 3, "{share} %: {exceeded} of 500 runs");
    }
}

/// The median number of Bedrock's calls until the test exceeds 1,000.
fn calls_to_trip(share: f64, original: f64, bedrock: f64) -> u64 {
    let mut runs: Vec<u64> = (0..41)
        .map(|seed| {
            let mut draws = Draws::new(seed);
            let mut odds = Odds::default();
            loop {
                let mut bucket = Pair::default();
                for _ in 0..50 {
                    let ours = draws.unit() <= share;
                    let (arm, rate) = if ours {
                        (&mut bucket.bedrock, bedrock)
                    } else {
                        (&mut bucket.original, original)
                    };
                    arm.of += 1;
                    arm.bad += u64::from(draws.unit() <= rate);
                }
                odds.take(bucket);
                if odds.against_chance() > 1_000 {
                    return odds.all().bedrock.of;
                }
            }
        })
        .collect();
    runs.sort_unstable();
    runs[20]
}

#[test]
fn a_difference_is_found_after_the_published_number_of_calls() {
    for (share, original, bedrock, published) in [
        (0.05, 0.002, 0.02, 430.0),
        (0.05, 0.005, 0.05, 170.0),
        (0.25, 0.002, 0.02, 615.0),
        (0.25, 0.005, 0.05, 250.0),
        (0.25, 0.005, 0.02, 1_800.0),
        (0.50, 0.002, 0.02, 1_270.0),
        (0.50, 0.005, 0.05, 510.0),
        (0.50, 0.005, 0.02, 3_080.0),
    ] {
        let found = calls_to_trip(share, original, bedrock) as f64;
        let band = published * 0.65..=published * 1.35;
        assert!(
            band.contains(&found),
            "{share}: {original} to {bedrock}: {found}, published {published}"
        );
    }
}
