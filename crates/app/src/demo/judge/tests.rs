use marque_domain::decision::{ActorSummary, OperationSummary};
use marque_domain::operation::BodyKind;
use marque_domain::{
    Actor, ActorChain, Answer, Class, Code, Decision, Digest, Event, Id, LogEntry, Named, Outcome,
    Service, Tier, Timestamp,
};

use super::judge;

fn id<K: Named>(number: u8) -> Id<K> {
    Id::new(Timestamp::from_millis(1), [number; 10])
}

fn entry(event: Event) -> LogEntry {
    LogEntry { index: 0, id: id(1), at: Timestamp::from_millis(1), event }
}

fn decided(number: u8, path: &str, answer: Answer) -> LogEntry {
    entry(Event::Decided(Box::new(Decision {
        token: None,
        id: id(number),
        at: Timestamp::from_millis(1),
        answer,
        operation: OperationSummary {
            service: Service::Http,
            connection: None,
            name: "GET".to_owned(),
            resource: vec![path.to_owned()],
            target: "https://api.demo.test:443".to_owned(),
            class: Class::Read,
            has_query: false,
            body: BodyKind::Empty,
            digest: Digest::from_bytes([7; 32]),
            also: Vec::new(),
        },
        actor: Some(ActorSummary {
            run: id(1),
            agent: "triage".parse().unwrap(),
            version: 1,
            task: "ticket:OPS-12".parse().unwrap(),
            tier: Tier::Advisory,
            opened_by: "alex".parse().unwrap(),
            on_behalf_of: None,
            chain: ActorChain::starting(None, Actor { agent: id(1), run: id(1) }),
        }),
        line: None,
        facts: Vec::new(),
        rules: Vec::new(),
        policy_digest: None,
        trust_inputs: None,
        trust: None,
        meter: None,
        approval: None,
        credential: None,
    })))
}

fn answered(decision: u8) -> LogEntry {
    entry(Event::Outcome {
        decision: id(decision),
        run: id(1),
        tier: None,
        result: Outcome::Answered { status: 200 },
        sent_bytes: 0,
        received_bytes: 0,
        redacted: 0,
        git: None,
    })
}

fn refused() -> Answer {
    Answer::Refused { code: Code::NothingAllows, message: "no".to_owned() }
}

fn check(entries: &[LogEntry], paths: &[&str], faults: usize) {
    let uses: Vec<String> = paths.iter().map(|path| format!("GET {path}")).collect();
    let found = judge(entries, &uses).faults;
    assert_eq!(found.len(), faults, "{found:?}");
}

#[test]
fn a_use_of_the_token_without_an_entry_is_a_fault_and_so_is_the_reverse() {
    let allowed = [decided(1, "/a", Answer::Allowed), answered(1)];
    check(&allowed, &[], 1);
    check(&allowed, &["/b"], 2);
    check(&allowed, &["/a", "/a"], 1);
    check(&[], &["/a"], 1);
    check(&allowed, &["/a"], 0);
}

#[test]
fn an_allowed_call_has_exactly_one_outcome() {
    let (call, lines) = (decided(1, "/a", Answer::Allowed), ["/a"]);
    check(std::slice::from_ref(&call), &lines, 1);
    check(&[call.clone(), answered(2)], &lines, 1);
    check(&[call, answered(1), answered(1)], &lines, 1);
}

#[test]
fn a_refused_call_that_arrived_is_a_fault() {
    let entries = [decided(1, "/a", refused())];
    check(&entries, &["/a"], 1);
    check(&entries, &[], 0);
    assert_eq!(judge(&entries, &[]).stopped, 1);
}
