//! A macro for JSON objects of which every key matters.
//!
//! `#[derive(Deserialize)]` either ignores unknown keys or fails on them. Here they are noted
//! (`unknown`), because an unknown key is no error of the app: the original may know it. A known
//! key that occurs twice is an error, because the two providers could take different ones. Null is
//! the same as absent.

/// Declares a struct of optional fields and how it is read; see the module.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$lt:lifetime> {
            $( $(#[$doc:meta])* $key:literal => $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $vis struct $name<$lt> {
            $( $(#[$doc])* $vis $field: Option<$type>, )*
            /// Whether there is a key that is not listed here.
            $vis unknown: bool,
            lifetime: std::marker::PhantomData<&$lt ()>,
        }

        impl<'de: $lt, $lt> serde::de::Deserialize<'de> for $name<$lt> {
            fn deserialize<D: serde::de::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                struct Keys<$lt>(std::marker::PhantomData<&$lt ()>);

                impl<'de: $lt, $lt> serde::de::Visitor<'de> for Keys<$lt> {
                    type Value = $name<$lt>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<M: serde::de::MapAccess<'de>>(
                        self,
                        mut map: M,
                    ) -> Result<Self::Value, M::Error> {
                        let mut object = $name::default();
                        $( let mut $field = false; )*
                        while let Some(key) = map.next_key::<$crate::openai::object::Key<'de>>()? {
                            match key.as_str() {
                                $( $key => {
                                    if std::mem::replace(&mut $field, true) {
                                        return Err(serde::de::Error::duplicate_field($key));
                                    }
                                    object.$field = map.next_value()?;
                                } )*
                                _ => {
                                    object.unknown = true;
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(Keys(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use object;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A key, borrowed where it has no escape. (serde's own `Cow` always copies.)
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key<'a>(Cow<'a, str>);

impl<'a> Key<'a> {
    pub(crate) fn into_text(self) -> Cow<'a, str> {
        self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowed)
    }
}
