//! Access tokens: what is recorded of one, and what tokens for one connection are like.
//!
//! What a token says on the wire is not known here.

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::digest::Digest;
use crate::id::{Id, Named};
use crate::time::Timestamp;

/// An access token of ours. It has an id and is kept nowhere: who holds it presents it, and its run
/// says whether it is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken;

/// A list that is published of which tokens are good no more
/// (draft-ietf-oauth-status-list). It has an id and is made of its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenStatusList;

/// What tokens for a connection are like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTarget {
    /// What they are for (RFC 8707 §2), byte for byte. `None` for what the gateway itself serves:
    /// its address follows from the connection's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// Whether a token may be bound to no key. A human said so for this one resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bearer: bool,
    /// The agent that serves it: whoever acts as this agent may exchange tokens that came for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_by: Option<Id<Agent>>,
    /// The keyed hash of the secret with which the resource server asks about tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Digest>,
    /// The public keys with which it asks, a JWK set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// How the person must have been authenticated for whom a call is; checked by the gateway.
    #[serde(default, skip_serializing_if = "StepUp::is_nothing")]
    pub step_up: StepUp,
}

/// How a person must have been authenticated (RFC 9470).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// How long ago at most, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_secs: Option<u64>,
    /// In which class, one of these (`acr`, OpenID Connect Core 1.0 §2); in any if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
}

impl StepUp {
    /// Whether nothing is asked of anybody.
    pub fn is_nothing(&self) -> bool {
        self.max_age_secs.is_none() && self.acr_values.is_empty()
    }
}

/// What the log keeps of a token: all of it but the signature and what would let anybody use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its own name, the `jti`.
    pub id: Id<AccessToken>,
    /// On which ground: the grant type.
    pub grant: String,
    /// Which client asked.
    pub client: String,
    /// What it is for.
    pub audience: String,
    /// Whose authority is used.
    pub subject: String,
    /// What it allows, coarsely.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Of what it allows in detail (RFC 9396), as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Digest>,
    /// Whose key or certificate it is bound to: `jkt:…` or `x5t#S256:…`; nobody's for a bearer
    /// token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<String>,
    /// The token it was exchanged for, by its `jti`, where that is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<String>,
    /// From when it is no longer good.
    pub expires_at: Timestamp,
}

impl Named for AccessToken {
    const PREFIX: &'static str = "tok";
    const NOUN: &'static str = "a token";
}

impl Named for TokenStatusList {
    const PREFIX: &'static str = "stl";
    const NOUN: &'static str = "a status list";
}
