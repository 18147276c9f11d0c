//! What calls came to, counted: the same counters for a 5 s bucket and for an attempt's total.

use super::ArmCounts;
use super::ratio::Ratio;
use crate::outcome::Class;

/// One thing to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Sent to the arm.
    Dispatched,
    /// A complete answer.
    Ok,
    /// A failure.
    Failed(Class),
    /// Fast enough.
    Fast,
    /// Crossed the latency limit.
    Slow,
    /// Refused for what it is.
    Rejected,
    /// Longer than the context window.
    ContextWindow,
    /// Left by the caller.
    Cancelled,
    /// Left by the caller before the first token; counted besides [`Count::Cancelled`].
    Abandoned,
    /// Refused again within a minute.
    Repeated,
}

/// Which of the counters a rule reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Failed of judged calls.
    Failures,
    /// Slow of timed calls.
    Slowness,
    /// Answers that broke off, of judged calls.
    Truncations,
    /// Refused for what they are, of all that the arm judged or refused.
    Rejections,
    /// Left by the caller before the first token, of all that ended.
    Abandonment,
}

/// The counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    dispatched: u64,
    ok: u64,
    failures: PerClass,
    fast: u64,
    slow: u64,
    rejected: u64,
    context_window: u64,
    cancelled: u64,
    abandoned: u64,
    repeated: u64,
}

impl Counts {
    /// Counts one.
    pub(super) fn count(&mut self, what: Count) {
        let counter = match what {
            Count::Dispatched => &mut self.dispatched,
            Count::Ok => &mut self.ok,
            Count::Failed(class) => return self.failures.add(class, 1),
            Count::Fast => &mut self.fast,
            Count::Slow => &mut self.slow,
            Count::Rejected => &mut self.rejected,
            Count::ContextWindow => &mut self.context_window,
            Count::Cancelled => &mut self.cancelled,
            Count::Abandoned => &mut self.abandoned,
            Count::Repeated => &mut self.repeated,
        };
        *counter = counter.saturating_add(1);
    }

    /// Adds what `other` counted.
    pub(super) fn add(&mut self, other: &Self) {
        // Taken apart, so that a new counter cannot be forgotten here.
        let Self {
            dispatched,
            ok,
            failures,
            fast,
            slow,
            rejected,
            context_window,
            cancelled,
            abandoned,
            repeated,
        } = other;
        self.dispatched += dispatched;
        self.ok += ok;
        self.fast += fast;
        self.slow += slow;
        self.rejected += rejected;
        self.context_window += context_window;
        self.cancelled += cancelled;
        self.abandoned += abandoned;
        self.repeated += repeated;
        for class in Class::ALL {
            self.failures.add(class, failures.of(class));
        }
    }

    /// The two numbers that a rule compares.
    pub(super) fn ratio(&self, signal: Signal) -> Ratio {
        let failed = self.failures.total();
        let judged = self.ok + failed;
        let (bad, of) = match signal {
            Signal::Failures => (failed, judged),
            Signal::Slowness => (self.slow, self.fast + self.slow),
            Signal::Truncations => (self.failures.of(Class::Truncated), judged),
            Signal::Rejections => (self.rejected, judged + self.rejected),
            Signal::Abandonment => {
                let unjudged = self.rejected + self.context_window + self.repeated;
                (self.abandoned, judged + unjudged + self.cancelled)
            }
        };
        Ratio { bad, of }
    }

    /// The failures by class.
    pub(super) const fn failures(&self) -> &PerClass {
        &self.failures
    }

    /// Forgets which calls were fast and slow.
    pub(super) const fn clear_speed(&mut self) {
        self.fast = 0;
        self.slow = 0;
    }
}

impl From<&Counts> for ArmCounts {
    fn from(counts: &Counts) -> Self {
        Self {
            dispatched: counts.dispatched,
            judged: counts.ratio(Signal::Failures).of,
            ok: counts.ok,
            failures: Class::ALL
                .map(|class| (class, counts.failures.of(class)))
                .into(),
            fast: counts.fast,
            slow: counts.slow,
            rejected: counts.rejected,
            context_window: counts.context_window,
            cancelled: counts.cancelled,
            abandoned: counts.abandoned,
            repeated: counts.repeated,
        }
    }
}

/// A number for each class of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerClass([u64; Class::ALL.len()]);

impl PerClass {
    /// The number of one class.
    pub(super) fn of(&self, class: Class) -> u64 {
        self.0.get(class as usize).copied().unwrap_or_default()
    }

    /// All classes together.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, class: Class, n: u64) {
        if let Some(counter) = self.0.get_mut(class as usize) {
            *counter = counter.saturating_add(n);
        }
    }
}
