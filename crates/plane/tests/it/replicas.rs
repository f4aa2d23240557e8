//! Servers that share a store: one plane, whichever of them is asked.

mod clocks;
mod failover;
mod network;
mod returning;

use std::time::Duration;

use marque_domain::{Event, Limits, Outcome, Refusal};
use marque_plane::{Crossed, broker};
use marque_store::OpenOptions;
use marque_testkit::{PostgresServer, RunActor, Setup, TestPlane, get};

const SOON: Duration = Duration::from_secs(2);
/// Generous: machines are busy.
const PATIENCE: Duration = Duration::from_secs(20);
const UNAVAILABLE: &str = "refused.record.log_unavailable";

/// Asks that server, goes through with it, and waits for nothing but the answer, which comes in
/// time whatever the database does. The code of a refusal.
async fn tries(plane: &TestPlane, run: &RunActor) -> Result<(), String> {
    let asked = async {
        let permit = run.through(plane).permit(get("/v1/items")).await?;
        let opened = broker::open(plane.plane(), permit)?;
        opened.lease.finish(Outcome::Answered { status: 200 }, Crossed::default());
        Ok::<_, Refusal>(())
    };
    let answered = tokio::time::timeout(SOON, asked).await.expect("nobody waits that long");
    answered.map_err(|refusal| refusal.code.text())
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, waiting).await;
    came.unwrap_or_else(|_| panic!("it never came to this: {what}"));
}

async fn replica(url: &str, name: &str) -> TestPlane {
    let seed = name.bytes().map(u64::from).sum();
    let store = OpenOptions { replica: name.to_owned(), ..OpenOptions::default() };
    TestPlane::in_postgres(url, Setup { store, seed, ..Setup::default() }).await
}

async fn two(url: &str) -> (TestPlane, TestPlane) {
    (replica(url, "one").await, replica(url, "other").await)
}

/// Waits until a server has heard of a run.
async fn heard(plane: &TestPlane, run: &RunActor) {
    let hears = async {
        while plane.plane().caller(&run.presented()).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, hears).await.unwrap();
}

// threat 154
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_one_server_is_served_by_another_and_the_log_is_one() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (one, other) = two(&url).await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let there = run.through(&other);
    heard(&other, &run).await;
    for _ in 0..5 {
        run.calls("GET", "/v1/items").await.is_allowed();
        there.calls("GET", "/v1/items").await.is_allowed();
    }
    there.calls("DELETE", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    let log = other.log();
    assert_eq!(log.allowed(), 10);
    assert!(log.entries().iter().map(|entry| entry.index).eq(0..log.size() as u64));
    for plane in [&one, &other] {
        assert!(log.verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
    }
}

// threat 178
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_one_server_cuts_what_is_open_on_another() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (one, other) = two(&url).await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let there = run.through(&other);
    heard(&other, &run).await;
    let lease = there.opens(get("/v1/slow")).await.lease;
    alice.kills(&run).await;
    tokio::time::timeout(Duration::from_secs(1), lease.cancelled()).await.unwrap();
    there.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
}

// threat 154: a budget is spent once, whichever server is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_exact_over_all_servers() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (one, other) = two(&url).await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", Limits { calls: Some(20), ..Limits::default() }).await;
    let run = alice.starts_a_run("bot").await;
    let there = run.through(&other);
    heard(&other, &run).await;
    let ask = |run: RunActor| async move {
        let mut allowed = 0;
        for _ in 0..15 {
            allowed += usize::from(run.permit(get("/v1/items")).await.is_ok());
        }
        allowed
    };
    let here = run.through(&one);
    let (here, there) = tokio::join!(ask(here), ask(there));
    assert_eq!(here + there, 20);
    assert_eq!(one.log().allowed(), 20);
}

// threat 154: an approval is used once, whichever server is asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_lets_one_call_pass_on_one_server() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (one, other) = two(&url).await;
    let alice = one.alice_with_bot(&[]).await;
    alice.grants_lines("bot", marque_testkit::asking(&["api:DELETE /**"])).await;
    let run = alice.starts_a_run("bot").await;
    heard(&other, &run).await;
    let held = run.permit(marque_testkit::delete("/v1/items")).await.err().unwrap();
    alice.approves(held.approval.unwrap()).await.unwrap();
    let ask = |run: RunActor| async move {
        run.permit(marque_testkit::delete("/v1/items")).await.is_ok()
    };
    let (here, there) = (run.through(&one), run.through(&other));
    let (here, there) = tokio::join!(ask(here), ask(there));
    assert!(here != there, "one of them passed");
}

// threat 153: what a server allowed and told no outcome of is marked unknown by another.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_that_is_gone_left_behind_is_settled_by_another() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let (one, other) = two(&url).await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    heard(&other, &run).await;
    let permit = run.permit(get("/v1/items")).await.unwrap();
    let decision = permit.decision();
    drop(permit);
    let settled = async {
        let is_unknown = |event: &Event| {
            matches!(event, Event::Outcome { decision: of, result, .. }
                if *of == decision && *result == Outcome::Unknown)
        };
        while !other.log().entries().iter().any(|entry| is_unknown(&entry.event)) {
            // It lives, so it says again and again that it does.
            server.sql_in(&url, "UPDATE replicas SET seen = 0 WHERE name = 'one'");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), settled).await.unwrap();
    let is_held = |(key, _): &(String, String)| key.starts_with("held ");
    let held = other.store().read("test.held", |tx| Ok(tx.all_kept()?.iter().any(is_held)));
    assert!(!held.unwrap(), "nothing stays reserved");
    run.calls("GET", "/v1/items").await.is_refused("refused.record.log_unavailable");
    run.through(&other).calls("GET", "/v1/items").await.is_refused("refused.run.closed");
}

// threat 155: what a server of a later release tells in a way of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_for_what_the_others_tell_ends() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let one = replica(&url, "one").await;
    let body = r#"{"facts":[],"kept":[["novel run_1","x"]],"sealed":[]}"#;
    let sql =
        format!("INSERT INTO feed (seq, at, body) SELECT max(seq) + 1, 0, '{body}' FROM feed");
    server.sql_in(&url, &sql);
    tokio::time::timeout(Duration::from_secs(10), one.plane().deposed()).await.unwrap();
    assert!(one.plane().is_deposed());
}

// threat 178: a kill that cannot be heard may have come.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_reach_the_store_refuses_and_says_that_it_is_lost() {
    let Some(server) = PostgresServer::start() else { return };
    let one = replica(&server.url(), "one").await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    assert!(one.plane().behind() < Duration::from_millis(500));
    drop(server);
    tokio::time::timeout(SOON, one.plane().lost()).await.unwrap();
    run.calls("GET", "/v1/items").await.is_refused("refused.record.log_unavailable");
}

// threat 180
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_knows_why_a_run_was_closed_before() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let one = replica(&url, "one").await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    alice.kills(&run).await;
    let other = replica(&url, "other").await;
    assert!(other.plane().caller(&run.presented()).unwrap().is_cancelled());
    run.through(&other).calls("GET", "/v1/items").await.is_refused("refused.run.killed");
}
