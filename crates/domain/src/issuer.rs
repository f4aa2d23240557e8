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
    /// Its public keys, a JWK set.
    pub jwks: String,
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

impl Named for TrustedIssuer {
    const PREFIX: &'static str = "iss";
    const NOUN: &'static str = "an issuer";
}

impl Fact for TrustedIssuer {
    fn id(&self) -> Id<Self> {
        self.id
    }
}
