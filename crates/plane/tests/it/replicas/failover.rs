//! Failover: the primary is gone, or believes it is not, and a standby takes over.

use std::time::Duration;

use marque_domain::{Limits, Outcome};
use marque_plane::spec::RunSpec;
use marque_plane::{Crossed, broker};
use marque_testkit::{PostgresServer, Relay, RunActor, TestPlane, get, run_of};
use tokio::task::JoinSet;

use super::network::{holds, settled};
use super::{SOON, UNAVAILABLE, eventually, heard, replica, tries};

/// The URL with a second host: the first of them that is a primary counts.
fn or(url: &str, standby: &PostgresServer) -> String {
    let (head, path) = url.rsplit_once("/postgres?").unwrap();
    format!("{head},{}/postgres?{path}", standby.address())
}

/// Asks until there is no budget left; where every call that was answered stands in the log.
async fn spends(plane: TestPlane, run: RunActor) -> Vec<(u64, marque_domain::Digest)> {
    let mut answered = Vec::new();
    let spending = async {
        loop {
            match run.permit(get("/v1/items")).await {
                Ok(permit) => {
                    answered.push((permit.index(), permit.leaf()));
                    // Dropped unused where it cannot be opened, which is an outcome too.
                    if let Ok(opened) = broker::open(plane.plane(), permit) {
                        let how = Outcome::Answered { status: 200 };
                        opened.lease.finish(how, Crossed::default());
                    }
                }
                Err(refusal) if refusal.code.text() == "refused.limits.calls_spent" => break,
                Err(refusal) => assert_eq!(refusal.code.text(), UNAVAILABLE, "{refusal}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), spending).await.unwrap();
    answered
}

// threat 141, threat 154
#[tokio::test(flavor = "multi_thread")]
async fn servers_go_on_at_a_standby_that_took_over_and_nothing_answered_is_lost() {
    let Some(mut primary) = PostgresServer::start() else { return };
    let standby = primary.standby(true);
    let url = or(&primary.url_with_password(), &standby);
    let (one, other) = (replica(&url, "one").await, replica(&url, "other").await);
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls: Some(200), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    heard(&other, &run).await;
    let mut spending = JoinSet::new();
    spending.spawn(spends(one.clone(), run.through(&one)));
    spending.spawn(spends(other.clone(), run.through(&other)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    primary.crash();
    let before = tokio::time::timeout(SOON, one.plane().lost()).await;
    before.expect("nobody can be heard");
    standby.promote();
    let answered = spending.join_all().await.concat();
    let log = one.log();
    assert_eq!(log.allowed(), 200, "the budget is what it was");
    assert!(answered.len() > 100, "only {} calls were answered", answered.len());
    for (index, leaf) in answered {
        assert_eq!(log.leaf(index), Some(leaf), "what was answered at {index} is lost");
    }
    settled(&one).await;
    holds(&one, &[&one, &other]).await;
}

// threat 154: of two primaries the one without its standby acknowledges nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_at_a_primary_that_was_replaced_allows_nothing_and_hears_of_kills_afterwards() {
    let Some(mut primary) = PostgresServer::start() else { return };
    let standby = primary.standby(true);
    let (own, others) = (Relay::to(primary.address()), Relay::to(primary.address()));
    let url = primary.url_with_password();
    let stale = replica(&or(&own.leads_to(&url), &standby), "stale").await;
    let other = replica(&or(&others.leads_to(&url), &standby), "other").await;
    let alice = other.alice_with_bot(&["api:GET /**"]).await;
    let (run, doomed) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    heard(&stale, &doomed).await;
    tries(&stale, &doomed).await.unwrap();

    standby.promote();
    drop(others);
    eventually("the other is at the new primary", async || tries(&other, &run).await.is_ok()).await;
    alice.kills(&doomed).await;
    tokio::time::timeout(SOON * 2, stale.plane().lost()).await.expect("it cannot say a word");
    for _ in 0..3 {
        let refused = tries(&stale, &doomed).await;
        assert_eq!(refused.unwrap_err(), UNAVAILABLE);
    }
    primary.crash();
    eventually("it is at the new primary too", async || {
        let refused = tries(&stale, &doomed).await.unwrap_err();
        assert!(refused == UNAVAILABLE || refused == "refused.run.killed", "{refused}");
        tries(&stale, &run).await.is_ok()
    })
    .await;
    settled(&other).await;
    holds(&other, &[&stale, &other]).await;
}

// threat 156: without synchronous replication what was acknowledged can be gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_was_behind_is_refused_by_every_server_that_saw_more() {
    let Some(mut primary) = PostgresServer::start() else { return };
    let standby = primary.standby(false);
    let url = or(&primary.url_with_password(), &standby);
    let (one, other) = (replica(&url, "one").await, replica(&url, "other").await);
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let (run, doomed) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    heard(&other, &doomed).await;
    tries(&one, &run).await.unwrap();
    let caught_up = "SELECT count(*) FROM pg_stat_replication \
                     WHERE replay_lsn >= pg_current_wal_lsn()";
    eventually("the standby has all of it", async || primary.sql(caught_up) == "1").await;
    standby.stops_following();
    alice.kills(&doomed).await;
    eventually("the other heard of the kill", async || {
        tries(&other, &doomed).await.unwrap_err() == "refused.run.killed"
    })
    .await;
    primary.crash();
    standby.promote();

    // Whoever starts now knows no better, and goes on from there.
    let late = replica(&url, "late").await;
    for _ in 0..10 {
        tries(&late, &run).await.unwrap();
    }
    for plane in [&one, &other] {
        let told = async || run.through(plane).permit(get("/v1/items")).await.err();
        eventually("it says why", async || {
            let refusal = told().await.expect("it saw more");
            assert_eq!(refusal.code.text(), UNAVAILABLE);
            refusal.remedy.is_some_and(|remedy| remedy.contains("a human must look"))
        })
        .await;
        tokio::time::timeout(SOON, plane.plane().lost()).await.expect("what is open is cut");
        for _ in 0..5 {
            assert_eq!(tries(plane, &run).await.unwrap_err(), UNAVAILABLE);
            let killed = tries(plane, &doomed).await.unwrap_err();
            assert_eq!(killed, UNAVAILABLE);
        }
        let acting = alice.acting().await;
        let kill = plane.plane().kill(&acting, marque_plane::spec::KillTarget::All).await;
        assert!(kill.unwrap_err().message.contains("a standby that was behind"));
    }
    holds(&late, &[&late]).await;
}
