//! Made-up traffic: calls that come and fail by chance, the same for the same seed.
//!
//! Arrivals are a Poisson process, failures independent draws, first tokens log-normal around
//! 600 ms. Independence flatters every rule, because real failures come in bursts; so bursts, in
//! which every Bedrock call fails for a while, can be added. The arm of a call is drawn with the
//! share in force: after a rollback nothing goes to Bedrock.

use super::trace::Call;
use crate::outcome::{Arm, Class, Verdict};
use crate::split::{Bucket, Percent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What the traffic is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Profile {
    /// Eligible calls of the app a second, both arms together.
    pub(crate) rate: f64,
    /// The part of Bedrock's calls that fails while there is no trouble, 0 to 1; the original's
    /// always.
    pub(crate) background: f64,
    /// What is wrong with Bedrock, and when.
    pub(crate) trouble: Option<Trouble>,
    /// Short times in which every Bedrock call fails.
    pub(crate) bursts: Option<Bursts>,
    /// How long the first token of a slow call takes, in milliseconds.
    pub(crate) slow_ms: u64,
}

/// An incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trouble {
    /// The part of Bedrock's calls that fails, 0 to 1.
    pub(crate) error_rate: f64,
    /// The part that is slow, 0 to 1.
    pub(crate) slow_rate: f64,
    /// From when on, in milliseconds.
    pub(crate) onset_ms: u64,
    /// For how long, in milliseconds.
    pub(crate) duration_ms: u64,
}

/// Bursts of failures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bursts {
    /// How long each is, in milliseconds.
    pub(crate) length_ms: u64,
    /// How far apart they are on average, in milliseconds.
    pub(crate) every_ms: u64,
}

/// The calls, one after the other.
#[derive(Debug)]
pub(crate) struct Traffic {
    profile: Profile,
    draws: StdRng,
    at_ms: f64,
    burst_ms: f64,
    number: u64,
}

impl Traffic {
    /// Begins at 0.
    pub(crate) fn new(profile: Profile, seed: u64) -> Self {
        let mut traffic = Self {
            profile,
            draws: StdRng::seed_from_u64(seed),
            at_ms: 0.0,
            burst_ms: f64::INFINITY,
            number: 0,
        };
        traffic.next_burst();
        traffic
    }

    /// When the next call begins.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time that is not negative"
    )]
    pub(crate) fn arrive(&mut self) -> u64 {
        self.at_ms += self.wait(1_000.0 / self.profile.rate);
        self.at_ms as u64
    }

    /// The call that begins at `at_ms`, with `percent` in force.
    pub(crate) fn call(&mut self, at_ms: u64, percent: Percent) -> Call {
        let arm = if percent.includes(Bucket::of_hash(self.draws.next_u64())) {
            Arm::Bedrock
        } else {
            Arm::Original
        };
        let (errors, slow) = match arm {
            Arm::Original => (self.profile.background, 0.0),
            Arm::Bedrock => self.rates(at_ms),
        };
        let failed = self.chance() < errors;
        let first_ms = if self.chance() < slow {
            self.profile.slow_ms
        } else {
            self.log_normal(FIRST_TOKEN_MS)
        };
        self.number += 1;
        Call {
            at_ms,
            arm,
            verdict: if failed {
                Verdict::Failure(Class::Server)
            } else {
                Verdict::Ok
            },
            first_token_ms: (!failed).then_some(first_ms),
            total_ms: if failed {
                FAILED_MS
            } else {
                first_ms + self.log_normal(REST_MS)
            },
            request_id: (arm == Arm::Bedrock).then(|| format!("call {}", self.number).into()),
            key: None,
            number: self.number,
        }
    }

    /// The parts of Bedrock's calls that fail and that are slow now.
    fn rates(&mut self, at_ms: u64) -> (f64, f64) {
        if let Some(bursts) = self.profile.bursts {
            while self.at_ms >= self.burst_ms + bursts.length_ms as f64 {
                self.next_burst();
            }
            if self.at_ms >= self.burst_ms {
                return (1.0, 0.0);
            }
        }
        match self.profile.trouble {
            Some(trouble) if trouble.is_on(at_ms) => (trouble.error_rate, trouble.slow_rate),
            Some(_) | None => (self.profile.background, 0.0),
        }
    }

    fn next_burst(&mut self) {
        if let Some(bursts) = self.profile.bursts {
            let from = if self.burst_ms.is_finite() {
                self.burst_ms
            } else {
                self.at_ms
            };
            self.burst_ms = from + self.wait(bursts.every_ms as f64);
        }
    }

    /// A uniform number from 0 to 1, 1 excluded.
    fn chance(&mut self) -> f64 {
        (self.draws.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An exponential number with this mean.
    fn wait(&mut self, mean: f64) -> f64 {
        -(1.0 - self.chance()).ln() * mean
    }

    /// Milliseconds around `median_ms`; one in forty is above 2.7 times that.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time that is not negative"
    )]
    fn log_normal(&mut self, median_ms: f64) -> u64 {
        // The method of Box and Muller.
        let radius = (-2.0 * (1.0 - self.chance()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.chance()).cos();
        (median_ms * (SPREAD * normal).exp()) as u64
    }
}

