//! How numbers and decisions are said in sentences.

use super::Wait;
use super::counts::PerClass;
use super::counts::Signal;
use super::ratio::Coarse;
use super::ratio::Ratio;
use super::rules::Trip;
use super::window::Look;
use crate::outcome::Class;
use crate::split::Percent;
use std::fmt;
use std::fmt::Write as _;

/// Milliseconds as `6m40s`, `10m`, `30s`, `1.5s`, `1h02m`; from a minute on in whole seconds.
pub(super) struct Span(pub(super) u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds) = (
            self.0 / 3_600_000,
            self.0 / 60_000 % 60,
            self.0 / 1_000 % 60,
        );
        let millis = format!("{:03}", self.0 % 1_000);
        let millis = millis.trim_end_matches('0');
        match (hours, minutes, seconds) {
            (0, 0, _) if millis.is_empty() => write!(f, "{seconds}s"),
            (0, 0, _) => write!(f, "{seconds}.{millis}s"),
            (0, _, 0) => write!(f, "{minutes}m"),
            (0, _, _) => write!(f, "{minutes}m{seconds:02}s"),
            (_, 0, _) => write!(f, "{hours}h"),
            (_, _, _) => write!(f, "{hours}h{minutes:02}m"),
        }
    }
}

/// The sentence of a trip: what changed, what the rule saw, what kind of failures they were, what
/// there is in `common` with the original, and which request was the last.
pub(super) fn tripped(
    trip: &Trip,
    to: Percent,
    from: Percent,
    request_id: Option<&str>,
    common: Option<&str>,
) -> String {
    let numbers = &trip.numbers;
    let (share, limit) = (Coarse(numbers.value), numbers.limit);
    let (bad, of) = (numbers.failures, numbers.judged);
    let time = match numbers.for_ms {
        Some(ran_ms) => format!("for {}", Span(ran_ms)),
        None => format!("in {}", Span(numbers.window_ms)),
    };
    let kind = match numbers.slower_than_ms {
        Some(above_ms) => format!(" above {}", Span(above_ms)),
        None => String::new(),
    };
    let mut sentence = format!(
        "Rolled back {from} % -> {to} %: {} {share} %{kind} ({bad}/{of}) {time}, limit {limit} %",
        trip.rule.name()
    );
    sentence.push_str(&mostly(&trip.classes));
    for more in [trip.besides.as_deref(), common].into_iter().flatten() {
        sentence.push_str("; ");
        sentence.push_str(more);
    }
    if let Some(request_id) = request_id {
        let last = match trip.signal {
            Signal::Failures => "failing",
            Signal::Slowness => "slow",
            Signal::Truncations => "truncated",
            Signal::Rejections => "refused",
            Signal::Abandonment => "abandoned",
        };
        // Writing to a string cannot fail.
        let _ = write!(sentence, "; last {last} request {request_id}");
    }
    sentence
}

/// The sentence of a rollback by hand.
pub(super) fn rolled_back(from: Percent, actor: &str, reason: &str) -> String {
    format!("Rolled back {from} % -> 0 % by {actor}: {reason}")
}

/// A window's numbers: `3.1 % (41/1320 in 1m)`.
pub(super) fn seen(look: &Look) -> String {
    let Ratio { bad, of } = look.ratio;
    format!(
        "{} % ({bad}/{of} in {})",
        Coarse(look.ratio.rounded()),
        Span(look.window_ms())
    )
}

/// What is waited for, in one list.
pub(super) fn listed(waits: &[Wait]) -> String {
    let said: Vec<_> = waits.iter().map(Wait::to_string).collect();
    said.join("; ")
}

/// `; mostly throttle (88 %)` where one class makes more than half of the failures, else the two
/// largest; nothing if there are none.
fn mostly(classes: &PerClass) -> String {
    let all = classes.total();
    let mut counted = Class::ALL.map(|class| (classes.of(class), class));
    counted.sort_by_key(|&(failures, class)| (std::cmp::Reverse(failures), class));
    let said = |(failures, class): (u64, Class)| {
        let share = Ratio {
            bad: failures,
            of: all,
        }
        .rounded()
        .basis_points();
        (class.name(), (share + 50) / 100)
    };
    match counted {
        [(0, _), ..] => String::new(),
        [most @ (failures, _), ..] if failures * 2 > all => {
            let (name, share) = said(most);
            format!("; mostly {name} ({share} %)")
        }
        [first, second, ..] => {
            let ((a, share_a), (b, share_b)) = (said(first), said(second));
            format!("; {a} ({share_a} %), {b} ({share_b} %)")
        }
    }
}
