//! Whether enough calls show that the error rate is below a bound, without fooling oneself by
//! looking often.
//!
//! A check that is repeated until it passes always passes in the end. So the error rate is looked
//! at only when 1, 2, 4, 8, 16 and 32 times `min_calls` calls are judged, the first time at a risk
//! of 2.5 %, each later time at half of the one before: together at most 5 % for an arm that fails
//! just at the bound. Between two looks the last one stands.
//!
//! A look passes if the exact one-sided upper confidence limit of the failure probability (Clopper
//! and Pearson, 1934: BetaInv(1 - risk, failures + 1, calls - failures)) is below the bound. That
//! is the same as: at the bound itself, so few failures or fewer are less likely than the risk. The
//! second form needs only the sum of a binomial tail, so it is the one that is computed here.

use super::progress::StageCalls;
use crate::split::Percent;
use serde::Deserialize;
use serde::Serialize;

/// One look: the calls at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Judged calls: the look's place in the schedule.
    pub judged: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// When to look, and how many failures pass then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule([Look; LOOKS]);

/// A scheduled look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// At so many judged calls.
    pub(super) at: u64,
    /// The most failures that pass; none if not even a clean record does.
    pub(super) allowed: Option<u64>,
}

/// What the calls of a stage show so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    /// The last look passed.
    Shown,
    /// No look yet.
    Unknown {
        /// The first one to come; none if it was missed by an edit and none is left.
        next: Option<Look>,
    },
    /// The last look did not pass.
    NotShown {
        /// The last one.
        last: Looked,
        /// What would have passed.
        allowed: Option<u64>,
        /// The next one; none if that was the last.
        next: Option<Look>,
    },
}

impl Schedule {
    /// The looks for a bound. A bound of 0 or 100 % is one that nothing or everything shows.
    pub(super) fn new(min_calls: u64, bound: Percent) -> Self {
        let mut risk = FIRST_RISK;
        let mut at = min_calls.max(1);
        Self(std::array::from_fn(|_| {
            let look = Look {
                at,
                allowed: most_failures(at, bound, risk),
            };
            risk /= 2.0;
            at = at.saturating_mul(2);
            look
        }))
    }

    /// Takes note of `calls` if it is time to look, exactly then.
    pub(super) fn look(&self, calls: StageCalls) -> Option<Looked> {
        let StageCalls { judged, failures } = calls;
        self.at(judged).map(|_| Looked { judged, failures })
    }

    /// What is shown, given the last look and the calls now.
    pub(super) fn quality(&self, looked: Option<Looked>, judged: u64) -> Quality {
        let next = self.next(judged);
        // A look of another schedule, before an edit, is none.
        let last = looked.and_then(|last| self.at(last.judged).map(|look| (last, look)));
        match last {
            None => Quality::Unknown { next },
            Some((last, look)) if look.passes(last.failures) => Quality::Shown,
            Some((last, look)) => Quality::NotShown {
                last,
                allowed: look.allowed,
                next,
            },
        }
    }

    /// The next look.
    pub(super) fn next(&self, judged: u64) -> Option<Look> {
        self.0.into_iter().find(|look| look.at > judged)
    }

    fn at(&self, judged: u64) -> Option<Look> {
        self.0.into_iter().find(|look| look.at == judged)
    }
}

impl Look {
    fn passes(self, failures: u64) -> bool {
        self.allowed.is_some_and(|allowed| failures <= allowed)
    }
}

/// The most failures in `calls` calls that are less likely than `risk`, counting fewer ones too, if
/// each call fails with the probability `bound`.
fn most_failures(calls: u64, bound: Percent, risk: f64) -> Option<u64> {
    if bound == Percent::ALL {
        return calls.checked_sub(1);
    }
    let p = f64::from(bound.basis_points()) / 10_000.0;
    let n = calls as f64;
    // In logarithms, because the terms leave the range of the numbers: P(0), then each from the one
    // before.
    let odds = (p / (1.0 - p)).ln();
    let mut term = n * (-p).ln_1p();
    let mut sum = 0.0;
    let mut most = None;
    for failures in 0..calls {
        sum += term.exp();
        if sum >= risk {
            break;
        }
        most = Some(failures);
        let k = failures as f64;
        term += ((n - k) / (k + 1.0)).ln() + odds;
    }
    most
}

/// How many looks there are.
const LOOKS: usize = 6;

/// The risk of the first look; those of all looks add up to less than 5 %.
const FIRST_RISK: f64 = 0.025;
