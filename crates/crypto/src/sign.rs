//! The key that signs checkpoints of the log. Those of tokens are in [`crate::token_key`].
//!
//! There is no common trait and no generic `sign`, so a checkpoint can never pass for a token.
//! Which key is in use when is the business of [`crate::key_ring`].

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};

use crate::error::CryptoError;
use crate::key_file::{KeyMaterial, Purpose};
use crate::random::Random;
use crate::secret::Secret;

/// Signs checkpoints of the log: Ed25519 (RFC 8032).
pub struct LogKey {
    pair: Ed25519KeyPair,
    public: LogPublicKey,
}

impl LogKey {
    /// A fresh key.
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        Self::from_material(&KeyMaterial::generate(Purpose::LogSigning, random))
    }

    /// The key whose seed is in a key file for [`Purpose::LogSigning`].
    pub fn from_material(material: &KeyMaterial) -> Result<Self, CryptoError> {
        let seed = material.expose_for(Purpose::LogSigning)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self::from_pair(pair.map_err(|_| CryptoError::BadKey("Ed25519 seed"))?)
    }

    /// Reads a key from PKCS#8 (RFC 5958), with or without its public half.
    pub fn from_pkcs8(pkcs8: &Secret) -> Result<Self, CryptoError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.expose());
        Self::from_pair(pair.map_err(|_| CryptoError::BadKey("Ed25519 key in PKCS#8"))?)
    }

    /// The private key in PKCS#8 (RFC 5958).
    pub fn to_pkcs8(&self) -> Result<Secret, CryptoError> {
        let document = self.pair.to_pkcs8();
        let document = document.map_err(|_| CryptoError::Library("Ed25519 export"))?;
        Ok(Secret::from_vec(document.as_ref().to_vec()))
    }

    /// The signature over `message`, always the same for the same message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(message);
        let signature = <[u8; 64]>::try_from(signature.as_ref());
        signature.expect("invariant: an Ed25519 signature is 64 bytes")
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &LogPublicKey {
        &self.public
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, CryptoError> {
        let bytes = <[u8; 32]>::try_from(pair.public_key().as_ref());
        let bytes = bytes.map_err(|_| CryptoError::BadKey("Ed25519 public key"))?;
        Ok(Self { pair, public: LogPublicKey::from_bytes(&bytes)? })
    }
}

/// Verifies checkpoints of the log. Parsed once, used often.
#[derive(Clone)]
pub struct LogPublicKey {
    bytes: [u8; 32],
    parsed: ParsedPublicKey,
}

impl LogPublicKey {
    /// Reads the 32 bytes of RFC 8032 section 5.1.5.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        let parsed = ParsedPublicKey::new(&ED25519, bytes);
        let parsed = parsed.map_err(|_| CryptoError::BadKey("Ed25519 public key"))?;
        Ok(Self { bytes: *bytes, parsed })
    }

    /// The 32 bytes of RFC 8032 section 5.1.5.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Fails with [`CryptoError::BadSignature`] unless `signature` is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let verified = self.parsed.verify_sig(message, signature);
        verified.map_err(|_| CryptoError::BadSignature)
    }
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
