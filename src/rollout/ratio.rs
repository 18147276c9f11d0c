//! So many of so many calls, compared and rounded in integers.

use crate::split::Percent;
use std::fmt;

/// `bad` of `of` calls; never more than all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ratio {
    /// Failed or slow calls.
    pub(super) bad: u64,
    /// Judged or timed calls.
    pub(super) of: u64,
}

impl Ratio {
    /// Whether the share of bad calls is strictly above `limit`; never of no calls.
    pub(super) const fn above(self, limit: Percent) -> bool {
        self.bad.saturating_mul(10_000) > self.of.saturating_mul(limit.basis_points() as u64)
    }

    /// The share of bad calls, rounded to a hundredth of a percent; 0 of no calls.
    pub(super) fn rounded(self) -> Percent {
        let of = self.of.max(1);
        let basis_points = self.bad.saturating_mul(10_000).saturating_add(of / 2) / of;
        u16::try_from(basis_points)
            .ok()
            .and_then(Percent::from_basis_points)
            .unwrap_or(Percent::ALL)
    }

    /// Both numbers added.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            bad: self.bad.saturating_add(other.bad),
            of: self.of.saturating_add(other.of),
        }
    }
}

impl fmt::Display for Ratio {
    /// `3.1 % (41/1320)`; below 1 % with two decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % ({}/{})", Coarse(self.rounded()), self.bad, self.of)
    }
}

/// A measured share as people read it: with one decimal, below 1 % with two.
pub(super) struct Coarse(pub(super) Percent);

impl fmt::Display for Coarse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.basis_points();
        let shown = if exact < 100 {
            exact
        } else {
            (exact + 5) / 10 * 10
        };
        Percent::from_basis_points(shown)
            .unwrap_or(Percent::ALL)
            .fmt(f)
    }
}
