//! JSON values that are kept as the text that they were.
//!
//! A [`Text`] is a string token, a [`Number`] a number token, a [`Raw`] any value. Each borrows
//! from the body: text that is only carried on is never unescaped and escaped again, numbers keep
//! their digits, objects the order of their keys. `Debug` shows sizes, never content: these are
//! prompts.

use super::list::Item;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::str::Chars;

/// A string, well-formed: no lone surrogate hides in its escapes.
#[derive(Clone, Copy)]
pub struct Text<'a>(&'a RawValue);

impl<'a> Text<'a> {
    /// The text that `raw` is; none if it is no string or holds a lone surrogate.
    pub fn new(raw: &'a RawValue) -> Option<Self> {
        let token = raw.get();
        // The scanner that delimits raw values checks the form of escapes, not that surrogates
        // come in pairs.
        let well_formed = token.starts_with('"')
            && (!has_surrogate_escape(token.as_bytes())
                || serde_json::from_str::<String>(token).is_ok());
        well_formed.then_some(Self(raw))
    }

    /// The token with its quotes, as it was in the body.
    pub const fn token(self) -> &'a RawValue {
        self.0
    }

    /// What the token says; borrowed if nothing in it is escaped.
    pub fn decode(self) -> Cow<'a, str> {
        let inner = self.escaped();
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Cow::Borrowed(inner);
        }
        Cow::Owned(unescape(inner))
    }

    /// The token without its quotes, escapes as they were.
    pub fn escaped(self) -> &'a str {
        let token = self.0.get();
        token
            .get(1..token.len().saturating_sub(1))
            .unwrap_or_default()
    }

    /// Whether there is nothing in it but Unicode `White_Space`.
    pub fn is_blank(self) -> bool {
        let mut rest = self.escaped().trim_start();
        // The usual escapes are passed over, so that a long text is not decoded for its first line.
        while let Some(after) = ["\\n", "\\r", "\\t"]
            .iter()
            .find_map(|e| rest.strip_prefix(e))
        {
            rest = after.trim_start();
        }
        match rest.as_bytes() {
            [] => true,
            [b'\\', b'u' | b'f', ..] => self.decode().trim().is_empty(),
            [_, ..] => false,
        }
    }

    /// Whether it says exactly `other`.
    pub fn is(self, other: &str) -> bool {
        self.decode() == other
    }
}

impl Item for Text<'_> {}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.escaped().len())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        Self::new(raw).ok_or_else(|| D::Error::custom("not a well-formed string"))
    }
}

/// The text of a token without its quotes. Written out because the parser's own way costs several
/// times as much for a long prompt, and every call with one is decoded for its key.
fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    // `memchr` finds the next escape of a long prompt several times as fast as the standard
    // library. An ASCII byte is never inside another letter, so both splits are at letters.
    while let Some((plain, after)) =
        memchr::memchr(b'\\', rest.as_bytes()).and_then(|at| rest.get(..at).zip(rest.get(at + 1..)))
    {
        text.push_str(plain);
        let mut letters = after.chars();
        text.push(match letters.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => unicode(&mut letters),
            Some(itself) => itself,
            None => break,
        });
        rest = letters.as_str();
    }
    text.push_str(rest);
    text
}

/// The letter behind `\u`, of two escapes if it takes a pair.
fn unicode(letters: &mut Chars<'_>) -> char {
    let unit = |letters: &mut Chars<'_>| {
        let digits = letters
            .by_ref()
            .take(4)
            .filter_map(|digit| digit.to_digit(16));
        digits.fold(0, |unit, digit| unit << 4 | digit)
    };
    let first = unit(letters);
    let code = if (0xd800..0xdc00).contains(&first) {
        // The second half follows for certain, or the token would have been refused.
        letters.by_ref().take(2).for_each(drop);
        0x1_0000 + ((first - 0xd800) << 10 | unit(letters) & 0x3ff)
    } else {
        first
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Whether `\ud…` or `\uD…` occurs: half a pair, or at least text that looks like one.
fn has_surrogate_escape(token: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', token)
        .any(|at| matches!(token.get(at + 1..at + 3), Some([b'u', b'd' | b'D'])))
}

/// A number.
#[derive(Clone, Copy)]
pub struct Number<'a> {
    token: &'a RawValue,
    value: f64,
}

