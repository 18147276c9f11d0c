//! Counts what is in use against a limit that a reload may change.
//!
//! Nobody waits for room: what finds none stays with the original. So a counter is enough, and the
//! limit can come with each question instead of being built in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Quota(Arc<AtomicUsize>);

impl Quota {
    /// Takes `amount`, if with it no more than `limit` is in use.
    pub(super) fn take(&self, amount: usize, limit: usize) -> Option<Taken> {
        let mut taken = Taken {
            quota: self.clone(),
            amount: 0,
        };
        taken.grow(amount, limit).then_some(taken)
    }
}

/// What was taken; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    quota: Quota,
    amount: usize,
}

impl Taken {
    /// Takes `more`, if with it no more than `limit` is in use; tells whether it did.
    pub(super) fn grow(&mut self, more: usize, limit: usize) -> bool {
        let with = |used: usize| used.checked_add(more).filter(|sum| *sum <= limit);
        let counter = &self.quota.0;
        let done = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with);
        if done.is_ok() {
            self.amount += more;
        }
        done.is_ok()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.quota.0.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_all_and_room_comes_back() {
        let quota = Quota::default();
        let mut first = quota.take(3, 5).expect("there is room");
        assert!(quota.take(3, 5).is_none());
        assert!(!first.grow(3, 5), "what does not fit takes nothing");
        assert!(first.grow(2, 5));
        assert!(quota.take(1, 5).is_none());
        assert!(quota.take(1, 6).is_some(), "a raised limit counts at once");
        assert!(
            quota.take(0, 2).is_none(),
            "so does a lowered one, for who comes next"
        );
        drop(first);
        assert!(quota.take(5, 5).is_some());
        assert!(quota.take(usize::MAX, usize::MAX).is_some());
    }
}
