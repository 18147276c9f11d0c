//! How a process stops: unready, no new Bedrock calls, then no new calls, then the end.
//!
//! One value, [`Phase`], that only moves forward. The controller holds the share at 0 from
//! [`Phase::Draining`] on; the server goes on accepting for the original until callers have
//! noticed; at [`Phase::Cut`] whatever still runs is ended with an error that says so.

use crate::clock;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Where in its life the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything works.
    Serving,
    /// Unready; calls are still accepted, for the original.
    Draining,
    /// Nothing is accepted; what runs may finish.
    Closing,
    /// What still runs is ended.
    Cut,
}

/// Moves the phase forward; owned by `app`.
#[derive(Debug)]
pub struct Drain {
    phase: watch::Sender<Phase>,
    calls: watch::Sender<u64>,
}

/// What everybody else has of it: reads the phase, reports calls.
#[derive(Clone, Debug)]
pub struct Watch {
    phase: watch::Receiver<Phase>,
    calls: watch::Sender<u64>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            calls: watch::Sender::new(0),
        }
    }
}

impl Drain {
    /// A view of this drain.
    pub fn watch(&self) -> Watch {
        Watch {
            phase: self.phase.subscribe(),
            calls: self.calls.clone(),
        }
    }

    /// Moves to `phase`; never back.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let forward = phase > *now;
            *now = phase.max(*now);
            forward
        });
    }

    /// Returns when no call came for [`QUIET`], or at `deadline`.
    pub async fn quiet(&self, deadline: Instant) {
        let mut calls = self.calls.subscribe();
        loop {
            let until = deadline.min(clock::io_now() + QUIET);
            match tokio::time::timeout_at(until, calls.changed()).await {
                Ok(Ok(())) if until < deadline => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

impl Watch {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until `phase` is reached or passed; for ever if the drain is gone.
    pub async fn reached(mut self, phase: Phase) {
        if self.phase.wait_for(|now| *now >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Polls `work` to its end; `None` if `phase` comes first. The drain is waited for once in each
    /// phase, as the waker of a task stays the same; every other poll costs one look more.
    pub fn before<F: Future + Send>(
        &self,
        phase: Phase,
        mut work: Pin<&mut F>,
    ) -> impl Future<Output = Option<F::Output>> + Send {
        let mut seen = self.phase.clone();
        seen.mark_changed();
        let reached = self.clone().reached(phase);
        async move {
            let mut reached = pin!(reached);
            poll_fn(|cx| {
                // Before the work, which may use up the task's turn: then nobody would be woken.
                if !matches!(seen.has_changed(), Ok(false)) {
                    seen.mark_unchanged();
                    if reached.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                }
                work.as_mut().poll(cx).map(Some)
            })
            .await
        }
    }

    /// A call came: while draining, callers have not all noticed yet.
    pub fn call_came(&self) {
        if self.phase() == Phase::Draining {
            self.calls
                .send_modify(|calls| *calls = calls.wrapping_add(1));
        }
    }
}

/// That long without a new call means that the callers have noticed.
pub const QUIET: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_before_its_phase_or_is_told_of_it() {
        let drain = Drain::default();
        let watch = drain.watch();
        let done = watch.before(Phase::Closing, pin!(async { 7 })).await;
        assert_eq!(done, Some(7));
        let waiting = tokio::spawn(async move {
            let mut polls = 0;
            let work = poll_fn(|_| {
                polls += 1;
                Poll::<()>::Pending
            });
            let done = watch.before(Phase::Closing, pin!(work)).await;
            (done, polls)
        });
        tokio::task::yield_now().await;
        // One phase too early, which only wakes it.
        drain.enter(Phase::Draining);
        tokio::task::yield_now().await;
        drain.enter(Phase::Closing);
        assert_eq!(waiting.await.expect("no panic"), (None, 2));
    }
}
