//! Token status lists (draft-ietf-oauth-status-list-21): one small number for each token, packed,
//! compressed and signed.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status as FlateStatus};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::Resource;
use crate::jose::{BadJson, NumericDate, TokenClass, Verified, decode, encode};
use crate::json::need;

/// Longest list, unpacked, in bytes: eight million tokens at one bit.
const LIST_MAX_BYTES: usize = 1024 * 1024;
/// How much is unpacked at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// Longest list, packed and in base64url.
const PACKED_MAX_BYTES: usize = 2 * 1024 * 1024;

/// How many bits each token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusBits {
    /// Valid or not.
    One,
    /// And suspended.
    Two,
    /// Sixteen.
    Four,
    /// All there are.
    Eight,
}

impl StatusBits {
    /// The number of bits.
    pub const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    const fn of(count: u64) -> Option<Self> {
        match count {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            4 => Some(Self::Four),
            8 => Some(Self::Eight),
            _ => None,
        }
    }

    const fn mask(self) -> u8 {
        match self {
            Self::One => 0x01,
            Self::Two => 0x03,
            Self::Four => 0x0f,
            Self::Eight => 0xff,
        }
    }
}

/// How a token stands (section 7.1 of the draft).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Good.
    Valid,
    /// Revoked for ever.
    Invalid,
    /// Not good now.
    Suspended,
    /// What an application gave a meaning of its own: to be taken for not good.
    Other(u8),
}

impl Status {
    const fn value(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Suspended => 2,
            Self::Other(value) => value,
        }
    }

    const fn of(value: u8) -> Self {
        match value {
            0 => Self::Valid,
            1 => Self::Invalid,
            2 => Self::Suspended,
            value => Self::Other(value),
        }
    }
}

/// A list, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: StatusBits,
    bytes: Vec<u8>,
}

/// Why a list is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadStatusList {
    /// A claim is missing or malformed.
    #[error("the status list is refused: {0}")]
    Claim(#[from] BadJson),
    /// Not base64url of a whole zlib stream.
    #[error("the status list is not one whole zlib stream in base64url")]
    Packing,
    /// Longer than is held.
    #[error("the status list has more than {LIST_MAX_BYTES} bytes")]
    TooLong,
    /// The list is not the one that was asked for.
    #[error("the `sub` of the status list is not where it was fetched from")]
    OtherList,
    /// It is over.
    #[error("the status list has expired")]
    Expired,
    /// It is older than its `ttl` allows.
    #[error("the status list is older than its `ttl`")]
    Stale,
    /// A status that takes more bits than the list has.
    #[error("the status does not fit into the bits of the list")]
    Bits,
    /// A place that the list does not have.
    #[error("the status list has no such place")]
    OutOfRange,
}

impl StatusList {
    /// A list with room for at least `places` tokens, all of them valid.
    ///
    /// # Errors
    /// [`BadStatusList::TooLong`].
    pub fn new(bits: StatusBits, places: usize) -> Result<Self, BadStatusList> {
        let bytes = places.div_ceil(8 / bits.count());
        if bytes > LIST_MAX_BYTES {
            return Err(BadStatusList::TooLong);
        }
        Ok(Self { bits, bytes: vec![0; bytes] })
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.bytes.len() * (8 / self.bits.count())
    }

    /// How the token at a place stands.
    ///
    /// # Errors
    /// [`BadStatusList::OutOfRange`]: the token is then refused (section 8.3 of the draft).
    pub fn status(&self, place: usize) -> Result<Status, BadStatusList> {
        let (at, shift) = self.locate(place);
        let byte = self.bytes.get(at).ok_or(BadStatusList::OutOfRange)?;
        Ok(Status::of(byte >> shift & self.bits.mask()))
    }

    /// Says how the token at a place stands.
    ///
    /// # Errors
    /// [`BadStatusList`] for a place or a status that the list does not have.
    pub fn set(&mut self, place: usize, status: Status) -> Result<(), BadStatusList> {
        let mask = self.bits.mask();
        if status.value() & !mask != 0 {
            return Err(BadStatusList::Bits);
        }
        let (at, shift) = self.locate(place);
        let byte = self.bytes.get_mut(at).ok_or(BadStatusList::OutOfRange)?;
        *byte = *byte & !(mask << shift) | status.value() << shift;
        Ok(())
    }

    /// Section 4.1 of the draft: from the least significant bit on.
    fn locate(&self, place: usize) -> (usize, usize) {
        let in_byte = 8 / self.bits.count();
        (place / in_byte, place % in_byte * self.bits.count())
    }

