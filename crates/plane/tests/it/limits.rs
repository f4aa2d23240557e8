//! Limits: exact, whoever asks how fast.

use std::sync::Arc;
use std::time::Duration;

use marque_domain::{Code, Limits};
use marque_plane::spec::{ConnectionSpec, RunSpec};
use marque_testkit::{FilePlane, Setup, TestPlane, connection, run_of};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn ten_calls_are_ten_calls_however_many_ask_at_once() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let limits = Limits { calls: Some(10), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    let run = Arc::new(run);
    let mut asking = JoinSet::new();
    for place in 0..64 {
        let run = Arc::clone(&run);
        let method = ["GET", "POST"][place % 2];
        asking.spawn(async move { run.calls(method, &format!("/v1/{place}")).await });
    }
    let verdicts = asking.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| verdict.passed()).count(), 10);
    let codes = verdicts.iter().filter_map(marque_testkit::Verdict::code);
    assert!(codes.map(Code::text).all(|code| code == "refused.limits.calls_spent"));
    assert_eq!((plane.log().allowed(), plane.log().codes().len()), (10, 54));
}

#[tokio::test]
async fn a_run_that_is_too_fast_waits_and_goes_on() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls_per_minute: Some(60), burst: Some(2), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    run.calls("GET", "/v1/1").await.is_allowed();
    run.calls("GET", "/v1/2").await.is_allowed();
    let refusal = run.calls("GET", "/v1/3").await.is_refused("refused.limits.rate_spent");
    assert_eq!(refusal.remedy.as_deref(), Some("wait 1 s and try again"));
    plane.clock().advance(Duration::from_secs(1));
    run.calls("GET", "/v1/3").await.is_allowed();
}

#[tokio::test]
async fn a_connection_is_shared_by_everybody_who_uses_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let limits = Limits { calls_per_minute: Some(1), burst: Some(1), ..Limits::default() };
    alice.connects_as(ConnectionSpec { limits, ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let (one, two) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    one.calls("GET", "/v1/items").await.is_allowed();
    two.calls("GET", "/v1/items").await.is_refused("refused.limits.rate_spent");
}

#[tokio::test]
async fn a_refused_call_spends_nothing() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls: Some(1), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    run.calls("POST", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    run.calls("GET", "/v1/items").await.is_allowed();
}
