//! The keys of tokens in the hands of humans: the next one, and one that must go at once.

use std::time::Duration;

use marque_crypto::token_key::TokenAlgorithm;
use marque_plane::view::KeyView;
use marque_plane::{AdminKind, Clock as _};
use marque_testkit::{TestPlane, issuing};

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
