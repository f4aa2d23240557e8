use std::collections::BTreeMap;

use super::{Change, Event, LogEntry, Outcome, Restored, UserRef, Verb};
use crate::decision::{Answer, Decision, OperationSummary};
use crate::git::{GitRefused, GitSigned, PushFinding, PushLook};
use crate::operation::BodyKind;
use crate::{Class, Closing, Code, Digest, FactRef, GitFinding, Id, Service, Tier, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn alice() -> UserRef {
    UserRef { id: Id::new(NOW, [1; 10]), name: "alice".parse().unwrap() }
}

fn decision() -> Decision {
    Decision {
        token: None,
        id: Id::new(NOW, [2; 10]),
        at: Timestamp::from_millis(1),
        answer: Answer::Refused { code: Code::NothingAllows, message: "nothing".to_owned() },
        operation: OperationSummary {
            service: Service::Http,
            connection: None,
            name: "GET".to_owned(),
            resource: vec!["/v1".to_owned()],
            target: "https://api.example:443".to_owned(),
            class: Class::Read,
            has_query: false,
            body: BodyKind::Empty,
            digest: Digest::from_bytes([7; 32]),
            also: Vec::new(),
        },
        actor: None,
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

fn rotated() -> Event {
    Event::LogKeyRotated {
        by: alice(),
        old_key: Digest::from_bytes([1; 32]),
        old_verifier: "plane.example/log+0a0b0c0d+AQ==".to_owned(),
        new_key: Digest::from_bytes([4; 32]),
        new_verifier: "plane.example/log+01020304+BA==".to_owned(),
    }
}

fn outcome(redacted: u64) -> Event {
    Event::Outcome {
        decision: decision().id,
        run: Id::new(NOW, [3; 10]),
        tier: None,
        result: Outcome::Answered { status: 200 },
        sent_bytes: 1,
        received_bytes: 2,
        redacted,
        git: None,
    }
}

fn token_key_moved() -> Event {
    let [key, algorithm, step] = ["fJWzq6", "ES256", "active"].map(str::to_owned);
    Event::TokenKeyMoved { key, algorithm, step }
}

fn flagged() -> Event {
    let finding = PushFinding { object: "1".repeat(40), finding: GitFinding::Signature };
    let not_looked_into = Some("it is longer than what is looked at".to_owned());
    let look =
        PushLook { objects: 2, unknown: 1, not_looked_into, findings: vec![finding], more: 3 };
    let Event::Outcome { decision, run, result, .. } = outcome(0) else { unreachable!() };
    let git = Some(Box::new(look));
    let (sent_bytes, received_bytes) = (1, 2);
    Event::Outcome {
        decision,
        run,
        tier: None,
        result,
        sent_bytes,
        received_bytes,
        redacted: 0,
        git,
    }
}

#[test]
fn every_entry_reads_back_from_its_canonical_bytes() {
    let run = Id::new(NOW, [3; 10]);
    let events = [
        Event::Claimed { by: alice(), log_key: Digest::from_bytes([1; 32]) },
        rotated(),
        Event::Started {
            version: "0.1.0".to_owned(),
            policy_digest: Digest::from_bytes([2; 32]),
            unknown_outcomes: 3,
        },
        Event::Restored(Box::new(Restored {
            number: 1,
            root: Digest::from_bytes([4; 32]),
            seen_size: Some(50),
            seen_root: Some(Digest::from_bytes([5; 32])),
            epoch: 1_000_007,
            agents: vec![FactRef { id: "agt_1".to_owned(), revision: 2 }],
            runs: 1,
            approvals: 0,
        })),
        Event::Changed(Change {
            verb: Verb::GrantAdded,
            by: alice(),
            fact: None,
            label: "triage".to_owned(),
            details: BTreeMap::from([("until".to_owned(), NOW.to_string())]),
        }),
        Event::RunClosed {
            run,
            tier: Some(Tier::Captured),
            cause: Closing::Killed,
            by: Some(alice()),
            calls: 3,
            refusals: 1,
        },
        Event::Decided(Box::new(decision())),
        outcome(0),
        outcome(3),
        Event::GitSigned(Box::new(GitSigned {
            run,
            agent: "triage".parse().unwrap(),
            on_behalf_of: Some("alice".parse().unwrap()),
            object: "commit".to_owned(),
            payload: Digest::from_bytes([6; 32]),
            key: "SHA256:abc".to_owned(),
        })),
        Event::GitRefused(Box::new(GitRefused {
            run,
            agent: "triage".parse().unwrap(),
            on_behalf_of: None,
            payload: Digest::from_bytes([6; 32]),
            code: GitFinding::Author.code().to_owned(),
            message: "its author is somebody else".to_owned(),
        })),
        Event::GitKeyRotated {
            by: alice(),
            old_key: "ssh-ed25519 AAAA".to_owned(),
            new_key: "ssh-ed25519 BBBB".to_owned(),
        },
        token_key_moved(),
        flagged(),
    ];
    for event in events {
        let entry = LogEntry { index: 5, id: Id::new(NOW, [9; 10]), at: NOW, event };
        let bytes = entry.canonical_bytes().unwrap();
        assert_eq!(serde_json::from_slice::<LogEntry>(&bytes).unwrap(), entry);
    }
}

#[test]
fn an_outcome_without_a_find_has_the_bytes_it_always_had() {
    let text = |redacted| {
        let event = outcome(redacted);
        let entry = LogEntry { index: 5, id: Id::new(NOW, [9; 10]), at: NOW, event };
        String::from_utf8(entry.canonical_bytes().unwrap()).unwrap()
    };
    assert!(!text(0).contains("redacted"), "{}", text(0));
    assert_eq!(text(2).replace("\"redacted\":2,", ""), text(0));
}

// Whoever follows the log's keys reads these bytes, now and later.
#[test]
fn a_rotation_has_one_canonical_form() {
    let entry = LogEntry { index: 5, id: Id::new(NOW, [9; 10]), at: NOW, event: rotated() };
    let text = String::from_utf8(entry.canonical_bytes().unwrap()).unwrap();
    let (ones, fours) = ("01".repeat(32), "04".repeat(32));
    let event = format!(
        "\"event\":{{\"by\":{{\"id\":\"{}\",\"name\":\"alice\"}},\"kind\":\"log_key_rotated\",\
         \"new_key\":\"sha256:{fours}\",\"new_verifier\":\"plane.example/log+01020304+BA==\",\
         \"old_key\":\"sha256:{ones}\",\"old_verifier\":\"plane.example/log+0a0b0c0d+AQ==\"}}",
        alice().id
    );
    assert!(text.contains(&event), "{text}\n{event}");
}
