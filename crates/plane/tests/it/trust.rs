//! Trust: floors that a run falls below.

use marque_plane::Settings;
use marque_plane::spec::ConnectionSpec;
use marque_testkit::{Setup, TestPlane, connection};

#[tokio::test]
async fn a_run_below_the_floor_of_a_connection_is_refused_with_what_made_its_score() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    alice.connects_as(ConnectionSpec { trust_floor: 80, ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/").await.is_allowed();
    run.calls("POST", "/").await.is_refused("refused.mandate.nothing_allows");
    let refusal = run.calls("GET", "/").await.is_refused("refused.trust.below_floor");
    assert!(refusal.message.contains("79 of at least 80: tier 10/30"), "{refusal}");
    alice.starts_a_run("bot").await.calls("GET", "/").await.is_allowed();
}

#[tokio::test]
async fn a_run_that_keeps_probing_falls_below_the_floor_of_the_organisation() {
    let settings = Settings { trust_floor: 78, ..Settings::default() };
    let plane = TestPlane::with(Setup { settings, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/").await.is_allowed();
    for _ in 0..3 {
        run.calls("POST", "/").await.is_refused("refused.mandate.nothing_allows");
    }
    run.calls("GET", "/").await.is_refused("refused.trust.below_floor");
}
