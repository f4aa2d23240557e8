//! The header of a token: few members count, several are refused, the others are ignored.

use marque_crypto::public_key::Algorithm;

use super::{BadJose, BadJwk, Jwk, TokenClass};
use crate::json::{BadJson, Limits, Object, need};

/// A header with an RSA key of 4096 bits has about 900 bytes.
const LIMITS: Limits = Limits { bytes: 4 * 1024, depth: 4, values: 64 };
/// Longest name of an algorithm or a type.
const NAME_MAX_BYTES: usize = 64;
/// Longest key id.
pub(super) const KEY_ID_MAX_BYTES: usize = 256;

/// What a header says that counts.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// In a DPoP proof, and always there.
    pub(super) jwk: Option<Jwk>,
}

impl Header {
    pub(super) fn parse(class: TokenClass, text: &[u8]) -> Result<Self, BadJose> {
        let mut members = Object::parse(text, &LIMITS).map_err(BadJose::Header)?;
        // RFC 7515 section 4.1.11: we understand no extension; RFC 7797 and RFC 7516 are two more.
        for name in ["crit", "b64", "zip", "enc"] {
            if members.has(name) {
                return Err(BadJose::Extension(name));
            }
        }
        for name in ["jku", "x5u", "x5c"] {
            if members.has(name) {
                return Err(BadJose::OwnKey(name));
            }
        }
        let algorithm = members.text("alg", NAME_MAX_BYTES).map_err(BadJose::Header)?;
        let algorithm = need("alg", algorithm).map_err(BadJose::Header)?;
        let algorithm = read_algorithm(&algorithm).ok_or(BadJose::Algorithm)?;
        if !class.allows(algorithm) {
            return Err(BadJose::Algorithm);
        }
        let typ = members.text("typ", NAME_MAX_BYTES).map_err(BadJose::Header)?;
        if !class.accepts(typ.as_deref()) {
            return Err(BadJose::Type(class));
        }
        let jwk = own_key(class, &mut members)?;
        let key_id = members.parsed("kid", KEY_ID_MAX_BYTES, "a key id", read_key_id);
        Ok(Self { algorithm, key_id: key_id.map_err(BadJose::Header)?, jwk })
    }
}

/// RFC 9449 section 4.2: the public key of the proof, and of no other class.
fn own_key(class: TokenClass, members: &mut Object) -> Result<Option<Jwk>, BadJose> {
    match (class, members.take("jwk")) {
        (TokenClass::DpopProof, None) => Err(BadJose::Header(BadJson::Missing("jwk"))),
        (TokenClass::DpopProof, Some(jwk)) => {
            let jwk =
                Object::from_value(jwk).map_err(|problem| BadJose::Jwk(BadJwk::Json(problem)));
            Jwk::from_object(jwk?).map(Some).map_err(BadJose::Jwk)
        }
        (_, Some(_)) => Err(BadJose::OwnKey("jwk")),
        (_, None) => Ok(None),
    }
}

/// The closed table of algorithms. `EdDSA` is the old name, which libraries still write.
pub(super) fn read_algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "ES256" => Some(Algorithm::Es256),
        "RS256" => Some(Algorithm::Rs256),
        "Ed25519" | "EdDSA" => Some(Algorithm::Ed25519),
        _ => None,
    }
}

/// The name that is written.
pub(super) const fn print_algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::Rs256 => "RS256",
        Algorithm::Ed25519 => "Ed25519",
    }
}

/// Visible ASCII: a key id is looked up, and printed, and nothing else.
pub(super) fn read_key_id(text: &str) -> Option<String> {
    let is_plain =
        text.len() <= KEY_ID_MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && !text.is_empty()).then(|| text.to_owned())
}
