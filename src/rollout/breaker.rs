//! The local breaker: it keeps this process from Bedrock for a while, and never moves the rollout.
//!
//! It opens when this process's own calls show an outage. Then nothing is sent for a minute; then
//! one trial call, whose success closes it and whose failure doubles the wait, up to ten minutes. A
//! trial that its caller left says nothing: the next call is the trial. What is counted for opening
//! begins anew when it closes; if it opens again within ten minutes of that, the wait goes on
//! doubling.
//!
//! Where this process is the only one, its own calls are all there are: `outage` trips on them
//! first, and a rollback is what is wanted. The breaker acts where the rollout's rules see more
//! than this process (a fleet), or are set to look longer or not at all.

use crate::outcome::RuleTime;
use serde::Serialize;

/// Where the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Calls go.
    Closed {
        /// When it last closed, and how long it had waited before that; none: it never opened.
        after: Option<(RuleTime, u64)>,
    },
    /// No call goes.
    Open {
        /// When a trial may.
        until: RuleTime,
        /// How long it waits, in milliseconds.
        wait_ms: u64,
    },
    /// One call goes.
    Trial {
        /// Since when.
        since: RuleTime,
        /// How long it had waited.
        wait_ms: u64,
        /// The number of the trial: who takes a number first makes the call.
        pass: u64,
    },
}

/// Which Bedrock calls this process may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// All that the split sends.
    #[default]
    All,
    /// None.
    None,
    /// The first that asks, of each number.
    One(u64),
}

/// The local breaker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerReport {
    /// Where it stands.
    pub state: BreakerState,
    /// How long until a call is tried, in milliseconds; only while it is open.
    pub left_ms: Option<u64>,
}

/// Where the local breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls go.
    Closed,
    /// No call goes.
    Open,
    /// One call goes.
    Trial,
}

impl BreakerState {
    /// Every state, in label order.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::Trial];

    /// As the label and the messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Trial => "trial",
        }
    }
}

/// What the breaker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swing {
    /// It opened, for so many milliseconds.
    Opened(u64),
    /// It closed.
    Closed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { after: None }
    }
}

impl Breaker {
    /// Time has come to `now`. `outage` says whether the calls since [`Self::closed_at`] show
    /// one, `trying` whether a trial call runs.
    pub(super) fn look(&mut self, now: RuleTime, outage: bool, trying: bool) -> Option<Swing> {
        match *self {
            Self::Closed { after } if outage => {
                let again = after.filter(|(closed, _)| now.since(*closed) < WAIT_MAX_MS);
                let wait_ms = again.map_or(WAIT_MS, |(_, waited)| doubled(waited));
                Some(self.open(now, wait_ms))
            }
            Self::Open { until, wait_ms } if now >= until => {
                let (since, pass) = (now, now.0);
                *self = Self::Trial {
                    since,
                    wait_ms,
                    pass,
                };
                None
            }
            // Nobody has used the number, or its call was lost on the way: a new one.
            Self::Trial { since, wait_ms, .. } if !trying => {
                let pass = now.0;
                *self = Self::Trial {
                    since,
                    wait_ms,
                    pass,
                };
                None
            }
            Self::Closed { .. } | Self::Open { .. } | Self::Trial { .. } => None,
        }
    }

    /// A call that was dispatched at `dispatched` has ended at `now`; `well` is none if that says
    /// nothing.
    pub(super) fn ended(
        &mut self,
        dispatched: RuleTime,
        now: RuleTime,
        well: Option<bool>,
    ) -> Option<Swing> {
        match (*self, well) {
            (Self::Trial { since, wait_ms, .. }, Some(well)) if dispatched >= since => {
                if !well {
                    return Some(self.open(now, doubled(wait_ms)));
                }
                let after = Some((now, wait_ms));
                *self = Self::Closed { after };
                Some(Swing::Closed)
            }
            (Self::Trial { .. }, Some(_) | None) => None,
            (Self::Closed { .. } | Self::Open { .. }, Some(_) | None) => None,
        }
    }

    /// When it last closed, while it is closed: calls from before do not count for opening it.
    pub(super) fn closed_at(self) -> Option<RuleTime> {
        match self {
            Self::Closed { after } => after.map(|(closed, _)| closed),
            Self::Open { .. } | Self::Trial { .. } => None,
        }
    }

