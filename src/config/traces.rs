//! Where a call's spans go, and of how many calls: `traces`, read.

use super::secret::Secret;
use crate::split::Percent;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use std::fmt;

/// Where spans go, as what, and of how many calls. There is none while traces are off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Plain or TLS.
    pub tls: bool,
    /// `HOST` or `HOST:PORT` of the collector; the only part of its URL that is ever shown.
    pub authority: Authority,
    /// The path that takes them, mostly `/v1/traces`. Some services keep a key in it.
    pub path: Path,
    /// What every export brings along: mostly a key.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Of the calls without a caller that has decided.
    pub sample: Sample,
    /// Who sends them: `service.name` and more, each name once.
    pub resource: Vec<(String, String)>,
}

impl fmt::Display for Traces {
    /// Scheme and host, as status and messages name the collector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// A path that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(pub PathAndQuery);

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[path]")
    }
}

/// The share of traces that are kept where no caller has decided.
///
/// The rule is OpenTelemetry's consistent probability sampling (`ProbabilitySampler`): the last 56
/// bits of a trace's id are its random number R, and it is kept if R is at least the threshold
/// T = (1 - share) × 2^56. So everybody who samples a trace at a share decides the same, and what
/// is kept at a lower share is kept at a higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// T; 2^56 keeps none.
    threshold: u64,
}

impl Sample {
    /// Every trace.
    pub const ALL: Self = Self { threshold: 0 };

    /// None but those that a caller has decided to keep.
    pub const NONE: Self = Self { threshold: RANGE };

    /// A share in percent.
    pub fn of_percent(share: Percent) -> Self {
        let all = u64::from(Percent::ALL.basis_points());
        let dropped = all.saturating_sub(u64::from(share.basis_points()));
        // 2^56 times 10,000 does not fit 64 bits.
        let threshold = u128::from(RANGE) * u128::from(dropped) / u128::from(all);
        Self {
            threshold: u64::try_from(threshold).unwrap_or(RANGE),
        }
    }

    /// A share from 0 to 1; none if it is no such number.
    pub fn of_ratio(share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 2^56, and rounding is meant"
        )]
        let threshold = ((1.0 - share) * RANGE as f64) as u64;
        Some(Self { threshold })
    }

    /// Whether the trace with this id is kept.
    pub const fn keeps(self, trace_id: u128) -> bool {
        // The lowest 56 bits.
        let random = trace_id & (RANGE as u128 - 1);
        random >= self.threshold as u128
    }
}

impl fmt::Display for Sample {
    /// In percent, with as many digits as say something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = RANGE.saturating_sub(self.threshold) as f64 / RANGE as f64;
        // Ten-thousandths of a percent: below that a share is shown as what it nearly is.
        let shown = (kept * 1e6).round() / 1e4;
        write!(f, "{shown} %")
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sample({self})")
    }
}

/// The value of a header that may be a key.
pub(crate) fn header_value(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Random numbers of a trace are below this.
const RANGE: u64 = 1 << 56;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(basis_points: u16) -> Sample {
        Sample::of_percent(Percent::from_basis_points(basis_points).expect("a share"))
    }

    #[test]
    fn thresholds_are_those_of_the_specification() {
        // The specification's own example: 1 % of the spans, with 5 digits of precision.
        let one = percent(100).threshold;
        assert_eq!(one >> 32, 0x00fd_70a3, "{one:#x}");
        assert_eq!(percent(10_000), Sample::ALL);
        assert_eq!(percent(0), Sample::NONE);
        assert_eq!(percent(5_000).threshold, RANGE / 2);
        assert_eq!(Sample::of_ratio(0.25), Some(percent(2_500)));
        assert_eq!(Sample::of_ratio(0.0), Some(Sample::NONE));
        assert_eq!(Sample::of_ratio(1.0), Some(Sample::ALL));
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sample::of_ratio(bad), None);
        }
    }

    #[test]
    fn only_the_last_seven_bytes_decide() {
        let half = percent(5_000);
        let (low, high) = (u128::from(RANGE / 2 - 1), u128::from(RANGE / 2));
        assert!(!half.keeps(low) && half.keeps(high));
        assert!(!half.keeps(low | u128::MAX << 56));
        assert!(Sample::ALL.keeps(0) && !Sample::NONE.keeps(u128::MAX));
    }

    #[test]
    fn a_share_is_shown_in_percent() {
        for (sample, shown) in [
            (Sample::ALL, "100 %"),
            (Sample::NONE, "0 %"),
            (percent(1_000), "10 %"),
            (percent(1), "0.01 %"),
            (Sample::of_ratio(0.000_1).expect("a share"), "0.01 %"),
        ] {
            assert_eq!(sample.to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_at_a_share_is_kept_at_a_higher_one(
            low in 0_u16..=10_000, more in 0_u16..=10_000, id: u128,
        ) {
            let high = (low + more).min(10_000);
            prop_assert!(!percent(low).keeps(id) || percent(high).keeps(id));
        }
    }
}
