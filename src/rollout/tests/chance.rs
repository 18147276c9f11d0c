//! The odds that the rules were chosen for, at random traffic with fixed seeds. Arrivals are
//! Poisson, failures independent; real ones come in bursts, so the odds of a chance trip are lower
//! bounds.

use super::draws::Draws;
use super::rig::*;
use crate::outcome::Attempt;
use crate::outcome::Booking;
use crate::outcome::CallEvent;
use crate::outcome::CallId;
use crate::outcome::RuleTime;
use crate::outcome::Verdict;
use crate::rollout::Input;
use crate::rollout::Machine;
use crate::rollout::Record;
use crate::rollout::plan::Rules;
use std::sync::Arc;

/// Runs `per_second` calls a second through phases of (seconds, share that fails); gives the
/// second of the trip.
fn run(rules: Rules, seed: u64, per_second: f64, phases: &[(u64, f64)]) -> Option<f64> {
    let mut draws = Draws::new(seed);
    let mut machine = Machine::new(plan(rules), Record::first(Attempt(1)), RuleTime(START));
    let request_id: Arc<str> = "id".into();
    let (mut call_ms, mut from, mut edge) = (0.0, 0.0, 5_000.0);
    for &(seconds, share) in phases {
        let until = from + seconds as f64 * 1_000.0;
        while edge <= until {
            while call_ms < edge {
                let verdict = if draws.unit() <= share {
                    FAILED
                } else {
                    Verdict::Ok
                };
                let at = at_ms(call_ms);
                let event = CallEvent::Ended {
                    verdict,
                    key: 0,
                    request_id: request_id.clone(),
                };
                let booking = Booking {
                    at,
                    attempt: Attempt(1),
                    call: CallId(0),
                    event,
                };
                machine.handle(Input::Booking(booking), at);
                call_ms -= draws.unit().ln() / per_second * 1_000.0;
            }
            machine.handle(
                Input::Tick {
                    unix_ms: 0,
                    held: false,
                },
                at_ms(edge),
            );
            if machine.latched() {
                return Some(edge / 1_000.0);
            }
            edge += 5_000.0;
        }
        from = until;
    }
    None
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few days at most, from 0 on"
)]
fn at_ms(ms: f64) -> RuleTime {
    RuleTime(START + ms as u64)
}

fn fast() -> Rules {
    Rules {
        outage: outage().outage,
        severe: severe().severe,
        ..NO_RULES
    }
}

/// The delays from the onset at `onset` seconds, sorted; a run without a trip is infinite.
pub(in crate::rollout) fn delays(
    runs: u64,
    rules: &Rules,
    per_second: f64,
    onset: u64,
    phases: &[(u64, f64)],
) -> Vec<f64> {
    let run = |seed| run(rules.clone(), seed, per_second, phases);
    let mut delays: Vec<_> = (0..runs)
        .map(|seed| run(seed).map_or(f64::INFINITY, |at| at - onset as f64))
        .collect();
    delays.sort_by(f64::total_cmp);
    delays
}

#[test]
fn a_total_outage_is_found_in_about_20_s() {
    for (per_second, median) in [(2.0, 20.0), (10.0, 20.0), (0.5, 30.0)] {
        let phases = [(300, 0.005), (300, 1.0)];
        let delays = delays(40, &fast(), per_second, 300, &phases);
        assert!(
            (delays[20] - median).abs() <= 5.0,
            "{per_second}/s: {delays:?}"
        );
        assert!(
            delays[0] > 0.0 && delays[39] <= 60.0,
            "{per_second}/s: {delays:?}"
        );
    }
}

#[test]
fn a_fifth_failing_is_found_in_about_150_s() {
    let delays = delays(20, &fast(), 2.0, 300, &[(300, 0.005), (900, 0.2)]);
    assert!((delays[10] - 145.0).abs() <= 30.0, "{delays:?}");
}

#[test]
fn the_contract_itself_seldom_trips() {
    // A day at 1 % with 0.5 calls a second, six hours with 2.
    for (per_second, hours) in [(0.5, 24), (2.0, 6)] {
        let mut rules = fast();
        rules.errors = errors(2.0, 10 * MINUTE).errors;
        assert_eq!(
            run(rules, 7, per_second, &[(hours * 3_600, 0.01)]),
            None,
            "{per_second}/s"
        );
    }
}

