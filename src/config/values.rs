//! How single values are written: durations, shares, percentages, sizes, counts, names.
//!
//! Each function makes a [`Reader`], which reads one [`Node`] and answers with the value or with
//! what is accepted. YAML's own guesses are not trusted further than they are clear: `010` is no number here, `600` no duration
//! and `2` no share.

use super::raw::Node;
use super::section::Mistake;
use super::shape::Reader;
use super::shape::Shape;
use super::shape::Text;
use crate::clock;
use crate::split::Percent;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `10m`, `90s`, `500ms`, `1h30m`, within `range`.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> Reader<'static, Duration> {
    let shape = Shape::Duration(range.clone());
    let accepted = shape.clone();
    let read = move |node: &Node| {
        let written = node.text().map(humantime::parse_duration);
        let written = written.and_then(Result::ok);
        written
            .filter(|value| range.contains(value))
            .ok_or_else(|| Mistake::from(accepted.to_string()))
    };
    Reader::new(shape, read).written(|value| Some(shown_duration(*value).into()))
}

/// As [`duration`], in milliseconds.
pub(crate) fn duration_ms(range: RangeInclusive<Duration>) -> Reader<'static, u64> {
    duration(range)
        .map(clock::millis)
        .written(|value| Some(shown_duration(Duration::from_millis(*value)).into()))
}

/// As the file writes durations: `10m`, `1m 30s`.
pub(crate) fn shown_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `2%`, `2.5 %`: a share in a rule, always with the sign.
pub(crate) fn share(range: RangeInclusive<Percent>) -> Reader<'static, Percent> {
    let shape = Shape::Share(range.clone());
    let accepted = shape.clone();
    let read = move |node: &Node| {
        let written = node.text().and_then(|text| text.strip_suffix('%'));
        let written = written.map(str::trim_end);
        written
            .and_then(percent_of_text)
            .filter(|value| range.contains(value))
            .ok_or_else(|| Mistake::from(accepted.to_string()))
    };
    Reader::new(shape, read).written(|value| Some(format!("{value}%").into()))
}

/// `5`, `2.5` or `5%`: a percentage of calls.
pub(crate) fn percent() -> Reader<'static, Percent> {
    let read = |node: &Node| {
        let written = match node {
            Node::Number(text) => percent_of_text(text),
            Node::Text(text) => percent_text(text),
            Node::Nothing | Node::Bool(_) | Node::List(_) | Node::Map(_) | Node::Tagged => None,
        };
        written.ok_or_else(|| Mistake::from(PERCENT))
    };
    let shape = Shape::Percent(Percent::ZERO..=Percent::ALL);
    Reader::new(shape, read).written(|value| serde_json::to_value(value).ok())
}

/// What is accepted as a percentage.
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
pub(crate) fn size(range: RangeInclusive<usize>) -> Reader<'static, usize> {
    let shape = Shape::Size(range.clone());
    let accepted = shape.clone();
    let read = move |node: &Node| {
        let written = node.text().and_then(bytes_of_text);
        written
            .filter(|value| range.contains(value))
            .ok_or_else(|| Mistake::from(accepted.to_string()))
    };
    Reader::new(shape, read).written(|value| Some(shown_size(*value).into()))
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
pub(crate) fn count<T>(range: RangeInclusive<T>) -> Reader<'static, T>
where
    T: std::str::FromStr + PartialOrd + Copy + TryInto<u64> + 'static,
{
    let wide = |value: T| value.try_into().unwrap_or(u64::MAX);
    let shape = Shape::Count(wide(*range.start())..=wide(*range.end()));
    let accepted = shape.clone();
    let read = move |node: &Node| {
        let written: Option<T> = node.number().and_then(|text| text.parse().ok());
        written
            .filter(|value| range.contains(value))
            .ok_or_else(|| Mistake::from(accepted.to_string()))
    };
    Reader::new(shape, read).written(|value| (*value).try_into().ok().map(u64::into))
}

/// `true` or `false`.
pub(crate) fn flag() -> Reader<'static, bool> {
    let read = |node: &Node| match node {
        Node::Bool(value) => Ok(*value),
        Node::Nothing
        | Node::Number(_)
        | Node::Text(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged => Err(Mistake::from(Shape::Flag.to_string())),
    };
    Reader::new(Shape::Flag, read).written(|value| Some((*value).into()))
}

/// Text, or a number that was meant as text, if `fits`.
pub(crate) fn text<'a>(shape: Text, fits: impl Fn(&str) -> bool + 'a) -> Reader<'a, String> {
    let accepted = shape.accepted;
    let read = move |node: &Node| match node {
        Node::Text(text) | Node::Number(text) if fits(text) => Ok(text.clone()),
        Node::Nothing
        | Node::Bool(_)
        | Node::Number(_)
        | Node::Text(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged => Err(Mistake::from(accepted)),
    };
    Reader::new(Shape::Text(shape.or_number()), read).shown()
}

/// Text only, which `parse` takes or refuses; all else is no more than `accepted` says.
pub(crate) fn parsed<'a, T: 'a>(
    shape: Shape,
    accepted: &'static str,
    parse: impl Fn(&str) -> Result<T, Mistake> + 'a,
) -> Reader<'a, T> {
    let read = move |node: &Node| match node.text() {
        Some(text) => parse(text),
        None => Err(Mistake::from(accepted)),
    };
    Reader::new(shape, read)
}

/// One of a closed list, by its name.
pub(crate) fn named<T: Copy + 'static>(
    all: &[T],
    name: fn(T) -> &'static str,
) -> Reader<'static, T> {
    let words: Vec<(&'static str, T)> = all.iter().map(|&it| (name(it), it)).collect();
    let shape = Shape::Word(words.iter().map(|&(word, _)| word).collect());
    let accepted = shape.clone();
    let read = move |node: &Node| {
        let written = node.text();
        let written = written.and_then(|text| words.iter().find(|(word, _)| *word == text));
        written
            .map(|&(_, meaning)| meaning)
            .ok_or_else(|| Mistake::from(accepted.to_string()))
    };
    Reader::new(shape, read).written(move |value| Some(name(*value).into()))
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
pub(super) const UNITS: [(&str, usize); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

#[cfg(test)]
mod tests;
