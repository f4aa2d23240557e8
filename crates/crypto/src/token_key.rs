//! Keys that sign what Marque issues: access tokens, signed introspection answers, status lists.
//!
//! ES256 unless a resource asks for RS256; no other algorithm can be named. Which key is in use
//! when is the business of [`crate::key_ring`]; outside memory a key exists only sealed
//! ([`crate::seal`]), as its PKCS#8 bytes and the name of its algorithm.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::ecdsa;
use crate::error::CryptoError;
use crate::public_key::{Algorithm, KeyMembers, PublicKey};
use crate::secret::Secret;

/// What a token of ours may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenAlgorithm {
    /// The default.
    Es256,
    /// For resources that read nothing else. Keys have 2048 bits.
    Rs256,
}

impl TokenAlgorithm {
    /// The algorithm as a verifier names it.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::Rs256 => Algorithm::Rs256,
        }
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        })
    }
}

impl FromStr for TokenAlgorithm {
    type Err = CryptoError;

    fn from_str(text: &str) -> Result<Self, CryptoError> {
        match text {
            "ES256" => Ok(Self::Es256),
            "RS256" => Ok(Self::Rs256),
            _ => Err(CryptoError::BadKey("token algorithm: it is neither `ES256` nor `RS256`")),
        }
    }
}

/// Signs tokens.
pub struct TokenKey {
    pair: Pair,
    public: TokenPublicKey,
}

enum Pair {
    Es256(Box<EcdsaKeyPair>),
    Rs256(Box<RsaKeyPair>),
}

impl TokenKey {
    /// A fresh key from the library's own generator: ECDSA signatures draw from it anyway, so a
    /// caller's seed could not make them repeat. An RSA key takes a good part of a second.
    pub fn generate(algorithm: TokenAlgorithm) -> Result<Self, CryptoError> {
        match algorithm {
            TokenAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                Self::from_ecdsa(pair.map_err(|_| CryptoError::Library("P-256 key generation"))?)
            }
            TokenAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048);
                Self::from_rsa(pair.map_err(|_| CryptoError::Library("RSA key generation"))?)
            }
        }
    }

    /// Reads a key from PKCS#8 (RFC 5958): fails for a key of another algorithm.
    pub fn from_pkcs8(algorithm: TokenAlgorithm, pkcs8: &Secret) -> Result<Self, CryptoError> {
        match algorithm {
            TokenAlgorithm::Es256 => {
                let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8.expose());
                Self::from_ecdsa(pair.map_err(|_| CryptoError::BadKey("P-256 key in PKCS#8"))?)
            }
            TokenAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8.expose());
                Self::from_rsa(pair.map_err(|_| CryptoError::BadKey("RSA key in PKCS#8"))?)
            }
        }
    }

    /// The private key in PKCS#8 (RFC 5958), to be sealed.
    pub fn to_pkcs8(&self) -> Result<Secret, CryptoError> {
        match &self.pair {
            Pair::Es256(pair) => {
                let document = pair.to_pkcs8v1();
                let document = document.map_err(|_| CryptoError::Library("P-256 export"))?;
                Ok(Secret::from_vec(document.as_ref().to_vec()))
            }
            Pair::Rs256(pair) => {
                let document = pair.as_der().map_err(|_| CryptoError::Library("RSA export"))?;
                Ok(Secret::from_vec(document.as_ref().to_vec()))
            }
        }
    }

    /// What it signs with.
    pub fn algorithm(&self) -> TokenAlgorithm {
        match self.pair {
            Pair::Es256(_) => TokenAlgorithm::Es256,
            Pair::Rs256(_) => TokenAlgorithm::Rs256,
        }
    }

    /// The signature over `message`: of ES256 `r || s` in its canonical form, 32 bytes each.
    ///
    /// Signs an agent's token: only `plane::issue` may call this, and the build refuses others.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match &self.pair {
            Pair::Es256(pair) => es256(pair, message).map(|signature| signature.to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| CryptoError::Library("RS256 signing"))?;
                Ok(signature)
            }
        }
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &TokenPublicKey {
        &self.public
    }

    fn from_ecdsa(pair: EcdsaKeyPair) -> Result<Self, CryptoError> {
        let public = TokenPublicKey::new(p256_public(&pair)?)?;
        Ok(Self { pair: Pair::Es256(Box::new(pair)), public })
    }

    fn from_rsa(pair: RsaKeyPair) -> Result<Self, CryptoError> {
        let public = pair.public_key();
        let n = public.modulus().big_endian_without_leading_zero().to_vec();
        let e = public.exponent().big_endian_without_leading_zero().to_vec();
        let public = TokenPublicKey::new(PublicKey::new(KeyMembers::Rsa { n, e })?)?;
        Ok(Self { pair: Pair::Rs256(Box::new(pair)), public })
    }
}

/// A canonical ES256 signature.
pub(crate) fn es256(pair: &EcdsaKeyPair, message: &[u8]) -> Result<[u8; 64], CryptoError> {
    let failed = CryptoError::Library("ES256 signing");
    match pair.sign(&SystemRandom::new(), message) {
        Ok(signature) => match <[u8; 64]>::try_from(signature.as_ref()) {
            Ok(signature) => Ok(ecdsa::canonical(signature)),
            Err(_) => Err(failed),
        },
        Err(_) => Err(failed),
    }
}

/// The public half of a pair on P-256.
pub(crate) fn p256_public(pair: &EcdsaKeyPair) -> Result<PublicKey, CryptoError> {
    let bad = || CryptoError::BadKey("P-256 public key");
    // SEC 1 section 2.3.3: an uncompressed point is `04 || x || y`.
    let (&[tag], rest) = pair.public_key().as_ref().split_first_chunk().ok_or_else(bad)?;
    let (x, y) = rest.split_first_chunk::<32>().ok_or_else(bad)?;
    let y = <&[u8; 32]>::try_from(y).map_err(|_| bad())?;
    if tag != 4 {
        return Err(bad());
    }
    PublicKey::new(KeyMembers::P256 { x: *x, y: *y })
}

/// Verifies tokens of ours. Parsed once, used often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPublicKey(PublicKey);

impl TokenPublicKey {
    /// A key of another replica or release of ours. Fails for an algorithm that we do not issue.
    pub fn new(key: PublicKey) -> Result<Self, CryptoError> {
        match key.algorithm() {
            Algorithm::Es256 | Algorithm::Rs256 => Ok(Self(key)),
            Algorithm::Ed25519 => Err(CryptoError::BadKey("key for tokens: it is Ed25519")),
        }
    }

    /// The key id: the RFC 7638 thumbprint with SHA-256, in base64url without padding.
    pub fn kid(&self) -> &str {
        self.0.thumbprint()
    }

    /// The key as anybody has it, to be published.
    pub fn key(&self) -> &PublicKey {
        &self.0
    }

    /// Fails with [`CryptoError::BadSignature`] unless `signature` is this key's over `message`, in
    /// the one spelling that [`TokenKey::sign`] gives it.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if self.0.algorithm() == Algorithm::Es256 && !ecdsa::is_canonical(signature) {
            return Err(CryptoError::BadSignature);
        }
        self.0.verify(message, signature)
    }
}

#[cfg(test)]
#[path = "token_key_tests.rs"]
mod tests;
