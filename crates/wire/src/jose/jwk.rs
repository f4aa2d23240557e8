//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037), public ones alone.

use marque_crypto::CryptoError;
use marque_crypto::public_key::{KeyMembers, PublicKey};
use serde_json::{Map, Value};
use thiserror::Error;

use super::header::{KEY_ID_MAX_BYTES, print_algorithm, read_algorithm, read_key_id};
use super::{decode, decode_array, encode};
use crate::json::{BadJson, Limits, Object, need};

/// Longest key, in bytes. With a chain of certificates that nobody reads, a few thousand.
const LIMITS: Limits = Limits { bytes: 32 * 1024, depth: 4, values: 128 };
/// Longest number in base64url: 4096 bits.
const NUMBER_MAX_BYTES: usize = 700;
/// What private and symmetric keys have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// The key.
    pub key: PublicKey,
    /// Its name within its set. Visible ASCII, at most 256 bytes.
    pub key_id: Option<String>,
}

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadJwk {
    /// Not strict JSON, or without a member that its type has.
    #[error("the key is refused: {0}")]
    Json(#[from] BadJson),
    /// It gives away its private half, or is a shared secret.
    #[error("the key has the private or symmetric member `{0}`; it must be taken for disclosed")]
    Private(&'static str),
    /// A type, curve or algorithm that nothing here verifies with.
    #[error("the key is none for ES256, RS256 or Ed25519")]
    Unsupported,
    /// It says that it is for something else.
    #[error("the key is not for verifying signatures")]
    Use,
    /// Off its curve, of small order, too short, too long.
    #[error("the key is weak or no key: {0}")]
    Weak(&'static str),
}

impl BadJwk {
    /// Whether it is a key for others or for another purpose, which a set may well have.
    pub(super) const fn is_foreign(self) -> bool {
        matches!(self, Self::Unsupported | Self::Use)
    }
}

impl Jwk {
    /// Reads a key on its own.
    ///
    /// # Errors
    /// [`BadJwk`] for all but a public key that verifies ES256, RS256 or Ed25519.
    pub fn parse(text: &[u8]) -> Result<Self, BadJwk> {
        Self::from_object(Object::parse(text, &LIMITS)?)
    }

    pub(crate) fn from_object(mut members: Object) -> Result<Self, BadJwk> {
        // ORDER: a disclosed key is told before anything else about it.
        if let Some(name) = PRIVATE.into_iter().find(|name| members.has(name)) {
            return Err(BadJwk::Private(name));
        }
        let kind = need("kty", members.text("kty", 16)?)?;
        let key = read_members(&kind, &mut members)?;
        if members.text("use", 32)?.is_some_and(|usage| usage != "sig") {
            return Err(BadJwk::Use);
        }
        let operations = members.texts("key_ops", 8, 32)?;
        if operations.is_some_and(|operations| operations != ["verify"]) {
            return Err(BadJwk::Use);
        }
        let key = PublicKey::new(key).map_err(|problem| match problem {
            CryptoError::BadKey(problem) => BadJwk::Weak(problem),
            _ => BadJwk::Weak("key"),
        })?;
        if let Some(algorithm) = members.text("alg", 64)?
            && read_algorithm(&algorithm) != Some(key.algorithm())
        {
            return Err(BadJwk::Unsupported);
        }
        let key_id = members.parsed("kid", KEY_ID_MAX_BYTES, "a key id", read_key_id)?;
        Ok(Self { key, key_id })
    }

    /// The key as a set publishes it: its members, `kid` if it has one, `alg` and `use`.
    pub fn to_json(&self) -> Value {
        let mut members = public_members(&self.key);
        if let Some(key_id) = &self.key_id {
            members.insert("kid".to_owned(), key_id.as_str().into());
        }
        members.insert("alg".to_owned(), print_algorithm(self.key.algorithm()).into());
        members.insert("use".to_owned(), "sig".into());
        Value::Object(members)
    }
}

/// The members that make up a key and no more: what the header of a proof has.
pub(super) fn public_members(key: &PublicKey) -> Map<String, Value> {
    let pairs: Vec<(&str, String)> = match key.members() {
        KeyMembers::P256 { x, y } => vec![
            ("kty", "EC".to_owned()),
            ("crv", "P-256".to_owned()),
            ("x", encode(x)),
            ("y", encode(y)),
        ],
        KeyMembers::Rsa { n, e } => {
            vec![("kty", "RSA".to_owned()), ("n", encode(n)), ("e", encode(e))]
        }
        KeyMembers::Ed25519 { x } => {
            vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", encode(x))]
        }
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn read_members(kind: &str, members: &mut Object) -> Result<KeyMembers, BadJwk> {
    match kind {
        "EC" => {
            if need("crv", members.text("crv", 32)?)? != "P-256" {
                return Err(BadJwk::Unsupported);
            }
            Ok(KeyMembers::P256 { x: coordinate("x", members)?, y: coordinate("y", members)? })
        }
        "OKP" => {
            if need("crv", members.text("crv", 32)?)? != "Ed25519" {
                return Err(BadJwk::Unsupported);
            }
            Ok(KeyMembers::Ed25519 { x: coordinate("x", members)? })
        }
        "RSA" => Ok(KeyMembers::Rsa { n: number("n", members)?, e: number("e", members)? }),
        _ => Err(BadJwk::Unsupported),
    }
}

/// RFC 7518 section 6.2.1.2: always the full 32 bytes.
fn coordinate(name: &'static str, members: &mut Object) -> Result<[u8; 32], BadJwk> {
    let kind = "32 bytes in base64url";
    let coordinate = members.parsed(name, 64, kind, |text| decode_array(text.as_bytes()))?;
    Ok(need(name, coordinate)?)
}

fn number(name: &'static str, members: &mut Object) -> Result<Vec<u8>, BadJwk> {
    let kind = "a number in base64url";
    let number = members.parsed(name, NUMBER_MAX_BYTES, kind, |text| decode(text.as_bytes()))?;
    Ok(need(name, number)?)
}
