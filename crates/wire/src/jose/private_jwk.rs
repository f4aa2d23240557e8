//! The private key of a client, as a JWK (RFC 7517, RFC 7518 section 6.2.2): P-256 alone.
//!
//! What a client keeps for itself. Nothing here reads one that comes over the network: there it is
//! a disclosed key, which [`super::Jwk`] refuses.

use marque_crypto::proof_key::ProofKey;
use marque_crypto::{CryptoError, Secret};
use thiserror::Error;

use super::{BadJwk, Jwk, decode};
use crate::json::{BadJson, Limits, Object, need};

const LIMITS: Limits = Limits { bytes: 8 * 1024, depth: 4, values: 64 };

/// A private key and what it is called. No `Debug`.
pub struct PrivateJwk {
    /// The key.
    pub key: ProofKey,
    /// Its name in the set that the server knows it by, if the file has one.
    pub key_id: Option<String>,
}

/// Why a private key is refused. Names what is wrong with it, never what it held.
#[derive(Debug, Error)]
pub enum BadPrivateJwk {
    /// Not strict JSON, or without `d`.
    #[error("the private key is refused: {0}")]
    Json(#[from] BadJson),
    /// Its public half is no key of ours.
    #[error("the public half of the private key is refused: {0}")]
    Public(#[from] BadJwk),
    /// Its halves do not belong together, or it is not on P-256.
    #[error("the private key is refused: {0}")]
    Key(#[from] CryptoError),
}

impl PrivateJwk {
    /// Reads a key.
    ///
    /// # Errors
    /// [`BadPrivateJwk`] for all but a whole pair on P-256.
    pub fn parse(text: &Secret) -> Result<Self, BadPrivateJwk> {
        let mut members = Object::parse(text.expose(), &LIMITS)?;
        let private = need("d", members.text("d", 64)?)?;
        let private = Secret::from_string(private);
        // RFC 7518 section 6.2.2.1: always the full 32 bytes.
        let private = decode(private.expose()).map(Secret::from_vec);
        let private = private.filter(|private| private.len() == 32);
        let private = private.ok_or(BadJson::Wrong("d", "32 bytes in base64url"))?;
        // What the private half is for says nothing of its public one.
        for name in ["key_ops", "use"] {
            members.take(name);
        }
        let public = Jwk::from_object(members)?;
        let key = ProofKey::from_members(&public.key, &private)?;
        Ok(Self { key, key_id: public.key_id })
    }
}

#[cfg(test)]
mod tests {
    use marque_crypto::Secret;
    use serde_json::json;

    use super::PrivateJwk;

    fn parse(text: &str) -> Option<PrivateJwk> {
        PrivateJwk::parse(&Secret::from_string(text.to_owned())).ok()
    }

    // RFC 7515 appendix A.3.1.
    const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"k1","use":"sig","key_ops":["sign"],
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    #[test]
    fn a_pair_signs_what_its_public_half_verifies() {
        let read = parse(KEY).unwrap();
        assert_eq!(read.key_id.as_deref(), Some("k1"));
        let signature = read.key.sign(b"proof").unwrap();
        read.key.public().verify(b"proof", &signature).unwrap();
    }

    #[test]
    fn what_is_no_whole_pair_on_p_256_is_refused() {
        let other = json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "d": "AA" });
        for changed in [
            KEY.replace("jpsQ", "jpsR"),
            KEY.replace("\"d\"", "\"e\""),
            KEY.replace("E9-E9LI", "E9-E9L"),
            KEY.replace("f83O", "f83P"),
            format!("{KEY} "),
            format!("{KEY}{KEY}"),
            other.to_string(),
        ] {
            assert_eq!(parse(&changed).is_some(), changed.trim_end() == KEY, "{changed}");
        }
    }
}
