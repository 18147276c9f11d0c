//! The rule clock: the one place that reads time for the rollout.
//!
//! [`RuleClock`] gives the data path the moment for its bookings; a [`Ticker`] drives the
//! controller with one beat a second, every fifth one a tick of the rules. Rule time is monotonic,
//! so a jump of the wall clock moves no decision. A stepped clock (tests, replay) stands still
//! until its [`Stepper`] moves it, and the stepper waits until every ticker's owner has dealt with
//! each beat; so ten minutes of rollout take no time, and no test needs to sleep.

use crate::outcome::RuleTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior};

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One beat, in milliseconds: how often a held lock and a failed write are tried again.
pub const BEAT_MS: u64 = 1_000;

/// One tick of the rules, in milliseconds.
pub const TICK_MS: u64 = 5_000;

/// Where rule time comes from.
#[derive(Clone, Debug)]
pub enum RuleClock {
    /// The machine's monotonic clock, counted from this moment.
    System(Instant),
    /// A clock that a [`Stepper`] moves.
    Stepped(Arc<Steps>),
}

impl RuleClock {
    /// The machine's clock; rule time starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that others are given"
    )]
    pub fn system() -> Self {
        Self::System(Instant::now())
    }

    /// A clock that stands still, and what moves it.
    pub fn stepped() -> (Self, Stepper) {
        let steps = Arc::new(Steps::default());
        (Self::Stepped(Arc::clone(&steps)), Stepper(steps))
    }

    /// The present moment.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that others are given"
    )]
    pub fn now(&self) -> RuleTime {
        match self {
            Self::System(start) => {
                let elapsed = Instant::now().saturating_duration_since(*start);
                RuleTime(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Stepped(steps) => RuleTime(steps.now_ms.load(Ordering::SeqCst)),
        }
    }

    /// Beats from now on. Of the machine's clock: aligned to its start, and only inside a runtime.
    pub fn ticker(&self) -> Ticker {
        match self {
            Self::System(start) => {
                let beat = Duration::from_millis(BEAT_MS);
                let mut interval = tokio::time::interval_at((*start).into(), beat);
                // After a pause of the machine one beat is enough: the rules work from the time,
                // not from the number of beats.
                interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
                let last_tick = self.now().0 / TICK_MS;
                Ticker(Source::System {
                    clock: self.clone(),
                    interval,
                    last_tick,
                })
            }
            Self::Stepped(steps) => {
                // The stepper waits for each beat, so there is never a second one to hold.
                let (sender, receiver) = mpsc::channel(1);
                steps
                    .tickers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sender);
                Ticker(Source::Stepped(receiver))
            }
        }
    }
}

/// Wall-clock time in milliseconds since 1970, for people; no decision depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are given"
)]
pub fn unix_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Wall-clock time, for the date in a signature.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are given"
)]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The runtime's clock, for the timeouts of I/O; a test may pause it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are given"
)]
pub fn io_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// The beats of one clock, for one owner.
#[derive(Debug)]
pub struct Ticker(Source);

#[derive(Debug)]
enum Source {
    System {
        clock: RuleClock,
        interval: Interval,
        last_tick: u64,
    },
    Stepped(mpsc::Receiver<Beat>),
}

impl Ticker {
    /// Waits for the next beat. Cancel-safe. A stepped clock whose stepper is gone never beats.
    pub async fn beat(&mut self) -> Beat {
        match &mut self.0 {
            Source::System {
                clock,
                interval,
                last_tick,
            } => {
                interval.tick().await;
                let tick = clock.now().0 / TICK_MS;
                let rules = tick > *last_tick;
                *last_tick = tick;
                Beat {
                    rules,
                    _handled: None,
                }
            }
            Source::Stepped(beats) => match beats.recv().await {
                Some(beat) => beat,
                None => std::future::pending().await,
            },
        }
    }
}

/// One second of the rule clock has passed. Kept by its receiver until everything that it caused
/// is done, files included; dropping it lets a stepped clock go on.
#[derive(Debug)]
pub struct Beat {
    /// Whether the rules are to be evaluated.
    pub rules: bool,
    _handled: Option<oneshot::Sender<()>>,
}

/// What a stepped clock shares with its stepper and its tickers.
#[derive(Debug, Default)]
pub struct Steps {
    now_ms: AtomicU64,
    tickers: Mutex<Vec<mpsc::Sender<Beat>>>,
}

/// Moves a stepped clock.
#[derive(Debug)]
pub struct Stepper(Arc<Steps>);

impl Stepper {
    /// Moves the clock by `ms` milliseconds, beat by beat, and returns when each beat on the way
    /// has been dealt with by every ticker's owner.
    pub async fn advance(&self, ms: u64) {
        let end = self.0.now_ms.load(Ordering::SeqCst).saturating_add(ms);
        loop {
            let now = self.0.now_ms.load(Ordering::SeqCst);
            let beat = (now / BEAT_MS + 1).saturating_mul(BEAT_MS);
            if beat > end {
                self.0.now_ms.store(end, Ordering::SeqCst);
                return;
            }
            self.0.now_ms.store(beat, Ordering::SeqCst);
            self.deliver(beat.is_multiple_of(TICK_MS)).await;
        }
    }

    async fn deliver(&self, rules: bool) {
        let tickers = self
            .0
            .tickers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for ticker in tickers {
            let (handled, done) = oneshot::channel();
            // A ticker that is gone has nothing left to deal with; dropping the sender ends the
            // wait in either case.
            if ticker
                .send(Beat {
                    rules,
                    _handled: Some(handled),
                })
                .await
                .is_ok()
            {
                let _ = done.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stepped_clock_waits_for_the_owner_of_each_beat() {
        let (clock, stepper) = RuleClock::stepped();
        let mut ticker = clock.ticker();
        let owner_clock = clock.clone();
        let owner = tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < 11 {
                let beat = ticker.beat().await;
                // Other tasks run between a beat and its end; the clock must not.
                tokio::task::yield_now().await;
                seen.push((owner_clock.now().0, beat.rules));
            }
            seen
        });
        stepper.advance(3_500).await;
        assert_eq!(clock.now(), RuleTime(3_500));
        stepper.advance(8_000).await;
        assert_eq!(clock.now(), RuleTime(11_500));
        let expected: Vec<_> = (1..=11).map(|n| (n * 1_000, n % 5 == 0)).collect();
        assert_eq!(owner.await.expect("the owner does not panic"), expected);
        // Its ticker is gone: nobody is waited for.
        stepper.advance(10_000).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_beats_each_second() {
        let clock = RuleClock::system();
        let mut ticker = clock.ticker();
        let before = tokio::time::Instant::from_std(match &clock {
            RuleClock::System(start) => *start,
            RuleClock::Stepped(_) => unreachable!("made above"),
        });
        let mut ticker_time = Vec::new();
        for _ in 0..3 {
            drop(ticker.beat().await);
            ticker_time.push(before.elapsed().as_secs());
        }
        assert_eq!(ticker_time, [0, 1, 2]);
    }
}
