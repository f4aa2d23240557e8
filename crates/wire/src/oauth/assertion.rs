//! Tokens of other issuers that say who somebody is: ID tokens, CI jobs, workloads, sessions of
//! hosted agents.
//!
//! Owns the checks that hold for all of them; what an issuer's own claims mean is for whoever
//! configured that issuer to say. Unlike our own tokens they may name several audiences.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Authentication, NAME_MAX_BYTES, SKEW_MAX_SECS, read_name};
use crate::jose::{BadJson, NumericDate, TokenClass, Verified};
use crate::json::{Object, need};

/// How other issuers type what is read here. Access tokens of theirs are subjects of an exchange.
const CLASSES: [TokenClass; 3] =
    [TokenClass::Assertion, TokenClass::IdToken, TokenClass::AccessToken];
/// Most audiences.
const AUDIENCES_MAX: usize = 16;

/// What such a token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    /// Who issued it.
    pub iss: String,
    /// Who it is about, in the names of `iss`.
    pub sub: String,
    /// For whom.
    pub aud: Vec<String>,
    /// From when it is no longer good.
    pub exp: NumericDate,
    /// When it was issued.
    pub iat: Option<NumericDate>,
    /// Its own name.
    pub jti: Option<String>,
    /// For which client.
    pub azp: Option<String>,
    /// How and when the person was authenticated, where it says so.
    pub authentication: Option<Authentication>,
    /// All other claims, as they came.
    pub claims: Map<String, Value>,
}

/// What a token must be for.
#[derive(Debug, Clone)]
pub struct ExpectedAssertion<'a> {
    /// The configured issuer, byte for byte.
    pub issuer: &'a str,
    /// What it must name us by: one of its audiences, byte for byte.
    pub audience: &'a str,
    /// Now.
    pub now: NumericDate,
    /// The longest life that is accepted of this issuer, in seconds.
    pub lifetime_max_secs: u64,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadAssertion {
    /// A claim is missing or malformed.
    #[error("the assertion is refused: {0}")]
    Claim(#[from] BadJson),
    /// Another issuer's.
    #[error("the assertion is of another issuer")]
    Issuer,
    /// For somebody else.
    #[error("the assertion does not name this server as its audience")]
    Audience,
    /// It is over.
    #[error("the assertion has expired")]
    Expired,
    /// It has not begun.
    #[error("the assertion is not good yet")]
    Early,
    /// It lives longer than its issuer's may.
    #[error("the assertion lives longer than is accepted of its issuer")]
    Lifetime,
}

impl Assertion {
    /// Reads the claims of a token whose signature was verified with a key of the configured
    /// issuer, and checks them.
    ///
    /// # Errors
    /// [`BadAssertion`], the first that does not hold.
    pub fn read(token: Verified, expected: &ExpectedAssertion<'_>) -> Result<Self, BadAssertion> {
        let mut claims = token.into_claims(&CLASSES)?;
        let iss = need("iss", claims.text("iss", 2048)?)?;
        if iss != expected.issuer {
            return Err(BadAssertion::Issuer);
        }
        let aud = audiences(&mut claims)?;
        if !aud.iter().any(|one| one == expected.audience) {
            return Err(BadAssertion::Audience);
        }
        let exp = need("exp", claims.date("exp")?)?;
        let (iat, nbf) = (claims.date("iat")?, claims.date("nbf")?);
        let now = expected.now;
        if now >= exp {
            return Err(BadAssertion::Expired);
        }
        let latest = now.plus_seconds(SKEW_MAX_SECS);
        if iat.is_some_and(|iat| iat > latest) || nbf.is_some_and(|nbf| nbf > latest) {
            return Err(BadAssertion::Early);
        }
        if exp.seconds_since(iat.unwrap_or(now)) > expected.lifetime_max_secs {
            return Err(BadAssertion::Lifetime);
        }
        let sub = need("sub", claims.text("sub", NAME_MAX_BYTES)?)?;
        let jti = claims.parsed("jti", NAME_MAX_BYTES, "a name", read_name)?;
        let azp = claims.text("azp", NAME_MAX_BYTES)?;
        let claims = claims.rest();
        let authentication = Authentication::of_another(&claims)?;
        Ok(Self { iss, sub, aud, exp, iat, jti, azp, authentication, claims })
    }
}

/// One text, or a short list of texts that is not empty (RFC 7519 section 4.1.3).
pub(super) fn audiences(claims: &mut Object) -> Result<Vec<String>, BadJson> {
    let wrong = BadJson::Wrong("aud", "a text or a short list of texts");
    let audiences = match claims.take("aud") {
        None => return Err(BadJson::Missing("aud")),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) if many.len() <= AUDIENCES_MAX => {
            let text = |value| match value {
                Value::String(text) => Some(text),
                _ => None,
            };
            many.into_iter().map(text).collect::<Option<Vec<_>>>().ok_or(wrong)?
        }
        Some(_) => return Err(wrong),
    };
    let is_short = |text: &String| !text.is_empty() && text.len() <= 2048;
    if audiences.is_empty() || !audiences.iter().all(is_short) {
        return Err(wrong);
    }
    Ok(audiences)
}
