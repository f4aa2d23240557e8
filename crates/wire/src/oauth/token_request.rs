//! What a client asks of the token endpoint, and the answer (RFC 6749 sections 4.4 and 5.1).

use marque_crypto::Secret;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    AuthorizationDetails, BadDetails, BadForm, BadScope, Exchange, Form, Resource, Scope, TokenType,
};
use crate::jose::Token;

/// Longest token or assertion of a request, in bytes.
pub(super) const TOKEN_MAX_BYTES: usize = 16 * 1024;
/// Most resources that are read; how many a token may have is not for the parser to say.
const RESOURCES_MAX: usize = 8;

const JWT_BEARER_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SPIFFE_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// The grant types that are read here, as metadata lists them.
pub const GRANT_TYPES: [&str; 4] = [
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:deferred",
];
/// Longest code of a deferred request, in bytes.
const DEFERRAL_CODE_MAX_BYTES: usize = 256;
/// What only the request that was deferred may say: whoever asks how it stands changes nothing of
/// it (draft-ietf-oauth-deferred-token-response section 4.1).
const SAID_BEFORE: [&str; 4] = ["completion_mode", "resource", "scope", "authorization_details"];

/// A request for a token. No `Debug`: it holds tokens and assertions.
pub struct TokenRequest {
    /// On which ground.
    pub grant: Grant,
    /// Which client asks, where it says so besides its proof.
    pub client_id: Option<String>,
    /// How it proves who it is within the body.
    pub client_proof: ClientProof,
    /// What the token is for (RFC 8707).
    pub resource: Vec<Resource>,
    /// What it is to allow, coarsely.
    pub scope: Scope,
    /// What it is to allow, in detail.
    pub authorization_details: AuthorizationDetails,
    /// Whether the client takes a code and comes again where a human must be asked
    /// (`completion_mode`, draft-ietf-oauth-deferred-token-response section 5.1).
    pub may_be_deferred: bool,
}

/// On which ground a token is asked for. No `Debug`.
pub enum Grant {
    /// The client's own (RFC 6749 section 4.4).
    ClientCredentials,
    /// Another token (RFC 8693).
    TokenExchange(Exchange),
    /// An assertion of another issuer (RFC 7523 section 2.1).
    JwtBearer(Secret),
    /// The code of a request that was deferred (draft-ietf-oauth-deferred-token-response section
    /// 6.5): how does it stand?
    Deferred(Secret),
}

