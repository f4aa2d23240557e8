//! OAuth 2 on the wire: what a client asks, what a token says, what is answered.
//!
//! Parse and print, without I/O, clock or randomness: checks take the moment and what was expected
//! as parameters. Knows neither runs nor grants; who may have what is decided elsewhere, by the
//! road. Signed tokens are read by [`crate::jose`] before anything here sees their claims.
//!
//! Texts are compared byte for byte: an issuer, an audience or a scope has one spelling, and what
//! merely looks like it is another one.

mod access_token;
mod act;
mod assertion;
mod challenge;
mod client_assertion;
mod confirmation;
mod details;
mod dpop;
mod error;
mod exchange;
mod form;
mod hash_name;
mod htu;
mod introspection;
mod metadata;
mod received;
mod run_claim;
mod scope;
mod status_list;
mod step_up;
mod token_request;
mod uri;

pub use access_token::{
    AccessTokenClaims, Authentication, BadAccessToken, ExpectedToken, LIFETIME_MAX_SECS, MayAct,
    StatusReference,
};
pub use act::{Act, Actor, CHAIN_MAX, Profile};
pub use assertion::{Assertion, BadAssertion, ExpectedAssertion};
pub use challenge::{Challenge, Scheme};
pub use client_assertion::{
    ASSERTION_LIFETIME_MAX_SECS, Audience, BadClientAssertion, ClientAssertion,
};
pub use confirmation::{Confirmation, Thumbprint};
pub use details::{AuthorizationDetail, AuthorizationDetails, BadDetails, DETAILS_MAX};
pub use dpop::{
    BadProof, DpopProof, ExpectedProof, PROOF_AGE_MAX_SECS, PROOF_AHEAD_MAX_SECS, ProofDraft,
    access_token_hash, single_proof,
};
pub use error::{ErrorBody, ErrorCode};
pub use exchange::{Exchange, TokenType};
pub use form::{BadForm, FORM_MAX_BYTES, Form};
pub use htu::{BadHtu, Htu};
pub use introspection::{Introspection, IntrospectionRequest, TokenHint, introspection_claims};
pub use metadata::{MtlsEndpoints, ProtectedResource, ServerMetadata};
pub use received::{BadAnswer, ReceivedRefusal, ReceivedToken, ServerEndpoints, published_keys};
pub use run_claim::{ApprovalReference, RunClaim};
pub use scope::{BadScope, Scope};
pub use status_list::{BadStatusList, Status, StatusBits, StatusList, StatusListClaims};
pub use step_up::StepUp;
pub use token_request::{
    BadTokenRequest, ClientProof, GRANT_TYPES, Grant, TokenRequest, TokenResponse,
};
pub use uri::{BadUri, Issuer, Resource};

/// How far clocks of others may be ahead of ours, in seconds.
pub const SKEW_MAX_SECS: u64 = 60;
/// Longest name of a subject, client, token or nonce, in bytes.
pub(crate) const NAME_MAX_BYTES: usize = 512;

/// Visible ASCII: what can be compared, printed and quoted in a header.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads a name of a subject, client, token or nonce.
pub(crate) fn read_name(text: &str) -> Option<String> {
    is_plain(text).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
