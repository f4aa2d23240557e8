//! Sets of keys (RFC 7517 section 5): ours, as they are published, and those of other issuers.

use std::collections::HashSet;

use marque_crypto::public_key::{Algorithm, PublicKey};
use serde_json::{Value, json};
use thiserror::Error;

use super::{BadJwk, Jwk};
use crate::json::{BadJson, Limits, Object, need};

/// Most keys of a set.
pub const KEYS_MAX: usize = 64;
/// Longest set, in bytes.
const LIMITS: Limits = Limits { bytes: 256 * 1024, depth: 6, values: 4096 };

/// The keys of one issuer that verify something here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JwkSet(Vec<Jwk>);

/// Why a set is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadJwkSet {
    /// Not strict JSON, or without `keys`.
    #[error("the key set is refused: {0}")]
    Json(#[from] BadJson),
    /// One of the keys spoils the set.
    #[error("a key of the set is refused: {0}")]
    Key(BadJwk),
    /// Two keys of one name: a token would not say which.
    #[error("two keys of the set have the same `kid`")]
    SameKeyId,
}

impl JwkSet {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`BadJwkSet`] for more than [`KEYS_MAX`] and for two of one name.
    pub fn new(keys: Vec<Jwk>) -> Result<Self, BadJwkSet> {
        if keys.len() > KEYS_MAX {
            return Err(BadJson::TooMany(KEYS_MAX).into());
        }
        let named: Vec<&str> = keys.iter().filter_map(|jwk| jwk.key_id.as_deref()).collect();
        let names: HashSet<&str> = named.iter().copied().collect();
        if names.len() == named.len() { Ok(Self(keys)) } else { Err(BadJwkSet::SameKeyId) }
    }

    /// Reads a set. Keys of other types and for other purposes are passed over, as RFC 7517 section
    /// 5 asks; one that is weak or gives away a private half spoils the set (threat 22).
    ///
    /// # Errors
    /// [`BadJwkSet`].
    pub fn parse(text: &[u8]) -> Result<Self, BadJwkSet> {
        let mut members = Object::parse(text, &LIMITS)?;
        let keys = need("keys", members.objects("keys", KEYS_MAX)?)?;
        let mut read = Vec::with_capacity(keys.len());
        for key in keys {
            match Jwk::from_object(key) {
                Ok(key) => read.push(key),
                Err(problem) if problem.is_foreign() => {}
                Err(problem) => return Err(BadJwkSet::Key(problem)),
            }
        }
        Self::new(read)
    }

    /// The set as it is published.
    pub fn to_json(&self) -> Value {
        let keys: Vec<Value> = self.0.iter().map(Jwk::to_json).collect();
        json!({ "keys": keys })
    }

    /// The keys.
    pub fn keys(&self) -> &[Jwk] {
        &self.0
    }

    /// The key that a token means: the one of that name and algorithm, or, where the token names
    /// none, the only one of that algorithm.
    pub fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self.0.iter().filter(|jwk| jwk.key.algorithm() == algorithm);
        match key_id {
            Some(_) => fitting.find(|jwk| jwk.key_id.as_deref() == key_id).map(|jwk| &jwk.key),
            None => match (fitting.next(), fitting.next()) {
                (Some(jwk), None) => Some(&jwk.key),
                _ => None,
            },
        }
    }
}