/// How a client proves who it is. No `Debug`.
pub enum ClientProof {
    /// Not in the body: by its certificate, by the listener it came in through, or not at all.
    None,
    /// By an assertion about itself (RFC 7523 section 2.2).
    Assertion(Secret),
    /// By a JWT-SVID (draft-ietf-oauth-spiffe-client-auth).
    Spiffe(Secret),
    /// By a secret. No agent has one.
    Secret(Secret),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadTokenRequest {
    /// `invalid_request`.
    #[error(transparent)]
    Form(#[from] BadForm),
    /// `unsupported_grant_type`: `password`, whatever an authorization endpoint would be needed
    /// for, and whatever nobody knows (threat 31).
    #[error("the `grant_type` is none that is supported here")]
    GrantType,
    /// `invalid_client`: a kind of proof that is not known, or two of them.
    #[error("the client proves who it is in a way that is not known here, or in two ways")]
    ClientProof,
    /// `invalid_target`.
    #[error("`resource` is not an `https` URL without fragment")]
    Resource,
    /// `invalid_scope`.
    #[error(transparent)]
    Scope(#[from] BadScope),
    /// `invalid_authorization_details`.
    #[error(transparent)]
    Details(#[from] BadDetails),
}

impl TokenRequest {
    /// Reads a request. Parameters that nobody knows are passed over (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// [`BadTokenRequest`], the first that does not hold.
    pub fn parse(mut form: Form) -> Result<Self, BadTokenRequest> {
        let form = &mut form;
        let grant = Grant::take(form)?;
        let modes = form.take("completion_mode", 1024)?.unwrap_or_default();
        let resource = form.take_all("resource", RESOURCES_MAX, 1024)?;
        let resource = resource.iter().map(|text| Resource::parse(text));
        let resource: Result<Vec<_>, _> = resource.collect();
        let scope = form.take("scope", 8 * 1024)?.map(|text| Scope::parse(&text)).transpose()?;
        let details = form.take("authorization_details", 16 * 1024)?;
        let details = details.map(|text| AuthorizationDetails::parse(&text)).transpose()?;
        Ok(Self {
            grant,
            client_id: form.take("client_id", 1024)?,
            client_proof: ClientProof::take(form)?,
            resource: resource.map_err(|_| BadTokenRequest::Resource)?,
            scope: scope.unwrap_or_default(),
            authorization_details: details.unwrap_or_default(),
            // Modes that nobody knows are passed over.
            may_be_deferred: modes.split(' ').any(|mode| mode == "deferred"),
        })
    }
}

impl Grant {
    fn take(form: &mut Form) -> Result<Self, BadTokenRequest> {
        let grant = form.take("grant_type", 128)?.ok_or(BadForm::Missing("grant_type"))?;
        match grant.as_str() {
            "client_credentials" => Ok(Self::ClientCredentials),
            "urn:ietf:params:oauth:grant-type:token-exchange" => {
                Ok(Self::TokenExchange(Exchange::take(form)?))
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                let assertion = form.take_secret("assertion", TOKEN_MAX_BYTES)?;
                Ok(Self::JwtBearer(assertion.ok_or(BadForm::Missing("assertion"))?))
            }
            "urn:ietf:params:oauth:grant-type:deferred" => {
                if let Some(said) = SAID_BEFORE.into_iter().find(|name| form.has(name)) {
                    return Err(BadForm::Unasked(said).into());
                }
                let code = form.take_secret("deferral_code", DEFERRAL_CODE_MAX_BYTES)?;
                Ok(Self::Deferred(code.ok_or(BadForm::Missing("deferral_code"))?))
            }
            _ => Err(BadTokenRequest::GrantType),
        }
    }
}

impl ClientProof {
    /// The proof within a form: at most one (RFC 6749 section 2.3).
    pub(super) fn take(form: &mut Form) -> Result<Self, BadTokenRequest> {
        let secret = form.take_secret("client_secret", 256)?;
        let kind = form.take("client_assertion_type", 128)?;
        let assertion = form.take_secret("client_assertion", TOKEN_MAX_BYTES)?;
        match (secret, kind.as_deref(), assertion) {
            (None, None, None) => Ok(Self::None),
            (Some(secret), None, None) => Ok(Self::Secret(secret)),
            (None, Some(JWT_BEARER_ASSERTION), Some(assertion)) => Ok(Self::Assertion(assertion)),
            (None, Some(SPIFFE_ASSERTION), Some(assertion)) => Ok(Self::Spiffe(assertion)),
            _ => Err(BadTokenRequest::ClientProof),
        }
    }
}

/// The answer with a token. No `Debug`: it holds one.
pub struct TokenResponse {
    /// The token.
    pub access_token: Token,
    /// Of which kind it is, where it was exchanged for.
    pub issued_token_type: Option<TokenType>,
    /// Whether a proof goes with it: `DPoP`, else `Bearer`.
    pub is_bound_to_key: bool,
    /// For how many seconds it is good.
    pub expires_in_secs: u64,
    /// What it allows.
    pub scope: Scope,
    /// What it allows, in detail (RFC 9396 section 7).
    pub authorization_details: AuthorizationDetails,
}

impl TokenResponse {
    /// The body. It must not be stored: `Cache-Control: no-store` (RFC 6749 section 5.1).
    pub fn to_body(&self) -> Secret {
        let mut members = Map::new();
        let token = String::from_utf8_lossy(self.access_token.expose());
        members.insert("access_token".to_owned(), token.as_ref().into());
        if let Some(kind) = self.issued_token_type {
            members.insert("issued_token_type".to_owned(), kind.as_str().into());
        }
        let kind = if self.is_bound_to_key { "DPoP" } else { "Bearer" };
        members.insert("token_type".to_owned(), kind.into());
        members.insert("expires_in".to_owned(), self.expires_in_secs.into());
        if !self.scope.is_empty() {
            members.insert("scope".to_owned(), self.scope.to_string().into());
        }
        if !self.authorization_details.is_empty() {
            let details = self.authorization_details.to_json();
            members.insert("authorization_details".to_owned(), details);
        }
        Secret::from_string(Value::Object(members).to_string())
    }
}
