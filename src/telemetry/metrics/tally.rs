//! What an arm came to since the start, for who draws it: differences of two tallies are what
//! happened between them.

use super::Metrics;
use crate::outcome::{Arm, Verdict};
use prometheus::IntCounter;
use prometheus::core::Metric as _;

/// Totals of one arm; they only grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Complete answers and failures.
    pub judged: u64,
    /// Failures.
    pub failed: u64,
    /// Times to the first token: how many calls took at most so many seconds, by rising seconds.
    pub within: Vec<(f64, u64)>,
    /// All calls whose first token came.
    pub timed: u64,
}

impl Metrics {
    /// An arm's totals since the start.
    pub fn tally(&self, arm: Arm) -> Tally {
        let mut tally = Tally::default();
        for ((_, verdict), counter) in self.calls.0.iter().filter(|((each, _), _)| *each == arm) {
            let calls = IntCounter::get(counter);
            match verdict {
                Verdict::Ok => tally.judged += calls,
                Verdict::Failure(_) => {
                    tally.judged += calls;
                    tally.failed += calls;
                }
                Verdict::Rejected | Verdict::ContextWindow | Verdict::Cancelled => {}
            }
        }
        if let Some(histogram) = self.first_token.get(arm) {
            let metric = histogram.metric();
            let buckets = metric.get_histogram().get_bucket().iter();
            tally.within = buckets
                .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
                .collect();
            tally.timed = histogram.get_sample_count();
        }
        tally
    }
}
