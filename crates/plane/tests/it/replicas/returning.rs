//! Returning: a captured run of a server that is back before the others dismiss it.

use marque_domain::Tier;
use marque_plane::spec::RunSpec;
use marque_plane::{Ask, Presented};
use marque_testkit::{PostgresServer, RunActor, TestPlane, get, run_of};

use super::{eventually, replica};

async fn through_a_door(plane: &TestPlane, run: &RunActor) -> Result<(), String> {
    let proof = plane.plane().hand_over(&run.acting(), run.launcher());
    let proof = proof.map_err(|error| error.to_string())?;
    let operation = get("/v1/items").operation().clone();
    let ask = Ask { presented: Presented::Door(proof), operation, announced_bytes: 0 };
    plane.plane().decide(ask).await.map(drop).map_err(|refusal| refusal.code.text())
}

// threat 154: who is silent for ten seconds is dismissed, runs that might come back included.
#[tokio::test(flavor = "multi_thread")]
async fn a_captured_run_goes_on_unless_the_others_dismiss_its_server_first() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (one, other) = (replica(&url, "one").await, replica(&url, "other").await);
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let opened = alice.starts(RunSpec { tier: Tier::Captured, ..run_of("bot") }).await.unwrap();
    eventually("the other hears of it", async || {
        other.plane().identify_run(&opened.presented()).is_ok()
    })
    .await;
    let run = opened.through(&other);
    one.plane().stop().await;
    drop((alice, opened, one));
    let one = replica(&url, "one").await;
    one.plane().hold_run(&run.through(&one).acting(), run.launcher()).unwrap();
    assert_eq!(through_a_door(&one, &run.through(&one)).await, Ok(()));
    one.plane().stop().await;
    drop(one);
    let state = async || {
        let acting = other.alice().acting().await;
        other.plane().run(&acting, &run.id().to_string()).await.unwrap().state
    };
    assert_eq!(state().await, "open");
    eventually("the others dismiss it", async || state().await == "orphaned").await;
    let one = replica(&url, "one").await;
    let late = through_a_door(&one, &run.through(&one)).await.unwrap_err();
    assert!(late.contains("is over"), "{late}");
}
