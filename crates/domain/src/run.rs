//! Runs: one bounded execution of one agent version for one task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentVersion};
use crate::authority::Authority;
use crate::chain::ActorChain;
use crate::client::Client;
use crate::digest::Digest;
use crate::fact::Fact;
use crate::id::{Id, Named};
use crate::limits::Limits;
use crate::name::TaskRef;
use crate::time::Timestamp;
use crate::user::User;

/// The unit of identity, budget, revocation and record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which.
    pub id: Id<Run>,
    /// Of which agent.
    pub agent: Id<Agent>,
    /// In which version.
    pub version: Id<AgentVersion>,
    /// For what outside reason.
    pub task: TaskRef,
    /// The human who opened it, or opened the run at the root of its tree.
    pub opened_by: Id<User>,
    /// The run that opened it, if it is a child.
    pub parent: Option<Id<Run>>,
    /// Who acts for whom.
    pub chain: ActorChain,
    /// What this run may do. Always inside the grants, and inside the parent's mandate.
    pub mandate: Authority,
    /// What it may spend.
    pub limits: Limits,
    /// How it is held.
    pub tier: Tier,
    /// Whether it may make user namespaces; a captured run only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_namespaces: bool,
    /// How it stands to the token service, where that is more than its launcher's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Box<RunClient>>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Whether it is over.
    pub state: RunState,
}

/// How a run stands to the token service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunClient {
    /// The registered client it was opened by; it has no launcher then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Id<Client>>,
    /// Of a run that came to be by an exchange: the run that presented the other one's token. It
    /// ends with both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presenter: Option<Id<Run>>,
    /// What tells it from other runs of that client: the job or the person it was opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    /// Its own public keys, a JWK set (RFC 7517 §5) of one key or a few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
}

/// How a run is held, from weakest to strongest.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Proxy variables only; a tool that ignores them is not held.
    #[default]
    Advisory,
    /// Files and ports are fenced by the kernel.
    Confined,
    /// Own namespaces; the listener is the identity.
    Captured,
}

/// Open → closed; closed is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// May act until it expires.
    Open,
    /// Over.
    Closed {
        /// When.
        at: Timestamp,
        /// Why.
        cause: Closing,
    },
}

/// Why a run is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Its command ended, or its task was closed.
    Done,
    /// Its time was up.
    Expired,
    /// A human killed it.
    Killed,
    /// It left its bounds.
    Drifted,
    /// Its launcher or the server that held it ended.
    Orphaned,
}

/// The run was closed before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run `{0}` is already closed")]
pub struct AlreadyClosed(Id<Run>);

impl Run {
    /// Whether it may act at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == RunState::Open && now < self.expires_at
    }

    /// The registered client that opened it.
    pub fn client(&self) -> Option<Id<Client>> {
        self.oauth.as_ref().and_then(|oauth| oauth.client)
    }

    /// The run that presented another one's token to have this one.
    pub fn presenter(&self) -> Option<Id<Self>> {
        self.oauth.as_ref().and_then(|oauth| oauth.presenter)
    }

    /// Whether no process of its own holds it: it ends with its time, its client or its parents.
    pub fn is_detached(&self) -> bool {
        self.client().is_some() || self.presenter().is_some()
    }

    /// Ends it for good.
    pub fn close(self, cause: Closing, at: Timestamp) -> Result<Self, AlreadyClosed> {
        match self.state {
            RunState::Open => Ok(Self { state: RunState::Closed { at, cause }, ..self }),
            RunState::Closed { .. } => Err(AlreadyClosed(self.id)),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Advisory => "advisory",
            Self::Confined => "confined",
            Self::Captured => "captured",
        })
    }
}

/// No tier of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are the tiers `advisory`, `confined` and `captured`")]
pub struct UnknownTier;

impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, UnknownTier> {
        let all = [Self::Advisory, Self::Confined, Self::Captured];
        all.into_iter().find(|tier| tier.to_string() == text).ok_or(UnknownTier)
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Killed => "killed",
            Self::Drifted => "drifted",
            Self::Orphaned => "orphaned",
        })
    }
}

impl Named for Run {
    const PREFIX: &'static str = "run";
    const NOUN: &'static str = "a run";
}

impl Fact for Run {
    fn id(&self) -> Id<Self> {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::Tier;

    // threat 166
    #[test]
    fn a_tier_is_stronger_than_those_before_it_and_reads_as_it_is_printed() {
        let all = [Tier::Advisory, Tier::Confined, Tier::Captured];
        assert!(all.is_sorted());
        assert_eq!(all.map(|tier| tier.to_string().parse()), all.map(Ok));
        assert!("Captured".parse::<Tier>().is_err() && "".parse::<Tier>().is_err());
    }
}
