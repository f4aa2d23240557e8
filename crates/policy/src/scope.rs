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
    agents: HashMap<Box<str>, u32>,
    connections: HashMap<Box<str>, u32>,
    by_names: HashMap<Names, Box<[Head]>>,
}

/// The numbers of an agent and a connection, where a head names them. Small, as there is one for
/// nearly every policy.
type Names = (Option<u32>, Option<u32>);

#[derive(Debug)]
struct Head {
    policy: u32,
    actions: Option<Box<[usize]>>,
}

/// Everything about a request that decides which heads match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    agent: Option<u32>,
    action: usize,
    connection: Option<u32>,
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
        let mut by_names: HashMap<Names, Vec<Head>> = HashMap::new();
        for (policy, scope) in (0..).zip(scopes) {
            let agent = scope.agent.map(|name| number(&mut index.agents, name));
            let connection = scope.connection.map(|name| number(&mut index.connections, name));
            let actions = scope.actions.map(Vec::into_boxed_slice);
            by_names.entry((agent, connection)).or_default().push(Head { policy, actions });
        }
        index.by_names =
            by_names.into_iter().map(|(names, heads)| (names, heads.into_boxed_slice())).collect();
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
            .filter_map(|head| usize::try_from(head.policy).ok())
            .collect();
        found.sort_unstable();
        found
    }
}

// Of one policy at most two names, and there are 20,000 policies at most.
fn number(known: &mut HashMap<Box<str>, u32>, name: String) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(name.into()).or_insert(next)
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
