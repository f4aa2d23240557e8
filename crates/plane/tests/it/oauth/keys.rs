//! The keys of tokens: published before they sign and after they have.

use std::time::Duration;

use marque_crypto::token_key::TokenAlgorithm;
use marque_plane::spec::TokenTargetSpec;
use marque_testkit::{TestPlane, issuing};
use marque_wire::jose::{JwkSet, TokenClass, Unverified};

const API: &str = "https://api.test/";

fn kid(token: &str) -> String {
    let read = Unverified::parse(TokenClass::AccessToken, token.as_bytes()).unwrap();
    read.key_id().unwrap().to_owned()
}

fn published(plane: &TestPlane) -> Vec<String> {
    let text = plane.plane().published_token_keys().to_string();
    let set = JwkSet::parse(text.as_bytes()).unwrap();
    set.keys().iter().map(|jwk| jwk.key_id.clone().unwrap()).collect()
}

#[tokio::test]
async fn a_rotation_breaks_no_verifier() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.grants("bot", &["api:token"]).await;
    let client = alice.has_client("bot-prod", "bot").await;
    let old = client.takes(API, "").await.unwrap();
    assert_eq!(published(&plane), [kid(&old.token)]);
    let acting = alice.acting().await;
    let rotate = || plane.plane().rotate_token_key(&acting, TokenAlgorithm::Es256);

    rotate().await.unwrap();
    assert_eq!(published(&plane).len(), 2, "the next key is published before it signs");
    let same = client.takes(API, "").await.unwrap();
    assert_eq!(kid(&same.token), kid(&old.token));
    let early = rotate().await.unwrap_err();
    assert!(early.message.contains("may"), "{early}");

    plane.clock().advance(Duration::from_secs(1_320));
    let acting = alice.acting().await;
    plane.plane().rotate_token_key(&acting, TokenAlgorithm::Es256).await.unwrap();
    let new = client.takes(API, "").await.unwrap();
    assert_ne!(kid(&new.token), kid(&old.token));
    assert!(published(&plane).contains(&kid(&old.token)), "what it signed may still be good");
    plane.clock().advance(Duration::from_secs(1_321));
    assert!(!published(&plane).contains(&kid(&old.token)));
}

#[tokio::test]
async fn a_resource_may_ask_for_rs256() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    let tokens = TokenTargetSpec {
        audience: Some(API.to_owned()),
        algorithm: Some("RS256".to_owned()),
        ..TokenTargetSpec::default()
    };
    alice.has_resource_as("api", tokens).await;
    alice.grants("bot", &["api:token"]).await;
    let client = alice.has_client("bot-prod", "bot").await;
    let got = client.takes(API, "").await.unwrap();
    let read = Unverified::parse(TokenClass::AccessToken, got.token.as_bytes()).unwrap();
    assert_eq!(read.algorithm(), marque_crypto::public_key::Algorithm::Rs256);
    let none = TokenTargetSpec {
        audience: Some("https://none.test/".to_owned()),
        algorithm: Some("none".to_owned()),
        ..TokenTargetSpec::default()
    };
    let spec = marque_plane::spec::ConnectionSpec {
        service: marque_domain::Service::Resource,
        hosts: Vec::new(),
        slot: None,
        tokens: Some(none),
        ..marque_testkit::connection("none")
    };
    let acting = alice.acting().await;
    assert!(plane.plane().add_connection(&acting, spec, None).await.is_err());
}
