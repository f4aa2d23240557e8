//! Facts for tests, from the few words a test cares about.

use marque_domain::{
    Actor, ActorChain, Agent, AgentState, Authority, Body, Class, Connection, Endpoint, Id, Limits,
    Named, Operation, Run, RunState, Service, Tier, Timestamp, Transport, TrustLevel, TrustScore,
    UserName, connection::ConnectionState,
};
use serde::Deserialize;

use crate::{PolicyFacts, PolicySet, PolicySource, Ruling};

/// What a test says of one operation; everything it does not say is ordinary.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Told {
    pub(crate) agent: String,
    pub(crate) owner: String,
    pub(crate) purpose: String,
    pub(crate) opened_by: String,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) task: String,
    pub(crate) tier: Tier,
    pub(crate) depth: u8,
    pub(crate) connection: String,
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) resource: Vec<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) scheme: String,
    pub(crate) query: Option<String>,
    #[serde(skip)]
    pub(crate) body: Body,
    pub(crate) trust: u8,
    pub(crate) now: String,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            agent: "triage".to_owned(),
            owner: "alice".to_owned(),
            purpose: "sorts the inbox".to_owned(),
            opened_by: "alice".to_owned(),
            on_behalf_of: None,
            task: "ticket:OPS-12".to_owned(),
            tier: Tier::Captured,
            depth: 1,
            connection: "bank".to_owned(),
            service: Service::Http,
            operation: "GET".to_owned(),
            resource: vec!["/v1/accounts".to_owned()],
            host: "api.bank.test".to_owned(),
            port: 443,
            scheme: "https".to_owned(),
            query: None,
            body: Body::Empty,
            trust: 90,
            now: "2026-03-04T12:00:00Z".to_owned(),
        }
    }
}

/// The facts a test told, in full.
pub(crate) struct Scene {
    agent: Agent,
    owner: UserName,
    run: Run,
    opened_by: UserName,
    on_behalf_of: Option<UserName>,
    connection: Connection,
    pub(crate) operation: Operation,
    trust: TrustScore,
    now: Timestamp,
}

impl Told {
    pub(crate) fn scene(&self) -> Scene {
        let person = self.on_behalf_of.as_ref().map(|name| name.parse().unwrap());
        Scene {
            agent: self.agent(),
            owner: self.owner.parse().unwrap(),
            run: self.run(),
            opened_by: self.opened_by.parse().unwrap(),
            on_behalf_of: person,
            connection: self.connection(),
            operation: self.operation(),
            trust: TrustScore {
                score: self.trust,
                level: TrustLevel::of(self.trust),
                contributions: Vec::new(),
            },
            now: self.now.parse().unwrap(),
        }
    }

    fn agent(&self) -> Agent {
        Agent {
            id: id(),
            name: self.agent.parse().unwrap(),
            purpose: self.purpose.clone(),
            owner: id(),
            sponsor: id(),
            version: id(),
            limits: Limits::default(),
            added_at: Timestamp::from_millis(1),
            state: AgentState::Active,
        }
    }

    fn run(&self) -> Run {
        let actor = Actor { agent: id(), run: id() };
        Run {
            oauth: None,
            id: id(),
            agent: id(),
            version: id(),
            task: self.task.parse().unwrap(),
            opened_by: id(),
            parent: None,
            chain: ActorChain {
                on_behalf_of: self.on_behalf_of.as_ref().map(|_| id()),
                actors: vec![actor; self.depth.into()],
            },
            mandate: Authority::default(),
            limits: Limits::default(),
            tier: self.tier,
            user_namespaces: false,
            opened_at: Timestamp::from_millis(1),
            expires_at: Timestamp::MAX,
            state: RunState::Open,
        }
    }

    fn connection(&self) -> Connection {
        Connection {
            tokens: None,
            id: id(),
            name: self.connection.parse().unwrap(),
            service: self.service,
            hosts: vec![Endpoint { host: self.host.clone(), port: 443 }],
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
            added_by: id(),
            added_at: Timestamp::from_millis(1),
            state: ConnectionState::Live,
        }
    }

    fn operation(&self) -> Operation {
        let kind = self.service.operation(&self.operation);
        let query = self.query.iter().map(|query| ("query".to_owned(), query.clone()));
        Operation {
            over: None,
            service: self.service,
            name: self.operation.clone(),
            class: kind.map_or(Class::Unclassified, |kind| kind.class),
            resource: self.resource.clone(),
            scheme: self.scheme.clone(),
            endpoint: Endpoint { host: self.host.clone(), port: self.port },
            parameters: query.collect(),
            body: self.body.clone(),
            also: Vec::new(),
        }
    }
}

impl Scene {
    pub(crate) fn facts(&self) -> PolicyFacts<'_> {
        PolicyFacts {
            agent: &self.agent,
            owner: &self.owner,
            run: &self.run,
            opened_by: &self.opened_by,
            on_behalf_of: self.on_behalf_of.as_ref(),
            connection: &self.connection,
            operation: &self.operation,
            effect: self.operation.effects().next().unwrap(),
            trust: &self.trust,
            now: self.now,
        }
    }
}

/// What the set says of what was told.
pub(crate) fn ruled(set: &PolicySet, told: &Told) -> Ruling {
    set.evaluate(&told.scene().facts())
}

/// One file, called `test.cedar`.
pub(crate) fn file(text: &str) -> PolicySource {
    PolicySource { name: "test.cedar".to_owned(), text: text.to_owned() }
}

/// The set of one file.
pub(crate) fn set(text: &str) -> PolicySet {
    PolicySet::load(&[file(text)]).unwrap()
}

fn id<K: Named>() -> Id<K> {
    Id::new(Timestamp::from_millis(1), [1; 10])
}
