//! Agents and their versions: named, owned software actors and what exactly they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::limits::Limits;
use crate::name::Name;
use crate::time::Timestamp;
use crate::user::User;

/// A named, owned software actor with a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Which.
    pub id: Id<Agent>,
    /// Its label; never given to another agent, not even after this one retired.
    pub name: Name,
    /// What it is for, in its owner's words.
    pub purpose: String,
    /// The technical human.
    pub owner: Id<User>,
    /// The accountable human.
    pub sponsor: Id<User>,
    /// The approved version that runs.
    pub version: Id<AgentVersion>,
    /// What all its runs together may spend, calls and bytes by the day.
    #[serde(default)]
    pub limits: Limits,
    /// Since when it exists.
    pub added_at: Timestamp,
    /// Whether it may run.
    pub state: AgentState,
}

/// Draft → active ⇄ suspended → retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AgentState {
    /// Described, not yet allowed to run.
    Draft,
    /// May run.
    Active,
    /// Stopped; can be resumed.
    Suspended {
        /// Since when.
        at: Timestamp,
        /// By whom; nobody where an older copy of the store was taken.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Id<User>>,
    },
    /// Gone for good; its name stays taken.
    Retired {
        /// Since when.
        at: Timestamp,
        /// By whom.
        by: Id<User>,
    },
}

/// The agent is not in a state that allows the move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("agent `{name}` is {state}: it cannot be {wanted}")]
pub struct BadAgentMove {
    name: Name,
    state: &'static str,
    wanted: &'static str,
}

impl Agent {
    /// Whether it may run.
    pub fn is_active(&self) -> bool {
        self.state == AgentState::Active
    }

    /// Lets a draft run for the first time.
    pub fn activate(self) -> Result<Self, BadAgentMove> {
        match self.state {
            AgentState::Draft => Ok(Self { state: AgentState::Active, ..self }),
            _ => Err(self.cannot_be("activated")),
        }
    }

    /// Stops an active agent. Its open runs are the caller's to close.
    pub fn suspend(self, by: Id<User>, at: Timestamp) -> Result<Self, BadAgentMove> {
        self.suspended(Some(by), at)
    }

    /// The same where no human did it: an older copy of the store was taken.
    pub fn suspend_restored(self, at: Timestamp) -> Result<Self, BadAgentMove> {
        self.suspended(None, at)
    }

    /// Lets a suspended agent run again.
    pub fn resume(self) -> Result<Self, BadAgentMove> {
        match self.state {
            AgentState::Suspended { .. } => Ok(Self { state: AgentState::Active, ..self }),
            _ => Err(self.cannot_be("resumed")),
        }
    }

    /// Ends the agent for good.
    pub fn retire(self, by: Id<User>, at: Timestamp) -> Result<Self, BadAgentMove> {
        match self.state {
            AgentState::Retired { .. } => Err(self.cannot_be("retired")),
            _ => Ok(Self { state: AgentState::Retired { at, by }, ..self }),
        }
    }

    fn suspended(self, by: Option<Id<User>>, at: Timestamp) -> Result<Self, BadAgentMove> {
        match self.state {
            AgentState::Active => Ok(Self { state: AgentState::Suspended { at, by }, ..self }),
            _ => Err(self.cannot_be("suspended")),
        }
    }

    fn cannot_be(self, wanted: &'static str) -> BadAgentMove {
        BadAgentMove { state: self.state.word(), name: self.name, wanted }
    }
}

impl AgentState {
    /// The state as one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
            Self::Retired { .. } => "retired",
        }
    }
}

/// What an agent is made of. Never edited: another digest is another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentVersion {
    /// Which.
    pub id: Id<AgentVersion>,
    /// Whose.
    pub agent: Id<Agent>,
    /// Counts up from 1 for each agent.
    pub number: u32,
    /// Digests by what they describe: `prompt`, `tools`, `model`, `code`.
    pub digests: BTreeMap<String, Digest>,
    /// When it was proposed.
    pub proposed_at: Timestamp,
    /// Whether it may inherit the agent's authority.
    pub state: VersionState,
}

/// Proposed → approved → superseded or revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VersionState {
    /// Waits for a human.
    Proposed,
    /// A human reviewed it.
    Approved {
        /// Who.
        by: Id<User>,
        /// When.
        at: Timestamp,
    },
    /// A later version took over.
    Superseded,
    /// Found bad.
    Revoked,
}

impl AgentVersion {
    /// Whether a human stands behind this version.
    pub fn is_approved(&self) -> bool {
        matches!(self.state, VersionState::Approved { .. })
    }
}

impl Named for Agent {
    const PREFIX: &'static str = "agt";
    const NOUN: &'static str = "an agent";
}

impl Named for AgentVersion {
    const PREFIX: &'static str = "agv";
    const NOUN: &'static str = "an agent version";
}

impl Fact for Agent {
    fn id(&self) -> Id<Self> {
        self.id
    }
}

impl Fact for AgentVersion {
    fn id(&self) -> Id<Self> {
        self.id
    }
}
