//! What an endpoint says when it refuses (RFC 6749 section 5.2), and nothing more.
//!
//! A description is one of our own sentences, never anything of the request (threat 38).

use serde::Serialize;

/// The codes that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Malformed (RFC 6749); also a subject or actor token that is refused (RFC 8693).
    InvalidRequest,
    /// The client is not who it says, or not known: one answer for both.
    InvalidClient,
    /// An assertion or code is refused.
    InvalidGrant,
    /// This client may not use this grant.
    UnauthorizedClient,
    /// No such grant here.
    UnsupportedGrantType,
    /// The scope is malformed, unknown or beyond what may be given.
    InvalidScope,
    /// The resource or audience is unknown or refused (RFC 8707).
    InvalidTarget,
    /// A detail is unknown, malformed or beyond what may be given (RFC 9396).
    InvalidAuthorizationDetails,
    /// A proof of possession is refused (RFC 9449).
    InvalidDpopProof,
    /// A nonce goes with the answer, and must be in the next proof (RFC 9449).
    UseDpopNonce,
    /// A human is asked; come again (RFC 8628).
    AuthorizationPending,
    /// Come again less often (RFC 8628).
    SlowDown,
    /// A human or the policy said no.
    AccessDenied,
    /// Nobody answered in time.
    ExpiredToken,
    /// No such kind of token can be revoked here (RFC 7009).
    UnsupportedTokenType,
    /// The access token is refused (RFC 6750).
    InvalidToken,
    /// More scope would help (RFC 6750).
    InsufficientScope,
    /// More scope would not help: this actor may not (draft-mcguinness-oauth-actor-profile).
    ActorUnauthorized,
    /// The person must be authenticated better (RFC 9470).
    InsufficientUserAuthentication,
    /// Not now: overload, or the log cannot be written.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The code as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::ActorUnauthorized => "actor_unauthorized",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The status at the token endpoint and its siblings: 400 but for a client that is not proven
    /// (401) and for a server that cannot (503).
    pub const fn endpoint_status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }

    /// The status at a resource: 403 for whoever is known and may not, else 401.
    pub const fn resource_status(self) -> u16 {
        match self {
            Self::InsufficientScope | Self::ActorUnauthorized => 403,
            Self::InvalidRequest => 400,
            Self::TemporarilyUnavailable => 503,
            _ => 401,
        }
    }
}

/// The body of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// Which.
    pub error: ErrorCode,
    /// In words, where they help whoever writes the client.
    #[serde(rename = "error_description", skip_serializing_if = "Option::is_none")]
    pub description: Option<&'static str>,
}
