//! Public keys of anybody who signs JSON Web Signatures: other issuers, clients, holders of tokens.
//!
//! Closed: a key has one type, a type has one algorithm, and there is no other. What is weak is
//! refused when the key is read (threats 21 and 22), so that no caller can forget to look.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::CryptoError;
use crate::hash::sha256;

/// Least bits of an RSA modulus.
pub const RSA_MIN_BITS: usize = 2048;
/// Most bits of an RSA modulus: the work of a verification grows with their square.
pub const RSA_MAX_BITS: usize = 4096;
/// Smallest public exponent (NIST SP 800-56B, section 6.2.1), as its bytes.
const RSA_MIN_EXPONENT: [u8; 3] = [1, 0, 1];
/// Most bytes of a public exponent.
const RSA_MAX_EXPONENT_BYTES: usize = 4;

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// EdDSA on edwards25519 (RFC 8037, RFC 9864).
    Ed25519,
}

/// What a key is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyMembers {
    /// A point of P-256, its coordinates big endian.
    P256 {
        /// The x coordinate.
        x: [u8; 32],
        /// The y coordinate.
        y: [u8; 32],
    },
    /// An RSA key, its numbers big endian without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
    /// A point of edwards25519 as RFC 8032 section 5.1.5 has it.
    Ed25519 {
        /// The 32 bytes.
        x: [u8; 32],
    },
}

/// A key that verifies. Parsed once, used often.
#[derive(Clone)]
pub struct PublicKey {
    members: KeyMembers,
    thumbprint: String,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// The key made of `members`.
    ///
    /// Fails for a point off its curve, a point of small order, an RSA modulus of less than
    /// [`RSA_MIN_BITS`] or more than [`RSA_MAX_BITS`], and an exponent that is even, below 65537 or
    /// beyond 32 bits.
    pub fn new(members: KeyMembers) -> Result<Self, CryptoError> {
        let parsed = match &members {
            KeyMembers::P256 { x, y } => {
                let point = [&[4], x.as_slice(), y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .map_err(|_| CryptoError::BadKey("P-256 public key"))?
            }
            KeyMembers::Rsa { n, e } => rsa(n, e)?,
            KeyMembers::Ed25519 { x } => {
                if has_small_order(x) {
                    return Err(CryptoError::BadKey("Ed25519 public key: its order is small"));
                }
                ParsedPublicKey::new(&ED25519, x)
                    .map_err(|_| CryptoError::BadKey("Ed25519 public key"))?
            }
        };
        let thumbprint = thumbprint(&members);
        Ok(Self { members, thumbprint, parsed })
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        match self.members {
            KeyMembers::P256 { .. } => Algorithm::Es256,
            KeyMembers::Rsa { .. } => Algorithm::Rs256,
            KeyMembers::Ed25519 { .. } => Algorithm::Ed25519,
        }
    }

    /// What it is made of.
    pub fn members(&self) -> &KeyMembers {
        &self.members
    }

    /// The RFC 7638 thumbprint with SHA-256, in base64url without padding: 43 characters.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Fails with [`CryptoError::BadSignature`] unless `signature` is this key's over `message`.
    ///
    /// Of an ECDSA signature both spellings verify: JOSE asks for neither, and libraries make both.
    /// What is signed must therefore be told apart by what it says, never by its bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let verified = self.parsed.verify_sig(message, signature);
        verified.map_err(|_| CryptoError::BadSignature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint)
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Result<ParsedPublicKey, CryptoError> {
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    if n.first() == Some(&0) || !(RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits) {
        return Err(CryptoError::BadKey("RSA public key: its modulus is not 2048 to 4096 bits"));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let is_long = e.len() > RSA_MIN_EXPONENT.len();
    let is_enough = is_long || (e.len() == RSA_MIN_EXPONENT.len() && e >= &RSA_MIN_EXPONENT[..]);
    if e.first() == Some(&0) || e.len() > RSA_MAX_EXPONENT_BYTES || !is_enough || !is_odd(e) {
        return Err(CryptoError::BadKey("RSA public key: its exponent is not odd from 65537 on"));
    }
    if !is_odd(n) {
        return Err(CryptoError::BadKey("RSA public key: its modulus is even"));
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| CryptoError::BadKey("RSA public key"))
}

/// The points whose order divides eight, in every encoding that decodes (the sign bit apart): under
/// such a key a signature verifies for messages that nobody signed.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    with_low(1, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    with_low(0xec, 0xff),
    with_low(0xed, 0xff),
    with_low(0xee, 0xff),
];

/// 32 bytes: `low`, then `middle` throughout, and the last of them without its sign bit.
const fn with_low(low: u8, middle: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    let [first, .., last] = &mut bytes;
    *first = low;
    *last = middle & 0x7f;
    bytes
}

fn has_small_order(x: &[u8; 32]) -> bool {
    let mut unsigned = *x;
    let [.., last] = &mut unsigned;
    *last &= 0x7f;
    SMALL_ORDER.contains(&unsigned)
}

/// RFC 7638 section 3: the required members alone, in lexicographic order, without spaces.
fn thumbprint(members: &KeyMembers) -> String {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let canonical = match members {
        KeyMembers::P256 { x, y } => {
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
        }
        KeyMembers::Rsa { n, e } => {
            format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n))
        }
        KeyMembers::Ed25519 { x } => {
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x))
        }
    };
    URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()).as_bytes())
}

#[cfg(test)]
#[path = "public_key_tests.rs"]
mod tests;
