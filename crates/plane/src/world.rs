//! The world: one immutable snapshot of every fact and counter a decision rests on.
//!
//! Only the sequencer makes a new one. Readers hold an old one as long as they like.

mod deferrals;
mod follow;
mod key_sets;
mod listed;
mod shelved;
mod tokens;

use std::sync::Arc;

use marque_crypto::seal::Sealed;
use marque_domain::{
    Agent, AgentVersion, Approval, Client, Connection, Credential, Decision, Digest, Endpoint,
    Grant, Id, IssuerKeys, Meter, Name, Period, Revised, Run, Tier, Timestamp, TrustedIssuer, User,
    UserName,
};
use marque_policy::PolicySet;
use rpds::HashTrieMapSync;
use serde::{Deserialize, Serialize};

use deferrals::Deferrals;
pub(crate) use key_sets::{KeyPlace, Published};
pub(crate) use listed::{Listed, PLACES, Place};
pub(crate) use shelved::Shelved;
pub(crate) use tokens::{Tokens, Unusable};

use crate::live::{GIVEN_MAX, Given, LiveRun};
use crate::shelf::Shelf;
use crate::spending::Held;

/// Everything a decision rests on, as of one committed batch.
#[derive(Clone)]
pub(crate) struct World {
    /// Humans.
    pub(crate) users: Shelf<User>,
    /// Agents, retired ones too: their names stay taken.
    pub(crate) agents: Shelf<Agent>,
    /// Their versions.
    pub(crate) versions: Shelf<AgentVersion>,
    /// Connections, removed ones too.
    pub(crate) connections: Shelf<Connection>,
    /// Credentials.
    pub(crate) credentials: Shelf<Credential>,
    /// Grants, ended ones too.
    pub(crate) grants: Shelf<Grant>,
    /// Open runs, and closed ones for a while so that their refusals can say why.
    pub(crate) runs: Shelf<Run>,
    /// Approvals that wait or can still be used.
    pub(crate) approvals: Shelf<Approval>,
    /// Clients of the token service, retired ones too.
    pub(crate) clients: Shelf<Client>,
    /// Issuers that say who people are, removed ones too.
    pub(crate) issuers: Shelf<TrustedIssuer>,
    pub(crate) issuer_keys: Shelf<IssuerKeys>,
    /// What the token service knows beside the facts.
    pub(crate) tokens: Tokens,
    /// Requests for tokens that wait for a human.
    pub(crate) deferrals: Deferrals,
    /// The policy set in force.
    pub(crate) policies: Arc<Policies>,
    /// The key that signs the log; none before the claim.
    pub(crate) log_key: Option<Digest>,
    agents_by_name: HashTrieMapSync<Name, Id<Agent>>,
    connections_by_name: HashTrieMapSync<Name, Id<Connection>>,
    clients_by_name: HashTrieMapSync<Name, Id<Client>>,
    connections_at: HashTrieMapSync<Endpoint, Arc<[Id<Connection>]>>,
    // The grants themselves, so that a decision looks up one thing and not two.
    grants_of: HashTrieMapSync<Id<Agent>, Grants>,
    approvals_of: HashTrieMapSync<Id<Run>, Arc<[Id<Approval>]>>,
    children_of: HashTrieMapSync<Id<Run>, Arc<[Id<Run>]>>,
    sealed: HashTrieMapSync<Id<Credential>, Arc<Sealed>>,
    live: HashTrieMapSync<Id<Run>, Arc<LiveRun>>,
    callers: HashTrieMapSync<Digest, Id<Run>>,
    meters: HashTrieMapSync<MeterKey, Meter>,
    held: HashTrieMapSync<Id<Decision>, Arc<Held>>,
    refusals: HashTrieMapSync<Id<Run>, u64>,
    given: HashTrieMapSync<Id<Run>, Arc<[Given]>>,
}

/// Grants of one agent.
pub(crate) type Grants = Arc<[Arc<Revised<Grant>>]>;

/// A policy set with the digest every record names it by.
pub(crate) struct Policies {
    /// The policies.
    pub(crate) set: Arc<PolicySet>,
    /// Of their canonical text.
    pub(crate) digest: Digest,
}

/// Whose calls a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum MeterKey {
    /// A run's.
    Run(Id<Run>),
    /// All runs' of one agent, and of those they opened.
    Agent(Id<Agent>),
    /// Everybody's through one connection.
    Connection(Id<Connection>),
    /// Recorded refusals of callers nobody knows.
    Strangers,
    /// Recorded refusals of a run.
    Refusals(Id<Run>),
    /// Recorded refusals of a client, before it had a run.
    ClientRefusals(Id<Client>),
    /// Recorded refusals of a resource server.
    ResourceRefusals(Id<Connection>),
    /// Recorded wrong passphrases.
    Factors,
}

impl MeterKey {
    /// Over what time it counts.
    pub(crate) fn period(self) -> Period {
        match self {
            Self::Agent(_) | Self::Connection(_) => Period::Day,
            Self::Run(_)
            | Self::Strangers
            | Self::Refusals(_)
            | Self::ClientRefusals(_)
            | Self::ResourceRefusals(_)
            | Self::Factors => Period::Life,
        }
    }

