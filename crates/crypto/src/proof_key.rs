//! The key by which a run or a client proves who it is: DPoP proofs and client assertions, ES256.
//!
//! A type of its own, so that whoever holds a token can never sign one. It belongs to the one who
//! presents, never to the server.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::error::CryptoError;
use crate::public_key::{KeyMembers, PublicKey};
use crate::secret::Secret;
use crate::token_key::{es256, p256_public};

/// Signs proofs of possession and client assertions.
pub struct ProofKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl ProofKey {
    /// A fresh key from the library's own generator.
    pub fn generate() -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self::from_pair(pair.map_err(|_| CryptoError::Library("P-256 key generation"))?)
    }

    /// Reads a key from PKCS#8 (RFC 5958).
    pub fn from_pkcs8(pkcs8: &Secret) -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose());
        Self::from_pair(pair.map_err(|_| CryptoError::BadKey("P-256 key in PKCS#8"))?)
    }

    /// The key of this private number, whose public half is known: what a JWK of it has (RFC 7518
    /// section 6.2.2). Fails where the two do not belong together.
    pub fn from_members(public: &PublicKey, private: &Secret) -> Result<Self, CryptoError> {
        let KeyMembers::P256 { x, y } = public.members() else {
            return Err(CryptoError::BadKey("P-256 key: it is of another type"));
        };
        let point = [&[4], x.as_slice(), y].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            private.expose(),
            &point,
        );
        Self::from_pair(pair.map_err(|_| CryptoError::BadKey("pair of P-256 numbers"))?)
    }

    /// The private key in PKCS#8 (RFC 5958).
    pub fn to_pkcs8(&self) -> Result<Secret, CryptoError> {
        let document = self.pair.to_pkcs8v1();
        let document = document.map_err(|_| CryptoError::Library("P-256 export"))?;
        Ok(Secret::from_vec(document.as_ref().to_vec()))
    }

    /// The signature over `message` as `r || s`, 32 bytes each.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], CryptoError> {
        es256(&self.pair, message)
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, CryptoError> {
        let public = p256_public(&pair)?;
        Ok(Self { pair, public })
    }
}

#[cfg(test)]
mod tests {
    use super::ProofKey;
    use crate::secret::Secret;

    #[test]
    fn a_restored_key_is_the_same_and_another_one_verifies_nothing_of_it() {
        let key = ProofKey::generate().unwrap();
        let again = ProofKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        let signature = again.sign(b"proof").unwrap();
        key.public().verify(b"proof", &signature).unwrap();
        assert!(key.public().verify(b"proofs", &signature).is_err());
        let other = ProofKey::generate().unwrap();
        assert!(other.public().verify(b"proof", &signature).is_err());
        assert!(ProofKey::from_pkcs8(&Secret::from_vec(vec![1; 31])).is_err());
    }
}
