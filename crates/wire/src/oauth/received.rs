//! What a client or a resource receives of its authorization server: metadata (RFC 8414), tokens
//! (RFC 6749 section 5.1), refusals (section 5.2) and answers to introspections (RFC 7662).
//!
//! The other side of what is printed elsewhere here. Members that nobody here knows are passed
//! over, as those standards ask; what counts is read as strictly as a token.

use marque_crypto::Secret;
use thiserror::Error;

use super::token_request::TOKEN_MAX_BYTES;
use super::{AccessTokenClaims, AuthorizationDetails, Introspection, Issuer, Resource, Scope};
use crate::jose::BadJson;
use crate::json::{Limits, Object, need};

/// How an answer is bounded: room for a token, its details and an actor chain.
const LIMITS: Limits = Limits { bytes: 64 * 1024, depth: 24, values: 4096 };
/// Longest URL, in bytes.
const URL_MAX_BYTES: usize = 1024;
/// Longest name of an error or an approval, and longest description, in bytes.
const NAME_MAX_BYTES: usize = 128;
const DESCRIPTION_MAX_BYTES: usize = 2048;
/// Longest time to wait that is heeded, in seconds.
const INTERVAL_MAX_SECS: u64 = 3600;
/// Longest life of a token that is believed, in seconds.
const EXPIRES_MAX_SECS: u64 = 24 * 3600;

/// Why an answer is refused. Names members, never what they held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadAnswer {
    /// Not strict JSON, or without a member that must be there.
    #[error("the answer is refused: {0}")]
    Json(#[from] BadJson),
    /// RFC 8414 section 3.3: somebody else's metadata.
    #[error("the metadata is that of another issuer")]
    Issuer,
    /// An endpoint on another host or port: nobody is sent elsewhere by what a server says.
    #[error("`{0}` is not at the host of the issuer")]
    Elsewhere(&'static str),
    /// A token of a kind that was not asked for.
    #[error("the `token_type` is neither `DPoP` nor `Bearer`")]
    TokenType,
}

/// Where a server answers what, all of it at the host and port of its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEndpoints {
    /// Its keys.
    pub jwks: Resource,
    /// Requests for tokens.
    pub token: Resource,
    /// Questions about tokens, if it takes any.
    pub introspection: Option<Resource>,
}

/// A token as it was received. No `Debug`: whoever has it can present it.
pub struct ReceivedToken {
    /// The token.
    pub access_token: Secret,
    /// Whether a proof goes with it: `DPoP`, else `Bearer`.
    pub is_bound_to_key: bool,
    /// For how many seconds it is good.
    pub expires_in_secs: u64,
    /// What it allows, where that is not what was asked for.
    pub scope: Option<Scope>,
    /// What it allows, in detail (RFC 9396 section 7).
    pub authorization_details: AuthorizationDetails,
}

/// A refusal as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRefusal {
    /// Its code, whether or not anybody here knows it.
    pub error: String,
    /// What the server says of it.
    pub description: Option<String>,
    /// The approval that a held request waits for.
    pub approval: Option<String>,
    /// How many seconds to wait before asking again (RFC 8628 section 3.2).
    pub interval_secs: Option<u64>,
}

impl ServerEndpoints {
    /// Reads the metadata of `issuer`.
    ///
    /// # Errors
    /// [`BadAnswer`] for that of another one, and for endpoints elsewhere.
    pub fn read(body: &[u8], issuer: &Issuer) -> Result<Self, BadAnswer> {
        let mut members = Object::parse(body, &LIMITS)?;
        if need("issuer", members.text("issuer", URL_MAX_BYTES)?)? != issuer.as_str() {
            return Err(BadAnswer::Issuer);
        }
        let members = &mut members;
        let jwks = need("jwks_uri", endpoint(members, "jwks_uri", issuer)?)?;
        let token = need("token_endpoint", endpoint(members, "token_endpoint", issuer)?)?;
        let introspection = endpoint(members, "introspection_endpoint", issuer)?;
        Ok(Self { jwks, token, introspection })
    }
}

