//! A client's assertion about itself: `private_key_jwt` (RFC 7523 as RFC 10070 mends it).

use serde_json::{Map, Value};
use thiserror::Error;

use super::assertion::audiences;
use super::{Issuer, NAME_MAX_BYTES, SKEW_MAX_SECS, read_name};
use crate::jose::{BadJson, NumericDate, TokenClass, Verified};
use crate::json::need;

/// How far an assertion may end in the future, in seconds: as long as its `jti` is kept.
pub const ASSERTION_LIFETIME_MAX_SECS: u64 = 3600;

/// An assertion that held. Its `jti` must still be new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAssertion {
    /// Which client.
    pub client_id: String,
    /// Its own name: single use for this client.
    pub jti: String,
    /// Until when the name must be remembered.
    pub exp: NumericDate,
}

/// What an assertion may be addressed to.
#[derive(Debug, Clone, Copy)]
pub enum Audience<'a> {
    /// The issuer alone (RFC 10070).
    Issuer(&'a Issuer),
    /// The issuer, or the token endpoint: for a client that an administrator let do so, until a
    /// date that the caller has looked at.
    IssuerOrEndpoint(&'a Issuer, &'a str),
}

/// Why an assertion is refused: `invalid_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadClientAssertion {
    /// A claim is missing or malformed.
    #[error("the client assertion is refused: {0}")]
    Claim(#[from] BadJson),
    /// `iss`, `sub` and the client whose key it was verified with are not the same.
    #[error("`iss` and `sub` of the client assertion are not the client")]
    OtherClient,
    /// Not the issuer, alone.
    #[error("the audience of the client assertion is not the issuer of this server, and it alone")]
    Audience,
    /// It is over.
    #[error("the client assertion has expired")]
    Expired,
    /// It has not begun.
    #[error("the client assertion is not good yet")]
    Early,
    /// It is good for longer than its name is remembered.
    #[error("the client assertion is good for more than {ASSERTION_LIFETIME_MAX_SECS} seconds")]
    Lifetime,
}

impl ClientAssertion {
    /// Reads the claims of an assertion that was verified with a key of the client `client_id`.
    ///
    /// # Errors
    /// [`BadClientAssertion`], the first that does not hold.
    pub fn read(
        token: Verified,
        client_id: &str,
        audience: Audience<'_>,
        now: NumericDate,
    ) -> Result<Self, BadClientAssertion> {
        let mut claims = token.into_claims(&[TokenClass::ClientAssertion])?;
        let iss = need("iss", claims.text("iss", 2048)?)?;
        let sub = need("sub", claims.text("sub", 2048)?)?;
        if iss != client_id || sub != client_id {
            return Err(BadClientAssertion::OtherClient);
        }
        let named = audiences(&mut claims)?;
        let [named] = named.as_slice() else { return Err(BadClientAssertion::Audience) };
        let is_ours = match audience {
            Audience::Issuer(issuer) => named == issuer.as_str(),
            Audience::IssuerOrEndpoint(issuer, endpoint) => {
                named == issuer.as_str() || named == endpoint
            }
        };
        if !is_ours {
            return Err(BadClientAssertion::Audience);
        }
        let exp = need("exp", claims.date("exp")?)?;
        if now >= exp {
            return Err(BadClientAssertion::Expired);
        }
        if exp.seconds_since(now) > ASSERTION_LIFETIME_MAX_SECS {
            return Err(BadClientAssertion::Lifetime);
        }
        let latest = now.plus_seconds(SKEW_MAX_SECS);
        let (iat, nbf) = (claims.date("iat")?, claims.date("nbf")?);
        if iat.is_some_and(|iat| iat > latest) || nbf.is_some_and(|nbf| nbf > latest) {
            return Err(BadClientAssertion::Early);
        }
        let jti = claims.parsed("jti", NAME_MAX_BYTES, "a name in visible ASCII", read_name)?;
        Ok(Self { client_id: iss, jti: need("jti", jti)?, exp })
    }

    /// The claims of an assertion to a server, for a client to sign.
    pub fn to_json(&self, audience: &Issuer, iat: NumericDate) -> Map<String, Value> {
        Map::from_iter([
            ("iss".to_owned(), self.client_id.as_str().into()),
            ("sub".to_owned(), self.client_id.as_str().into()),
            ("aud".to_owned(), audience.as_str().into()),
            ("jti".to_owned(), self.jti.as_str().into()),
            ("iat".to_owned(), iat.as_seconds().into()),
            ("exp".to_owned(), self.exp.as_seconds().into()),
        ])
    }
}