    /// The list as its claim has it: packed, in base64url.
    ///
    /// # Errors
    /// [`BadStatusList::Packing`] where the library fails, which it does not in memory.
    pub fn pack(&self) -> Result<String, BadStatusList> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&self.bytes).map_err(|_| BadStatusList::Packing)?;
        Ok(encode(&packer.finish().map_err(|_| BadStatusList::Packing)?))
    }

    /// Reads what [`StatusList::pack`] wrote, and no more than is held of it.
    ///
    /// # Errors
    /// [`BadStatusList`] for a stream that is broken, goes on behind its end, or is too long.
    pub fn unpack(bits: StatusBits, packed: &str) -> Result<Self, BadStatusList> {
        let packed = decode(packed.as_bytes()).ok_or(BadStatusList::Packing)?;
        let mut unpacker = Decompress::new(true);
        let mut bytes = Vec::with_capacity(PIECE_BYTES);
        loop {
            let read = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX);
            let rest = packed.get(read..).unwrap_or_default();
            let status = unpacker.decompress_vec(rest, &mut bytes, FlushDecompress::None);
            let is_over = status.map_err(|_| BadStatusList::Packing)? == FlateStatus::StreamEnd;
            if bytes.len() > LIST_MAX_BYTES {
                return Err(BadStatusList::TooLong);
            }
            if is_over {
                break;
            }
            if bytes.len() < bytes.capacity() {
                // There was room for more, and no more came: it is cut off.
                return Err(BadStatusList::Packing);
            }
            bytes.reserve(PIECE_BYTES);
        }
        if usize::try_from(unpacker.total_in()) != Ok(packed.len()) {
            return Err(BadStatusList::Packing);
        }
        Ok(Self { bits, bytes })
    }
}

/// What a signed list says (section 5.1 of the draft).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusListClaims {
    /// Where it is fetched from, byte for byte the `uri` of its tokens.
    pub sub: Resource,
    /// When it was made.
    pub iat: NumericDate,
    /// From when it is no longer good.
    pub exp: Option<NumericDate>,
    /// For how many seconds it may be kept.
    pub ttl_secs: Option<u64>,
    /// The list.
    pub list: StatusList,
}

impl StatusListClaims {
    /// Reads the claims of a list whose signature was verified with a key of the issuer of the
    /// tokens, and checks them.
    ///
    /// # Errors
    /// [`BadStatusList`], the first that does not hold.
    pub fn read(
        token: Verified,
        fetched_from: &Resource,
        now: NumericDate,
    ) -> Result<Self, BadStatusList> {
        let mut claims = token.into_claims(&[TokenClass::StatusList])?;
        let resource = |text: &str| Resource::parse(text).ok();
        let sub = need("sub", claims.parsed("sub", 1024, "a URL", resource)?)?;
        if sub != *fetched_from {
            return Err(BadStatusList::OtherList);
        }
        let iat = need("iat", claims.date("iat")?)?;
        let exp = claims.date("exp")?;
        if exp.is_some_and(|exp| now >= exp) {
            return Err(BadStatusList::Expired);
        }
        let ttl_secs = claims.number("ttl", NumericDate::MAX.as_seconds())?;
        if ttl_secs.is_some_and(|ttl| now.seconds_since(iat) > ttl) {
            return Err(BadStatusList::Stale);
        }
        let mut list = need("status_list", claims.object("status_list")?)?;
        let bits = need("bits", list.number("bits", 8)?)?;
        let bits = StatusBits::of(bits).ok_or(BadJson::Wrong("bits", "1, 2, 4 or 8"))?;
        let packed = need("lst", list.text("lst", PACKED_MAX_BYTES)?)?;
        let list = StatusList::unpack(bits, &packed)?;
        Ok(Self { sub, iat, exp, ttl_secs, list })
    }

    /// The claims, to be signed.
    ///
    /// # Errors
    /// As [`StatusList::pack`].
    pub fn to_json(&self) -> Result<Map<String, Value>, BadStatusList> {
        let list = json!({ "bits": self.list.bits.count(), "lst": self.list.pack()? });
        let mut claims = Map::from_iter([
            ("sub".to_owned(), Value::from(self.sub.as_str())),
            ("iat".to_owned(), self.iat.as_seconds().into()),
            ("status_list".to_owned(), list),
        ]);
        if let Some(exp) = self.exp {
            claims.insert("exp".to_owned(), exp.as_seconds().into());
        }
        if let Some(ttl) = self.ttl_secs {
            claims.insert("ttl".to_owned(), ttl.into());
        }
        Ok(claims)
    }
}
