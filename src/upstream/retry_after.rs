//! When a service that throttles wants to be asked again.
//!
//! Read are `x-amz-retry-after` (milliseconds, what AWS's own SDKs read) and `Retry-After` (RFC
//! 9110: seconds, or a date, which is taken against the answer's own `Date` so that a clock that
//! is off does no harm). The longer one counts, up to [`RETRY_AFTER_MAX`]: a service must not be
//! able to switch itself off for hours with one header.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use std::time::Duration;

/// The longest wait that is granted.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// How long the answer asks not to be asked again; none if it does not say, or says so wrongly.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let amazon = text(AMZ_RETRY_AFTER).and_then(|ms| ms.parse().ok());
    let amazon = amazon.map(Duration::from_millis);
    let standard = text(RETRY_AFTER.as_str()).and_then(|value| {
        let seconds = value.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| {
            let (then, now) = (date(value)?, date(text(DATE.as_str())?)?);
            let seconds = then.secs().checked_sub(now.secs())?;
            u64::try_from(seconds).ok().map(Duration::from_secs)
        })
    });
    let longest = amazon.max(standard)?;
    (!longest.is_zero()).then(|| longest.min(RETRY_AFTER_MAX))
}

fn date(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, Format::HttpDate).ok()
}

const AMZ_RETRY_AFTER: &str = "x-amz-retry-after";

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let wait = read(&headers.collect::<HeaderMap>())?;
        Some(u64::try_from(wait.as_millis()).unwrap())
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_read() {
        let date = ("date", "Sat, 21 Nov 2026 05:00:00 GMT");
        for (headers, ms) in [
            (vec![], None),
            (vec![("retry-after", "7")], Some(7_000)),
            (vec![("x-amz-retry-after", "1500")], Some(1_500)),
            (
                vec![("retry-after", "1"), ("x-amz-retry-after", "1500")],
                Some(1_500),
            ),
            (
                vec![date, ("retry-after", "Sat, 21 Nov 2026 05:00:09 GMT")],
                Some(9_000),
            ),
            (
                vec![date, ("retry-after", "Sat, 21 Nov 2026 04:59:00 GMT")],
                None,
            ),
            (vec![("retry-after", "Sat, 21 Nov 2026 05:00:09 GMT")], None),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "-3")], None),
            (vec![("retry-after", "0")], None),
            (vec![("retry-after", "86400")], Some(60_000)),
            (vec![("retry-after", "99999999999999999999")], None),
        ] {
            assert_eq!(of(&headers), ms, "{headers:?}");
        }
    }
}
