//! Life and death of agents, connections and names: every path is tried again afterwards.

use marque_plane::AdminKind;
use marque_plane::spec::RunSpec;
use marque_testkit::{TestPlane, agent, asking, child, connection, get, lines, post, run_of};

// threat 180
#[tokio::test]
async fn a_suspended_agent_does_nothing_by_any_path() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /**"])).await;
    let run = alice.starts_a_run("bot").await;
    let asked = run.asks(post("/v1/items")).await.is_held("refused.mandate.needs_approval");
    alice.approves(asked).await.unwrap();
    let lease = run.opens(get("/v1/slow")).await.lease;
    let acting = alice.acting().await;
    plane.plane().suspend_agent(&acting, "bot").await.unwrap();
    assert!(lease.is_cancelled());
    run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
    run.asks(post("/v1/items")).await.is_refused("refused.run.killed");
    assert_eq!(run.starts(child()).await.err().unwrap().kind, AdminKind::Conflict);
    assert_eq!(alice.starts(run_of("bot")).await.err().unwrap().kind, AdminKind::Conflict);
    plane.plane().resume_agent(&acting, "bot").await.unwrap();
    run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
    alice.starts_a_run("bot").await.calls("GET", "/v1/items").await.is_allowed();
}

// threats 180, 182
#[tokio::test]
async fn a_retired_agent_is_gone_for_good_and_so_is_its_name() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let acting = alice.acting().await;
    plane.plane().retire_agent(&acting, "bot").await.unwrap();
    run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
    assert_eq!(alice.starts(run_of("bot")).await.err().unwrap().kind, AdminKind::Conflict);
    let again = plane.plane().add_agent(&acting, agent("bot")).await.unwrap_err();
    assert_eq!(again.kind, AdminKind::Conflict);
    let back = plane.plane().resume_agent(&acting, "bot").await.unwrap_err();
    assert_eq!(back.kind, AdminKind::Conflict);
}

// threat 182: not after a restart either.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_name_stays_taken_when_the_server_starts_again() {
    let home = marque_testkit::FilePlane::new();
    let plane = home.start(marque_testkit::Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    plane.plane().retire_agent(&alice.acting().await, "bot").await.unwrap();
    plane.stop().await;
    drop(alice);
    let plane = home.start(marque_testkit::Setup::default()).await;
    let acting = plane.alice().acting().await;
    let again = plane.plane().add_agent(&acting, agent("bot")).await.unwrap_err();
    assert_eq!(again.kind, AdminKind::Conflict);
    plane.stop().await;
}

// threat 180
#[tokio::test]
async fn a_removed_connection_serves_nobody_and_its_credential_is_shredded() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let acting = alice.acting().await;
    plane.plane().remove_connection(&acting, "api").await.unwrap();
    run.calls("GET", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    let fresh = alice.starts_a_run("bot").await;
    fresh.calls("GET", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    let sealed = plane.store().read("test", |tx| Ok(tx.all_sealed()?.len())).unwrap();
    assert_eq!(sealed, 0);
    let named = plane.plane().add_connection(&acting, unsealed("api"), None).await.unwrap_err();
    assert_eq!(named.kind, AdminKind::Conflict, "its name is not given again");
    plane.plane().add_connection(&acting, unsealed("api2"), None).await.unwrap();
    run.calls("GET", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
}

fn unsealed(name: &str) -> marque_plane::spec::ConnectionSpec {
    marque_plane::spec::ConnectionSpec { slot: None, ..connection(name) }
}

// threat 180
#[tokio::test]
async fn a_revoked_grant_opens_no_run_and_no_child() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let grant = alice.grants("bot", &["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    alice.revokes(&grant).await;
    run.calls("GET", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    assert_eq!(run.starts(child()).await.err().unwrap().kind, AdminKind::Forbidden);
    assert_eq!(alice.starts(run_of("bot")).await.err().unwrap().kind, AdminKind::Forbidden);
    let acting = alice.acting().await;
    let again = plane.plane().revoke_grant(&acting, &grant.id.to_string()).await.unwrap_err();
    assert_eq!(again.kind, AdminKind::Conflict);
}

#[tokio::test]
async fn a_closed_run_cannot_spend_a_live_grant() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let ended = run.ends().await;
    assert_eq!(ended.run.state, "done");
    run.calls("GET", "/v1/items").await.is_refused("refused.run.closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_closes_the_runs_an_earlier_server_held() {
    let home = marque_testkit::FilePlane::new();
    let plane = home.start(marque_testkit::Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let after = home.as_after_a_crash();
    let plane = after.start(marque_testkit::Setup::default()).await;
    let ask = marque_plane::Ask {
        presented: run.presented(),
        operation: get("/v1/items").operation().clone(),
        announced_bytes: 0,
    };
    assert_eq!(marque_testkit::code_of(plane.plane().decide(ask).await), "refused.caller.unknown");
    let shown = plane.plane().run(&plane.alice().acting().await, &run.id().to_string()).await;
    assert_eq!(shown.unwrap().state, "orphaned");
}

#[tokio::test]
async fn a_run_lasts_no_longer_than_an_administrator_allows() {
    let settings = marque_plane::Settings {
        max_run_ttl: std::time::Duration::from_secs(60),
        ..marque_plane::Settings::default()
    };
    let setup = marque_testkit::Setup { settings, ..Default::default() };
    let plane = TestPlane::with(setup).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let mandate = lines(&["api:GET /v1/**"]);
    let run = alice.starts(RunSpec { mandate, ..run_of("bot") }).await.unwrap();
    let view = &run.opened().run;
    assert_eq!(view.expires_at.since(view.opened_at).as_secs(), 60);
}
