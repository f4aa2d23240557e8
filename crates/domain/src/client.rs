//! Clients of the token service: registered workloads, and what each proves itself by.
//!
//! A client never has authority of its own. It opens runs of one agent, as the human who registered
//! it could, and what they may do is bounded as theirs would be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::authority::Authority;
use crate::digest::Digest;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::issuer::KeySource;
use crate::limits::Limits;
use crate::name::{Name, TaskRef};
use crate::time::Timestamp;
use crate::user::User;

/// A workload that may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Which: its `client_id`.
    pub id: Id<Client>,
    /// Its label.
    pub name: Name,
    /// The agent it runs.
    pub agent: Id<Agent>,
    /// What it proves itself by.
    pub proof: ClientKeys,
    /// For what outside reason its runs are opened; named after each where there is none.
    pub task: Option<TaskRef>,
    /// What each of its runs may do, inside the agent's grants.
    pub mandate: Authority,
    /// What each of its runs may spend.
    #[serde(default)]
    pub limits: Limits,
    /// How long a run of it lasts, in seconds.
    pub run_ttl_secs: u64,
    /// Until when its assertions may name the token endpoint as their audience, for a library that
    /// knows no better (RFC 10070).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_audience_until: Option<Timestamp>,
    /// Who registered it, and whom its runs count as opened by.
    pub added_by: Id<User>,
    /// When.
    pub added_at: Timestamp,
    /// Whether it is served.
    pub state: ClientState,
}

/// What a client proves itself by. There is no shared secret: an agent never has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "snake_case")]
pub enum ClientKeys {
    /// Assertions signed by one of these public keys, a JWK set (RFC 7523 §2.2).
    Keys {
        /// The set.
        jwks: String,
    },
    /// A certificate of its own, by the SHA-256 of its DER form (RFC 8705 §2.2).
    Certificate {
        /// The hash.
        thumbprint: Digest,
    },
    /// A certificate of an authority that an administrator named (RFC 8705 §2.1).
    CertificateOf {
        /// The authority, PEM.
        authority_pem: String,
        /// The one subject alternative name that it must have: a DNS name or a URI.
        subject: String,
    },
    /// Tokens of another issuer: CI jobs and platform workloads (RFC 7523 §2.1).
    Issuer {
        /// The issuer, byte for byte.
        issuer: String,
        /// Its public keys, a JWK set; empty where it publishes them itself.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        jwks: String,
        /// Where it publishes them, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<KeySource>,
        /// What they must name us by.
        audience: String,
        /// Claims and what they must be, byte for byte: numeric ids and workflow references.
        claims: BTreeMap<String, String>,
    },
}

/// Active ⇄ suspended → retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// Served.
    Active,
    /// Stopped; can be resumed.
    Suspended,
    /// Gone for good.
    Retired,
}

impl Client {
    /// Whether it is served.
    pub fn is_active(&self) -> bool {
        self.state == ClientState::Active
    }
}

impl ClientState {
    /// The state as one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }
}

impl Named for Client {
    const PREFIX: &'static str = "cli";
    const NOUN: &'static str = "a client";
}

impl Fact for Client {
    fn id(&self) -> Id<Self> {
        self.id
    }
}
