//! The claims of a token, and how far they were checked.

use marque_crypto::Secret;
use marque_wire::jose::{JwkSet, TokenClass, Unverified};
use marque_wire::oauth::AccessTokenClaims;

use crate::exit::{Exit, Failure};

/// What became of the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signature {
    /// Nobody looked.
    Unchecked,
    /// It is of that key of that issuer's set, or of a set that was given.
    Holds {
        /// Which key.
        key: String,
        /// Whose set it was found in.
        of: String,
    },
}

/// What a token says of itself, whoever wrote it.
pub(super) fn unverified(token: &Secret) -> Result<AccessTokenClaims, Failure> {
    let parsed = parse(token)?;
    AccessTokenClaims::as_claimed(&parsed).map_err(|error| bad(&error))
}

/// What one of these keys has signed, and which did.
pub(super) fn verified(
    token: &Secret,
    (keys, of): (&JwkSet, &str),
) -> Result<(AccessTokenClaims, Signature), Failure> {
    let parsed = parse(token)?;
    let name = parsed.key_id().unwrap_or("without a name").to_owned();
    let key = keys.find(parsed.key_id(), parsed.algorithm()).ok_or_else(|| {
        let message = format!("the token does not hold: {of} has no key `{name}`");
        Failure::new(Exit::Failed, message)
            .hint("is it of this issuer, and are the keys not from before a rotation?")
    })?;
    let held = parsed.verify(key).map_err(|error| bad(&error))?;
    let claims = AccessTokenClaims::read(held).map_err(|error| bad(&error))?;
    Ok((claims, Signature::Holds { key: name, of: of.to_owned() }))
}

/// A key set that was fetched or read.
pub(super) fn keys(text: &[u8]) -> Result<JwkSet, Failure> {
    JwkSet::parse(text.trim_ascii()).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

fn parse(token: &Secret) -> Result<Unverified<'_>, Failure> {
    Unverified::parse(TokenClass::AccessToken, token.expose()).map_err(|error| bad(&error))
}

fn bad(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("the token does not hold: {error}"))
        .hint("it is read as an access token of Marque (RFC 9068), in its compact form")
}
