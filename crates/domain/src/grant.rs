//! Grants: what a human lets an agent do, until a date.

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::authority::Authority;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::run::Tier;
use crate::sorted::Sorted;
use crate::time::Timestamp;
use crate::user::User;

/// The standing ceiling of an agent, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which.
    pub id: Id<Grant>,
    /// For whom.
    pub agent: Id<Agent>,
    /// Who gave it.
    pub given_by: Id<User>,
    /// When.
    pub given_at: Timestamp,
    /// Who may open runs under it.
    pub openers: Sorted<Id<User>>,
    /// What it allows, asks for and forbids.
    pub authority: Authority,
    /// How firmly every run of the agent must at least be held as long as this grant is live,
    /// whoever opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_floor: Option<Tier>,
    /// Whether captured runs under it may make user namespaces, as other sandboxes do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_namespaces: bool,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Whether it was ended before.
    pub state: GrantState,
}

/// Live → revoked; a live one is expired once its end date has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GrantState {
    /// In force until its date.
    Live,
    /// Ended by a human.
    Revoked {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Id<User>,
    },
}

/// The grant was revoked before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("grant `{0}` is already revoked")]
pub struct AlreadyRevoked(Id<Grant>);

impl Grant {
    /// Whether it counts at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == GrantState::Live && now < self.until
    }

    /// Ends it. Fails on one already revoked, so that a second click is visible.
    pub fn revoke(self, by: Id<User>, at: Timestamp) -> Result<Self, AlreadyRevoked> {
        match self.state {
            GrantState::Live => Ok(Self { state: GrantState::Revoked { at, by }, ..self }),
            GrantState::Revoked { .. } => Err(AlreadyRevoked(self.id)),
        }
    }

    /// The state as one word.
    pub fn word(&self, now: Timestamp) -> &'static str {
        match self.state {
            GrantState::Revoked { .. } => "revoked",
            GrantState::Live if now < self.until => "live",
            GrantState::Live => "expired",
        }
    }
}

impl Named for Grant {
    const PREFIX: &'static str = "grt";
    const NOUN: &'static str = "a grant";
}

impl Fact for Grant {
    fn id(&self) -> Id<Self> {
        self.id
    }
}
