//! How single values are written: durations, shares, percentages, sizes, counts, names.
//!
//! Each function reads one [`Node`] and answers with the value or with what is accepted. YAML's own
//! guesses are not trusted further than they are clear: `010` is no number here, `600` no duration
//! and `2` no share.

use super::raw::Node;
use super::section::Mistake;
use crate::split::Percent;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `10m`, `90s`, `500ms`, `1h30m`, within `range`.
pub(crate) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node) -> Result<Duration, Mistake> {
    move |node| {
        let accepted = || {
            let (min, max) = (shown_duration(*range.start()), shown_duration(*range.end()));
            Mistake::from(format!(
                "a duration such as 10m, 90s or 500ms, from {min} to {max}"
            ))
        };
        let Node::Text(text) = node else {
            return Err(accepted());
        };
        match humantime::parse_duration(text) {
            Ok(value) if range.contains(&value) => Ok(value),
            Ok(_) | Err(_) => Err(accepted()),
        }
    }
}

/// As [`duration`], in milliseconds.
pub(crate) fn duration_ms(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node) -> Result<u64, Mistake> {
    let parse = duration(range);
    move |node| parse(node).map(millis)
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// As the file writes durations: `10m`, `1m 30s`.
pub(crate) fn shown_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `2%`, `2.5 %`: a share in a rule, always with the sign.
pub(crate) fn share(range: RangeInclusive<Percent>) -> impl Fn(&Node) -> Result<Percent, Mistake> {
    move |node| {
        let accepted = || {
            Mistake::from(format!(
                "a share such as 2%, from {}% to {}%",
                range.start(),
                range.end()
            ))
        };
        let Node::Text(text) = node else {
            return Err(accepted());
        };
        let number = text.strip_suffix('%').map(str::trim_end);
        match number.and_then(percent_of_text) {
            Some(value) if range.contains(&value) => Ok(value),
            Some(_) | None => Err(accepted()),
        }
    }
}

/// `5`, `2.5` or `5%`: a percentage of calls.
pub(crate) fn percent(node: &Node) -> Result<Percent, Mistake> {
    let accepted = || Mistake::from(PERCENT);
    match node {
        Node::Number(text) => percent_of_text(text).ok_or_else(accepted),
        Node::Text(text) => percent_text(text).ok_or_else(accepted),
        Node::Nothing | Node::Bool(_) | Node::List(_) | Node::Map(_) | Node::Tagged => {
            Err(accepted())
        }
    }
}

/// What [`percent`] accepts.
pub(crate) const PERCENT: &str = "0 to 100, at most two decimals";

/// `5`, `2.5`, `5%`.
pub(crate) fn percent_text(text: &str) -> Option<Percent> {
    let number = text.strip_suffix('%').map_or(text, str::trim_end);
    percent_of_text(number)
}

/// A decimal number with at most two decimals, read exactly.
fn percent_of_text(text: &str) -> Option<Percent> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |digits: &str| {
        (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !plain(whole) || !plain(decimals) || decimals.len() > 2 || leading_zero {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let hundredths: u16 = format!("{decimals:0<2}").parse().ok()?;
    Percent::from_basis_points(whole.checked_mul(100)?.checked_add(hundredths)?)
}

/// `32MiB`, `512 KiB`, `1GiB`, in bytes.
pub(crate) fn size(range: RangeInclusive<usize>) -> impl Fn(&Node) -> Result<usize, Mistake> {
    move |node| {
        let accepted = || {
            let (min, max) = (shown_size(*range.start()), shown_size(*range.end()));
            Mistake::from(format!(
                "a size such as 32MiB, 512KiB or 1GiB, from {min} to {max}"
            ))
        };
        let Node::Text(text) = node else {
            return Err(accepted());
        };
        match bytes_of_text(text) {
            Some(value) if range.contains(&value) => Ok(value),
            Some(_) | None => Err(accepted()),
        }
    }
}

fn bytes_of_text(text: &str) -> Option<usize> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, bytes) = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<usize>().ok()?.checked_mul(bytes)
}

/// As the file writes sizes: in the largest unit that divides it.
pub(crate) fn shown_size(bytes: usize) -> String {
    let unit = UNITS
        .into_iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (name, unit) = unit.unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

/// A whole number within `range`.
pub(crate) fn count<T>(range: RangeInclusive<T>) -> impl Fn(&Node) -> Result<T, Mistake>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    move |node| {
        let value = match node {
            Node::Number(text) => text.parse().ok(),
            Node::Nothing
            | Node::Bool(_)
            | Node::Text(_)
            | Node::List(_)
            | Node::Map(_)
            | Node::Tagged => None,
        };
        match value {
            Some(value) if range.contains(&value) => Ok(value),
            Some(_) | None => {
                let (min, max) = (range.start(), range.end());
                Err(Mistake::from(format!("a whole number from {min} to {max}")))
            }
        }
    }
}

/// `true` or `false`.
pub(crate) fn flag(node: &Node) -> Result<bool, Mistake> {
    match node {
        Node::Bool(value) => Ok(*value),
        Node::Nothing
        | Node::Number(_)
        | Node::Text(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged => Err(Mistake::from("true or false")),
    }
}

/// Text, or a number that was meant as text, if `fits`.
pub(crate) fn text(
    accepted: &'static str,
    fits: impl Fn(&str) -> bool,
) -> impl Fn(&Node) -> Result<String, Mistake> {
    move |node| match node {
        Node::Text(text) | Node::Number(text) if fits(text) => Ok(text.clone()),
        Node::Nothing
        | Node::Bool(_)
        | Node::Number(_)
        | Node::Text(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged => Err(Mistake::from(accepted)),
    }
}

/// One of a few words, each with its meaning.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Node) -> Result<T, Mistake> {
    move |node| {
        let written = match node {
            Node::Text(text) => text.as_str(),
            Node::Nothing
            | Node::Bool(_)
            | Node::Number(_)
            | Node::List(_)
            | Node::Map(_)
            | Node::Tagged => "",
        };
        let found = words.iter().find(|(word, _)| *word == written);
        found.map(|&(_, meaning)| meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
            Mistake::from(words.join(", "))
        })
    }
}

/// One of a closed list, by its name.
pub(crate) fn named<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> impl Fn(&Node) -> Result<T, Mistake> {
    let words: Vec<(&str, T)> = all.iter().map(|&it| (name(it), it)).collect();
    move |node| one_of(&words)(node)
}

/// 32 bytes in 64 hexadecimal digits.
pub(crate) fn sha256(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Largest first.
const UNITS: [(&str, usize); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

#[cfg(test)]
mod tests;