/// Where an issuer that is none of ours publishes its keys (RFC 8414 section 2, OpenID Connect
/// Discovery 1.0 section 4.3): what its metadata says, when it is its own.
///
/// # Errors
/// [`BadAnswer`] for the metadata of another issuer, and for keys that are not behind `https`.
pub fn published_keys(body: &[u8], issuer: &str) -> Result<Resource, BadAnswer> {
    let mut members = Object::parse(body, &LIMITS)?;
    if need("issuer", members.text("issuer", URL_MAX_BYTES)?)? != issuer {
        return Err(BadAnswer::Issuer);
    }
    let https = |text: &str| Resource::parse(text).ok().filter(|_| text.starts_with("https://"));
    let found = members.parsed("jwks_uri", URL_MAX_BYTES, "an `https` URL", https)?;
    Ok(need("jwks_uri", found)?)
}

impl ReceivedToken {
    /// Reads the answer to a request for a token.
    ///
    /// # Errors
    /// [`BadAnswer`].
    pub fn read(body: &[u8]) -> Result<Self, BadAnswer> {
        let mut members = Object::parse(body, &LIMITS)?;
        let token = need("access_token", members.text("access_token", TOKEN_MAX_BYTES)?)?;
        let access_token = Secret::from_string(token);
        if !access_token.expose().iter().all(u8::is_ascii_graphic) {
            return Err(BadJson::Wrong("access_token", "a token in visible ASCII").into());
        }
        // RFC 6749 section 5.1: case does not count.
        let kind = need("token_type", members.text("token_type", 32)?)?;
        let is_bound_to_key = kind.eq_ignore_ascii_case("DPoP");
        if !is_bound_to_key && !kind.eq_ignore_ascii_case("Bearer") {
            return Err(BadAnswer::TokenType);
        }
        let expires_in_secs = need("expires_in", members.number("expires_in", EXPIRES_MAX_SECS)?)?;
        let scope = |text: &str| Scope::parse(text).ok();
        let scope = members.parsed("scope", 8 * 1024, "a scope", scope)?;
        let authorization_details = AuthorizationDetails::take(&mut members)?;
        Ok(Self { access_token, is_bound_to_key, expires_in_secs, scope, authorization_details })
    }
}

impl ReceivedRefusal {
    /// Reads a refusal.
    ///
    /// # Errors
    /// [`BadAnswer`] where it does not say why.
    pub fn read(body: &[u8]) -> Result<Self, BadAnswer> {
        let mut members = Object::parse(body, &LIMITS)?;
        Ok(Self {
            error: need("error", members.text("error", NAME_MAX_BYTES)?)?,
            description: members.text("error_description", DESCRIPTION_MAX_BYTES)?,
            approval: members.text("marque_approval", NAME_MAX_BYTES)?,
            interval_secs: members.number("interval", INTERVAL_MAX_SECS)?,
        })
    }
}

impl Introspection {
    /// Reads an answer in plain JSON (RFC 7662 section 2.2).
    ///
    /// # Errors
    /// [`BadAnswer`] where it does not say whether the token is good, or says so of claims that are
    /// none of an access token.
    pub fn read(body: &[u8]) -> Result<Self, BadAnswer> {
        let mut members = Object::parse(body, &LIMITS)?;
        match members.take("active").and_then(|active| active.as_bool()) {
            None => Err(BadJson::Missing("active").into()),
            Some(false) => Ok(Self::Inactive),
            Some(true) => {
                let complete = members.take("chain_complete");
                let is_chain_complete = complete.is_none_or(|complete| complete == true);
                let claims = AccessTokenClaims::from_object(members);
                let claims = claims.map_err(|_| BadJson::Wrong("active", "that of our claims"))?;
                Ok(Self::Active { claims: Box::new(claims), is_chain_complete })
            }
        }
    }
}

fn endpoint(
    members: &mut Object,
    name: &'static str,
    issuer: &Issuer,
) -> Result<Option<Resource>, BadAnswer> {
    let url = |text: &str| Resource::parse(text).ok();
    match members.parsed(name, URL_MAX_BYTES, "a URL", url)? {
        Some(url) if url.origin() != issuer.origin() => Err(BadAnswer::Elsewhere(name)),
        url => Ok(url),
    }
}
