//! Raw JSON that is carried on: checked before, and read one level at a time where it must change.

use crate::openai::Key;
use crate::openai::token::Raw;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Whether Bedrock will read the value as we do: no key twice in an object, no lone surrogates, no
/// number beyond a double, no object of more than [`MEMBERS_MAX`] members, not nested deeper than
/// 127. Delimiting a raw value checks none of these.
pub(crate) fn is_sound(raw: &RawValue) -> bool {
    serde_json::from_str::<Sound>(raw.get()).is_ok()
}

/// An object of at most [`MEMBERS_MAX`] members, one level deep: keys decoded, in their order.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members of an object; none if it is none, or too large a one.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// The value of a key.
    pub(super) fn find(&self, key: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value)
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }
}

/// The items of an array; none if it is none.
pub(super) fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The text of a string; none if it is none.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    crate::openai::token::Text::new(raw).map(crate::openai::token::Text::decode)
}

/// Whether an object has no members.
pub(super) fn is_empty_object(raw: Raw<'_>) -> bool {
    let inner = raw
        .json()
        .strip_prefix('{')
        .and_then(|json| json.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Appends a key or another string to JSON.
pub(super) fn push_string(text: &str, json: &mut String) {
    // Cannot fail: it is a string.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// JSON of ours; none if it is none, which would be a mistake of ours.
pub(super) fn owned(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    bound(members.len())?;
                    members.push((key.into_text(), map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The most members of an object: what bounds the memory that their keys take.
const MEMBERS_MAX: usize = 10_000;

/// Whether an object of `members` can have one more.
fn bound<E: Error>(members: usize) -> Result<(), E> {
    if members < MEMBERS_MAX {
        Ok(())
    } else {
        Err(E::custom("too many members"))
    }
}

/// A value that was read to its leaves and kept nowhere.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_unit<E: Error>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Sound, S::Error> {
        while items.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Sound, M::Error> {
        let mut keys = Vec::new();
        while let Some((key, Sound)) = map.next_entry::<Key<'de>, Sound>()? {
            bound(keys.len())?;
            keys.push(key);
        }
        // Sorted, not compared one with each other.
        keys.sort_unstable();
        if keys.array_windows().any(|[a, b]| a == b) {
            return Err(M::Error::custom("a key twice"));
        }
        Ok(Sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, sound: bool) {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        assert_eq!(is_sound(&raw), sound, "{json}");
    }

    #[test]
    fn sound_json() {
        check(
            r#"{"a":[1,-2,3.5,null,true,"é\ud83d\ude00"],"b":{"a":{}}}"#,
            true,
        );
        check("123456789012345678901234567890", true);
    }

    #[test]
    fn members_are_counted() {
        let object = |members: usize| {
            let members: Vec<String> = (0..members).map(|n| format!(r#""{n}":1"#)).collect();
            RawValue::from_string(format!("{{{}}}", members.join(","))).unwrap()
        };
        let (most, more) = (object(MEMBERS_MAX), object(MEMBERS_MAX + 1));
        assert!(is_sound(&most) && Members::of(&most).is_some());
        assert!(!is_sound(&more) && Members::of(&more).is_none());
    }

    #[test]
    fn json_that_two_readers_read_differently() {
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"[{"x":{"a":1,"b":2,"\u0061":1}}]"#, false);
        check(r#"["\ud83d"]"#, false);
        check("1e999", false);
        let deep = 200;
        check(&format!("{}{}", "[".repeat(deep), "]".repeat(deep)), false);
        let very_deep = 100_000;
        check(
            &format!("{}{}", "[".repeat(very_deep), "]".repeat(very_deep)),
            false,
        );
    }
}
