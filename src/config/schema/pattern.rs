//! Ranges as regular expressions: a schema can bound a number, but not one with a unit behind it.
//!
//! Every pattern matches what the parsers take, and little else. Durations of one part in usual
//! units (`90s`) are held to their range; sums (`1m30s`), fractions and odd spacing only to their
//! form. Only what JavaScript (with the flag `u`), Python and Rust read alike is used.

use super::super::values::UNITS;
use crate::split::Percent;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Durations as `humantime` reads them.
pub(super) fn duration(range: &RangeInclusive<Duration>) -> String {
    let (min, max) = (range.start().as_nanos(), range.end().as_nanos());
    let mut one = Vec::new();
    for (names, nanos) in CHECKED {
        let (least, most) = (min.div_ceil(nanos), max / nanos);
        if let (Ok(least), Ok(most)) = (u64::try_from(least), u64::try_from(most))
            && least <= most
        {
            one.push(format!(r"0*(?:{})\s*(?:{names})", whole(least..=most)));
        }
    }
    let usual: Vec<&str> = CHECKED.iter().map(|&(names, _)| names).collect();
    let usual = usual.join("|");
    let one = one.join("|");
    let part = format!(r"[0-9][0-9\s]*(?:\.[0-9\s]+)?(?:{usual}|{FINE})\s*");
    format!(r"^\s*(?:(?:{one})\s*|(?![0-9]+\s*(?:{usual})\s*$)(?:{part})+)$")
}

/// `2%`, `2.5 %`.
pub(super) fn share(range: &RangeInclusive<Percent>) -> String {
    format!(r"^(?:{})\s*%$", hundredths(range))
}

/// `5`, `2.5`, `5%`, as text.
pub(super) fn percent(range: &RangeInclusive<Percent>) -> String {
    format!(r"^(?:{})(?:\s*%)?$", hundredths(range))
}

/// `32MiB`.
pub(super) fn size(range: &RangeInclusive<usize>) -> String {
    let fits = UNITS.iter().filter_map(|&(name, unit)| {
        let (least, most) = (range.start().div_ceil(unit), range.end() / unit);
        let numbers = whole(least as u64..=most as u64);
        (least <= most).then(|| format!(r"0*(?:{numbers})\s*{name}"))
    });
    let fits: Vec<String> = fits.collect();
    format!("^(?:{})$", fits.join("|"))
}

/// Percentages with at most two decimals, each in basis points within `range`.
fn hundredths(range: &RangeInclusive<Percent>) -> String {
    let split = |percent: &Percent| {
        let points = u64::from(percent.basis_points());
        (points / 100, points % 100)
    };
    let ((low, low_rest), (high, high_rest)) = (split(range.start()), split(range.end()));
    if low == high {
        return format!("{low}{}", decimals(low_rest, high_rest));
    }
    let mut parts = vec![format!("{low}{}", decimals(low_rest, 99))];
    if low + 1 < high {
        let between = whole(low + 1..=high - 1);
        parts.push(format!("(?:{between}){}", decimals(0, 99)));
    }
    parts.push(format!("{high}{}", decimals(0, high_rest)));
    parts.join("|")
}

/// `.5`, `.05` and the like, from `low` to `high` hundredths; nothing where that is 0.
fn decimals(low: u64, high: u64) -> String {
    let optional = if low == 0 { "?" } else { "" };
    if (low, high) == (0, 99) {
        return r"(?:\.[0-9]{1,2})?".to_owned();
    }
    // With a leading 1 both digits are always there.
    let two = whole(100 + low..=100 + high).replace("|1", "|");
    let two = two.strip_prefix('1').unwrap_or(&two).to_owned();
    let (first, last) = (low.div_ceil(10), high / 10);
    let one = (first <= last).then(|| format!("|[{first}-{last}]"));
    format!(r"(?:\.(?:{two}{})){optional}", one.unwrap_or_default())
}

/// Whole numbers within `range`, without leading zeros: one alternative for each run of numbers
/// that differ in their last digits only.
fn whole(range: RangeInclusive<u64>) -> String {
    let (low, high) = range.into_inner();
    let mut ends = BTreeSet::from([high]);
    // Below: the ends of the tens, hundreds, … that `low` is in. Above: what is left before those
    // that `high` is in.
    let mut step = 10;
    while step <= high {
        ends.extend(Some(low / step * step + step - 1).filter(|end| *end < high));
        let tens = high.saturating_add(1) / step * step;
        ends.extend(tens.checked_sub(1).filter(|end| *end >= low));
        step *= 10;
    }
    let mut start = low;
    let mut parts = Vec::new();
    for end in ends {
        parts.push(run(start, end));
        start = end + 1;
    }
    parts.join("|")
}

/// The numbers from `start` to `end`, digit by digit.
fn run(start: u64, end: u64) -> String {
    let (start, end) = (start.to_string(), end.to_string());
    let mut text = String::new();
    let mut any = 0;
    for pair in start.chars().zip(end.chars()) {
        match pair {
            ('0', '9') => any += 1,
            (from, to) if from == to => text.push(from),
            (from, to) => text.push_str(&format!("[{from}-{to}]")),
        }
    }
    match any {
        0 => {}
        1 => text.push_str("[0-9]"),
        _ => text.push_str(&format!("[0-9]{{{any}}}")),
    }
    text
}

/// The units that people write, by `humantime`'s names, with their nanoseconds. Its months and
/// years are means.
const CHECKED: [(&str, u128); 8] = [
    ("millis|msec|ms", 1_000_000),
    ("seconds|second|secs|sec|s", 1_000_000_000),
    ("minutes|minute|mins|min|m", 60_000_000_000),
    ("hours|hour|hrs|hr|h", 3_600_000_000_000),
    ("days|day|d", 86_400_000_000_000),
    ("weeks|week|wks|wk|w", 604_800_000_000_000),
    ("months|month|M", 2_630_016_000_000_000),
    ("years|year|yrs|yr|y", 31_557_600_000_000_000),
];

/// Units too fine for a range that anybody could read.
const FINE: &str = "nanos|nsec|ns|usec|us|µs";
