//! Proofs of possession (RFC 9449): a token signed for one request by the key a token is bound to.
//!
//! Owns every check of section 4.3 that needs no memory. What remains for the caller: that the
//! `jti` is new for this key until [`DpopProof::until`], and that the key is the one in `cnf`
//! where the caller does not pass it.

use http::HeaderMap;
use marque_crypto::Secret;
use marque_crypto::hash::sha256;
use marque_crypto::public_key::PublicKey;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Htu, NAME_MAX_BYTES, Thumbprint, read_name};
use crate::jose::{BadJose, BadJson, NumericDate, TokenClass, Unsigned, Unverified, encode};
use crate::json::need;

/// How old a proof may be, in seconds.
pub const PROOF_AGE_MAX_SECS: u64 = 300;
/// How far in the future it may have been made, in seconds: proofs are not to be made in advance.
pub const PROOF_AHEAD_MAX_SECS: u64 = 60;
/// Longest name of a proof, in bytes.
const JTI_MAX_BYTES: usize = 128;

/// A proof that held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpopProof {
    /// The thumbprint of the key: what a token is bound to.
    pub key: Thumbprint,
    /// Its own name: single use for this key.
    pub jti: String,
    /// Until when the name must be remembered: from then on the proof is too old.
    pub until: NumericDate,
}

/// What a proof must be for.
#[derive(Clone, Copy)]
pub struct ExpectedProof<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Where the request went.
    pub target: &'a Htu,
    /// Now.
    pub now: NumericDate,
    /// The nonces that are good now; `None` where none is asked for.
    pub nonces: Option<&'a [&'a str]>,
    /// The access token of the request; `None` at the token endpoint.
    pub access_token: Option<&'a [u8]>,
    /// The key that the token is bound to, where there is one already.
    pub key: Option<Thumbprint>,
}

/// Why a proof is refused: `invalid_dpop_proof`, and `use_dpop_nonce` for [`BadProof::Nonce`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadProof {
    /// There is none.
    #[error("the request has no `DPoP` proof, and its token needs one")]
    Missing,
    /// There are several.
    #[error("the request has more than one `DPoP` field")]
    Several,
    /// It is no signed token of its class.
    #[error("the `DPoP` proof is refused: {0}")]
    Token(#[from] BadJose),
    /// A claim is missing or malformed.
    #[error("the `DPoP` proof is refused: {0}")]
    Claim(#[from] BadJson),
    /// For another method.
    #[error("the `htm` of the `DPoP` proof is not the method of the request")]
    Method,
    /// For another place.
    #[error("the `htu` of the `DPoP` proof is not the target of the request")]
    Target,
    /// Too old.
    #[error("the `DPoP` proof is older than {PROOF_AGE_MAX_SECS} seconds")]
    Old,
    /// Made in advance.
    #[error("the `DPoP` proof is from more than {PROOF_AHEAD_MAX_SECS} seconds in the future")]
    Ahead,
    /// For another token, or for none.
    #[error("the `ath` of the `DPoP` proof is not the hash of the access token")]
    AccessToken,
    /// By another key.
    #[error("the `DPoP` proof is not by the key that the token is bound to")]
    OtherKey,
    /// Without the nonce that was asked for, or with an old one.
    #[error("the `DPoP` proof lacks a nonce that is good now")]
    Nonce,
}

impl DpopProof {
    /// Reads a proof and checks it.
    ///
    /// # Errors
    /// [`BadProof`], the first that does not hold; the nonce last, so that whoever is told to use
    /// one has a proof that holds but for it.
    pub fn check(proof: &[u8], expected: &ExpectedProof<'_>) -> Result<Self, BadProof> {
        let token = Unverified::parse(TokenClass::DpopProof, proof)?.verify_with_own_key()?;
        let key = Thumbprint::of_key(token.signer());
        let mut claims = token.into_claims(&[TokenClass::DpopProof])?;
        if expected.key.is_some_and(|bound| bound != key) {
            return Err(BadProof::OtherKey);
        }
        let jti = claims.parsed("jti", JTI_MAX_BYTES, "a name in visible ASCII", read_name)?;
        let jti = need("jti", jti)?;
        if need("htm", claims.text("htm", 32)?)? != expected.method {
            return Err(BadProof::Method);
        }
        let target = |text: &str| Htu::parse(text).ok();
        let target = claims.parsed("htu", 2048, "a URL without query and fragment", target)?;
        if need("htu", target)? != *expected.target {
            return Err(BadProof::Target);
        }
        let iat = need("iat", claims.date("iat")?)?;
        let until = iat.plus_seconds(PROOF_AGE_MAX_SECS + 1);
        if expected.now >= until {
            return Err(BadProof::Old);
        }
        if iat > expected.now.plus_seconds(PROOF_AHEAD_MAX_SECS) {
            return Err(BadProof::Ahead);
        }
        let hash = claims.text("ath", 64)?;
        match (expected.access_token, hash) {
            (None, None) => {}
            (Some(token), Some(hash)) if hash == access_token_hash(token) => {}
            _ => return Err(BadProof::AccessToken),
        }
        let nonce = claims.parsed("nonce", NAME_MAX_BYTES, "a nonce", read_name)?;
        if let Some(good) = expected.nonces {
            let nonce = Secret::from_string(nonce.ok_or(BadProof::Nonce)?);
            if !good.iter().any(|good| nonce.matches(good.as_bytes())) {
                return Err(BadProof::Nonce);
            }
        }
        Ok(Self { key, jti, until })
    }
}

/// The one proof of a request.
///
/// # Errors
/// [`BadProof::Missing`] and [`BadProof::Several`] (threat 61).
pub fn single_proof(headers: &HeaderMap) -> Result<&[u8], BadProof> {
    let mut proofs = headers.get_all("dpop").iter();
    let proof = proofs.next().ok_or(BadProof::Missing)?;
    if proofs.next().is_some() { Err(BadProof::Several) } else { Ok(proof.as_bytes()) }
}

/// The `ath` of an access token (RFC 9449 section 4.2).
pub fn access_token_hash(token: &[u8]) -> String {
    encode(sha256(token).as_bytes())
}

/// A proof to be signed, for whoever presents a token.
#[derive(Debug, Clone)]
pub struct ProofDraft<'a> {
    /// Its own name: random, 96 bits or more.
    pub jti: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// Where it goes.
    pub target: &'a Htu,
    /// Now.
    pub iat: NumericDate,
    /// The hash of the access token it goes with.
    pub access_token_hash: Option<&'a str>,
    /// The nonce the server asked for.
    pub nonce: Option<&'a str>,
}

impl ProofDraft<'_> {
    /// The proof, to be signed by the private half of `key`.
    pub fn unsigned(&self, key: &PublicKey) -> Unsigned {
        let mut claims = Map::from_iter([
            ("jti".to_owned(), Value::from(self.jti)),
            ("htm".to_owned(), self.method.into()),
            ("htu".to_owned(), self.target.as_str().into()),
            ("iat".to_owned(), self.iat.as_seconds().into()),
        ]);
        for (name, value) in [("ath", self.access_token_hash), ("nonce", self.nonce)] {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value.into());
            }
        }
        Unsigned::proof(key, &claims)
    }
}