    /// Since when a trial may be made; none: none may.
    pub(super) const fn trial_since(self) -> Option<RuleTime> {
        match self {
            Self::Trial { since, .. } => Some(since),
            Self::Closed { .. } | Self::Open { .. } => None,
        }
    }

    /// Which calls may go.
    pub(super) const fn admission(self) -> Admission {
        match self {
            Self::Closed { .. } => Admission::All,
            Self::Open { .. } => Admission::None,
            Self::Trial { pass, .. } => Admission::One(pass),
        }
    }

    /// What is said of it.
    pub(super) const fn report(self, now: RuleTime) -> BreakerReport {
        let (state, left_ms) = match self {
            Self::Closed { .. } => (BreakerState::Closed, None),
            Self::Open { until, .. } => (BreakerState::Open, Some(until.since(now))),
            Self::Trial { .. } => (BreakerState::Trial, None),
        };
        BreakerReport { state, left_ms }
    }

    const fn open(&mut self, now: RuleTime, wait_ms: u64) -> Swing {
        let until = now.plus(wait_ms);
        *self = Self::Open { until, wait_ms };
        Swing::Opened(wait_ms)
    }
}

const fn doubled(wait_ms: u64) -> u64 {
    let doubled = wait_ms.saturating_mul(2);
    if doubled < WAIT_MAX_MS {
        doubled
    } else {
        WAIT_MAX_MS
    }
}

/// The first wait.
const WAIT_MS: u64 = 60_000;

/// The longest wait, and how long a closed breaker remembers the last one.
const WAIT_MAX_MS: u64 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn a_lasting_fault_is_tried_less_and_less_often() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.look(RuleTime(0), false, false), None);
        assert_eq!(breaker.admission(), Admission::All);
        let opened = breaker.look(RuleTime(5_000), true, false);
        assert_eq!(opened, Some(Swing::Opened(MINUTE)));
        let mut now = RuleTime(5_000);
        for minutes in [1, 2, 4, 8, 10, 10] {
            assert_eq!(breaker.admission(), Admission::None);
            let almost = now.plus(minutes * MINUTE - 1);
            assert_eq!(breaker.look(almost, true, false), None);
            assert_eq!(breaker.admission(), Admission::None, "{minutes}");
            now = now.plus(minutes * MINUTE);
            assert_eq!(breaker.look(now, true, false), None);
            assert_eq!(breaker.admission(), Admission::One(now.0), "{minutes}");
            let failed = breaker.ended(now, now, Some(false));
            assert!(matches!(failed, Some(Swing::Opened(_))), "{failed:?}");
        }
    }

    #[test]
    fn a_trial_that_succeeds_closes_it() {
        let mut breaker = Breaker::default();
        breaker.look(RuleTime(0), true, false);
        breaker.look(RuleTime(MINUTE), false, false);
        let (old, new) = (RuleTime(MINUTE - 1), RuleTime(MINUTE));
        assert_eq!(breaker.ended(old, new, Some(true)), None, "sent before");
        assert_eq!(breaker.ended(new, new, None), None, "left by its caller");
        assert_eq!(breaker.ended(new, new, Some(true)), Some(Swing::Closed));
        assert_eq!(breaker.admission(), Admission::All);
        assert_eq!(
            breaker.closed_at(),
            Some(new),
            "what was before is forgotten"
        );
        // Soon again: the wait goes on where it was. Later: it begins anew.
        let mut soon = breaker;
        let opened = soon.look(RuleTime(2 * MINUTE), true, false);
        assert_eq!(opened, Some(Swing::Opened(2 * MINUTE)));
        let opened = breaker.look(RuleTime(12 * MINUTE), true, false);
        assert_eq!(opened, Some(Swing::Opened(MINUTE)));
    }

    #[test]
    fn a_lost_trial_is_given_out_again() {
        let mut breaker = Breaker::default();
        breaker.look(RuleTime(0), true, false);
        breaker.look(RuleTime(MINUTE), false, false);
        let first = breaker.admission();
        breaker.look(RuleTime(MINUTE + 5_000), false, true);
        assert_eq!(breaker.admission(), first, "while one runs no other goes");
        breaker.look(RuleTime(MINUTE + 10_000), false, false);
        assert_ne!(breaker.admission(), first);
    }
}
