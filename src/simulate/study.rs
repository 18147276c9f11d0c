//! How often the rules trip for nothing, and how soon when something is wrong.
//!
//! Two experiments on made-up traffic. *Quiet*: days without an incident, re-armed at once after
//! each trip. *Incidents*: many runs, each a time without trouble and then the trouble until the
//! rules trip or it ends. A trip is *false* if what is true of the traffic was at or below the
//! limit of the rule that tripped: a rule of 2 % that finds 3 % where 1 % is true was misled, and
//! one that finds a true 5 % was not.

use super::happened::Trip;
use super::play::Play;
use super::traffic::{Profile, Traffic, Trouble};
use crate::rollout::{Cause, Plan, RuleName};
use std::collections::BTreeMap;

/// What is to be found out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Study {
    /// The traffic; its trouble is that of an incident.
    pub(crate) profile: Profile,
    /// How many quiet days.
    pub(crate) days: f64,
    /// How many incidents, if there is trouble.
    pub(crate) runs: u32,
    /// The same seed gives the same result.
    pub(crate) seed: u64,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Of the quiet days, if any were asked for.
    pub(crate) quiet: Option<Quiet>,
    /// Of the incidents, if there were any.
    pub(crate) incidents: Option<Incidents>,
    /// One play to look at: the first incident to its end, else the first quiet day.
    pub(crate) sample: Play,
}

/// Days without an incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quiet {
    /// How many.
    pub(crate) days: f64,
    /// How many calls they had.
    pub(crate) calls: u64,
    /// Trips by what caused them.
    pub(crate) trips: BTreeMap<&'static str, u64>,
    /// Those of them that were false.
    pub(crate) false_trips: u64,
}

/// Incidents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incidents {
    /// How many.
    pub(crate) runs: u32,
    /// From the onset to the trip, in milliseconds, ascending.
    pub(crate) delays_ms: Vec<u64>,
    /// Trips in trouble by what caused them.
    pub(crate) trips: BTreeMap<&'static str, u64>,
    /// Runs that tripped before the onset.
    pub(crate) early: u64,
    /// Bedrock calls that failed between onset and trip, ascending.
    pub(crate) failed: Vec<u64>,
}

impl Study {
    /// Carries it out; `progress` is told what part is done, 0 to 1.
    pub(crate) fn run(&self, plan: &Plan, progress: &mut dyn FnMut(f64)) -> Findings {
        let quiet_ms = self.days * DAY_MS;
        let run_ms = self.profile.trouble.map_or(0.0, |trouble| {
            (trouble.onset_ms + trouble.duration_ms) as f64
        });
        let all_ms = run_ms.mul_add(f64::from(self.runs), quiet_ms).max(1.0);
        let quiet = (self.days > 0.0)
            .then(|| self.quiet(plan, quiet_ms, &mut |done_ms| progress(done_ms / all_ms)));
        let incidents = self.profile.trouble.map(|trouble| {
            self.incidents(plan, trouble, &mut |done| {
                progress(run_ms.mul_add(f64::from(done), quiet_ms) / all_ms);
            })
        });
        Findings {
            quiet,
            incidents,
            sample: self.sample(plan),
        }
    }

    fn quiet(&self, plan: &Plan, quiet_ms: f64, progress: &mut dyn FnMut(f64)) -> Quiet {
        let profile = Profile {
            trouble: None,
            ..self.profile
        };
        let mut quiet = Quiet {
            days: self.days,
            ..Quiet::default()
        };
        let (mut traffic, mut play) =
            (Traffic::new(profile, self.seed), Play::new(plan.clone(), 0));
        let mut told = 0;
        loop {
            let at_ms = traffic.arrive();
            if at_ms as f64 >= quiet_ms {
                break;
            }
            play.run_to(at_ms);
            if let Some((_, trip)) = play.trip() {
                *quiet.trips.entry(trip.rollback.rule.name()).or_default() += 1;
                quiet.false_trips += u64::from(is_false(trip, profile.background, 0.0));
                play.rearm();
                play.forget();
            }
            let call = traffic.call(at_ms, play.percent());
            play.call(&call);
            told += 1;
            if told % 65_536 == 0 {
                progress(at_ms as f64);
            }
        }
        quiet.calls = play.told();
        quiet
    }

