//! What a play looks like over time, in as many steps as a screen has room for.
//!
//! A step begins with one tick of the rules. When there are too many, neighbours are joined, so
//! that a play of any length takes the same memory. Latencies are kept as counts in bounds that
//! grow by a quarter each: a quantile read off them is up to a quarter too high, which no line on
//! a screen shows.

use crate::clock::TICK_MS;
use crate::outcome::{Arm, Verdict};
use crate::rollout::RuleName;
use crate::split::Percent;

/// The most steps; beyond it every two become one.
const STEPS_MAX: usize = 1_440;

/// The number of bounds; the last one is above two minutes.
const BOUNDS: usize = 44;

/// The lowest bound in milliseconds.
const LOWEST_MS: f64 = 10.0;

/// How much higher each bound is than the one before.
const GROWTH: f64 = 1.25;

/// The steps so far.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    first_ms: u64,
    step_ms: u64,
    steps: Vec<Step>,
}

/// What happened in one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// The share in force at its end.
    pub(crate) percent: Percent,
    /// The original's calls.
    pub(crate) original: Tally,
    /// Bedrock's.
    pub(crate) bedrock: Tally,
    /// How long each rule's breach clock had run, in milliseconds, at most.
    pub(crate) clocks: Vec<(RuleName, u64)>,
}

/// The calls of an arm that ended in a step.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Complete answers and failures.
    pub(crate) judged: u64,
    /// Failures.
    pub(crate) failed: u64,
    first_token: [u32; BOUNDS],
}

impl Series {
    /// None yet; rule time begins at `first_ms`.
    pub(crate) fn new(first_ms: u64) -> Self {
        Self {
            first_ms: first_ms / TICK_MS * TICK_MS,
            step_ms: TICK_MS,
            steps: Vec::new(),
        }
    }

    /// Counts the end of a call.
    pub(crate) fn ended(&mut self, at_ms: u64, arm: Arm, verdict: Verdict, first_ms: Option<u64>) {
        let step = self.step(at_ms);
        let tally = match arm {
            Arm::Original => &mut step.original,
            Arm::Bedrock => &mut step.bedrock,
        };
        match verdict {
            Verdict::Ok => tally.judged += 1,
            Verdict::Failure(_) => {
                tally.judged += 1;
                tally.failed += 1;
            }
            Verdict::Rejected | Verdict::ContextWindow | Verdict::Cancelled => {}
        }
        if let Some(counter) = first_ms.and_then(|ms| tally.first_token.get_mut(bound(ms))) {
            *counter = counter.saturating_add(1);
        }
    }

    /// Takes down what is in force before the tick at `at_ms`.
    pub(crate) fn tick(&mut self, at_ms: u64, percent: Percent, clocks: &[(RuleName, u64)]) {
        let step = self.step(at_ms.saturating_sub(1));
        step.percent = percent;
        for &(rule, ran_ms) in clocks {
            match step.clocks.iter_mut().find(|(each, _)| *each == rule) {
                Some((_, longest)) => *longest = ran_ms.max(*longest),
                None => step.clocks.push((rule, ran_ms)),
            }
        }
    }

    /// The width of a step, in milliseconds.
    pub(crate) const fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// The steps with when each begins, in milliseconds, and in each the calls of the minute that
    /// ends with it: a few seconds hold too few calls for a rate.
    pub(crate) fn over_a_minute(&self) -> Vec<(u64, Step)> {
        let more =
            usize::try_from(60_000 / self.step_ms).map_or(0, |steps| steps.saturating_sub(1));
        let all = self.steps().enumerate();
        all.map(|(place, (at_ms, step))| {
            let earlier = self.steps.get(place.saturating_sub(more)..place);
            let mut step = step.clone();
            for other in earlier.unwrap_or_default() {
                step.original.add(&other.original);
                step.bedrock.add(&other.bedrock);
            }
            (at_ms, step)
        })
        .collect()
    }

