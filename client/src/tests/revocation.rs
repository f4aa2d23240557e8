//! Tokens that were taken back: by the status list, and by asking the issuer.

use std::time::Duration;

use marque_wire::oauth::{BadStatusList, Resource, StatusReference};

use super::issuer::Reply;
use super::*;
use crate::ClientKey;

const LIST: &str = "/oauth/status/1";
const INTROSPECT: &str = "/oauth/introspect";

/// A token whose place in the list is this.
fn listed(stage: &Stage, idx: u64, path: &str) -> String {
    let uri = Resource::parse(&format!("{}{path}", stage.issuer.issuer)).unwrap();
    let mut claims = stage.claims();
    claims.status = Some(StatusReference { idx, uri });
    stage.issuer.sign(&claims)
}

fn down(stage: &Stage, path: &str) {
    stage.issuer.turn(|knobs| knobs.instead.insert(path.to_owned(), Reply::new(503, "")));
}

#[tokio::test]
async fn a_token_that_its_list_revokes_is_refused_once_the_list_is_due() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = listed(&stage, 7, LIST);
    stage.verify(&verifier, &token).await.unwrap();
    stage.issuer.turn(|knobs| knobs.revoked.insert(7));
    stage.verify(&verifier, &token).await.unwrap();
    assert_eq!(stage.issuer.hits(LIST), 1, "a list is kept for its `ttl`");
    stage.hands.pass(30);
    assert_eq!(reason(stage.verify(&verifier, &token).await), Reason::Revoked);
    stage.verify(&verifier, &listed(&stage, 8, LIST)).await.unwrap();
    assert_eq!(stage.issuer.hits(LIST), 2);
}

#[tokio::test]
async fn a_list_that_cannot_be_fetched_is_used_a_minute_and_then_its_tokens_are_refused() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    stage.verify(&verifier, &listed(&stage, 7, LIST)).await.unwrap();
    down(&stage, LIST);
    stage.hands.pass(89);
    stage.verify(&verifier, &listed(&stage, 7, LIST)).await.unwrap();
    stage.hands.pass(1);
    let (status, _) = told(stage.verify(&verifier, &listed(&stage, 7, LIST)).await);
    assert_eq!(status, 503);
    stage.verify(&verifier, &stage.token()).await.unwrap();
}

#[tokio::test]
async fn a_place_that_is_none_and_a_list_that_is_not_the_issuers_are_refused() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let outside = reason(stage.verify(&verifier, &listed(&stage, 64, LIST)).await);
    assert_eq!(outside, Reason::Status(BadStatusList::OutOfRange));
    let mut claims = stage.claims();
    let uri = Resource::parse("https://evil.example/status/1").unwrap();
    claims.status = Some(StatusReference { idx: 1, uri });
    let elsewhere = reason(stage.verify(&verifier, &stage.issuer.sign(&claims)).await);
    assert_eq!(elsewhere, Reason::Status(BadStatusList::OtherList));
    // Another list under this name, and what is no list at all.
    let list = stage.issuer.sign(&stage.claims());
    for body in [list.into_bytes(), vec![b'a'; 3 * 1024 * 1024], b"{}".to_vec()] {
        let path = "/oauth/status/2";
        stage.issuer.turn(|knobs| knobs.instead.insert(path.to_owned(), Reply::new(200, body)));
        let refused = stage.verify(&stage.verifier(), &listed(&stage, 1, path)).await;
        assert!(matches!(reason(refused), Reason::Unavailable(_)));
    }
}

fn asking(stage: &Stage, kept: Duration) -> Verifier {
    let key = ClientKey::generate().unwrap();
    let public = marque_wire::jose::Jwk::parse(key.public_jwk().as_bytes()).unwrap();
    stage.issuer.turn(|knobs| knobs.clients.insert("invoices".to_owned(), public.key));
    stage.builder().introspect("invoices", key).introspection_kept(kept).build().unwrap()
}

#[tokio::test]
async fn who_asks_each_time_knows_of_a_kill_at_once() {
    let stage = Stage::new().await;
    let verifier = asking(&stage, Duration::ZERO);
    let claims = stage.claims();
    let token = stage.issuer.sign(&claims);
    stage.verify(&verifier, &token).await.unwrap();
    stage.verify(&verifier, &token).await.unwrap();
    assert_eq!(stage.issuer.hits(INTROSPECT), 2);
    stage.issuer.turn(|knobs| knobs.inactive.insert(claims.jti.clone()));
    assert_eq!(reason(stage.verify(&verifier, &token).await), Reason::Revoked);
    down(&stage, INTROSPECT);
    let (status, _) = told(stage.verify(&verifier, &token).await);
    assert_eq!(status, 503);
}

#[tokio::test]
async fn an_answer_that_is_kept_is_believed_that_long_and_no_longer() {
    let stage = Stage::new().await;
    let verifier = asking(&stage, Duration::from_secs(5));
    let claims = stage.claims();
    let token = stage.issuer.sign(&claims);
    stage.verify(&verifier, &token).await.unwrap();
    stage.issuer.turn(|knobs| knobs.inactive.insert(claims.jti.clone()));
    stage.hands.pass(4);
    stage.verify(&verifier, &token).await.unwrap();
    stage.hands.pass(1);
    assert_eq!(reason(stage.verify(&verifier, &token).await), Reason::Revoked);
}

#[tokio::test]
async fn a_client_that_the_issuer_does_not_know_is_told_of_no_token() {
    let stage = Stage::new().await;
    let stranger = ClientKey::generate().unwrap();
    let verifier = stage.builder().introspect("invoices", stranger).build().unwrap();
    assert_eq!(reason(stage.verify(&verifier, &stage.token()).await), Reason::Revoked);
}
