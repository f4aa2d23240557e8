//! Facts and entries to store.

use marque_domain::decision::{ActorSummary, OperationSummary};
use marque_domain::event::RunOpened;
use marque_domain::operation::BodyKind;
use marque_domain::user::UserState;
use marque_domain::{
    Actor, ActorChain, Answer, Class, Decision, Digest, Event, Id, LogEntry, Named, Outcome, Run,
    Service, Tier, Timestamp, User, UserRef,
};
use marque_store::{StoreError, Tx};

pub(crate) fn id<K: Named>(number: u8) -> Id<K> {
    Id::new(at(u64::from(number)), [number; 10])
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn user(number: u8, name: &str) -> User {
    let name = name.parse().unwrap();
    User { id: id(number), name, is_admin: false, added_at: at(1), state: UserState::Live }
}

/// The opening of a run by alice.
pub(crate) fn opened(run: u8, agent: &str, task: &str) -> Event {
    Event::RunOpened(Box::new(RunOpened {
        run: id(run),
        agent: id(run),
        agent_name: agent.parse().unwrap(),
        version: id(run),
        task: task.parse().unwrap(),
        opened_by: UserRef::from(&user(1, "alice")),
        on_behalf_of: None,
        parent: None,
        chain: ActorChain::starting(None, Actor { agent: id(run), run: id(run) }),
        tier: Tier::Captured,
        user_namespaces: false,
        allow: Vec::new(),
        ask: Vec::new(),
        never: Vec::new(),
        expires_at: at(100_000),
        facts: Vec::new(),
    }))
}

/// A decision about `GET <resource>` by `agent` in a run opened by alice for `ticket:OPS-<run>`.
pub(crate) fn decision(number: u8, run: u8, agent: &str, resource: &str) -> Decision {
    let (task, run): (_, Id<Run>) = (format!("ticket:OPS-{run}"), id(run));
    let actor = ActorSummary {
        run,
        agent: agent.parse().unwrap(),
        version: 1,
        task: task.parse().unwrap(),
        tier: Tier::Captured,
        opened_by: "alice".parse().unwrap(),
        on_behalf_of: None,
        chain: ActorChain::starting(None, Actor { agent: id(1), run }),
    };
    let operation = OperationSummary {
        service: Service::Http,
        connection: Some("status".parse().unwrap()),
        name: "GET".to_owned(),
        resource: vec![resource.to_owned()],
        target: "https://api.demo.test:443".to_owned(),
        class: Class::Read,
        has_query: false,
        body: BodyKind::Empty,
        digest: Digest::from_bytes([7; 32]),
        also: Vec::new(),
    };
    Decision {
        token: None,
        id: id(number),
        at: at(1),
        answer: Answer::Allowed,
        operation,
        actor: Some(actor),
        line: None,
        facts: Vec::new(),
        rules: Vec::new(),
        policy_digest: None,
        trust_inputs: None,
        trust: None,
        meter: None,
        approval: None,
        credential: None,
    }
}

pub(crate) fn decided(decision: Decision) -> Event {
    Event::Decided(Box::new(decision))
}

pub(crate) fn outcome(decision: u8) -> Event {
    Event::Outcome {
        decision: id(decision),
        run: id(1),
        tier: None,
        result: Outcome::Unknown,
        sent_bytes: 1,
        received_bytes: 2,
        redacted: 0,
        git: None,
    }
}

pub(crate) fn started() -> Event {
    Event::Started {
        version: "0.1.0".to_owned(),
        policy_digest: Digest::from_bytes([1; 32]),
        unknown_outcomes: 0,
    }
}

/// The entry of `event` at `index`, one second after the one before.
pub(crate) fn entry(index: u64, event: Event) -> LogEntry {
    LogEntry { index, id: id(9), at: at(index * 1000), event }
}

pub(crate) fn leaf(index: u64) -> Digest {
    let [low, ..] = index.to_le_bytes();
    Digest::from_bytes([low; 32])
}

pub(crate) fn append(tx: &mut Tx<'_>, index: u64, event: Event) -> Result<(), StoreError> {
    let entry = entry(index, event);
    tx.append(&entry, &leaf(index), &entry.canonical_bytes().unwrap())
}
