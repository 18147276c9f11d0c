//! Who goes to Bedrock: a pure function of salt, key and percentage.
//!
//! A key falls into one of 10,000 buckets; the call goes to Bedrock if its bucket is below the
//! percentage in basis points. Raising the percentage therefore moves nobody back, 0 sends nothing
//! and 100 everything. Which key a call has is decided by `proxy`, from the configured stickiness.

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;
use sha2::Digest;
use sha2::Sha256;
use std::fmt;

/// A share of calls in basis points: 0 to 10,000, two decimals of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent(u16);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(BUCKETS);

    /// The share of `basis_points` ten-thousandths; none above 10,000.
    pub const fn from_basis_points(basis_points: u16) -> Option<Self> {
        if basis_points <= BUCKETS {
            Some(Self(basis_points))
        } else {
            None
        }
    }

    /// Ten-thousandths, 0 to 10,000.
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Whether nothing goes to Bedrock.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether `bucket` goes to Bedrock at this share.
    pub const fn includes(self, bucket: Bucket) -> bool {
        bucket.0 < self.0
    }
}

impl fmt::Display for Percent {
    /// Without trailing zeros: `5`, `2.5`, `0.25`. The caller adds the sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match (rest, rest % 10) {
            (0, _) => write!(f, "{whole}"),
            (_, 0) => write!(f, "{whole}.{}", rest / 10),
            (_, _) => write!(f, "{whole}.{rest:02}"),
        }
    }
}

impl Serialize for Percent {
    /// As a number of percent: `5`, `2.5`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 100 {
            0 => serializer.serialize_u16(self.0 / 100),
            _ => serializer.serialize_f64(f64::from(self.0) / 100.0),
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    /// From a number of percent, 0 to 100; what has more than two decimals is refused.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let basis_points = f64::deserialize(deserializer)? * 100.0;
        let whole = basis_points.round();
        if !(0.0..=f64::from(BUCKETS)).contains(&whole) || (basis_points - whole).abs() > 1e-6 {
            return Err(D::Error::custom(
                "a share is 0 to 100 percent with at most two decimals",
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 10,000"
        )]
        Ok(Self(whole as u16))
    }
}

/// One of the 10,000 equal parts of all keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of a key: the first 8 bytes, big-endian, of SHA-256(salt ‖ 0x1f ‖ key), modulo
    /// 10,000. Frozen: a change reshuffles every user (golden vectors in the tests).
    pub fn of_key(salt: &str, key: &[u8]) -> Self {
        Self::of_hash(key_hash(salt, key))
    }

    /// The bucket of a key's hash, as [`key_hash`] makes it, or of a fresh uniform draw.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below 10,000"
    )]
    pub const fn of_hash(hash: u64) -> Self {
        Self((hash % BUCKETS as u64) as u16)
    }

    /// 0 to 9,999.
    pub const fn index(self) -> u16 {
        self.0
    }
}

/// The first 8 bytes, big-endian, of SHA-256(salt ‖ 0x1f ‖ key).
pub fn key_hash(salt: &str, key: &[u8]) -> u64 {
    let digest = Sha256::new()
        .chain_update(salt)
        .chain_update([KEY_SEPARATOR])
        .chain_update(key)
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// How many buckets there are: two decimals of a percent.
const BUCKETS: u16 = 10_000;

/// ASCII unit separator: no salt that a person types contains it.
const KEY_SEPARATOR: u8 = 0x1f;

#[cfg(test)]
mod tests;
