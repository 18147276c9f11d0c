//! What is promised against what the rules then do, and against the published table.

use super::*;
use crate::rollout::tests::chance::delays;
use crate::rollout::tests::rig::defaults;

fn percent(basis_points: u16) -> Percent {
    Percent::from_basis_points(basis_points).unwrap()
}

/// Seconds until `rate` shows at `per_second` calls.
fn shows_s(rate: u16, per_second: f64) -> Option<f64> {
    let ms = shows_in_ms(&defaults(), percent(rate), per_second / 1_000.0)?;
    Some(ms as f64 / 1_000.0)
}

#[test]
fn what_the_published_table_says_is_what_is_promised() {
    // Rate in basis points, calls a second, published median in seconds. Promised are three cases
    // of four, which is a little later.
    for (rate, per_second, median) in [
        (10_000, 50.0, 15.0),
        (10_000, 10.0, 20.0),
        (10_000, 2.0, 20.0),
        (10_000, 0.5, 30.0),
        (10_000, 0.1, 100.0),
        (10_000, 0.02, 480.0),
        (5_000, 0.5, 60.0),
        (5_000, 0.1, 200.0),
        (5_000, 0.02, 920.0),
        (3_000, 50.0, 100.0),
        (3_000, 10.0, 100.0),
        (3_000, 2.0, 97.0),
        (3_000, 0.5, 100.0),
        (3_000, 0.1, 325.0),
        (3_000, 0.02, 1_540.0),
        (2_000, 10.0, 150.0),
        (2_000, 2.0, 145.0),
        (2_000, 0.5, 145.0),
        (2_000, 0.1, 475.0),
        (2_000, 0.02, 2_340.0),
        (1_500, 2.0, 195.0),
        (1_500, 0.1, 700.0),
    ] {
        let promised = shows_s(rate, per_second).expect("it shows");
        let band = median * 0.9..=median * 1.4 + 10.0;
        assert!(
            band.contains(&promised),
            "{rate} at {per_second}/s: {promised}, published {median}"
        );
    }
}

#[test]
fn ten_percent_at_six_calls_a_minute_show_in_about_twenty_minutes() {
    let seen = Detectable::new(&defaults(), 60, 600_000);
    assert_eq!(seen.rate, Some(percent(1_000)));
    let within_s = seen.within_ms.expect("it shows") / 1_000;
    assert!((18 * 60..=22 * 60).contains(&within_s), "{within_s}");
    let said = seen.to_string();
    let expected = "At this traffic (6 Bedrock calls a minute) a failure rate of 10 % or more \
                    shows in about 21m, a total outage in 2m05s";
    assert_eq!(said, expected);
}

#[test]
fn more_traffic_shows_less_and_sooner() {
    let mut last = (percent(10_000), u64::MAX);
    for calls in [1, 20, 60, 300, 1_200, 6_000, 30_000] {
        let seen = Detectable::new(&defaults(), calls, 600_000);
        let (Some(rate), Some(outage_ms)) = (seen.rate, seen.outage_within_ms) else {
            assert_eq!(calls, 1, "{seen}");
            assert!(seen.to_string().ends_with("within an hour"), "{seen}");
            continue;
        };
        assert!(rate <= last.0 && outage_ms <= last.1, "{calls}: {seen}");
        last = (rate, outage_ms);
    }
    assert_eq!(
        last.0,
        percent(300),
        "nothing at or below the limit is promised"
    );
}

#[test]
fn the_promise_is_kept_in_about_three_cases_of_four() {
    for (rate, per_second) in [(1_000u16, 0.1), (3_000, 0.1), (2_000, 2.0), (10_000, 0.5)] {
        let promised = shows_s(rate, per_second).expect("it shows");
        let share = f64::from(rate) / 10_000.0;
        let before = if per_second < 1.0 { 1_200 } else { 300 };
        let phases = [(before, 0.005), (3_600, share)];
        let delays = delays(24, &defaults(), per_second, before, &phases);
        let kept = delays.iter().filter(|&&delay| delay <= promised).count();
        assert!(
            (13..=24).contains(&kept),
            "{rate} at {per_second}/s: {kept} of 24 within {promised} s: {delays:?}"
        );
    }
}
