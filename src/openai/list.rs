//! Lists that take little memory, however small their items are written.
//!
//! A message may be written in two bytes and is read into a hundred and more: a body within its
//! limit could take gigabytes. So the items of a list are counted while it is read, those inside
//! its items too.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// The most items of one list, with the items inside them. OpenAI takes 2,048 messages and 128
/// tools; this is far above both, and above what any model's context holds.
pub const ITEMS_MAX: usize = 65_536;

/// What a list can hold.
pub trait Item {
    /// How many items it is: itself, and what is in its own lists.
    fn items(&self) -> usize {
        1
    }
}

/// At most [`ITEMS_MAX`] items.
#[derive(Debug)]
pub struct List<T>(Vec<T>);

impl<T> List<T> {
    /// The items.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Item> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Item> Visitor<'de> for Items<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<List<T>, S::Error> {
                let (mut list, mut items) = (Vec::new(), 0);
                while let Some(item) = seq.next_element::<T>()? {
                    items += item.items();
                    if items > ITEMS_MAX {
                        return Err(S::Error::custom("a list that is too long"));
                    }
                    list.push(item);
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for a number of items, as its JSON says.
    #[derive(Debug)]
    struct Of(usize);

    impl Item for Of {
        fn items(&self) -> usize {
            self.0
        }
    }

    impl<'de> Deserialize<'de> for Of {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            usize::deserialize(deserializer).map(Self)
        }
    }

    #[test]
    fn what_is_inside_counts() {
        let reads = |json: String| serde_json::from_str::<List<Of>>(&json).is_ok();
        assert!(reads(format!("[{},1]", ITEMS_MAX - 1)));
        assert!(!reads(format!("[{ITEMS_MAX},1]")));
        assert!(reads(format!("[{}1]", "1,".repeat(ITEMS_MAX - 1))));
        assert!(!reads(format!("[{}1]", "1,".repeat(ITEMS_MAX))));
    }
}