#[test]
fn eight_minutes_of_five_percent_do_not_trip_errors_but_eleven_do() {
    let rules = errors(2.0, 10 * MINUTE);
    let short = [(300, 0.005), (480, 0.05), (300, 0.005)];
    assert!(
        delays(8, &rules, 10.0, 300, &short)
            .iter()
            .all(|delay| delay.is_infinite())
    );
    let long = [(300, 0.005), (660, 0.05)];
    let delays = delays(8, &rules, 10.0, 300, &long);
    assert!(
        delays.iter().all(|&delay| (600.0..=660.0).contains(&delay)),
        "{delays:?}"
    );
}

#[test]
fn a_blip_of_15_s_never_trips_errors() {
    let rules = errors(2.0, 10 * MINUTE);
    let blip = [(120, 0.005), (15, 1.0), (900, 0.005)];
    for per_second in [2.0, 10.0] {
        assert!(
            delays(6, &rules, per_second, 0, &blip)
                .iter()
                .all(|delay| delay.is_infinite())
        );
    }
}

#[test]
fn little_traffic_is_enough_for_a_lot_of_failures() {
    // 6 calls a minute, 30 % fail: about 10.8 minutes.
    let rules = errors(2.0, 10 * MINUTE);
    let delays = delays(20, &rules, 0.1, 1_200, &[(1_200, 0.005), (2_400, 0.3)]);
    assert!((600.0..=780.0).contains(&delays[10]), "{delays:?}");
}

/// The middle one of the delays.
fn median(delays: &[f64]) -> f64 {
    delays[delays.len() / 2]
}

#[test]
fn the_fast_rungs_take_as_long_as_published() {
    // Share that fails, calls a second, published median in seconds.
    for (share, per_second, published) in [
        (1.0, 10.0, 20.0),
        (1.0, 2.0, 20.0),
        (1.0, 0.5, 30.0),
        (1.0, 0.1, 100.0),
        (1.0, 0.02, 480.0),
        (0.5, 2.0, 30.0),
        (0.5, 0.5, 60.0),
        (0.5, 0.1, 200.0),
        (0.3, 10.0, 100.0),
        (0.3, 2.0, 97.0),
        (0.3, 0.5, 100.0),
        (0.3, 0.1, 325.0),
        (0.3, 0.02, 1_540.0),
        (0.2, 2.0, 145.0),
        (0.2, 0.1, 475.0),
        (0.15, 2.0, 195.0),
        (0.15, 0.1, 700.0),
    ] {
        // So long that every window is full of what was before.
        let before = if per_second < 0.1 { 6_000 } else { 1_200 };
        let phases = [(before, 0.005), (6_000, share)];
        let found = median(&delays(21, &fast(), per_second, before, &phases));
        let band = published * 0.75 - 10.0..=published * 1.25 + 10.0;
        assert!(
            band.contains(&found),
            "{share} at {per_second}/s: {found}, published {published}"
        );
    }
}

#[test]
fn the_clock_of_errors_takes_as_long_as_published() {
    let rules = errors(2.0, 10 * MINUTE);
    // Share, calls a second, published median in minutes.
    for (share, per_second, published) in [
        (0.05, 2.0, 10.5),
        (0.03, 10.0, 10.7),
        (0.1, 0.5, 10.5),
        (0.3, 0.1, 10.8),
    ] {
        let phases = [(1_200, 0.005), (2_400, share)];
        let found = median(&delays(15, &rules, per_second, 1_200, &phases)) / 60.0;
        assert!(
            (published - 0.7..=published + 1.5).contains(&found),
            "{share} at {per_second}/s: {found} min, published {published}"
        );
    }
}

#[test]
fn a_bad_minute_in_every_three_holds_the_clock() {
    let rules = errors(2.0, 10 * MINUTE);
    let mut phases = vec![(300, 0.005)];
    for _ in 0..5 {
        phases.extend([(60, 0.1), (120, 0.005)]);
    }
    let found = median(&delays(9, &rules, 10.0, 300, &phases)) / 60.0;
    assert!((10.0..=11.5).contains(&found), "{found}");
}

