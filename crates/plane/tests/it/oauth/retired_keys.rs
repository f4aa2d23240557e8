//! The keys of tokens in the hands of humans: the next one, and one that must go at once.

use std::time::Duration;

use marque_crypto::token_key::TokenAlgorithm;
use marque_plane::oauth::EndpointAsk;
use marque_plane::view::KeyView;
use marque_plane::{AdminKind, Clock as _};
use marque_testkit::{TestPlane, issuing};
use marque_wire::oauth::Introspection;

const BILLING: &str = "https://billing.test/";

fn in_state<'a>(keys: &'a [KeyView], state: &str) -> &'a KeyView {
    let mut found = keys.iter().filter(|key| key.purpose == "token ES256" && key.state == state);
    let one = found.next().unwrap_or_else(|| panic!("no key is {state}: {keys:?}"));
    assert!(found.next().is_none(), "two keys are {state}");
    one
}

// threat 21
#[tokio::test]
async fn a_key_that_was_stolen_is_gone_at_once_and_the_one_that_signs_never() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("reader").await;
    alice.has_resource("billing", BILLING).await;
    alice.grants("reader", &["billing:token", "billing:scope *"]).await;
    let reader = alice.has_client("reader-prod", "reader").await;
    let published = |kid: &str| {
        let set = plane.plane().published_token_keys();
        set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid)
    };
    let rotate = async || {
        let who = alice.acting().await;
        plane.plane().rotate_token_key(&who, TokenAlgorithm::Es256).await
    };
    let retire = async |kid: &str| plane.plane().retire_token_key(&alice.acting().await, kid).await;

    let prepared = rotate().await.unwrap();
    let (old, new) = (in_state(&prepared, "active"), in_state(&prepared, "prepared"));
    let (old, new, ready) = (old.id.clone().unwrap(), new.id.clone().unwrap(), new.at.unwrap());
    assert!(ready > plane.clock().now(), "verifiers learn of it first");
    assert_eq!(retire(&old).await.unwrap_err().kind, AdminKind::Conflict);
    assert_eq!(retire("nobody").await.unwrap_err().kind, AdminKind::NotFound);
    assert_eq!(rotate().await.unwrap_err().kind, AdminKind::Conflict, "it is too early");

    plane.clock().advance(Duration::from_secs(3_600));
    let rotated = rotate().await.unwrap();
    assert_eq!(in_state(&rotated, "active").id.as_deref(), Some(&*new));
    assert!(published(&old), "what it signed is good for a while");
    let left = retire(&old).await.unwrap();
    assert!(!left.iter().any(|key| key.id.as_deref() == Some(&*old)));
    assert!(!published(&old) && published(&new));
    assert!(plane.log().text().contains("token_key.retired"));
    reader.takes(BILLING, "invoices:read").await.unwrap();

    let prepared = rotate().await.unwrap();
    let next = in_state(&prepared, "prepared").id.clone().unwrap();
    retire(&next).await.unwrap();
    assert!(!published(&next));
}

// threat 21: when the key that signs is stolen, nobody waits 22 minutes for the next to be known.
#[tokio::test]
async fn the_key_that_signs_can_be_replaced_at_once() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("reader").await;
    alice.has_resource("billing", BILLING).await;
    alice.grants("reader", &["billing:token"]).await;
    let reader = alice.has_client("reader-prod", "reader").await;
    let is_active = |token: &str| {
        let about = reader.about(token);
        let (answer, _) = plane.plane().introspect(&EndpointAsk::bare(), &about).unwrap();
        matches!(answer, Introspection::Active { .. })
    };
    let signer = || {
        let set = plane.plane().published_token_keys();
        set["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    let acting = alice.acting().await;
    let replace = async |kid: &str| plane.plane().replace_token_key(&acting, kid).await;

    // None is prepared: a fresh one signs.
    let (stolen, token) = (signer(), reader.takes(BILLING, "").await.unwrap().token);
    assert!(is_active(&token));
    let left = replace(&stolen).await.unwrap();
    assert_eq!(left.iter().filter(|key| key.purpose.starts_with("token")).count(), 1);
    assert_ne!(signer(), stolen);
    assert!(!is_active(&token), "nothing it signed is good");
    assert!(is_active(&reader.takes(BILLING, "").await.unwrap().token));
    let log = plane.log().text();
    assert!(log.contains("token_key.retired") && log.contains(&signer()), "{log}");
    assert_eq!(replace(&stolen).await.unwrap_err().kind, AdminKind::NotFound);

    // One is prepared: verifiers may know it, so it signs.
    let keys = plane.plane().rotate_token_key(&acting, TokenAlgorithm::Es256).await.unwrap();
    let next = in_state(&keys, "prepared").id.clone().unwrap();
    let keys = replace(&signer()).await.unwrap();
    assert_eq!(in_state(&keys, "active").id.as_deref(), Some(&*next));
    assert_eq!(signer(), next);
}

#[tokio::test]
async fn a_rotation_by_the_server_itself_is_on_record() {
    let plane = TestPlane::with(issuing()).await;
    plane.alice().registers("reader").await;
    let says = async |step: &str| {
        let looks = async {
            while !plane.log().text().contains(step) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), looks).await.expect(step);
    };
    plane.clock().advance(Duration::from_secs(30 * 24 * 3_600));
    says(r#""step":"prepared""#).await;
    plane.clock().advance(Duration::from_secs(1_320));
    says(r#""step":"active""#).await;
    assert!(plane.log().text().contains("token_key_moved"));
}
