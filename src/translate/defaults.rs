//! Sampling parameters that the operator sets for a mapped model.
//!
//! A prompt that was tuned on one model may want another temperature on the next. What the app
//! sends always wins; a default stands in only for what it leaves out.

use serde_json::value::RawValue;
use std::fmt;

/// What is sent where the app sends nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `temperature`.
    pub temperature: Option<Fraction>,
    /// `top_p`.
    pub top_p: Option<Fraction>,
}

/// A number from 0 to 1, with the digits that it was written with.
#[derive(Clone)]
pub struct Fraction(Box<RawValue>);

impl Fraction {
    /// The number that `text` is in JSON; none if it is none from 0 to 1.
    pub fn new(text: &str) -> Option<Self> {
        let value: f64 = serde_json::from_str(text).ok()?;
        let raw = RawValue::from_string(text.trim().to_owned()).ok()?;
        (0.0..=1.0).contains(&value).then_some(Self(raw))
    }

    /// Its JSON.
    pub(super) fn token(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Fraction {}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

impl fmt::Debug for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_a_number_from_0_to_1() {
        for text in ["0", "1", "0.7", "0.70", "1e-3"] {
            assert_eq!(
                Fraction::new(text).map(|it| it.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in ["-0.1", "1.1", "2", "true", "\"1\"", "", "NaN", "0.5 0.5"] {
            assert_eq!(Fraction::new(text), None, "{text}");
        }
    }
}