#[test]
fn blips_of_15_s_seldom_trip_the_outage_rung_and_of_20_s_always_do() {
    let tripped = |seconds| {
        let phases = [(120, 0.005), (seconds, 1.0), (120, 0.005)];
        let delays = delays(24, &outage(), 10.0, 120, &phases);
        delays.iter().filter(|delay| delay.is_finite()).count()
    };
    assert_eq!(tripped(10), 0);
    assert!(tripped(15) <= 16);
    assert_eq!(tripped(20), 24);
}

/// The probability of at least `k` failures among `n` calls of which a share `p` fails.
fn at_least(k: u32, n: u32, p: f64) -> f64 {
    let mut term = (1.0 - p).powi(n.cast_signed());
    let mut below = 0.0;
    let mut tail = 0.0;
    for i in 0..=n {
        if i < k {
            below += term;
        } else {
            tail += term;
        }
        term *= f64::from(n - i) / f64::from(i + 1) * p / (1.0 - p);
    }
    assert!((below + tail - 1.0).abs() < 1e-9);
    tail
}

#[test]
fn the_floor_of_ten_failures_has_the_published_odds() {
    for (n, p, published) in [
        (20, 0.01, 1.7e-15),
        (20, 0.02, 1.6e-12),
        (20, 0.05, 1.1e-8),
        (20, 0.10, 7.2e-6),
        (20, 0.20, 2.6e-3),
        (50, 0.01, 7.1e-11),
        (50, 0.02, 5.1e-8),
        (50, 0.05, 1.6e-4),
    ] {
        let found = at_least(10, n, p);
        assert!(
            (found / published - 1.0).abs() < 0.06,
            "{n} {p}: {found:e}, published {published:e}"
        );
    }
}

/// As [`run`], but of calls that are slow: gives the second of the trip by `latency`.
fn run_slow(seed: u64, per_second: f64, phases: &[(u64, f64)]) -> Option<f64> {
    let mut draws = Draws::new(seed);
    let rules = latency(5_000, 5 * MINUTE);
    let mut machine = Machine::new(plan(rules), Record::first(Attempt(1)), RuleTime(START));
    let request_id: Arc<str> = "id".into();
    let (mut call_ms, mut from, mut edge, mut call) = (0.0, 0.0, 5_000.0, 0);
    for &(seconds, share) in phases {
        let until = from + seconds as f64 * 1_000.0;
        while edge <= until {
            while call_ms < edge {
                let at = at_ms(call_ms);
                let took_ms = if draws.unit() <= share { 5_001 } else { 100 };
                call += 1;
                let dispatched = CallEvent::Dispatched {
                    request_id: request_id.clone(),
                };
                let ended = CallEvent::Ended {
                    verdict: Verdict::Ok,
                    key: call,
                    request_id: request_id.clone(),
                };
                let sent = RuleTime(at.0 - took_ms);
                for (at, event) in [(sent, dispatched), (at, CallEvent::FirstToken), (at, ended)] {
                    let booking = Booking {
                        at,
                        attempt: Attempt(1),
                        call: CallId(call),
                        event,
                    };
                    machine.handle(Input::Booking(booking), at_ms(call_ms));
                }
                call_ms -= draws.unit().ln() / per_second * 1_000.0;
            }
            let tick = Input::Tick {
                unix_ms: 0,
                held: false,
            };
            machine.handle(tick, at_ms(edge));
            if machine.latched() {
                return Some(edge / 1_000.0);
            }
            edge += 5_000.0;
        }
        from = until;
    }
    None
}

#[test]
fn slow_calls_take_as_long_as_published() {
    for (share, published) in [(0.1, 5.3), (0.2, 5.2)] {
        let mut delays: Vec<_> = (0..15)
            .map(|seed| {
                let tripped = run_slow(seed, 2.0, &[(600, 0.01), (900, share)]);
                tripped.map_or(f64::INFINITY, |at| (at - 600.0) / 60.0)
            })
            .collect();
        delays.sort_by(f64::total_cmp);
        let found = median(&delays);
        assert!(
            (published - 0.4..=published + 0.7).contains(&found),
            "{share}: {found} min, published {published}"
        );
    }
    // 3 % slow for six hours is within what p95 allows.
    assert_eq!(run_slow(3, 2.0, &[(6 * 3_600, 0.03)]), None);
}
