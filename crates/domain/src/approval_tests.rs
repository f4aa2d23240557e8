use std::collections::BTreeMap;
use std::time::Duration;

use super::{Approval, ApprovalState, BadApprovalMove};
use crate::connection::Endpoint;
use crate::operation::{Body, Operation};
use crate::service::{Class, Service};
use crate::{Digest, Id, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn asked() -> Approval {
    Approval {
        id: Id::new(NOW, [1; 10]),
        run: Id::new(NOW, [2; 10]),
        digest: Digest::from_bytes([3; 32]),
        operation: Operation {
            over: None,
            service: Service::Http,
            name: "POST".to_owned(),
            class: Class::Write,
            resource: vec!["/v1/orders".to_owned()],
            scheme: "https".to_owned(),
            endpoint: Endpoint { host: "api.example".to_owned(), port: 443 },
            parameters: BTreeMap::new(),
            body: Body::Empty,
            also: Vec::new(),
        },
        line: "demo:POST /v1/orders".to_owned(),
        reason: "demo:POST /v1/orders".to_owned(),
        asked_at: NOW,
        until: NOW.plus(Duration::from_secs(600)),
        state: ApprovalState::Asked,
    }
}

// threat 127
#[test]
fn an_approval_is_given_for_the_digest_that_was_shown_and_no_other() {
    let other = Digest::from_bytes([4; 32]);
    let refused = asked().give(Id::new(NOW, [9; 10]), other, NOW);
    assert!(matches!(refused, Err(BadApprovalMove::OtherOperation(..))));
    let given = asked().give(Id::new(NOW, [9; 10]), asked().digest, NOW).unwrap();
    assert!(given.serves(asked().run, asked().digest, NOW));
    assert!(!given.serves(asked().run, other, NOW));
}

// threat 128
#[test]
fn an_approval_is_used_once_in_its_run_before_it_lapses() {
    let alice = Id::new(NOW, [9; 10]);
    let given = asked().give(alice, asked().digest, NOW).unwrap();
    assert!(!given.serves(Id::new(NOW, [8; 10]), given.digest, NOW));
    assert!(given.clone().consume(Id::new(NOW, [5; 10]), given.until).is_err());
    let used = given.consume(Id::new(NOW, [5; 10]), NOW).unwrap();
    assert!(used.clone().consume(Id::new(NOW, [6; 10]), NOW).is_err());
    assert!(!used.serves(used.run, used.digest, NOW));
}

#[test]
fn an_answer_is_final() {
    let alice = Id::new(NOW, [9; 10]);
    let declined = asked().decline(alice, NOW).unwrap();
    assert!(declined.clone().give(alice, declined.digest, NOW).is_err());
    let late = asked().until;
    assert!(matches!(asked().decline(alice, late), Err(BadApprovalMove::Lapsed(_))));
}
