//! How a process stops: unready, no new Bedrock calls, then no new calls, then the end.
//!
//! One value, [`Phase`], that only moves forward. The controller holds the share at 0 from
//! [`Phase::Draining`] on; the server goes on accepting for the original until callers have
//! noticed; at [`Phase::Cut`] whatever still runs is ended with an error that says so.

use crate::clock;
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
