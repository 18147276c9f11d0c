//! The last half hour of both arms, for the charts of the page.
//!
//! Every five seconds the counters are read; a point is what they grew by in the minute before. So
//! a page that is opened in a bad hour shows how it came to this, without a Prometheus at hand.
//! Nothing is decided by it: the rules have windows of their own.

use crate::outcome::Arm;
use crate::telemetry::metrics::{Metrics, Tally};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a point is made.
pub(super) const STEP: Duration = Duration::from_secs(5);

/// The most points that are kept: half an hour.
pub(super) const POINTS_MAX: usize = 360;

/// What a point looks back on, in steps: a minute.
const WINDOW: usize = 12;

/// Both arms over the minute before a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Point {
    /// The moment, in ms since 1970.
    pub(super) at_unix_ms: u64,
    pub(super) original: Beat,
    pub(super) bedrock: Beat,
}

/// One arm over a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Beat {
    /// Failed by judged calls, in percent; none without calls.
    pub(super) error_percent: Option<f64>,
    /// Half of the first tokens came within so many seconds; none without one.
    pub(super) p50_s: Option<f64>,
    /// 95 % of them did.
    pub(super) p95_s: Option<f64>,
    /// Judged calls a second; none before the second reading.
    pub(super) per_second: Option<f64>,
}

/// Keeps the points.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    readings: VecDeque<Reading>,
    points: VecDeque<Point>,
}

#[derive(Debug)]
struct Reading {
    at_unix_ms: u64,
    original: Tally,
    bedrock: Tally,
}

impl Pulse {
    /// Reads the counters and makes the next point.
    pub(super) fn take(&self, metrics: &Metrics, now_unix_ms: u64) {
        let now = Reading {
            at_unix_ms: now_unix_ms,
            original: metrics.tally(Arm::Original),
            bedrock: metrics.tally(Arm::Bedrock),
        };
        let Kept { readings, points } = &mut *self.lock();
        if let Some(before) = readings.front() {
            let ms = now.at_unix_ms.saturating_sub(before.at_unix_ms);
            points.push_back(Point {
                at_unix_ms: now_unix_ms,
                original: Beat::between(&before.original, &now.original, ms),
                bedrock: Beat::between(&before.bedrock, &now.bedrock, ms),
            });
        }
        readings.push_back(now);
        if readings.len() > WINDOW {
            readings.pop_front();
        }
        if points.len() > POINTS_MAX {
            points.pop_front();
        }
    }

    /// All points, oldest first.
    pub(super) fn points(&self) -> Vec<Point> {
        self.lock().points.iter().copied().collect()
    }

    /// The newest point.
    pub(super) fn last(&self) -> Option<Point> {
        self.lock().points.back().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in it can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    fn between(before: &Tally, now: &Tally, ms: u64) -> Self {
        let judged = now.judged.saturating_sub(before.judged);
        let failed = now.failed.saturating_sub(before.failed);
        let timed = now.timed.saturating_sub(before.timed);
        let within = now
            .within
            .iter()
            .enumerate()
            .map(|(place, (bound, count))| {
                let earlier = before.within.get(place).map_or(0, |(_, count)| *count);
                (*bound, count.saturating_sub(earlier))
            });
        let within: Vec<_> = within.collect();
        Self {
            error_percent: (judged > 0).then(|| rounded(failed as f64 * 100.0 / judged as f64)),
            p50_s: quantile(&within, timed, 0.5),
            p95_s: quantile(&within, timed, 0.95),
            per_second: (ms > 0).then(|| rounded(judged as f64 * 1_000.0 / ms as f64)),
        }
    }
}

/// The quantile of a histogram, straight within a bucket as Prometheus' `histogram_quantile` has
/// it: beyond the last bound, the last bound.
fn quantile(within: &[(f64, u64)], timed: u64, part: f64) -> Option<f64> {
    if timed == 0 {
        return None;
    }
    let rank = timed as f64 * part;
    let (mut low, mut below) = (0.0, 0);
    for (bound, count) in within {
        if *count as f64 >= rank && *count > below {
            let inside = (rank - below as f64) / (*count - below) as f64;
            return Some(rounded(low + (bound - low) * inside));
        }
        (low, below) = (*bound, *count);
    }
    Some(low)
}

/// As exact as a screen is.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Class, Verdict};

    #[test]
    fn a_point_is_what_the_last_minute_came_to() {
        let (metrics, pulse) = (Metrics::new(), Pulse::default());
        metrics.call(Arm::Bedrock, Verdict::Failure(Class::Server));
        pulse.take(&metrics, 0);
        assert_eq!(pulse.points(), [], "one reading is no difference");
        for call in 0..20 {
            let verdict = match call {
                0 => Verdict::Failure(Class::Server),
                _ => Verdict::Ok,
            };
            metrics.call(Arm::Bedrock, verdict);
            metrics.call(Arm::Bedrock, Verdict::Cancelled);
            metrics.first_token(Arm::Bedrock, Duration::from_millis(700));
        }
        pulse.take(&metrics, 5_000);
        let point = pulse.last().expect("a point");
        assert_eq!(point.bedrock.error_percent, Some(5.0));
        assert_eq!(point.bedrock.per_second, Some(4.0));
        // All in the bucket from 0.5 to 0.75 s.
        assert_eq!(point.bedrock.p50_s, Some(0.625));
        assert_eq!(
            point.original,
            Beat {
                per_second: Some(0.0),
                ..Beat::default()
            }
        );
        for step in 2..500 {
            pulse.take(&metrics, step * 5_000);
        }
        assert_eq!(pulse.last().expect("a point").bedrock.error_percent, None);
        assert_eq!(pulse.points().len(), POINTS_MAX);
    }

    #[test]
    fn beyond_the_last_bound_a_quantile_is_the_last_bound() {
        let within = [(1.0, 0), (2.0, 10)];
        assert_eq!(quantile(&within, 10, 0.5), Some(1.5));
        assert_eq!(quantile(&within, 100, 0.5), Some(2.0));
        assert_eq!(quantile(&within, 0, 0.5), None);
    }
}