    fn incidents(&self, plan: &Plan, trouble: Trouble, progress: &mut dyn FnMut(u32)) -> Incidents {
        let mut incidents = Incidents {
            runs: self.runs,
            ..Incidents::default()
        };
        let end_ms = trouble.onset_ms.saturating_add(trouble.duration_ms);
        for run in 0..self.runs {
            let mut traffic = Traffic::new(self.profile, self.seed_of(run));
            let mut play = Play::new(plan.clone(), 0);
            while play.trip().is_none() {
                let at_ms = traffic.arrive();
                if at_ms > end_ms {
                    play.run_to(end_ms);
                    break;
                }
                play.run_to(at_ms);
                let call = traffic.call(at_ms, play.percent());
                play.call(&call);
            }
            incidents.add(&play, trouble);
            progress(run + 1);
        }
        incidents.delays_ms.sort_unstable();
        incidents.failed.sort_unstable();
        incidents
    }

    /// What a picture shows: an hour beyond the end of the trouble, or a day.
    fn sample(&self, plan: &Plan) -> Play {
        let end_ms = match self.profile.trouble {
            Some(trouble) => (trouble.onset_ms.saturating_add(trouble.duration_ms)) as f64,
            None => (self.days * DAY_MS).clamp(0.0, DAY_MS),
        };
        let seed = match self.profile.trouble {
            Some(_) => self.seed_of(0),
            None => self.seed,
        };
        let mut traffic = Traffic::new(self.profile, seed);
        let mut play = Play::drawn(plan.clone(), 0);
        loop {
            let at_ms = traffic.arrive();
            if at_ms as f64 >= end_ms {
                break;
            }
            play.run_to(at_ms);
            let call = traffic.call(at_ms, play.percent());
            play.call(&call);
        }
        play.finish();
        play
    }

    /// Runs differ, and none is a quiet day.
    const fn seed_of(&self, run: u32) -> u64 {
        self.seed.wrapping_add(1 + run as u64)
    }
}

impl Quiet {
    /// False trips a day.
    pub(crate) fn false_per_day(&self) -> f64 {
        self.false_trips as f64 / self.days
    }
}

impl Incidents {
    fn add(&mut self, play: &Play, trouble: Trouble) {
        let Some((change, trip)) = play.trip() else {
            return;
        };
        let Some(delay_ms) = change.at_ms.checked_sub(trouble.onset_ms) else {
            self.early += 1;
            return;
        };
        self.delays_ms.push(delay_ms);
        self.failed.push(play.failed_since(trouble.onset_ms));
        *self.trips.entry(trip.rollback.rule.name()).or_default() += 1;
    }

    /// The delay that `quantile` of all runs had at most, in milliseconds; none if so many did not
    /// trip.
    pub(crate) fn delay_ms(&self, quantile: f64) -> Option<u64> {
        let runs = f64::from(self.runs) - self.early as f64;
        at_quantile(&self.delays_ms, runs, quantile)
    }
}

/// The value that `quantile` of `all` have at most, of those in `ascending`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of runs"
)]
fn at_quantile(ascending: &[u64], all: f64, quantile: f64) -> Option<u64> {
    let rank = (all * quantile).ceil().max(1.0) as usize;
    ascending.get(rank - 1).copied()
}

/// Whether what is true of the traffic is at or below the limit that the rule found exceeded.
fn is_false(trip: &Trip, errors: f64, slow: f64) -> bool {
    let truth = match trip.rollback.rule {
        Cause::Rule(RuleName::Errors | RuleName::Severe | RuleName::Outage) => errors,
        Cause::Rule(RuleName::Latency) => slow,
        // Both arms of made-up traffic are alike: whatever sets them apart is chance.
        Cause::Rule(
            RuleName::Relative
            | RuleName::RelativeSlow
            | RuleName::RelativeTruncated
            | RuleName::Rejected
            | RuleName::Abandoned,
        ) => return true,
        Cause::Operator | Cause::StateFile => return false,
    };
    let numbers = trip.rollback.numbers;
    numbers.is_some_and(|numbers| truth * 10_000.0 <= f64::from(numbers.limit.basis_points()))
}

/// A day in milliseconds.
const DAY_MS: f64 = 86_400_000.0;
