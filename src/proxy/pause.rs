//! What keeps this process from asking Bedrock for a while, besides the share: a model whose quota
//! is used up until a moment that the service named, and the local breaker.
//!
//! Neither moves the rollout. A call that is kept back stays with the original, with a reason. A
//! moment that has passed is forgotten by the next call that asks; there is no timer. While
//! nothing is paused a call reads one number.

use crate::outcome::RuleTime;
use crate::rollout::Admission;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The models that are not to be asked yet, and the trial calls that were made.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// When the last of them ends, on the rule clock; 0: none ever was.
    last_ends_ms: AtomicU64,
    models: Mutex<HashMap<String, RuleTime>>,
    /// The number of the last trial call that was made.
    tried: AtomicU64,
}

impl Pauses {
    /// Bedrock throttled a model at `now` and wants to be asked again after `wait`. An earlier,
    /// longer wait stands.
    pub(super) fn throttled(&self, model_id: &str, now: RuleTime, wait: Duration) {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let until = now.plus(wait_ms);
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|_, until| *until > now);
        let entry = models.entry(model_id.to_owned()).or_insert(until);
        *entry = (*entry).max(until);
        self.last_ends_ms.fetch_max(until.0, Ordering::Relaxed);
    }

    /// Whether a model is not to be asked yet; `now` is asked for only if any model may be.
    pub(super) fn holds(&self, model_id: &str, now: impl FnOnce() -> RuleTime) -> bool {
        let last_ends = RuleTime(self.last_ends_ms.load(Ordering::Relaxed));
        if last_ends == RuleTime(0) {
            return false;
        }
        let now = now();
        let models = || self.models.lock().unwrap_or_else(PoisonError::into_inner);
        last_ends > now && models().get(model_id).is_some_and(|until| *until > now)
    }

    /// Whether the breaker lets a call go; of each trial it does so once.
    pub(super) fn admits(&self, admission: Admission) -> bool {
        match admission {
            Admission::All => true,
            Admission::None => false,
            Admission::One(pass) => self.tried.swap(pass, Ordering::Relaxed) != pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_waits_until_its_moment_and_others_do_not() {
        let pauses = Pauses::default();
        let holds = |model: &str, ms| pauses.holds(model, || RuleTime(ms));
        assert!(!holds("a", 0));
        pauses.throttled("a", RuleTime(1_000), Duration::from_secs(5));
        assert!(holds("a", 1_000) && holds("a", 5_999));
        assert!(!holds("a", 6_000) && !holds("b", 1_000));
        pauses.throttled("a", RuleTime(2_000), Duration::from_secs(1));
        assert!(holds("a", 5_999), "the longer wait stands");
        pauses.throttled("b", RuleTime(7_000), Duration::from_secs(1));
        assert!(!holds("a", 7_500) && holds("b", 7_500));
    }

    #[test]
    fn a_trial_is_one_call() {
        let pauses = Pauses::default();
        assert!(pauses.admits(Admission::All));
        assert!(!pauses.admits(Admission::None));
        assert!(pauses.admits(Admission::One(7)));
        assert!(!pauses.admits(Admission::One(7)));
        assert!(pauses.admits(Admission::One(8)), "the next trial");
    }
}
