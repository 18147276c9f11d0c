//! The app's steady load, and the tally of what it saw.
//!
//! Calls start at a fixed pace, whatever became of the earlier ones. The tally counts for good and,
//! apart, since the last [`Load::mark`]: only calls that began after it, so that a claim about
//! “from now on” is not blurred by answers that were under way, and only so many of them, so that
//! a share is not blurred by the slow ones that have not ended.

use super::app::{Answered, Http, Question, Target};
use crate::split::{Bucket, Percent};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

/// Calls under way at one time; beyond, the app holds back.
const IN_FLIGHT: usize = 512;

/// What the app saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Answered calls.
    pub(super) answered: u64,
    /// Those that Bedrock answered.
    pub(super) bedrock: u64,
    /// Calls without a complete answer.
    pub(super) errors: u64,
    /// What was wrong with the first of them.
    pub(super) first_error: Option<String>,
    /// Calls that the original answered because Bedrock failed.
    pub(super) failovers: u64,
    /// Calls under way.
    pub(super) in_flight: u64,
    /// The same of the calls that began after the last mark.
    pub(super) marked: Marked,
    mark: u64,
    /// How many more calls belong to the mark.
    room: u64,
}

/// What the calls since a mark came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Answered calls.
    pub(super) answered: u64,
    /// Those that Bedrock answered.
    pub(super) bedrock: u64,
    /// Those that the original answered because Bedrock failed.
    pub(super) failovers: u64,
    /// Calls under way.
    pub(super) in_flight: u64,
    /// The highest bucket that went to Bedrock.
    highest_sent: Option<Bucket>,
    /// The lowest bucket that did not.
    lowest_kept: Option<Bucket>,
}

impl Marked {
    /// Whether each call went where the bucket of its conversation says.
    pub(super) fn follows(self, share: Percent) -> bool {
        self.highest_sent
            .is_none_or(|bucket| share.includes(bucket))
            && self
                .lowest_kept
                .is_none_or(|bucket| !share.includes(bucket))
    }

    /// The share that went to Bedrock, answered there or not, in percent.
    pub(super) fn percent(self) -> f64 {
        let share = |part: u64, whole: u64| {
            f64::from(u32::try_from(part).unwrap_or(u32::MAX))
                / f64::from(u32::try_from(whole.max(1)).unwrap_or(u32::MAX))
        };
        100.0 * share(self.bedrock + self.failovers, self.answered)
    }
}

impl Tally {
    /// A call begins; tells the mark that it belongs to.
    fn begin(&mut self) -> Option<u64> {
        self.in_flight += 1;
        self.room = self.room.checked_sub(1)?;
        self.marked.in_flight += 1;
        Some(self.mark)
    }

