//! Looking into a token (RFC 7662, signed: RFC 9701), and taking one back (RFC 7009): both are
//! asked the same.

use marque_crypto::Secret;
use serde_json::{Map, Value};

use super::token_request::TOKEN_MAX_BYTES;
use super::{AccessTokenClaims, BadForm, BadTokenRequest, ClientProof, Confirmation, Form, Issuer};
use crate::jose::NumericDate;

/// A question about a token, or the wish to take it back. No `Debug`: it holds one.
pub struct IntrospectionRequest {
    /// The token.
    pub token: Secret,
    /// What the client takes it for. It only ever saves time.
    pub hint: Option<TokenHint>,
    /// Which client asks, where it says so besides its proof.
    pub client_id: Option<String>,
    /// How it proves who it is within the body.
    pub client_proof: ClientProof,
}

/// What a token is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenHint {
    /// An access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// Something that nobody knows, which a server may ignore (RFC 7009 section 2.1).
    Other,
}

impl IntrospectionRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// [`BadTokenRequest`], the first that does not hold.
    pub fn parse(mut form: Form) -> Result<Self, BadTokenRequest> {
        let form = &mut form;
        let token = form.take_secret("token", TOKEN_MAX_BYTES)?;
        let hint = form.take("token_type_hint", 128)?.map(|hint| match hint.as_str() {
            "access_token" => TokenHint::AccessToken,
            "refresh_token" => TokenHint::RefreshToken,
            _ => TokenHint::Other,
        });
        Ok(Self {
            token: token.ok_or(BadForm::Missing("token"))?,
            hint,
            client_id: form.take("client_id", 1024)?,
            client_proof: ClientProof::take(form)?,
        })
    }
}

/// What is answered about a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Introspection {
    /// Nothing: unknown, over, revoked, or not for whoever asks. One answer for all of them.
    Inactive,
    /// It is good now.
    Active {
        /// What it says.
        claims: Box<AccessTokenClaims>,
        /// Whether `act` has every actor there is (draft-mcguinness-oauth-actor-profile).
        is_chain_complete: bool,
    },
}

impl Introspection {
    /// The answer.
    pub fn to_json(&self) -> Map<String, Value> {
        match self {
            Self::Inactive => Map::from_iter([("active".to_owned(), false.into())]),
            Self::Active { claims, is_chain_complete } => {
                let mut members = claims.to_json();
                members.insert("active".to_owned(), true.into());
                let kind = match claims.cnf {
                    Some(Confirmation::Key(_)) => "DPoP",
                    Some(Confirmation::Certificate(_)) | None => "Bearer",
                };
                members.insert("token_type".to_owned(), kind.into());
                if !is_chain_complete {
                    members.insert("chain_complete".to_owned(), false.into());
                }
                members
            }
        }
    }
}

/// The claims of a signed answer (RFC 9701 section 5): it has no `sub` and no `exp`, so that it can
/// pass for no token.
pub fn introspection_claims(
    issuer: &Issuer,
    asker: &str,
    now: NumericDate,
    answer: &Introspection,
) -> Map<String, Value> {
    Map::from_iter([
        ("iss".to_owned(), issuer.as_str().into()),
        ("aud".to_owned(), asker.into()),
        ("iat".to_owned(), now.as_seconds().into()),
        ("token_introspection".to_owned(), Value::Object(answer.to_json())),
    ])
}
