//! Machine secrets: random, so a keyed hash protects them and no password KDF is needed.
//!
//! The store keeps only the hash and looks it up by equality. That is safe without constant-time
//! comparison: without the key, nobody can choose an input whose hash comes near a stored one.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_domain::Digest;
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::key_file::{KeyMaterial, Purpose};
use crate::random::{self, Random};

/// 32 random bytes that a machine presents to prove who it is.
pub struct MachineSecret(Zeroizing<[u8; 32]>);

impl MachineSecret {
    /// A fresh secret.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random::bytes(random)))
    }

    /// The text a machine presents: 43 characters of base64url without padding.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }
}

/// The key that turns presented secrets into stored hashes.
pub struct MachineHashKey(hmac::Key);

impl MachineHashKey {
    /// A fresh key, for secrets that need not outlive this process.
    pub fn generate(random: &dyn Random) -> Self {
        let key = Zeroizing::new(random::bytes::<32>(random));
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
    }

    /// The key kept in a key file, for secrets whose hashes are stored.
    pub fn from_material(material: &KeyMaterial) -> Result<Self, CryptoError> {
        let key = material.expose_for(Purpose::MachineHash)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }
}

/// HMAC-SHA-256 (RFC 2104) of the text as `presented`: what is stored and looked up.
pub fn hash(key: &MachineHashKey, presented: &[u8]) -> Digest {
    let tag = hmac::sign(&key.0, presented);
    let bytes = <[u8; 32]>::try_from(tag.as_ref());
    Digest::from_bytes(bytes.expect("invariant: an HMAC-SHA-256 tag is 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::{MachineHashKey, MachineSecret, hash};
    use crate::SystemRandom;

    #[test]
    fn a_machine_secret_is_found_by_its_hash_and_only_under_the_same_key() {
        let key = MachineHashKey::generate(&SystemRandom);
        let text = MachineSecret::generate(&SystemRandom).expose_text();
        let other = MachineSecret::generate(&SystemRandom).expose_text();
        assert_eq!(text.len(), 43);
        assert_eq!(hash(&key, text.as_bytes()), hash(&key, text.as_bytes()));
        assert_ne!(hash(&key, text.as_bytes()), hash(&key, other.as_bytes()));
        let another_key = MachineHashKey::generate(&SystemRandom);
        assert_ne!(hash(&key, text.as_bytes()), hash(&another_key, text.as_bytes()));
    }
}
