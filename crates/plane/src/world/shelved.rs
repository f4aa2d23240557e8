//! Shelving: where each kind of fact goes in the world, and the indexes that follow it.

use std::hash::Hash;
use std::sync::Arc;

use marque_domain::{
    Agent, AgentVersion, Approval, Client, Connection, Credential, Fact, Grant, IssuerKeys,
    Revised, Run, RunState, TrustedIssuer, User,
};
use rpds::HashTrieMapSync;

use super::World;
use crate::shelf::Shelf;

/// A fact that has its shelf in the world.
pub(crate) trait Shelved: Fact {
    /// Where its current revisions are.
    fn shelf(world: &World) -> &Shelf<Self>;
    /// Puts a new revision there, indexes included.
    fn place(world: &mut World, revised: Arc<Revised<Self>>);
    /// Whether no revision will follow, so that a start need not read it.
    fn is_final(&self) -> bool {
        false
    }
}

// Adds an id to a list that belongs to a key, once.
fn join<K: Hash + Eq + Clone, V: PartialEq + Copy>(
    lists: &mut HashTrieMapSync<K, Arc<[V]>>,
    key: &K,
    value: V,
) {
    let known = lists.get(key).map_or(&[][..], |list| list);
    if !known.contains(&value) {
        let list = known.iter().copied().chain([value]).collect();
        lists.insert_mut(key.clone(), list);
    }
}

// Takes an id off such a list.
pub(super) fn leave<K: Hash + Eq + Clone, V: PartialEq + Copy>(
    lists: &mut HashTrieMapSync<K, Arc<[V]>>,
    key: &K,
    value: V,
) {
    let left: Arc<[V]> = lists
        .get(key)
        .map_or(&[][..], |list| list)
        .iter()
        .copied()
        .filter(|one| *one != value)
        .collect();
    if left.is_empty() {
        lists.remove_mut(key);
    } else {
        lists.insert_mut(key.clone(), left);
    }
}

impl Shelved for User {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.users
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.users.put(revised);
    }
}

impl Shelved for Agent {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.agents
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.agents_by_name.insert_mut(revised.fact.name.clone(), revised.fact.id);
        world.agents.put(revised);
    }
}

impl Shelved for AgentVersion {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.versions
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.versions.put(revised);
    }
}

impl Shelved for Connection {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.connections
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        let connection = &revised.fact;
        world.connections_by_name.insert_mut(connection.name.clone(), connection.id);
        for endpoint in &connection.hosts {
            join(&mut world.connections_at, endpoint, connection.id);
        }
        world.tokens.know_target(connection);
        world.connections.put(revised);
    }
}

impl Shelved for Credential {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.credentials
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.credentials.put(revised);
    }
}

impl Shelved for Grant {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.grants
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        let agent = revised.fact.agent;
        let known = world.grants_of.get(&agent).map_or(&[][..], |grants| grants);
        let is_same = |grant: &Arc<Revised<Self>>| grant.fact.id == revised.fact.id;
        let place = known.iter().position(is_same).unwrap_or(known.len());
        let (before, after) = (known.iter().take(place), known.iter().skip(place + 1));
        let grants = before.chain([&revised]).chain(after).cloned().collect();
        world.grants_of.insert_mut(agent, grants);
        world.grants.put(revised);
    }
}

impl Shelved for Client {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.clients
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.clients_by_name.insert_mut(revised.fact.name.clone(), revised.fact.id);
        world.tokens.know_client(&revised.fact);
        world.clients.put(revised);
    }
}

impl Shelved for TrustedIssuer {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.issuers
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.tokens.know_issuer(&revised.fact);
        world.issuers.put(revised);
    }
}

impl Shelved for IssuerKeys {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.issuer_keys
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        world.tokens.know_published(&revised.fact);
        world.issuer_keys.put(revised);
    }
}

impl Shelved for Run {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.runs
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        if let Some(parent) = revised.fact.parent {
            join(&mut world.children_of, &parent, revised.fact.id);
        }
        if let Some(presenter) = revised.fact.presenter() {
            join(&mut world.children_of, &presenter, revised.fact.id);
        }
        world.tokens.know_run(&revised.fact);
        world.runs.put(revised);
    }

    fn is_final(&self) -> bool {
        matches!(self.state, RunState::Closed { .. })
    }
}

impl Shelved for Approval {
    fn shelf(world: &World) -> &Shelf<Self> {
        &world.approvals
    }

    fn place(world: &mut World, revised: Arc<Revised<Self>>) {
        let (run, id) = (revised.fact.run, revised.fact.id);
        if Approval::is_final(&revised.fact) {
            world.approvals.forget(id);
            leave(&mut world.approvals_of, &run, id);
        } else {
            join(&mut world.approvals_of, &run, id);
            world.approvals.put(revised);
        }
    }

    fn is_final(&self) -> bool {
        Approval::is_final(self)
    }
}
