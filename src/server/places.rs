//! Places for callers: as many as `limits.connections` says now.
//!
//! The limit is asked for anew whenever what is in force may have changed. One that is lowered ends
//! nobody: who is here stays, and the next caller is accepted when enough have left. Until then callers
//! wait in the kernel's queue.

use std::future::Future;
use tokio::sync::watch;

/// Who is here, and how many may be.
pub(super) struct Places<L> {
    taken: watch::Sender<usize>,
    limit: L,
    changes: watch::Receiver<()>,
}

impl<L: Fn() -> usize> Places<L> {
    /// Nobody is here. `limit` says how many may be, and `changes` when that is to be asked again.
    pub(super) fn new(limit: L, changes: watch::Receiver<()>) -> Self {
        let taken = watch::Sender::new(0);
        Self {
            taken,
            limit,
            changes,
        }
    }

    /// The next caller, whom `accept` waits for while there is a place. Cancel-safe if `accept` is.
    pub(super) async fn next<F: Future>(&self, accept: impl Fn() -> F) -> F::Output {
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            let limit = (self.limit)();
            let accepted = async {
                // An error says that the sender is gone, which is ours.
                let _ = self
                    .taken
                    .subscribe()
                    .wait_for(|taken| *taken < limit)
                    .await;
                accept().await
            };
            tokio::select! {
                biased;
                // Nothing changes any more when the other end is gone.
                Ok(()) = changes.changed() => {}
                accepted = accepted => return accepted,
            }
        }
    }

    /// A place for the caller that was just accepted.
    pub(super) fn take(&self) -> Place {
        self.taken.send_modify(|taken| *taken += 1);
        Place(self.taken.clone())
    }

    /// Waits until everybody has left.
    pub(super) async fn empty(self) {
        // As above.
        let _ = self.taken.subscribe().wait_for(|taken| *taken == 0).await;
    }
}

/// One caller's place; free again when it is dropped.
pub(super) struct Place(watch::Sender<usize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|taken| *taken = taken.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};

    #[test]
    fn the_limit_of_the_moment_counts() {
        let limit = AtomicUsize::new(1);
        let (changed, changes) = watch::channel(());
        let places = Places::new(|| limit.load(Ordering::Relaxed), changes);
        let set = |to| {
            limit.store(to, Ordering::Relaxed);
            changed.send_replace(());
        };
        let mut cx = Context::from_waker(Waker::noop());
        let mut is_free = || pin!(places.next(|| ready(()))).poll(&mut cx).is_ready();
        assert!(is_free());
        let first = places.take();
        assert!(!is_free());
        set(3);
        let (second, third) = (places.take(), places.take());
        assert!(!is_free());
        set(2);
        drop(first);
        assert!(!is_free(), "two are still here");
        drop(second);
        assert!(is_free());
        drop(third);
        assert!(is_free());
    }

    #[test]
    fn who_waits_notices_another_limit() {
        let limit = AtomicUsize::new(0);
        let (changed, changes) = watch::channel(());
        let places = Places::new(|| limit.load(Ordering::Relaxed), changes);
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = pin!(places.next(std::future::pending::<()>));
        let mut raised = pin!(places.next(|| ready(())));
        assert!(next.as_mut().poll(&mut cx).is_pending());
        assert!(raised.as_mut().poll(&mut cx).is_pending());
        limit.store(1, Ordering::Relaxed);
        changed.send_replace(());
        assert!(raised.as_mut().poll(&mut cx).is_ready());
        // Without anybody to tell of changes the last limit stays.
        drop(changed);
        assert!(next.as_mut().poll(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn the_end_waits_for_everybody() {
        let (_changed, changes) = watch::channel(());
        let places = Places::new(|| 2, changes);
        let place = places.take();
        let mut cx = Context::from_waker(Waker::noop());
        let mut empty = pin!(places.empty());
        assert!(empty.as_mut().poll(&mut cx).is_pending());
        drop(place);
        empty.await;
    }
}