    fn end(&mut self, mark: Option<u64>, bucket: Option<Bucket>, result: Result<Answered, String>) {
        self.in_flight -= 1;
        let marked = (mark == Some(self.mark)).then_some(&mut self.marked);
        let mut nobody = Marked::default();
        let marked = match marked {
            Some(marked) => {
                marked.in_flight -= 1;
                marked
            }
            None => &mut nobody,
        };
        match result {
            Ok(answer) => {
                self.answered += 1;
                marked.answered += 1;
                if answer.by_bedrock || answer.failover.is_some() {
                    marked.highest_sent = marked.highest_sent.max(bucket);
                } else {
                    marked.lowest_kept = marked.lowest_kept.into_iter().chain(bucket).min();
                }
                if answer.failover.is_some() {
                    self.failovers += 1;
                    marked.failovers += 1;
                } else if answer.by_bedrock {
                    self.bedrock += 1;
                    marked.bedrock += 1;
                }
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }

    fn new_mark(&mut self, calls: u64) {
        self.mark += 1;
        self.room = calls;
        self.marked = Marked::default();
    }

    /// Whether every call that began before the mark has ended; only for a mark without end.
    pub(super) const fn earlier_ended(&self) -> bool {
        self.in_flight == self.marked.in_flight
    }
}

/// The running load; dropping it ends every call.
#[derive(Debug)]
pub(super) struct Load {
    tally: Arc<Mutex<Tally>>,
    running: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Load {
    /// Starts calling `target`, with `pace` between two calls.
    pub(super) fn start(target: Target, pace: Duration) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let (running, run) = watch::channel(true);
        let task = tokio::spawn(drive(target, pace, Arc::clone(&tally), run));
        Self {
            tally,
            running,
            task,
        }
    }

    /// What the app has seen.
    pub(super) fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }

    /// What was wrong with the first failed call since this was asked last.
    pub(super) fn take_error(&self) -> Option<String> {
        lock(&self.tally).first_error.take()
    }

    /// Counts the next so many calls in [`Tally::marked`].
    pub(super) fn mark(&self, calls: u64) {
        lock(&self.tally).new_mark(calls);
    }

    /// Starts no call until [`resume`](Self::resume); those under way go on.
    pub(super) fn pause(&self) {
        self.running.send_replace(false);
    }

    /// Goes on calling.
    pub(super) fn resume(&self) {
        self.running.send_replace(true);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn drive(
    target: Target,
    pace: Duration,
    tally: Arc<Mutex<Tally>>,
    mut run: watch::Receiver<bool>,
) {
    let target = Arc::new(target);
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let mut pace = tokio::time::interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut calls = JoinSet::new();
    for number in 0.. {
        pace.tick().await;
        if run.wait_for(|run| *run).await.is_err() {
            return;
        }
        while calls.try_join_next().is_some() {}
        if calls.len() == IN_FLIGHT {
            calls.join_next().await;
        }
        let (http, target, tally) = (http.clone(), Arc::clone(&target), Arc::clone(&tally));
        let mark = lock(&tally).begin();
        calls.spawn(async move {
            let question = Question::new(number);
            let result = question.ask(&http, &target).await;
            lock(&tally).end(mark, question.bucket(), result);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::demo::app::Answered;
    use crate::split::{Bucket, Percent};

    fn answer(by_bedrock: bool, failover: bool) -> Result<Answered, String> {
        let failover = failover.then(|| "server".to_owned());
        Ok(Answered {
            by_bedrock,
            failover,
        })
    }

    #[test]
    fn a_mark_counts_only_what_began_after_it() {
        let mut tally = Tally::default();
        let early = tally.begin();
        tally.new_mark(3);
        let late = [tally.begin(), tally.begin(), tally.begin()];
        let beyond = tally.begin();
        assert_eq!(beyond, None);
        let bucket = Bucket::of_hash;
        tally.end(early, Some(bucket(9_999)), answer(true, false));

        tally.end(late[0], Some(bucket(1)), answer(true, false));
        tally.end(late[1], Some(bucket(2)), answer(false, true));
        tally.end(late[2], Some(bucket(3)), answer(false, false));
        tally.end(beyond, Some(bucket(0)), answer(false, false));
        let marked = tally.marked;
        assert_eq!(
            (
                tally.answered,
                marked.answered,
                marked.bedrock,
                marked.failovers
            ),
            (5, 3, 1, 1)
        );
        let follows = |points| marked.follows(Percent::from_basis_points(points).unwrap());
        assert_eq!([2, 3, 4].map(follows), [false, true, false]);
        assert!((marked.percent() - 66.7).abs() < 0.1);
    }

    #[test]
    fn what_began_before_a_mark_is_waited_for() {
        let mut tally = Tally::default();
        let early = tally.begin();
        tally.new_mark(u64::MAX);
        let late = tally.begin();
        assert!(!tally.earlier_ended());
        tally.end(early, None, answer(true, false));
        assert!(tally.earlier_ended());
        tally.end(late, None, answer(true, false));
        assert!(tally.earlier_ended());
    }

    #[test]
    fn an_error_is_kept_with_its_first_words() {
        let mut tally = Tally::default();
        for why in ["one", "two"] {
            let mark = tally.begin();
            tally.end(mark, None, Err(why.to_owned()));
        }
        assert_eq!(
            (tally.errors, tally.first_error.as_deref()),
            (2, Some("one"))
        );
    }
}
