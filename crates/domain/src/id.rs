//! Typed, readable ids: a prefix that says what it names, an underscore, and a ULID.
//!
//! The moment and the randomness come from the caller.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What an [`Id`] can name.
pub trait Named {
    /// The letters before the underscore, such as `agt`.
    const PREFIX: &'static str;
    /// The word a person reads, such as `agent`.
    const NOUN: &'static str;
}

/// The id of one `K`: `<prefix>_<ulid>`, 26 characters of Crockford base 32 after the underscore.
/// Ids sort by the moment of their making.
pub struct Id<K> {
    /// Its 128 bits, the first byte first: sorts like the number, and packs without padding.
    ulid: [u8; 16],
    kind: PhantomData<fn() -> K>,
}

/// The text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id of {noun}: expected `{prefix}_` and 26 characters")]
pub struct BadId {
    text: String,
    noun: &'static str,
    prefix: &'static str,
}

// Crockford base 32, as the ULID specification fixes it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_CHARS: usize = 26;
/// The longest prefix, in bytes.
const PREFIX_MAX: usize = 8;

impl<K: Named> Id<K> {
    /// A new id. `random` must be fresh: two ids of one millisecond differ only in it.
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let tail = random.iter().fold(0u128, |tail, byte| tail << 8 | u128::from(*byte));
        Self::from_ulid(u128::from(now.as_millis() & 0xffff_ffff_ffff) << 80 | tail)
    }

    const fn from_ulid(ulid: u128) -> Self {
        Self { ulid: ulid.to_be_bytes(), kind: PhantomData }
    }

    const fn number(self) -> u128 {
        u128::from_be_bytes(self.ulid)
    }
}

impl<K: Named> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const { assert!(K::PREFIX.len() <= PREFIX_MAX, "a prefix has no room") };
        let mut digits = [0; ULID_CHARS];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            let value = usize::try_from(self.number() >> (5 * place) & 31).unwrap_or(0);
            *digit = ALPHABET.get(value).copied().unwrap_or(b'0');
        }
        // In one piece: whoever gathers it makes room once.
        let mut text = [b'_'; PREFIX_MAX + 1 + ULID_CHARS];
        let (prefix, rest) = text.split_at_mut(K::PREFIX.len());
        prefix.copy_from_slice(K::PREFIX.as_bytes());
        let end = K::PREFIX.len() + 1 + ULID_CHARS;
        rest.iter_mut().skip(1).zip(digits).for_each(|(to, from)| *to = from);
        let text = text.get(..end).and_then(|text| str::from_utf8(text).ok());
        f.write_str(text.ok_or(fmt::Error)?)
    }
}

impl<K: Named> FromStr for Id<K> {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad =
            || BadId { text: text.chars().take(80).collect(), noun: K::NOUN, prefix: K::PREFIX };
        let body = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_'));
        let body = body.ok_or_else(bad)?.as_bytes();
        // The first of 26 digits of 5 bits may hold only 3 of the 128.
        if body.len() != ULID_CHARS || body.first().is_none_or(|first| *first > b'7') {
            return Err(bad());
        }
        let mut ulid = 0u128;
        for letter in body {
            let digit = ALPHABET.iter().position(|known| known == letter).ok_or_else(bad)?;
            ulid = ulid << 5 | u128::try_from(digit).map_err(|_| bad())?;
        }
        Ok(Self::from_ulid(ulid))
    }
}

// Derives would demand that `K` itself can be copied, compared and hashed.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.ulid == other.ulid
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ulid.cmp(&other.ulid)
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ulid.hash(state);
    }
}

impl<K: Named> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Named> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Named> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, Named};
    use crate::time::Timestamp;

    struct Ship;
    impl Named for Ship {
        const PREFIX: &'static str = "shp";
        const NOUN: &'static str = "a ship";
    }

    #[test]
    fn an_id_prints_its_kind_and_parses_back() {
        let id = Id::<Ship>::new(Timestamp::from_millis(1_469_918_176_385), [0xff; 10]);
        assert_eq!(id.to_string(), "shp_01ARYZ6S41ZZZZZZZZZZZZZZZZ");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        for bad in [
            "",
            "shp_",
            "agt_01ARYZ6S41ZZZZZZZZZZZZZZZZ",
            "shp_01aryz6s41ZZZZZZZZZZZZZZZZ",
            "shp_81ARYZ6S41ZZZZZZZZZZZZZZZZ",
            "shp_01ARYZ6S41ZZZZZZZZZZZZZZZU",
            "shp_01ARYZ6S41ZZZZZZZZZZZZZZZZ0",
        ] {
            assert!(bad.parse::<Id<Ship>>().is_err(), "`{bad}` must not parse");
        }
    }

    #[test]
    fn ids_sort_by_the_moment_of_their_making() {
        let earlier = Id::<Ship>::new(Timestamp::from_millis(1), [0xff; 10]);
        let later = Id::<Ship>::new(Timestamp::from_millis(2), [0; 10]);
        assert!(earlier < later && earlier.to_string() < later.to_string());
    }
}
