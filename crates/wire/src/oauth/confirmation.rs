//! What a token is bound to (RFC 7800): the key of a DPoP proof or the certificate of a client.

use std::fmt;

use marque_crypto::public_key::PublicKey;
use serde_json::{Map, Value};

use crate::jose::{BadJson, decode_array, encode};
use crate::json::Object;

/// A SHA-256 hash in 43 characters of base64url: of a key (RFC 7638) or a certificate (RFC 8705).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint made of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// That of a key.
    pub fn of_key(key: &PublicKey) -> Self {
        let thumbprint = Self::parse(key.thumbprint());
        thumbprint.expect("invariant: a thumbprint of a key is 32 bytes in base64url")
    }

    /// Reads 43 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        decode_array(text.as_bytes()).map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

/// Who may present a token: exactly one of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confirmation {
    /// Whoever signs proofs with the key of this thumbprint (RFC 9449 section 6.1): `jkt`.
    Key(Thumbprint),
    /// Whoever shows the certificate of this hash (RFC 8705 section 3.1): `x5t#S256`.
    Certificate(Thumbprint),
}

impl Confirmation {
    /// Reads a `cnf`. One with any other method is refused, or it might be meant to bind further.
    pub(super) fn from_object(mut members: Object) -> Result<Self, BadJson> {
        let kind = "a SHA-256 thumbprint in base64url";
        let key = members.parsed("jkt", 43, kind, Thumbprint::parse)?;
        let certificate = members.parsed("x5t#S256", 43, kind, Thumbprint::parse)?;
        members.finish("jkt")?;
        match (key, certificate) {
            (Some(key), None) => Ok(Self::Key(key)),
            (None, Some(certificate)) => Ok(Self::Certificate(certificate)),
            _ => Err(BadJson::Wrong("cnf", "exactly one of `jkt` and `x5t#S256`")),
        }
    }

    pub(super) fn to_json(self) -> Value {
        let (name, thumbprint) = match self {
            Self::Key(thumbprint) => ("jkt", thumbprint),
            Self::Certificate(thumbprint) => ("x5t#S256", thumbprint),
        };
        Value::Object(Map::from_iter([(name.to_owned(), thumbprint.to_string().into())]))
    }
}
