//! The head of one object in a pack: its kind, its length, and what it is a difference to.

use super::{ObjectFormat, Unlooked};

/// What kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tag,
    /// A file or a folder.
    Other,
}

/// What an object is a difference to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    None,
    /// The object at that offset.
    At(u64),
    /// The object of that id.
    Id(Vec<u8>),
}

/// The head of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// None of a difference.
    pub(super) kind: Option<Kind>,
    /// Of what is inflated.
    pub(super) size: u64,
    pub(super) base: Base,
}

/// Longest number of either kind, in bytes.
const NUMBER_MAX_BYTES: usize = 9;

impl Entry {
    /// The head in `bytes`, all of them; `None` while it goes on.
    pub(super) fn parse(
        bytes: &[u8],
        offset: u64,
        format: ObjectFormat,
    ) -> Result<Option<Self>, Unlooked> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        let mut size = u64::from(first & 0x0f);
        let mut rest = rest;
        if first & 0x80 != 0 {
            let Some((more, after)) = number(rest)? else { return Ok(None) };
            size |= more.checked_mul(16).ok_or(Unlooked::Malformed)?;
            rest = after;
        }
        let id_bytes = match format {
            ObjectFormat::Sha1 => 20,
            ObjectFormat::Sha256 => 32,
        };
        let (kind, base) = match (first >> 4) & 7 {
            1 => (Some(Kind::Commit), Base::None),
            2 | 3 => (Some(Kind::Other), Base::None),
            4 => (Some(Kind::Tag), Base::None),
            6 => {
                let Some(back) = distance(rest)? else { return Ok(None) };
                let at = offset.checked_sub(back).filter(|_| back > 0);
                (None, Base::At(at.ok_or(Unlooked::Malformed)?))
            }
            7 if rest.len() < id_bytes => return Ok(None),
            7 => (None, Base::Id(rest.to_vec())),
            _ => return Err(Unlooked::Malformed),
        };
        Ok(Some(Self { kind, size, base }))
    }
}

/// Seven bits a byte, the lowest first; and what follows.
pub(super) fn number(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Unlooked> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate() {
        if place >= NUMBER_MAX_BYTES {
            return Err(Unlooked::Malformed);
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((value, bytes.get(place + 1..).unwrap_or_default())));
        }
    }
    Ok(None)
}

// Seven bits a byte, the highest first, each further byte worth one more.
fn distance(bytes: &[u8]) -> Result<Option<u64>, Unlooked> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate() {
        if place >= NUMBER_MAX_BYTES {
            return Err(Unlooked::Malformed);
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(Some(value));
        }
        value += 1;
    }
    Ok(None)
}