impl Trouble {
    /// Whether it is on at `at_ms`.
    pub(crate) const fn is_on(&self, at_ms: u64) -> bool {
        at_ms >= self.onset_ms && at_ms - self.onset_ms < self.duration_ms
    }
}

/// The median time to the first token.
const FIRST_TOKEN_MS: f64 = 600.0;

/// The median time from the first token to the end.
const REST_MS: f64 = 2_000.0;

/// The standard deviation of the logarithm.
const SPREAD: f64 = 0.5;

/// How soon a failed call fails.
const FAILED_MS: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: Profile = Profile {
        rate: 10.0,
        background: 0.01,
        trouble: Some(Trouble {
            error_rate: 0.2,
            slow_rate: 0.1,
            onset_ms: 3_600_000,
            duration_ms: 3_600_000,
        }),
        bursts: None,
        slow_ms: 9_000,
    };

    fn hours(profile: Profile, seed: u64, hours: u64) -> Vec<Call> {
        let mut traffic = Traffic::new(profile, seed);
        let half = Percent::from_basis_points(5_000).expect("a share");
        let mut calls = Vec::new();
        loop {
            let at_ms = traffic.arrive();
            if at_ms >= hours * 3_600_000 {
                return calls;
            }
            calls.push(traffic.call(at_ms, half));
        }
    }

    fn failed(calls: &[Call], arm: Arm, hour: u64) -> f64 {
        let of_hour = |call: &&Call| call.arm == arm && call.at_ms / 3_600_000 == hour;
        let all: Vec<_> = calls.iter().filter(of_hour).collect();
        let bad = all
            .iter()
            .filter(|call| call.verdict != Verdict::Ok)
            .count();
        bad as f64 / all.len() as f64
    }

    #[test]
    fn traffic_is_as_asked_and_the_same_for_the_same_seed() {
        let calls = hours(PROFILE, 7, 3);
        assert_eq!(calls, hours(PROFILE, 7, 3));
        assert_ne!(calls, hours(PROFILE, 8, 3));
        assert!(calls.is_sorted_by_key(|call| call.at_ms));
        let rate = calls.len() as f64 / (3.0 * 3_600.0);
        assert!((9.7..10.3).contains(&rate), "{rate}");
        for (hour, expected) in [(0, 0.01), (1, 0.2), (2, 0.01)] {
            let bedrock = failed(&calls, Arm::Bedrock, hour);
            assert!((bedrock - expected).abs() < 0.02, "{hour}: {bedrock}");
            let original = failed(&calls, Arm::Original, hour);
            assert!((original - 0.01).abs() < 0.005, "{hour}: {original}");
        }
        let slow = calls
            .iter()
            .filter(|call| call.first_token_ms == Some(9_000));
        assert!((1_000..2_000).contains(&slow.count()));
    }

    #[test]
    fn in_a_burst_every_bedrock_call_fails() {
        let bursts = Bursts {
            length_ms: 30_000,
            every_ms: 300_000,
        };
        let profile = Profile {
            background: 0.0,
            trouble: None,
            bursts: Some(bursts),
            ..PROFILE
        };
        let calls = hours(profile, 1, 20);
        let bedrock: Vec<_> = calls
            .iter()
            .filter(|call| call.arm == Arm::Bedrock)
            .collect();
        let bad = bedrock.iter().filter(|call| call.verdict != Verdict::Ok);
        let share = bad.count() as f64 / bedrock.len() as f64;
        assert!((0.06..0.14).contains(&share), "{share}");
        // They come in runs: a failure is mostly followed by another.
        let runs = bedrock
            .windows(2)
            .filter(|pair| pair[0].verdict != Verdict::Ok && pair[1].verdict == Verdict::Ok);
        assert!((150..350).contains(&runs.count()));
    }
}
