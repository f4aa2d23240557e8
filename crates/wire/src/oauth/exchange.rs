//! The parameters of a token exchange (RFC 8693 section 2.1).

use marque_crypto::Secret;

use super::token_request::{BadTokenRequest, TOKEN_MAX_BYTES};
use super::{BadForm, Form};

/// The kinds of tokens there are names for (RFC 8693 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// An access token, of ours or of an issuer that is configured.
    AccessToken,
    /// An ID token.
    IdToken,
    /// A signed token of another kind.
    Jwt,
    /// A refresh token. No exchange takes one.
    RefreshToken,
    /// A SAML 1.1 assertion. Nothing here reads one.
    Saml1,
    /// A SAML 2.0 assertion. Nothing here reads one.
    Saml2,
    /// An ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant).
    IdJag,
    /// A transaction token (draft-ietf-oauth-transaction-tokens).
    TransactionToken,
}

const NAMES: [(TokenType, &str); 8] = [
    (TokenType::AccessToken, "urn:ietf:params:oauth:token-type:access_token"),
    (TokenType::IdToken, "urn:ietf:params:oauth:token-type:id_token"),
    (TokenType::Jwt, "urn:ietf:params:oauth:token-type:jwt"),
    (TokenType::RefreshToken, "urn:ietf:params:oauth:token-type:refresh_token"),
    (TokenType::Saml1, "urn:ietf:params:oauth:token-type:saml1"),
    (TokenType::Saml2, "urn:ietf:params:oauth:token-type:saml2"),
    (TokenType::IdJag, "urn:ietf:params:oauth:token-type:id-jag"),
    (TokenType::TransactionToken, "urn:ietf:params:oauth:token-type:txn_token"),
];

impl TokenType {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        let named = NAMES.iter().find(|(kind, _)| *kind == self);
        named.map_or("urn:ietf:params:oauth:token-type:jwt", |(_, name)| name)
    }
}

/// One exchange. No `Debug`: it holds tokens.
pub struct Exchange {
    /// Whose authority is asked for.
    pub subject_token: Secret,
    /// Of which kind it is.
    pub subject_token_type: TokenType,
    /// Who acts, and of which kind that token is. For an agent never absent: a token of a subject
    /// alone would be impersonation (threat 50), which whoever decides refuses.
    pub actor: Option<(Secret, TokenType)>,
    /// What is to be returned; an access token where nothing is said.
    pub requested_token_type: TokenType,
    /// Logical names of whom the token is for (RFC 8693 section 2.1).
    pub audience: Vec<String>,
}

impl Exchange {
    pub(super) fn take(form: &mut Form) -> Result<Self, BadTokenRequest> {
        let subject_token = form.take_secret("subject_token", TOKEN_MAX_BYTES)?;
        let subject_token_type = kind(form, "subject_token_type")?;
        let actor_token = form.take_secret("actor_token", TOKEN_MAX_BYTES)?;
        let actor = match (actor_token, kind(form, "actor_token_type")?) {
            (Some(token), Some(kind)) => Some((token, kind)),
            (None, None) => None,
            (Some(_), None) => return Err(BadForm::Missing("actor_token_type").into()),
            // RFC 8693 section 2.1: not without the token.
            (None, Some(_)) => return Err(BadForm::Malformed("actor_token_type").into()),
        };
        let requested = kind(form, "requested_token_type")?;
        Ok(Self {
            subject_token: subject_token.ok_or(BadForm::Missing("subject_token"))?,
            subject_token_type: subject_token_type.ok_or(BadForm::Missing("subject_token_type"))?,
            actor,
            requested_token_type: requested.unwrap_or(TokenType::AccessToken),
            audience: form.take_all("audience", 8, 1024)?,
        })
    }
}

fn kind(form: &mut Form, name: &'static str) -> Result<Option<TokenType>, BadForm> {
    match form.take(name, 128)? {
        None => Ok(None),
        Some(text) => TokenType::parse(&text).map(Some).ok_or(BadForm::Malformed(name)),
    }
}
