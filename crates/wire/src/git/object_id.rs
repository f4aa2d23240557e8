//! Object ids: SHA-1 or SHA-256 in lower-case hexadecimal.
//!
//! Owns their spelling. Cannot know what an id names.

use std::fmt;

use thiserror::Error;

/// How a repository hashes its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectFormat {
    /// 40 digits.
    Sha1,
    /// 64 digits.
    Sha256,
}

/// The id of an object, or zeros where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId(String);

/// An object id is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an object id is not 40 or 64 lower-case hexadecimal digits")]
pub struct BadObjectId;

impl ObjectId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`BadObjectId`] for another length, another digit, or upper case.
    pub fn parse(text: &[u8]) -> Result<Self, BadObjectId> {
        let is_hex = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || !matches!(text.len(), 40 | 64) {
            return Err(BadObjectId);
        }
        String::from_utf8(text.to_vec()).map(Self).map_err(|_| BadObjectId)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which hash it is of.
    pub fn format(&self) -> ObjectFormat {
        if self.0.len() == 40 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 }
    }

    /// Whether it stands for no object.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'0')
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
