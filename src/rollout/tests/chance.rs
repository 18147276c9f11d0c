//! The odds that the rules were chosen for, at random traffic with fixed seeds. Arrivals are
//! Poisson, failures independent; real ones come in bursts, so the odds of a chance trip are lower
//! bounds.

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

/// A small generator (splitmix64): the same numbers on every machine.
pub(super) struct Draws(pub(super) u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform above 0, up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

/// Runs `per_second` calls a second through phases of (seconds, share that fails); gives the
/// second of the trip.
fn run(rules: Rules, seed: u64, per_second: f64, phases: &[(u64, f64)]) -> Option<f64> {
    let mut draws = Draws(seed);
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
fn delays(
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
