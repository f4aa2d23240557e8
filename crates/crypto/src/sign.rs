//! Signing keys, one type for each purpose: [`LogKey`] for checkpoints, [`TokenKey`] for tokens.
//!
//! There is no common trait and no generic `sign`, so a checkpoint can never pass for a token.
//! Which key is in use when is the business of [`crate::key_ring`].

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::CryptoError;
use crate::hash::sha256;
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

/// Signs tokens: ES256 (RFC 7518 section 3.4), ECDSA on P-256 with SHA-256.
pub struct TokenKey {
    pair: EcdsaKeyPair,
    public: TokenPublicKey,
}

impl TokenKey {
    /// A fresh key from the library's own generator: ECDSA signatures draw from it anyway, so a
    /// caller's seed could not make them repeat.
    pub fn generate() -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self::from_pair(pair.map_err(|_| CryptoError::Library("P-256 key generation"))?)
    }

    /// Reads a key from PKCS#8 (RFC 5958).
    pub fn from_pkcs8(pkcs8: &Secret) -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose());
        Self::from_pair(pair.map_err(|_| CryptoError::BadKey("P-256 key in PKCS#8"))?)
    }

    /// The private key in PKCS#8 (RFC 5958).
    pub fn to_pkcs8(&self) -> Result<Secret, CryptoError> {
        let document = self.pair.to_pkcs8v1();
        let document = document.map_err(|_| CryptoError::Library("P-256 export"))?;
        Ok(Secret::from_vec(document.as_ref().to_vec()))
    }

    /// The signature over `message` as `r || s`, 32 bytes each.
    ///
    /// Signs an agent's token: only `plane::issue` may call this, and the build refuses others.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], CryptoError> {
        let failed = CryptoError::Library("ES256 signing");
        match self.pair.sign(&SystemRandom::new(), message) {
            Ok(signature) => <[u8; 64]>::try_from(signature.as_ref()).map_err(|_| failed),
            Err(_) => Err(failed),
        }
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &TokenPublicKey {
        &self.public
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, CryptoError> {
        let bad = || CryptoError::BadKey("P-256 public key");
        // SEC 1 section 2.3.3: an uncompressed point is `04 || x || y`.
        let (&[tag], rest) = pair.public_key().as_ref().split_first_chunk().ok_or_else(bad)?;
        let (x, y) = rest.split_first_chunk::<32>().ok_or_else(bad)?;
        let y = <&[u8; 32]>::try_from(y).map_err(|_| bad())?;
        if tag != 4 {
            return Err(bad());
        }
        let public = TokenPublicKey::from_coordinates(x, y)?;
        Ok(Self { pair, public })
    }
}

/// Verifies tokens. Parsed once, used often.
#[derive(Clone)]
pub struct TokenPublicKey {
    x: [u8; 32],
    y: [u8; 32],
    kid: String,
    parsed: ParsedPublicKey,
}

impl TokenPublicKey {
    /// The key with these coordinates (RFC 7518 section 6.2.1); fails off the curve.
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, CryptoError> {
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(x, y));
        let parsed = parsed.map_err(|_| CryptoError::BadKey("P-256 public key"))?;
        Ok(Self { x: *x, y: *y, kid: thumbprint(x, y), parsed })
    }

    /// The key id: the RFC 7638 thumbprint with SHA-256, in base64url without padding.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The x coordinate, big endian.
    pub fn x(&self) -> &[u8; 32] {
        &self.x
    }

    /// The y coordinate, big endian.
    pub fn y(&self) -> &[u8; 32] {
        &self.y
    }

    /// The SubjectPublicKeyInfo in DER (RFC 5480).
    pub fn spki_der(&self) -> Vec<u8> {
        [P256_SPKI_HEAD, &point(&self.x, &self.y)].concat()
    }

    /// Fails with [`CryptoError::BadSignature`] unless `signature` (`r || s`, 64 bytes) is this
    /// key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let verified = self.parsed.verify_sig(message, signature);
        verified.map_err(|_| CryptoError::BadSignature)
    }
}

/// RFC 5480: `SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING` of 65 bytes.
const P256_SPKI_HEAD: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn point(x: &[u8; 32], y: &[u8; 32]) -> Vec<u8> {
    [&[4], x.as_slice(), y].concat()
}

fn thumbprint(x: &[u8; 32], y: &[u8; 32]) -> String {
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()).as_bytes())
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
