//! Reading a signed token: the compact serialization (RFC 7515 section 7.1), and nothing else.

use marque_crypto::CryptoError;
use marque_crypto::public_key::{Algorithm, PublicKey};
use marque_crypto::token_key::TokenPublicKey;

use super::header::Header;
use super::{BadJose, TokenClass, decode};
use crate::json::{BadJson, Limits, Object, need};

/// Nesting of claims: an actor chain of eight, and what hangs from it.
const DEPTH_MAX: usize = 24;
/// Values of claims.
const VALUES_MAX: usize = 4096;
/// Longest issuer or client id, in bytes.
const ISSUER_MAX_BYTES: usize = 2048;

/// A token that was read and proves nothing yet. No `Debug`: whoever has it can present it.
pub struct Unverified<'a> {
    class: TokenClass,
    header: Header,
    signed: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What the holder of a key has signed. No `Debug`.
pub struct Verified {
    class: TokenClass,
    claims: Object,
    signer: PublicKey,
}

impl<'a> Unverified<'a> {
    /// Reads a token of `class`.
    ///
    /// # Errors
    /// [`BadJose`] for whatever is not beyond doubt; the claims are not looked at.
    pub fn parse(class: TokenClass, token: &'a [u8]) -> Result<Self, BadJose> {
        if token.len() > class.max_bytes() {
            return Err(BadJose::TooLong(class.max_bytes()));
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let three = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(header), Some(payload), Some(signature), None) = three else {
            return Err(BadJose::Parts);
        };
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(BadJose::Parts);
        }
        let signed_len = header.len() + 1 + payload.len();
        let header = decode(header).ok_or(BadJose::Encoding)?;
        let header = Header::parse(class, &header)?;
        Ok(Self {
            class,
            header,
            signed: token.get(..signed_len).ok_or(BadJose::Parts)?,
            payload: decode(payload).ok_or(BadJose::Encoding)?,
            signature: decode(signature).ok_or(BadJose::Encoding)?,
        })
    }

    /// What it says it is signed with. Only a key of this algorithm verifies it.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// Which key it says it is signed with: something to look up among keys that are trusted.
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// Who it says has signed it, to find the keys by. It proves nothing before
    /// [`Unverified::verify`].
    ///
    /// # Errors
    /// [`BadJose::Claims`] where there is no such claim, or the claims are not strict JSON.
    pub fn claimed_issuer(&self) -> Result<String, BadJose> {
        let mut claims = self.claims()?;
        let issuer = claims.text("iss", ISSUER_MAX_BYTES).and_then(|iss| need("iss", iss));
        issuer.map_err(BadJose::Claims)
    }

    /// What it says, whoever wrote it, if it is of that class: for whoever only shows it.
    pub(crate) fn as_claimed(&self, class: TokenClass) -> Result<Object, BadJson> {
        if self.class != class {
            return Err(BadJson::Wrong("typ", "that of the tokens that are read here"));
        }
        self.claims().map_err(|problem| match problem {
            BadJose::Claims(problem) => problem,
            _ => BadJson::Wrong("claims", "strict JSON"),
        })
    }

    /// What `key`, of another issuer or a client, has signed.
    ///
    /// # Errors
    /// [`BadJose`] where the key is of another algorithm, the signature does not verify, or the
    /// claims are not strict JSON.
    pub fn verify(self, key: &PublicKey) -> Result<Verified, BadJose> {
        self.verify_with(key, |signed, signature| key.verify(signed, signature))
    }

    /// What a key of ours has signed, in its one spelling.
    ///
    /// # Errors
    /// As [`Unverified::verify`].
    pub fn verify_ours(self, key: &TokenPublicKey) -> Result<Verified, BadJose> {
        self.verify_with(key.key(), |signed, signature| key.verify(signed, signature))
    }

    /// What the key in its own header has signed: of a DPoP proof, and of nothing else.
    ///
    /// # Errors
    /// As [`Unverified::verify`], and [`BadJose::OwnKey`] for another class.
    pub(crate) fn verify_with_own_key(mut self) -> Result<Verified, BadJose> {
        let key = self.header.jwk.take().ok_or(BadJose::OwnKey("jwk"))?.key;
        self.verify(&key)
    }

    fn verify_with(
        self,
        key: &PublicKey,
        check: impl FnOnce(&[u8], &[u8]) -> Result<(), CryptoError>,
    ) -> Result<Verified, BadJose> {
        if key.algorithm() != self.header.algorithm {
            return Err(BadJose::OtherKey);
        }
        check(self.signed, &self.signature).map_err(|_| BadJose::Signature)?;
        Ok(Verified { class: self.class, claims: self.claims()?, signer: key.clone() })
    }

    fn claims(&self) -> Result<Object, BadJose> {
        let bytes = self.class.max_bytes();
        let limits = Limits { bytes, depth: DEPTH_MAX, values: VALUES_MAX };
        Object::parse(&self.payload, &limits).map_err(BadJose::Claims)
    }
}

impl Verified {
    /// Who has signed.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// The claims, to be read as those of one of `classes`: what was read as another is refused,
    /// whoever signed it.
    pub(crate) fn into_claims(self, classes: &[TokenClass]) -> Result<Object, BadJson> {
        if classes.contains(&self.class) {
            Ok(self.claims)
        } else {
            Err(BadJson::Wrong("typ", "that of the tokens that are read here"))
        }
    }
}

impl From<BadJson> for BadJose {
    fn from(problem: BadJson) -> Self {
        Self::Claims(problem)
    }
}