    /// The steps with when each begins, in milliseconds.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (u64, &Step)> {
        let (first_ms, step_ms) = (self.first_ms, self.step_ms);
        let times = (0..).map(move |number: u64| first_ms + number * step_ms);
        times.zip(&self.steps)
    }

    fn step(&mut self, at_ms: u64) -> &mut Step {
        let mut number = self.number(at_ms);
        while number >= STEPS_MAX {
            self.join();
            number = self.number(at_ms);
        }
        while self.steps.len() <= number {
            let percent = self.steps.last().map_or(Percent::ZERO, |step| step.percent);
            self.steps.push(Step {
                percent,
                ..Step::default()
            });
        }
        // It was just made.
        #[expect(
            clippy::indexing_slicing,
            reason = "there are more steps than `number`"
        )]
        &mut self.steps[number]
    }

    fn number(&self, at_ms: u64) -> usize {
        let number = at_ms.saturating_sub(self.first_ms) / self.step_ms;
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    fn join(&mut self) {
        self.step_ms = self.step_ms.saturating_mul(2);
        let joined = self.steps.chunks(2).map(|pair| {
            let mut pair = pair.iter().cloned();
            let first = pair.next().unwrap_or_default();
            pair.fold(first, Step::then)
        });
        self.steps = joined.collect();
    }
}

impl Step {
    fn then(mut self, next: Self) -> Self {
        self.percent = next.percent;
        self.original.add(&next.original);
        self.bedrock.add(&next.bedrock);
        for (rule, ran_ms) in next.clocks {
            match self.clocks.iter_mut().find(|(each, _)| *each == rule) {
                Some((_, longest)) => *longest = ran_ms.max(*longest),
                None => self.clocks.push((rule, ran_ms)),
            }
        }
        self
    }
}

impl Tally {
    /// The share of failures in percent; none without a judged call.
    pub(crate) fn error_percent(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.failed as f64 / self.judged as f64 * 100.0)
    }

    /// The bound below which `quantile` of the first tokens came, in seconds; none without any.
    pub(crate) fn first_token_s(&self, quantile: f64) -> Option<f64> {
        let all: u64 = self.first_token.iter().copied().map(u64::from).sum();
        let mut left = (all as f64 * quantile).ceil();
        let place = self.first_token.iter().position(|&count| {
            left -= f64::from(count);
            left <= 0.0
        });
        let exponent = i32::try_from(place?).ok()?;
        (all > 0).then(|| LOWEST_MS * GROWTH.powi(exponent) / 1_000.0)
    }

    fn add(&mut self, other: &Self) {
        self.judged += other.judged;
        self.failed += other.failed;
        for (counter, more) in self.first_token.iter_mut().zip(other.first_token) {
            *counter = counter.saturating_add(more);
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            judged: 0,
            failed: 0,
            first_token: [0; BOUNDS],
        }
    }
}

/// The place of the lowest bound that is not below `ms`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number that is not negative"
)]
fn bound(ms: u64) -> usize {
    let steps = (ms as f64 / LOWEST_MS).max(1.0).ln() / GROWTH.ln();
    (steps.ceil() as usize).min(BOUNDS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_play_takes_no_more_steps_and_loses_no_call() {
        let mut series = Series::new(3_000);
        let failure = Verdict::Failure(crate::outcome::Class::Server);
        for tick in 0..10_000 {
            let at_ms = tick * TICK_MS;
            let verdict = if tick % 4 == 0 { failure } else { Verdict::Ok };
            series.ended(at_ms, Arm::Bedrock, verdict, Some(400));
            series.tick(at_ms + TICK_MS, Percent::ALL, &[(RuleName::Errors, at_ms)]);
        }
        let steps: Vec<_> = series.steps().collect();
        assert!(steps.len() <= STEPS_MAX, "{}", steps.len());
        let judged: u64 = steps.iter().map(|(_, step)| step.bedrock.judged).sum();
        let failed: u64 = steps.iter().map(|(_, step)| step.bedrock.failed).sum();
        assert_eq!((judged, failed), (10_000, 2_500));
        assert_eq!(series.step_ms(), 8 * TICK_MS);
        let (_, last) = steps.last().expect("a step");
        assert_eq!(last.clocks, [(RuleName::Errors, 9_999 * TICK_MS)]);
        assert_eq!(last.percent, Percent::ALL);
    }

    #[test]
    fn quantiles_are_at_most_a_quarter_too_high() {
        let mut tally = Tally::default();
        assert_eq!(tally.first_token_s(0.5), None);
        for ms in [1, 10, 40, 500, 5_000, 100_000] {
            tally.first_token = [0; BOUNDS];
            tally.first_token[bound(ms)] = 1;
            let told_ms = tally.first_token_s(0.95).expect("one call") * 1_000.0;
            let exact = (ms as f64).max(LOWEST_MS);
            assert!(
                (exact * 0.999..=exact * 1.251).contains(&told_ms),
                "{ms}: {told_ms}"
            );
        }
    }
}
