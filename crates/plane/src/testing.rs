//! A scene for unit tests: one run with everything it stands on, to be changed before it is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use marque_domain::agent::VersionState;
use marque_domain::connection::ConnectionState;
use marque_domain::grant::GrantState;
use marque_domain::user::UserState;
use marque_domain::{
    Actor, ActorChain, Agent, AgentState, AgentVersion, Authority, Body, Class, Connection, Digest,
    Endpoint, Grant, Id, Limits, Named, Operation, Permission, Revised, Run, RunState, Service,
    Tier, Timestamp, Transport, User,
};
use marque_policy::PolicySet;

use crate::world::{Policies, Shelved, World};

/// The moment of the scene.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_767_268_800_000);

/// An open run of an active agent, granted every GET of one connection, opened by its owner.
pub(crate) struct Scene {
    pub(crate) owner: User,
    pub(crate) sponsor: User,
    pub(crate) agent: Agent,
    pub(crate) version: AgentVersion,
    pub(crate) connection: Connection,
    pub(crate) grant: Grant,
    pub(crate) more_grants: Vec<Grant>,
    pub(crate) run: Run,
}

/// The id of that number.
pub(crate) fn id<K: Named>(number: u8) -> Id<K> {
    Id::new(NOW, [number; 10])
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (owner, sponsor) = (user(1, "alice"), user(2, "bob"));
        let connection = connection(&owner);
        let everything = Permission::parse("api:GET /**", |_| Some(connection.registered()));
        let authority =
            Authority { allow: everything.unwrap().into_iter().collect(), ..Authority::default() };
        Self {
            agent: agent(&owner, &sponsor),
            version: AgentVersion {
                id: id(4),
                agent: id(3),
                number: 1,
                digests: BTreeMap::new(),
                proposed_at: NOW,
                state: VersionState::Approved { by: owner.id, at: NOW },
            },
            grant: Grant {
                id: id(6),
                agent: id(3),
                given_by: owner.id,
                given_at: NOW,
                openers: [owner.id].into(),
                authority: authority.clone(),
                tier_floor: None,
                user_namespaces: false,
                until: NOW.plus(Duration::from_secs(3_600)),
                state: GrantState::Live,
            },
            more_grants: Vec::new(),
            run: run(&owner, authority.clone()),
            connection: Connection { ceiling: authority, ..connection },
            owner,
            sponsor,
        }
    }

    /// `GET /v1/items`.
    pub(crate) fn operation(&self) -> Operation {
        Operation {
            over: None,
            service: Service::Http,
            name: "GET".to_owned(),
            class: Class::Read,
            resource: vec!["/v1/items".to_owned()],
            scheme: "https".to_owned(),
            endpoint: self.connection.hosts.first().unwrap().clone(),
            parameters: BTreeMap::new(),
            body: Body::Empty,
            also: Vec::new(),
        }
    }

    /// The world of the scene.
    pub(crate) fn world(&self) -> World {
        let set = Arc::new(PolicySet::load(&[]).ok().unwrap());
        let policies = Policies { set, digest: Digest::from_bytes([0; 32]) };
        let mut world = World::empty(Arc::new(policies));
        place(&mut world, &self.owner);
        place(&mut world, &self.sponsor);
        place(&mut world, &self.agent);
        place(&mut world, &self.version);
        place(&mut world, &self.connection);
        place(&mut world, &self.grant);
        self.more_grants.iter().for_each(|grant| place(&mut world, grant));
        place(&mut world, &self.run);
        world
    }
}

fn place<T: Shelved>(world: &mut World, fact: &T) {
    T::place(world, Arc::new(Revised { fact: fact.clone(), revision: 1 }));
}

fn user(number: u8, name: &str) -> User {
    User {
        id: id(number),
        name: name.parse().unwrap(),
        is_admin: false,
        added_at: NOW,
        state: UserState::Live,
    }
}

fn agent(owner: &User, sponsor: &User) -> Agent {
    Agent {
        id: id(3),
        name: "bot".parse().unwrap(),
        purpose: "looks after items".to_owned(),
        owner: owner.id,
        sponsor: sponsor.id,
        version: id(4),
        limits: Limits::default(),
        added_at: NOW,
        state: AgentState::Active,
    }
}

fn connection(owner: &User) -> Connection {
    Connection {
        tokens: None,
        id: id(5),
        name: "api".parse().unwrap(),
        service: Service::Http,
        hosts: vec![Endpoint { host: "api.test".to_owned(), port: 443 }],
        pin: None,
        transport: Transport::Tls,
        slot: None,
        credential: None,
        ceiling: Authority::default(),
        limits: Limits::default(),
        trust_floor: 0,
        rotation: None,
        answers: marque_domain::Answers::default(),
        never_holds: None,
        added_by: owner.id,
        added_at: NOW,
        state: ConnectionState::Live,
    }
}

fn run(owner: &User, mandate: Authority) -> Run {
    Run {
        oauth: None,
        id: id(7),
        agent: id(3),
        version: id(4),
        task: "ticket:OPS-12".parse().unwrap(),
        opened_by: owner.id,
        parent: None,
        chain: ActorChain::starting(None, Actor { agent: id(3), run: id(7) }),
        mandate,
        limits: Limits::default(),
        tier: Tier::Captured,
        user_namespaces: false,
        opened_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(3_600)),
        state: RunState::Open,
    }
}
