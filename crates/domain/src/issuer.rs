//! Issuers that an administrator trusts to say who a person is.
//!
//! What one asserts is never enough: a grant must name the person, and an agent of its own must
//! act.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::name::Name;
use crate::time::Timestamp;
use crate::user::User;

/// An issuer of tokens about people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedIssuer {
    /// Which.
    pub id: Id<TrustedIssuer>,
    /// Its label.
    pub name: Name,
    /// The `iss` of its tokens, byte for byte.
    pub issuer: String,
    /// What they must name us by.
    pub audience: String,
    /// Its public keys, a JWK set; empty where it publishes them itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jwks: String,
    /// Where it publishes them, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<KeySource>,
    /// How its tokens name the person.
    pub naming: PersonNaming,
    /// Who is whom: what its tokens call a person, and who that is here.
    pub people: BTreeMap<String, Id<User>>,
    /// Who said so.
    pub added_by: Id<User>,
    /// When.
    pub added_at: Timestamp,
    /// Whether it still counts.
    pub is_removed: bool,
}

/// Where an issuer publishes its keys, as a human said. Nothing in a token ever adds to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySource {
    /// The URL of its key set; found through its metadata if absent (RFC 8414, OpenID Connect
    /// Discovery 1.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The authority that its certificate is of, PEM; the system's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_pem: Option<String>,
    /// Whether the host that the human named may be on this machine or in a private network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

/// The keys that an issuer published when it was last asked: one fact for each issuer and source,
/// whoever relies on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerKeys {
    /// Which.
    pub id: Id<IssuerKeys>,
    /// Whose, byte for byte.
    pub issuer: String,
    /// Where they are asked for.
    pub source: KeySource,
    /// The URL they came from.
    pub from: String,
    /// A JWK set.
    pub jwks: String,
    /// When they were last seen there, to the hour.
    pub fetched_at: Timestamp,
}

/// How a token names the person it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonNaming {
    /// By `sub` (OpenID Connect Core 1.0 §2).
    #[default]
    Subject,
    /// By the `sub` of its outermost `act`: tokens of hosted sessions, whose chain is written from
    /// the person inwards, the reverse of RFC 8693 §4.1.
    OutermostActor,
}

impl Named for IssuerKeys {
    const PREFIX: &'static str = "isk";
    const NOUN: &'static str = "a key set of an issuer";
}

impl Fact for IssuerKeys {
    fn id(&self) -> Id<Self> {
        self.id
    }
}

impl Named for TrustedIssuer {
    const PREFIX: &'static str = "iss";
    const NOUN: &'static str = "an issuer";
}

impl Fact for TrustedIssuer {
    fn id(&self) -> Id<Self> {
        self.id
    }
}
