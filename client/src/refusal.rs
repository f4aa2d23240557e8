//! What a resource says when it refuses (RFC 6750 section 3, RFC 9449 section 7, RFC 9470).
//!
//! Owns the mapping of reasons to statuses and challenges. What is said is a sentence of ours and
//! repeats nothing of the request.

use std::fmt;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use marque_wire::jose::BadJose;
use marque_wire::oauth::{
    BadAccessToken, BadProof, BadStatusList, Challenge, ErrorCode, Resource, Scheme, Scope, StepUp,
};
use thiserror::Error;

use crate::http::FetchError;
use crate::policy::ActorProblem;

/// The algorithms of proofs that are read.
pub(crate) const PROOF_ALGORITHMS: [&str; 3] = ["ES256", "RS256", "Ed25519"];
/// When to come again where the issuer cannot be asked, in seconds.
const RETRY_SECS: &str = "5";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// No token at all, or one presented in a way of somebody else's.
    #[error("the request has no access token; present one with `DPoP` in `Authorization`")]
    NoToken,
    /// Two tokens, or one where none may be (RFC 6750 section 2, threat 37).
    #[error("the request has {0}")]
    Malformed(&'static str),
    /// It is no signed token of ours (threats 1 to 10 and 15 to 22).
    #[error(transparent)]
    Token(#[from] BadJose),
    /// It does not say by which key it is signed, or by one that the issuer does not publish.
    #[error("the access token is not signed with a key that its issuer publishes")]
    UnknownKey,
    /// It is not for this resource, not of this issuer, or not good now (threats 11 to 14).
    #[error(transparent)]
    Claims(#[from] BadAccessToken),
    /// It is bound to a key or a certificate and came without that (threats 55 and 62).
    #[error("the access token is bound to a key or certificate, and is not presented with it")]
    Bound,
    /// It is bound to nothing, and that is not accepted here.
    #[error("the access token is bound to nothing; only bound tokens are accepted here")]
    Unbound,
    /// The proof is refused (threats 57 to 61).
    #[error(transparent)]
    Proof(#[from] BadProof),
    /// The proof was used before, or made before this service began (threat 56).
    #[error("the `DPoP` proof was used before, or cannot be told from one that was; make another")]
    Replayed,
    /// Too many proofs are remembered (threat 63).
    #[error("too many requests are under way to tell a proof from one that was used before")]
    ProofsFull,
    /// It was taken back, or its run is over.
    #[error("the access token is revoked, or its run is over")]
    Revoked,
    /// Its place in the status list is none that can be believed.
    #[error(transparent)]
    Status(#[from] BadStatusList),
    /// The issuer cannot be asked, and what was known is too old.
    #[error("whether the access token is good cannot be told now; try again in a while")]
    Unavailable(FetchError),
    /// Whoever acts may not, whatever the scope.
    #[error(transparent)]
    Actor(#[from] ActorProblem),
    /// This scope would be enough.
    #[error("the access token lacks the scope that is needed here")]
    Scope(Scope),
    /// The person must have been authenticated better, or later (RFC 9470).
    #[error("the person behind the access token must be authenticated again, or better")]
    StepUp(StepUp),
}

impl Reason {
    /// The code of the challenge. `None` where no token was presented (RFC 6750 section 3.1).
    pub fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::NoToken => return None,
            Self::Malformed(_) => ErrorCode::InvalidRequest,
            Self::Token(_)
            | Self::UnknownKey
            | Self::Claims(_)
            | Self::Bound
            | Self::Unbound
            | Self::Revoked
            | Self::Status(_) => ErrorCode::InvalidToken,
            Self::Proof(BadProof::Nonce) => ErrorCode::UseDpopNonce,
            Self::Proof(_) | Self::Replayed => ErrorCode::InvalidDpopProof,
            Self::ProofsFull | Self::Unavailable(_) => ErrorCode::TemporarilyUnavailable,
            Self::Actor(_) => ErrorCode::ActorUnauthorized,
            Self::Scope(_) => ErrorCode::InsufficientScope,
            Self::StepUp(_) => ErrorCode::InsufficientUserAuthentication,
        })
    }
}

/// How a resource speaks: the same in every challenge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Voice {
    /// Where it is told who issues tokens (RFC 9728 section 5.1).
    pub(crate) resource_metadata: Option<Resource>,
    pub(crate) accepts_bearer: bool,
}

/// A refusal, to be answered. It is also an extension of the answer, for whoever keeps a trace.
#[derive(Debug, Clone)]
pub struct Refusal {
    reason: Reason,
    voice: Arc<Voice>,
    nonce: Option<String>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, voice: &Arc<Voice>) -> Self {
        Self { reason, voice: Arc::clone(voice), nonce: None }
    }

    /// The same, with the nonce that the next proof must have.
    pub(crate) fn with_nonce(self, nonce: Option<String>) -> Self {
        Self { nonce, ..self }
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The status: 401 for whoever is not proven, 403 for whoever is and may not, 400 for a request
    /// that is none, 503 where it cannot be told.
    pub fn status(&self) -> StatusCode {
        let status = self.reason.code().map_or(401, ErrorCode::resource_status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED)
    }

    /// The fields of the answer: the challenges (RFC 9110 section 11.6.1) and the nonce.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECS));
            return headers;
        }
        let schemes = [Scheme::Dpop, Scheme::Bearer];
        for scheme in schemes.into_iter().take(1 + usize::from(self.voice.accepts_bearer)) {
            if let Ok(challenge) = HeaderValue::from_str(&self.challenge(scheme)) {
                headers.append(WWW_AUTHENTICATE, challenge);
            }
        }
        if let Some(nonce) = self.nonce.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert("dpop-nonce", nonce);
        }
        headers
    }

    /// The answer, with an empty body: all there is to say is in its head.
    pub fn into_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        response.extensions_mut().insert(self);
        response
    }

    fn challenge(&self, scheme: Scheme) -> String {
        let (scope, step_up) = match &self.reason {
            Reason::Scope(scope) if !scope.is_empty() => (Some(scope), None),
            Reason::StepUp(step_up) => (None, Some(step_up)),
            _ => (None, None),
        };
        let is_dpop = scheme == Scheme::Dpop;
        let code = self.reason.code();
        let challenge = Challenge {
            scheme,
            error: code,
            scope,
            resource_metadata: self.voice.resource_metadata.as_ref(),
            acr_values: step_up.and_then(|step_up| step_up.acr_values.as_deref()),
            max_age_secs: step_up.and_then(|step_up| step_up.max_age_secs),
            algorithms: if is_dpop { &PROOF_ALGORITHMS } else { &[] },
        };
        if code.is_none() {
            return challenge.to_string();
        }
        let description = self.reason.to_string();
        let description =
            description.replace(|c| !matches!(c, ' '..='~') || "\"\\".contains(c), "");
        format!("{challenge}, error_description=\"{description}\"")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for Refusal {}
