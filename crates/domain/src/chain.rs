//! Actor chains: who acts for whom, from the origin to the one acting now (RFC 8693 §4.1 `act`).

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::id::Id;
use crate::run::Run;
use crate::user::User;

/// How many actors a chain may have unless an administrator says otherwise.
pub const DEFAULT_DEPTH: usize = 4;
/// How many actors a chain may ever have.
pub const MAX_DEPTH: usize = 8;

/// One agent acting in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who.
    pub agent: Id<Agent>,
    /// In which run.
    pub run: Id<Run>,
}

/// The ordered links of a run: the person it acts for, if any, then every actor, the current last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorChain {
    /// Whose authority is used; `None` where the first agent acts as itself.
    pub on_behalf_of: Option<Id<User>>,
    /// The actors, outermost origin first.
    pub actors: Vec<Actor>,
}

/// Why a chain cannot grow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChain {
    /// Too deep.
    #[error("the actor chain would be {0} deep; at most {1} are allowed")]
    TooDeep(usize, usize),
    /// An agent would act for itself by way of another.
    #[error("agent `{0}` already acts in this chain before another agent: a chain must not loop")]
    Loop(Id<Agent>),
}

impl ActorChain {
    /// The chain of a run that no other run opened.
    pub fn starting(on_behalf_of: Option<Id<User>>, actor: Actor) -> Self {
        Self { on_behalf_of, actors: vec![actor] }
    }

    /// The chain of a child run. An agent may open a child of its own kind, but may not come back
    /// once another agent has acted.
    pub fn extended(&self, actor: Actor, max_depth: usize) -> Result<Self, BadChain> {
        let depth = self.actors.len() + 1;
        let max_depth = max_depth.min(MAX_DEPTH);
        if depth > max_depth {
            return Err(BadChain::TooDeep(depth, max_depth));
        }
        let is_last = self.actors.last().is_some_and(|last| last.agent == actor.agent);
        if !is_last && self.actors.iter().any(|earlier| earlier.agent == actor.agent) {
            return Err(BadChain::Loop(actor.agent));
        }
        let actors = self.actors.iter().copied().chain([actor]).collect();
        Ok(Self { on_behalf_of: self.on_behalf_of, actors })
    }
}

#[cfg(test)]
mod tests {
    use super::{Actor, ActorChain, BadChain, DEFAULT_DEPTH};
    use crate::{Id, Timestamp};

    fn actor(agent: u8, run: u8) -> Actor {
        let now = Timestamp::from_millis(1);
        Actor { agent: Id::new(now, [agent; 10]), run: Id::new(now, [run; 10]) }
    }

    // threat 45
    #[test]
    fn a_chain_neither_loops_nor_grows_without_end() {
        let first = ActorChain::starting(None, actor(1, 1));
        let second = first.extended(actor(2, 2), DEFAULT_DEPTH).unwrap();
        assert!(matches!(second.extended(actor(1, 3), DEFAULT_DEPTH), Err(BadChain::Loop(_))));
        let fourth = second
            .extended(actor(2, 4), DEFAULT_DEPTH)
            .and_then(|third| third.extended(actor(2, 5), DEFAULT_DEPTH))
            .unwrap();
        assert_eq!(fourth.extended(actor(2, 6), DEFAULT_DEPTH), Err(BadChain::TooDeep(5, 4)));
        assert!(fourth.extended(actor(2, 6), 100).is_ok());
    }
}
