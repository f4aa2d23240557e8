//! Scopes: which requests a policy's head can match, and the index that finds the policies for one.
//!
//! INVARIANT: the index may give a policy too many, never one too few. What a head says is narrowed
//! here only where the schema proves that nothing else can match.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use crate::schema::vocabulary;

/// What a policy's head names; `None` is everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The agent's name.
    pub(crate) agent: Option<String>,
    /// Places of actions in the vocabulary.
    pub(crate) actions: Option<Vec<usize>>,
    /// The connection's name.
    pub(crate) connection: Option<String>,
}

/// Finds policies by agent, action and connection. Agents and connections that no head names all
/// share one key, so that the number of keys grows with the policies, not with the agents.
#[derive(Debug, Default)]
pub(crate) struct Index {
    agents: HashMap<String, usize>,
    connections: HashMap<String, usize>,
    by_names: HashMap<(Option<usize>, Option<usize>), Vec<Head>>,
}

#[derive(Debug)]
struct Head {
    policy: usize,
    actions: Option<Vec<usize>>,
}

/// Everything about a request that decides which heads match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    agent: Option<usize>,
    action: usize,
    connection: Option<usize>,
}

impl Scope {
    pub(crate) fn of(policy: &Policy) -> Self {
        let agent = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::In(uid)
            | PrincipalConstraint::IsIn(_, uid) => agent_of(&uid),
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(vocabulary().members(&uid).to_vec()),
            ActionConstraint::In(uids) => {
                let members = uids.iter().flat_map(|uid| vocabulary().members(uid));
                Some(members.copied().collect())
            }
        };
        let connection = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::Eq(uid)
            | ResourceConstraint::In(uid)
            | ResourceConstraint::IsIn(_, uid) => connection_of(&uid),
        };
        Self { agent, actions, connection }
    }

    /// Whether the head leaves everything open, so that every decision must be given the policy.
    pub(crate) fn is_open(&self) -> bool {
        self.agent.is_none() && self.actions.is_none() && self.connection.is_none()
    }
}

// Agents are in nothing, so `in` an agent is to be that agent.
fn agent_of(uid: &EntityUid) -> Option<String> {
    (*uid.type_name() == vocabulary().agent).then(|| uid.id().unescaped().to_owned())
}

// A resource is in one connection, which its id names before the first space.
fn connection_of(uid: &EntityUid) -> Option<String> {
    let id = uid.id().unescaped();
    if *uid.type_name() == vocabulary().connection {
        return Some(id.to_owned());
    }
    let (connection, _) = id.split_once(' ')?;
    (*uid.type_name() == vocabulary().resource).then(|| connection.to_owned())
}

impl Index {
    /// The index of these scopes; a policy is known by its place among them.
    pub(crate) fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut index = Self::default();
        for (policy, scope) in scopes.into_iter().enumerate() {
            let agent = scope.agent.map(|name| number(&mut index.agents, name));
            let connection = scope.connection.map(|name| number(&mut index.connections, name));
            let heads = index.by_names.entry((agent, connection)).or_default();
            heads.push(Head { policy, actions: scope.actions });
        }
        index
    }

    pub(crate) fn key(&self, agent: &str, action: usize, connection: &str) -> Key {
        Key {
            agent: self.agents.get(agent).copied(),
            action,
            connection: self.connections.get(connection).copied(),
        }
    }

    /// The places of all policies whose head can match, in order.
    pub(crate) fn matching(&self, key: Key) -> Vec<usize> {
        let mut names = vec![(None, None)];
        names.extend(key.agent.map(|agent| (Some(agent), None)));
        names.extend(key.connection.map(|connection| (None, Some(connection))));
        names.extend(key.agent.zip(key.connection).map(|(a, c)| (Some(a), Some(c))));
        let heads = names.iter().filter_map(|names| self.by_names.get(names)).flatten();
        let mut found: Vec<usize> = heads
            .filter(|head| head.actions.as_ref().is_none_or(|all| all.contains(&key.action)))
            .map(|head| head.policy)
            .collect();
        found.sort_unstable();
        found
    }
}

fn number(known: &mut HashMap<String, usize>, name: String) -> usize {
    let next = known.len();
    *known.entry(name).or_insert(next)
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
