//! Users: the humans who own, sponsor, grant and approve.

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::name::UserName;
use crate::time::Timestamp;

/// A human who can be held to account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Whom.
    pub id: Id<User>,
    /// What they are called.
    pub name: UserName,
    /// Whether they administer the plane.
    pub is_admin: bool,
    /// When they came.
    pub added_at: Timestamp,
    /// Whether they may still act.
    pub state: UserState,
}

/// Whether a human may act and lend authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UserState {
    /// May act.
    Live,
    /// Left: nothing is done for or by them any more.
    Gone {
        /// Since when.
        at: Timestamp,
    },
}

impl Named for User {
    const PREFIX: &'static str = "usr";
    const NOUN: &'static str = "a user";
}

impl Fact for User {
    fn id(&self) -> Id<Self> {
        self.id
    }
}

impl User {
    /// Whether this human may act now.
    pub fn is_live(&self) -> bool {
        self.state == UserState::Live
    }
}