impl<'a> Number<'a> {
    /// The digits as they were.
    pub const fn token(self) -> &'a RawValue {
        self.token
    }

    /// The nearest double; finite.
    pub const fn value(self) -> f64 {
        self.value
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = <&'a RawValue>::deserialize(deserializer)?;
        match token.get().parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Self { token, value }),
            Ok(_) | Err(_) => Err(D::Error::custom("not a number")),
        }
    }
}

/// Any value but null.
#[derive(Clone, Copy)]
pub struct Raw<'a>(&'a RawValue);

impl<'a> Raw<'a> {
    /// The value as it was.
    pub const fn token(self) -> &'a RawValue {
        self.0
    }

    /// Its JSON text.
    pub fn json(self) -> &'a str {
        self.0.get()
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.json().starts_with('{')
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.json().len())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(Self)
    }
}

/// That a field is there and not null; what it says does not matter.
#[derive(Clone, Copy, Debug)]
pub struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn text(token: &str) -> Option<String> {
        let raw: &RawValue = serde_json::from_str(token).unwrap();
        Text::new(raw).map(|text| text.decode().into_owned())
    }

    #[test]
    fn texts_are_decoded_and_lone_surrogates_refused() {
        assert_eq!(text(r#""a\u00e9\n\/\"""#).as_deref(), Some("aé\n/\""));
        assert_eq!(text(r#""\ud83d\ude00""#).as_deref(), Some("😀"));
        assert_eq!(text(r#""\\ud83d""#).as_deref(), Some("\\ud83d"));
        assert_eq!(text(r#""\ud83d""#), None);
        assert_eq!(text(r#""\uDE00x""#), None);
        assert_eq!(text("1"), None);
        assert_eq!(text("null"), None);
    }

    proptest::proptest! {
        #[test]
        fn decoding_is_what_the_parser_does(text: String, ascii: bool) {
            let mut token = serde_json::to_string(&text).unwrap();
            if ascii {
                let units = |c: char| c.encode_utf16(&mut [0; 2]).to_vec();
                let escape = |c: char| -> String {
                    units(c).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                };
                let plain = |c: char| matches!(c, ' '..='~');
                token = token
                    .chars()
                    .map(|c| if plain(c) { c.to_string() } else { escape(c) })
                    .collect();
            }
            let raw: &RawValue = serde_json::from_str(&token).unwrap();
            proptest::prop_assert_eq!(Text::new(raw).unwrap().decode(), text);
        }
    }

    #[test]
    fn only_white_space_is_blank() {
        let blank = |token: &str| {
            let raw: &RawValue = serde_json::from_str(token).unwrap();
            Text::new(raw).map(Text::is_blank)
        };
        assert_eq!(blank(r#""""#), Some(true));
        assert_eq!(blank(r#"" \n\t\u2003\u00a0 ""#), Some(true));
        assert_eq!(blank("\"\u{3000}\""), Some(true));
        assert_eq!(blank(r#""\u200b""#), Some(false));
        assert_eq!(blank(r#"" \\ ""#), Some(false));
        assert_eq!(blank(r#""x""#), Some(false));
    }

    #[test]
    fn numbers_keep_their_digits_and_must_be_finite() {
        let number: Number<'_> = serde_json::from_str("0.70").unwrap();
        assert_eq!((number.token().get(), number.value()), ("0.70", 0.7));
        for token in ["1e999", "\"1\"", "true", "[1]"] {
            assert!(
                serde_json::from_str::<Number<'_>>(token).is_err(),
                "{token}"
            );
        }
    }

    #[test]
    fn nothing_of_a_prompt_is_shown() {
        let raw: &RawValue = serde_json::from_str("\"secret\"").unwrap();
        assert_eq!(format!("{:?}", Text::new(raw)), "Some(Text(6 bytes))");
        assert_eq!(format!("{:?}", Raw(raw)), "Raw(8 bytes)");
    }
}
