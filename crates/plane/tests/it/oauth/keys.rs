//! The keys of tokens: published before they sign and after they have.

use std::time::Duration;

use marque_crypto::token_key::TokenAlgorithm;
use marque_plane::Secret;
use marque_plane::oauth::TokenAtDoor;
use marque_plane::spec::TokenTargetSpec;
use marque_testkit::{GATEWAY, TestPlane, issuing};
use marque_wire::jose::{JwkSet, TokenClass, Unverified};
use marque_wire::oauth::access_token_hash;

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

// threat 21: what a stolen key has signed is worth nothing once it is retired, seen before or not.
#[tokio::test]
async fn a_retired_key_verifies_nothing_at_the_gateway() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.connects("status").await;
    alice.grants("bot", &["status:token", "status:GET /**"]).await;
    let client = alice.has_client("bot-prod", "bot").await;
    let rotate = async || {
        let who = alice.acting().await;
        plane.plane().rotate_token_key(&who, TokenAlgorithm::Es256).await.unwrap()
    };
    rotate().await;
    plane.clock().advance(Duration::from_secs(1_320));
    let got = client.takes(&format!("{GATEWAY}/c/status"), "").await.unwrap();
    let (url, name) = (format!("{GATEWAY}/c/status/v1"), "status".parse().unwrap());
    let presents = || {
        let nonce = plane.plane().dpop_nonce();
        let hash = access_token_hash(got.token.as_bytes());
        let proof = client.proof_as("GET", &url, Some(&hash), Some(&nonce));
        let at = TokenAtDoor {
            token: Secret::from_string(got.token.clone()),
            is_dpop: true,
            proof: Ok(Some(&proof)),
            certificate: None,
            connection: &name,
            method: "GET",
            url: &url,
        };
        plane.plane().present(&at).is_ok()
    };
    assert!(presents());
    rotate().await;
    assert!(presents(), "it may still be good");
    plane.plane().retire_token_key(&alice.acting().await, &kid(&got.token)).await.unwrap();
    assert!(!presents());
}
