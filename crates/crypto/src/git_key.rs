//! The key that signs what runs commit: Ed25519, as OpenSSH and git verify it.
//!
//! A type of its own, so that a commit can never pass for a checkpoint or a token. Its private half
//! leaves memory only sealed. What is signed, and how it is framed, is `wire`'s.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::random::{self, Random};
use crate::secret::Secret;

/// Signs commits and tags of runs: Ed25519 (RFC 8032).
pub struct GitKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: GitPublicKey,
}

impl GitKey {
    /// A fresh key.
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        Self::from_seed(Zeroizing::new(random::bytes(random)))
    }

    /// What [`GitKey::expose`] gave.
    pub fn restore(exposed: &Secret) -> Result<Self, CryptoError> {
        let seed = <[u8; 32]>::try_from(exposed.expose());
        let seed = seed.map_err(|_| CryptoError::BadKey("Ed25519 seed"))?;
        Self::from_seed(Zeroizing::new(seed))
    }

    /// The private half, to be sealed.
    pub fn expose(&self) -> Secret {
        Secret::from_vec(self.seed.to_vec())
    }

    /// The signature over `message`, always the same for the same message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = <[u8; 64]>::try_from(self.pair.sign(message).as_ref());
        signature.expect("invariant: an Ed25519 signature is 64 bytes")
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &GitPublicKey {
        &self.public
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, CryptoError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice());
        let pair = pair.map_err(|_| CryptoError::BadKey("Ed25519 seed"))?;
        let bytes = <[u8; 32]>::try_from(pair.public_key().as_ref());
        let bytes = bytes.map_err(|_| CryptoError::BadKey("Ed25519 public key"))?;
        Ok(Self { seed, pair, public: GitPublicKey::from_bytes(&bytes)? })
    }
}

/// Verifies commits and tags of runs. Parsed once, used often.
#[derive(Clone)]
pub struct GitPublicKey {
    bytes: [u8; 32],
    parsed: ParsedPublicKey,
}

impl GitPublicKey {
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
mod tests {
    use super::{GitKey, GitPublicKey};
    use crate::random::SystemRandom;
    use crate::secret::Secret;

    // RFC 8032 §7.1, test 2.
    #[test]
    fn it_signs_as_the_standard_does() {
        let seed = [
            0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11,
            0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed,
            0x4f, 0xb8, 0xa6, 0xfb,
        ];
        let key = GitKey::restore(&Secret::from_vec(seed.to_vec())).unwrap();
        assert_eq!(key.public().as_bytes()[..4], [0x3d, 0x40, 0x17, 0xc3]);
        assert_eq!(key.sign(&[0x72])[..4], [0x92, 0xa0, 0x09, 0xa9]);
    }

    #[test]
    fn a_restored_key_is_the_same_and_another_one_verifies_nothing_of_it() {
        let key = GitKey::generate(&SystemRandom).unwrap();
        let again = GitKey::restore(&key.expose()).unwrap();
        let signature = again.sign(b"tree");
        let public = GitPublicKey::from_bytes(key.public().as_bytes()).unwrap();
        public.verify(b"tree", &signature).unwrap();
        assert!(public.verify(b"trees", &signature).is_err());
        let other = GitKey::generate(&SystemRandom).unwrap();
        assert!(other.public().verify(b"tree", &signature).is_err());
        assert!(GitKey::restore(&Secret::from_vec(vec![1; 31])).is_err());
    }
}
