//! Clocks: servers whose wall clocks disagree, and step. One clock counts, the database's.

use std::time::Duration;

use marque_domain::Limits;
use marque_plane::spec::{GrantSpec, RunSpec};
use marque_testkit::{PostgresServer, RunActor, TestPlane, lines, run_of};

use super::network::holds;
use super::{eventually, heard, replica, tries};

const SKEW: Duration = Duration::from_secs(600);
const BRIEF: Duration = Duration::from_secs(3);

async fn codes(run: &RunActor, planes: &[&TestPlane]) -> Vec<String> {
    let mut codes = Vec::new();
    for plane in planes {
        codes.push(tries(plane, run).await.map_or_else(|code| code, |()| "ok".into()));
    }
    codes
}

// threat 14, threat 143, threat 154
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_disagree_end_nothing_too_early_or_too_late() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let ahead = replica(&url, "ahead").await;
    let behind = replica(&url, "behind").await;
    let stepping = replica(&url, "stepping").await;
    ahead.clock().step_ahead(SKEW);
    behind.clock().step_back(SKEW);
    let all = [&ahead, &behind, &stepping];
    let alice = behind.alice_with_bot(&[]).await;
    let until = behind.plane().now().plus(BRIEF);
    let grant = GrantSpec { until, ..alice.grant("bot", lines(&["api:GET /v1/items"])) };
    behind.plane().add_grant(&alice.acting().await, grant).await.unwrap();
    let lasting = alice.starts(RunSpec { ttl_secs: 300, ..run_of("bot") }).await.unwrap();
    let brief = alice.starts(RunSpec { ttl_secs: 2, ..run_of("bot") }).await.unwrap();
    for plane in all {
        heard(plane, &brief).await;
    }
    assert_eq!(codes(&lasting, &all).await, ["ok"; 3], "no clock locks anybody out");
    assert_eq!(codes(&brief, &all).await, ["ok"; 3]);
    stepping.clock().step_back(SKEW);
    assert_eq!(codes(&lasting, &all).await, ["ok"; 3]);
    eventually("the brief run is over", async || {
        codes(&brief, &all).await.iter().all(|code| code == "refused.run.expired")
    })
    .await;
    eventually("the grant is over", async || {
        codes(&lasting, &all).await.iter().all(|code| code == "refused.mandate.nothing_allows")
    })
    .await;
    // No clock brings either back.
    for plane in all {
        plane.clock().step_back(SKEW * 2);
    }
    assert_eq!(codes(&brief, &all).await, ["refused.run.expired"; 3]);
    assert_eq!(codes(&lasting, &all).await, ["refused.mandate.nothing_allows"; 3]);
    let log = ahead.log();
    assert!(log.entries().is_sorted_by_key(|entry| entry.at), "time goes back in the log");
    holds(&ahead, &all).await;
}

// threat 154: a rate is one rate, whatever the clocks say.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_exact_over_servers_whose_clocks_disagree() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (ahead, behind) = (replica(&url, "ahead").await, replica(&url, "behind").await);
    ahead.clock().step_ahead(SKEW);
    behind.clock().step_back(SKEW);
    let alice = ahead.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls_per_minute: Some(1), burst: Some(6), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    heard(&behind, &run).await;
    let mut told = Vec::new();
    for _ in 0..10 {
        told.extend(codes(&run, &[&ahead, &behind]).await);
    }
    assert_eq!(told[..6], ["ok"; 6]);
    assert_eq!(told[6..], ["refused.limits.rate_spent"; 14]);
}
