//! What an endpoint answers. On the wire a refusal is a code and one of our own sentences; the log
//! has the rest.

use marque_crypto::Secret;
use marque_domain::{Approval, Code, Id, Refusal};
use marque_wire::oauth::{ErrorBody, ErrorCode, TokenResponse};

/// The answer of the token endpoint. No `Debug`: it may hold a token.
pub struct TokenAnswer {
    /// The token, or why there is none.
    pub outcome: Result<TokenResponse, Refused>,
    /// The nonce that the next proof must have (RFC 9449 §8).
    pub nonce: Option<String>,
    /// With what to come again for a token that a human was asked about, from a client that does.
    pub deferred: Option<Deferred>,
}

/// A request that is answered later (draft-ietf-oauth-deferred-token-response section 6.4). No
/// `Debug`: it holds a code.
pub struct Deferred {
    /// What stands for the request.
    pub code: Secret,
    /// For how many seconds it does.
    pub expires_in_secs: u64,
    /// How many seconds lie between two questions how it stands.
    pub interval_secs: u32,
}

/// A no.
#[derive(Debug, Clone)]
pub struct Refused {
    /// What goes into the body.
    pub body: ErrorBody,
    /// The question a human was asked: the same request succeeds once that is given.
    pub approval: Option<Id<Approval>>,
    /// The same in full, for whoever may know it: a run at its own socket, and the log.
    pub refusal: Option<Box<Refusal>>,
}

impl Refused {
    /// A no for a request that is not as it must be.
    pub(super) fn of(error: ErrorCode, description: &'static str) -> Self {
        let body = ErrorBody { error, description: Some(description) };
        Self { body, approval: None, refusal: None }
    }

    /// What the road said, for the wire.
    pub(crate) fn by_road(refusal: Refusal, asked: Asked) -> Self {
        let (error, description) = error_of(refusal.code, asked);
        let body = ErrorBody { error, description: Some(description) };
        Self { body, approval: refusal.approval, refusal: Some(Box::new(refusal)) }
    }

    /// The same for whoever was told to come again: what would be for nobody else to hear is said
    /// as a plain no (draft-ietf-oauth-deferred-token-response section 11.7).
    pub(super) fn at_last(self) -> Self {
        if matches!(self.body.error, ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown) {
            return self;
        }
        let denied = Self::of(ErrorCode::AccessDenied, "the request was denied");
        Self { refusal: self.refusal, ..denied }
    }
}

/// What was asked for: whatever is refused is called by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A scope, perhaps among other things.
    Scope,
    /// Details and no scope.
    Details,
    /// Neither: a token that says who the agent is.
    Nothing,
}

/// The code and the sentence that tell a client what the road refused.
pub fn error_of(code: Code, asked: Asked) -> (ErrorCode, &'static str) {
    let beyond = match asked {
        Asked::Scope => ErrorCode::InvalidScope,
        Asked::Details => ErrorCode::InvalidAuthorizationDetails,
        Asked::Nothing => ErrorCode::InvalidTarget,
    };
    match code {
        Code::CallerMissing | Code::CallerUnknown | Code::CallerDoor => {
            (ErrorCode::InvalidClient, "the client is not known or not proven")
        }
        Code::CallerProof => (ErrorCode::InvalidGrant, "the token or assertion does not hold"),
        Code::CallerReplayed => (ErrorCode::InvalidRequest, "a proof or assertion was used before"),
        Code::RunClosed
        | Code::RunExpired
        | Code::RunKilled
        | Code::AgentStopped
        | Code::VersionNotApproved
        | Code::PersonGone
        | Code::NobodyAccountable
        | Code::TierBelowFloor => (ErrorCode::InvalidGrant, "the run may not act"),
        Code::NothingAllows | Code::Never | Code::AmbiguousConnection | Code::PolicyForbids => {
            (beyond, "what was asked for is more than this run may have")
        }
        Code::NoTarget => (ErrorCode::InvalidTarget, "no such resource, or not for this client"),
        Code::BeyondToken => (beyond, "what was asked for is more than the subject token allows"),
        Code::MandateNeedsApproval | Code::PolicyNeedsApproval | Code::TrustNeedsApproval => (
            ErrorCode::AuthorizationPending,
            "a human was asked; the same request succeeds once they have approved",
        ),
        Code::BodyTooLarge | Code::PolicyError | Code::BelowFloor | Code::NoCredential => {
            (ErrorCode::AccessDenied, "the request was refused")
        }
        Code::RateSpent => (ErrorCode::SlowDown, "too many requests"),
        Code::CallsSpent | Code::BytesSpent => (ErrorCode::AccessDenied, "the budget is spent"),
        Code::LogUnavailable | Code::FactsChanged | Code::Overloaded => {
            (ErrorCode::TemporarilyUnavailable, "not now; try again")
        }
    }
}