    /// Under which key the store keeps it; nothing for what dies with the server.
    pub(crate) fn kept(self) -> Option<String> {
        match self {
            Self::Agent(id) => Some(id.to_string()),
            Self::Connection(id) => Some(id.to_string()),
            Self::Run(_)
            | Self::Strangers
            | Self::Refusals(_)
            | Self::ClientRefusals(_)
            | Self::ResourceRefusals(_)
            | Self::Factors => None,
        }
    }

    /// The key that the store calls so.
    pub(crate) fn of_kept(key: &str) -> Option<Self> {
        let agent = key.parse().ok().map(Self::Agent);
        agent.or_else(|| key.parse().ok().map(Self::Connection))
    }
}

impl World {
    /// A world without facts, under that policy set.
    pub(crate) fn empty(policies: Arc<Policies>) -> Self {
        Self {
            users: Shelf::default(),
            agents: Shelf::default(),
            versions: Shelf::default(),
            connections: Shelf::default(),
            credentials: Shelf::default(),
            grants: Shelf::default(),
            runs: Shelf::default(),
            approvals: Shelf::default(),
            clients: Shelf::default(),
            issuers: Shelf::default(),
            issuer_keys: Shelf::default(),
            tokens: Tokens::default(),
            deferrals: Deferrals::default(),
            policies,
            log_key: None,
            agents_by_name: HashTrieMapSync::new_sync(),
            connections_by_name: HashTrieMapSync::new_sync(),
            clients_by_name: HashTrieMapSync::new_sync(),
            connections_at: HashTrieMapSync::new_sync(),
            grants_of: HashTrieMapSync::new_sync(),
            approvals_of: HashTrieMapSync::new_sync(),
            children_of: HashTrieMapSync::new_sync(),
            sealed: HashTrieMapSync::new_sync(),
            live: HashTrieMapSync::new_sync(),
            callers: HashTrieMapSync::new_sync(),
            meters: HashTrieMapSync::new_sync(),
            held: HashTrieMapSync::new_sync(),
            refusals: HashTrieMapSync::new_sync(),
            given: HashTrieMapSync::new_sync(),
        }
    }

    /// The agent of that name.
    pub(crate) fn agent_named(&self, name: &Name) -> Option<&Arc<Revised<Agent>>> {
        self.agents_by_name.get(name).and_then(|id| self.agents.get(*id))
    }

    /// The connection of that name, removed or not.
    pub(crate) fn connection_named(&self, name: &Name) -> Option<&Arc<Revised<Connection>>> {
        self.connections_by_name.get(name).and_then(|id| self.connections.get(*id))
    }

    /// The client of that name, retired or not.
    pub(crate) fn client_named(&self, name: &Name) -> Option<&Arc<Revised<Client>>> {
        self.clients_by_name.get(name).and_then(|id| self.clients.get(*id))
    }

    /// The user of that name.
    pub(crate) fn user_named(&self, name: &UserName) -> Option<&Arc<Revised<User>>> {
        self.users.all().find(|user| user.fact.name == *name)
    }

    /// The live connections that serve an endpoint.
    pub(crate) fn connections_at(
        &self,
        endpoint: &Endpoint,
    ) -> impl Iterator<Item = &Arc<Revised<Connection>>> {
        let ids = self.connections_at.get(endpoint).map_or(&[][..], |ids| ids);
        ids.iter().filter_map(|id| self.connections.get(*id)).filter(|found| found.fact.is_live())
    }

    /// The grants of an agent that count at `now`.
    pub(crate) fn live_grants(
        &self,
        agent: Id<Agent>,
        now: Timestamp,
    ) -> impl Iterator<Item = &Arc<Revised<Grant>>> {
        let grants = self.grants_of.get(&agent).map_or(&[][..], |grants| grants);
        grants.iter().filter(move |grant| grant.fact.is_live(now))
    }

    /// The approvals of a run that wait or can still be used.
    pub(crate) fn approvals_of(
        &self,
        run: Id<Run>,
    ) -> impl Iterator<Item = &Arc<Revised<Approval>>> {
        let ids = self.approvals_of.get(&run).map_or(&[][..], |ids| ids);
        ids.iter().filter_map(|id| self.approvals.get(*id))
    }

    /// The runs a run opened itself, as far as they are remembered, oldest first.
    pub(crate) fn children_of(&self, run: Id<Run>) -> impl Iterator<Item = &Arc<Revised<Run>>> {
        let ids = self.children_of.get(&run).map_or(&[][..], |ids| ids);
        ids.iter().filter_map(|id| self.runs.get(*id))
    }

    /// The sealed bytes of a credential's current revision.
    pub(crate) fn sealed(&self, credential: Id<Credential>) -> Option<&Arc<Sealed>> {
        self.sealed.get(&credential)
    }

