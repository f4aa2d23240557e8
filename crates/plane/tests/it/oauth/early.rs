//! Refusals before there is anything to decide: on record, whoever it is, and bounded.

use std::time::Duration;

use marque_domain::{Answer, Code, Decision, Event};
use marque_plane::oauth::EndpointAsk;
use marque_testkit::{Human, OAuthClient, TestPlane, issuing};
use marque_wire::oauth::{ErrorCode, Form, IntrospectionRequest};

const API: &str = "https://api.test/";
const SOON: Duration = Duration::from_secs(5);

async fn plane() -> (TestPlane, Human, OAuthClient) {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.grants("bot", &["api:token"]).await;
    let client = alice.has_client("bot-prod", "bot").await;
    (plane, alice, client)
}

fn refusals(plane: &TestPlane) -> Vec<Decision> {
    let of = |event: &Event| match event {
        Event::Decided(decision) if matches!(decision.answer, Answer::Refused { .. }) => {
            Some((**decision).clone())
        }
        _ => None,
    };
    plane.log().entries().iter().filter_map(|entry| of(&entry.event)).collect()
}

async fn refusal(plane: &TestPlane, place: usize) -> Decision {
    let looks = async {
        loop {
            if let Some(decision) = refusals(plane).get(place) {
                return decision.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, looks).await.expect("the refusal is on record")
}

fn by_secret(client_id: &str) -> IntrospectionRequest {
    let text = format!("token=x&client_id={client_id}&client_secret=secret");
    IntrospectionRequest::parse(Form::parse(text.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_refusal_at_introspection_or_revocation_is_on_record() {
    let (plane, _alice, client) = plane().await;
    let bare = EndpointAsk::bare;
    let stranger = by_secret("cli_01M81E7AA0P4ASSHQM6H71S5TH");
    let refused = plane.plane().introspect(&bare(), &stranger).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidClient);
    let found = refusal(&plane, 0).await;
    assert_eq!(found.operation.name, "introspect");
    assert_eq!(found.answer.code(), Some(Code::CallerUnknown));
    assert!(found.actor.is_none() && found.facts.is_empty(), "nobody is taken at their word");

    plane.plane().revoke(&bare(), &stranger).await.unwrap_err();
    assert_eq!(refusal(&plane, 1).await.operation.name, "revoke");

    // Whoever is proven is named: here an assertion is shown again.
    let about = client.about("x");
    plane.plane().introspect(&bare(), &about).unwrap();
    let again = plane.plane().introspect(&bare(), &about).unwrap_err();
    assert_eq!(again.body.error, ErrorCode::InvalidClient, "no other word on the wire");
    let found = refusal(&plane, 2).await;
    assert_eq!(found.answer.code(), Some(Code::CallerReplayed));
    assert!(found.facts[0].id.starts_with("cli_"), "{:?}", found.facts);
    let about = client.about("x");
    plane.plane().revoke(&bare(), &about).await.unwrap();
    plane.plane().revoke(&bare(), &about).await.unwrap_err();
    assert_eq!(refusal(&plane, 3).await.answer.code(), Some(Code::CallerReplayed));
}

// threat 63: strangers cannot hide what a known client is refused.
#[tokio::test]
async fn strangers_are_recorded_at_a_rate_and_a_known_client_at_its_own() {
    let (plane, _alice, client) = plane().await;
    let stranger = by_secret("cli_01M81E7AA0P4ASSHQM6H71S5TH");
    for _ in 0..80 {
        plane.plane().revoke(&EndpointAsk::bare(), &stranger).await.unwrap_err();
    }
    let recorded = refusals(&plane).len();
    assert!((60..80).contains(&recorded), "{recorded} were recorded");
    let refused = client.takes("https://nowhere.test/", "").await.map(|_| ()).unwrap_err();
    assert_eq!(refused.body.error, ErrorCode::InvalidTarget);
    let found = refusal(&plane, recorded).await;
    assert_eq!(found.answer.code(), Some(Code::NoTarget));
    assert_eq!(found.facts[0].id, client.id);
}
