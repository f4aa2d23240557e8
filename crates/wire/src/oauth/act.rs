//! Who acts for whom: the `act` claim (RFC 8693 section 4.1), with `iss` and `sub_profile` in each
//! link (draft-mcguinness-oauth-actor-profile, draft-mora-oauth-entity-profiles).
//!
//! Owns reading and writing the chain. The outermost actor is the presenter, whose key is in the
//! token's `cnf`; the others are history. That a chain only grows, and never loops, is for the
//! domain to say.

use serde_json::{Map, Value};

use super::{NAME_MAX_BYTES, read_name};
use crate::jose::BadJson;
use crate::json::{Object, need};
use crate::oauth::Issuer;

/// Most actors of a chain.
pub const CHAIN_MAX: usize = marque_domain::chain::MAX_DEPTH;

/// What kind of party one is. Advisory: it never gives authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// A human.
    User,
    /// A program that is no agent.
    Service,
    /// An agent.
    AiAgent,
}

impl Profile {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::AiAgent => "ai_agent",
        }
    }

    pub(super) fn take(members: &mut Object, name: &'static str) -> Result<Option<Self>, BadJson> {
        let kind = "`user`, `service` or `ai_agent`";
        members.parsed(name, 16, kind, |text| match text {
            "user" => Some(Self::User),
            "service" => Some(Self::Service),
            "ai_agent" => Some(Self::AiAgent),
            _ => None,
        })
    }
}

/// One who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who, in the names of `iss`. An agent's is its SPIFFE ID, without the run.
    pub sub: String,
    /// Whose name that is; not who has signed.
    pub iss: Issuer,
    /// Of what kind.
    pub sub_profile: Option<Profile>,
}

/// A chain of 1 to [`CHAIN_MAX`] actors, the presenter first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act(Vec<Actor>);

impl Act {
    /// The chain of these actors, the presenter first. `None` for none and for too many.
    pub fn new(actors: Vec<Actor>) -> Option<Self> {
        (1..=CHAIN_MAX).contains(&actors.len()).then_some(Self(actors))
    }

    /// The actors, the presenter first.
    pub fn actors(&self) -> &[Actor] {
        &self.0
    }

    /// Who presents the token.
    pub fn presenter(&self) -> &Actor {
        self.0.first().expect("invariant: a chain has at least one actor")
    }

    /// The chain with `actor` before all others. `None` where it would be too long: nothing is
    /// ever dropped to make room.
    #[must_use]
    pub fn extended(&self, actor: Actor) -> Option<Self> {
        Self::new([&[actor], self.0.as_slice()].concat())
    }

    /// Reads a chain. Each link is an object of known members alone (threat 43).
    pub(super) fn from_object(outermost: Object) -> Result<Self, BadJson> {
        let mut actors = Vec::new();
        let mut next = Some(outermost);
        while let Some(mut members) = next {
            if actors.len() == CHAIN_MAX {
                return Err(BadJson::TooDeep(CHAIN_MAX));
            }
            let sub = members.parsed("sub", NAME_MAX_BYTES, "a name", read_name)?;
            let issuer = |text: &str| Issuer::parse(text).ok();
            let iss = members.parsed("iss", NAME_MAX_BYTES, "an issuer", issuer)?;
            let sub_profile = Profile::take(&mut members, "sub_profile")?;
            actors.push(Actor { sub: need("sub", sub)?, iss: need("iss", iss)?, sub_profile });
            next = members.object("act")?;
            members.finish("act")?;
        }
        Ok(Self(actors))
    }

    pub(super) fn to_json(&self) -> Value {
        let mut inner = None;
        for actor in self.0.iter().rev() {
            let mut members = Map::new();
            members.insert("sub".to_owned(), actor.sub.as_str().into());
            members.insert("iss".to_owned(), actor.iss.as_str().into());
            if let Some(profile) = actor.sub_profile {
                members.insert("sub_profile".to_owned(), profile.as_str().into());
            }
            if let Some(inner) = inner {
                members.insert("act".to_owned(), inner);
            }
            inner = Some(Value::Object(members));
        }
        inner.unwrap_or(Value::Null)
    }
}
