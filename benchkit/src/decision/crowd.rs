//! The crowd: many agents with a version and a grant each, written into a store at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use marque_crypto::random::{SystemRandom, bytes};
use marque_domain::agent::VersionState;
use marque_domain::grant::GrantState;
use marque_domain::{
    Agent, AgentState, AgentVersion, Authority, Connection, Grant, Id, Limits, Permission, Sorted,
    Timestamp, User,
};
use marque_plane::Clock as _;
use marque_store::{Store, StoreError};

use crate::clock::SystemClock;
use crate::ground::{self, Alice};

/// What every agent may do: two lines that allow and one that asks.
const ALLOW: [&str; 2] = ["api:GET /v1/**", "api:POST /v1/items"];
const ASK: [&str; 1] = ["api:DELETE /v1/**"];
/// How many are written in one transaction.
const AT_ONCE: usize = 10_000;

/// What the agent of that number is called.
pub(crate) fn name(number: usize) -> String {
    format!("agent-{number}")
}

/// A claimed plane with the connection `api` and so many agents, in a new file.
pub(crate) async fn settle(database: &Path, agents: usize) -> anyhow::Result<()> {
    let plane = ground::start_inline(database, ground::no_policies()?)?;
    let alice = Alice::of(&plane).await?;
    alice.connects(&plane).await?;
    drop(alice);
    plane.stop().await;
    drop(plane);
    let store = Store::open(database)?;
    let crowd = Crowd::of(&store)?;
    let mut writer = store.writer()?;
    for first in (0..agents).step_by(AT_ONCE) {
        writer.batch(|batch| {
            batch.attempt(|tx| {
                (first..agents.min(first + AT_ONCE)).try_for_each(|number| {
                    let (agent, version, grant) = crowd.member(number);
                    tx.take_name(agent.name.as_str(), agent.id)?;
                    tx.put(&version, 0)?;
                    tx.put(&agent, 0)?;
                    tx.put(&grant, 0)?;
                    Ok::<_, StoreError>(())
                })
            })?
        })?;
    }
    writer.backfill()?;
    Ok(())
}

struct Crowd {
    owner: Id<User>,
    authority: Authority,
    now: Timestamp,
}

impl Crowd {
    fn of(store: &Store) -> anyhow::Result<Self> {
        let (users, connections) =
            store.read("crowd", |tx| Ok((tx.all::<User>()?, tx.all::<Connection>()?)))?;
        let owner = users.first().context("alice has claimed the plane")?.fact.id;
        let api = connections.first().context("the connection is registered")?.fact.registered();
        let read = |lines: &[&str]| -> anyhow::Result<Sorted<Permission>> {
            let mut all = Vec::new();
            for line in lines {
                all.extend(Permission::parse(line, |_| Some(api.clone()))?);
            }
            Ok(all.into_iter().collect())
        };
        let authority =
            Authority { allow: read(&ALLOW)?, ask: read(&ASK)?, never: Sorted::default() };
        Ok(Self { owner, authority, now: SystemClock.now() })
    }

    fn member(&self, number: usize) -> (Agent, AgentVersion, Grant) {
        let (agent, version) = (self.id(), self.id());
        let fact = Agent {
            id: agent,
            name: name(number).parse().unwrap_or_else(|_| unreachable!("a number makes a name")),
            purpose: "looks after items, and tells its owner about them".to_owned(),
            owner: self.owner,
            sponsor: self.owner,
            version,
            limits: Limits::default(),
            added_at: self.now,
            state: AgentState::Active,
        };
        let described = AgentVersion {
            id: version,
            agent,
            number: 1,
            digests: BTreeMap::new(),
            proposed_at: self.now,
            state: VersionState::Approved { by: self.owner, at: self.now },
        };
        let grant = Grant {
            id: self.id(),
            agent,
            given_by: self.owner,
            given_at: self.now,
            openers: [self.owner].into(),
            authority: self.authority.clone(),
            tier_floor: None,
            user_namespaces: false,
            until: self.now.plus(Duration::from_secs(30 * 86_400)),
            state: GrantState::Live,
        };
        (fact, described, grant)
    }

    fn id<K: marque_domain::Named>(&self) -> Id<K> {
        Id::new(self.now, bytes(&SystemRandom))
    }
}