    /// The living side of a run.
    pub(crate) fn live(&self, run: Id<Run>) -> Option<&Arc<LiveRun>> {
        self.live.get(&run)
    }

    /// Every living run.
    pub(crate) fn all_live(&self) -> impl Iterator<Item = &Arc<LiveRun>> {
        self.live.values()
    }

    /// Whose secret hashes to that.
    pub(crate) fn caller(&self, secret_hash: &Digest) -> Option<&Arc<LiveRun>> {
        self.callers.get(secret_hash).and_then(|run| self.live.get(run))
    }

    /// What was spent under a key.
    pub(crate) fn meter(&self, key: MeterKey) -> Meter {
        self.meters.get(&key).copied().unwrap_or_default()
    }

    /// What counts of it at `now`.
    pub(crate) fn meter_at(&self, key: MeterKey, now: Timestamp) -> Meter {
        self.meter(key).at(key.period(), now)
    }

    /// What a call under way has reserved.
    pub(crate) fn held(&self, decision: Id<Decision>) -> Option<&Arc<Held>> {
        self.held.get(&decision)
    }

    /// How often a run was refused.
    pub(crate) fn refusals(&self, run: Id<Run>) -> u64 {
        self.refusals.get(&run).copied().unwrap_or_default()
    }

    /// Whether what memory holds of a run is kept for a server that starts later.
    pub(crate) fn outlives(&self, run: Id<Run>) -> bool {
        self.live(run).is_some_and(|live| live.is_kept())
    }

    /// Whether a run may outlive its server: its proof is its doors, which its launcher can hand
    /// over again, or nobody holds it. Where a proxy's secret proves it, nobody says who took the
    /// port meanwhile.
    pub(crate) fn may_return(&self, run: Id<Run>) -> bool {
        let can_be_proven = |run: &Run| run.tier == Tier::Captured || run.is_detached();
        self.runs.get(run).is_some_and(|run| can_be_proven(&run.fact)) && self.outlives(run)
    }

    /// The credentials that calls of a run were given, newest last, where that is kept.
    pub(crate) fn given(&self, run: Id<Run>) -> &[Given] {
        self.given.get(&run).map_or(&[][..], |given| given)
    }

    /// Adds one of them.
    pub(crate) fn give(&mut self, run: Id<Run>, given: Given) {
        let known = self.given(run);
        let surplus = (known.len() + 1).saturating_sub(GIVEN_MAX);
        let all = known.iter().skip(surplus).cloned().chain([given]).collect();
        self.given.insert_mut(run, all);
    }

    pub(crate) fn set_given(&mut self, run: Id<Run>, given: Arc<[Given]>) {
        self.given.insert_mut(run, given);
    }

    pub(crate) fn set_meter(&mut self, key: MeterKey, meter: Meter) {
        self.meters.insert_mut(key, meter);
    }

    pub(crate) fn hold(&mut self, decision: Id<Decision>, held: Arc<Held>) {
        self.held.insert_mut(decision, held);
    }

    pub(crate) fn release(&mut self, decision: Id<Decision>) -> Option<Arc<Held>> {
        let held = self.held.get(&decision).cloned();
        self.held.remove_mut(&decision);
        held
    }

    /// Counts a refusal of a run, unless it is forgotten by now.
    pub(crate) fn count_refusal(&mut self, run: Id<Run>) {
        if self.runs.get(run).is_some() {
            self.refusals.insert_mut(run, self.refusals(run).saturating_add(1));
        }
    }

    pub(crate) fn enliven(&mut self, live: Arc<LiveRun>) {
        self.callers.insert_mut(live.secret_hash, live.run);
        self.live.insert_mut(live.run, live);
    }

    pub(crate) fn seal(&mut self, credential: Id<Credential>, sealed: Arc<Sealed>) {
        self.sealed.insert_mut(credential, sealed);
    }

    pub(crate) fn unseal_never(&mut self, credential: Id<Credential>) {
        self.sealed.remove_mut(&credential);
    }

    /// Drops what is left of a run that was closed a while ago.
    pub(crate) fn bury(&mut self, run: Id<Run>) {
        if let Some(live) = self.live.get(&run) {
            self.callers.remove_mut(&live.secret_hash.clone());
        }
        self.live.remove_mut(&run);
        self.meters.remove_mut(&MeterKey::Run(run));
        self.refusals.remove_mut(&run);
        self.given.remove_mut(&run);
        for approval in self.approvals_of.get(&run).map_or(&[][..], |ids| ids) {
            self.approvals.forget(*approval);
        }
        self.approvals_of.remove_mut(&run);
        self.children_of.remove_mut(&run);
        self.meters.remove_mut(&MeterKey::Refusals(run));
        if let Some(buried) = self.runs.get(run) {
            self.tokens.forget_run(&buried.fact);
            let above = [buried.fact.parent, buried.fact.presenter()];
            for above in above.into_iter().flatten() {
                shelved::leave(&mut self.children_of, &above, run);
            }
        }
        self.runs.forget(run);
    }
}
