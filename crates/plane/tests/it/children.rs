//! Child runs: inside the parent in every respect, and gone with it.

use std::time::Duration;

use marque_domain::{Event, Limits};
use marque_plane::AdminKind;
use marque_plane::spec::RunSpec;
use marque_testkit::{TestPlane, child, get, lines, run_of};

#[tokio::test]
async fn a_child_stays_inside_its_parents_mandate() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:read /**", "api:write /**"]).await;
    let mandate = lines(&["api:GET /v1/**"]);
    let parent = alice.starts(RunSpec { mandate, ..run_of("bot") }).await.unwrap();
    let same = parent.starts(child()).await.unwrap();
    same.calls("GET", "/v1/items").await.is_allowed();
    same.calls("POST", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    let wider = RunSpec { mandate: lines(&["api:POST /v1/items"]), ..child() };
    assert_eq!(parent.starts(wider).await.err().unwrap().kind, AdminKind::Forbidden);
}

#[tokio::test]
async fn a_child_of_another_agent_stays_inside_both() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.registers("coder").await;
    alice.grants("coder", &["api:GET /v1/**", "api:POST /v1/**"]).await;
    let parent = alice.starts_a_run("bot").await;
    let coder = parent.starts(run_of("coder")).await.unwrap();
    coder.calls("GET", "/v1/items").await.is_allowed();
    coder.calls("POST", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    coder.calls("GET", "/v2/items").await.is_refused("refused.mandate.nothing_allows");
    let log = plane.log();
    assert_eq!(log.last_decision().actor.as_ref().unwrap().chain.actors.len(), 2);
}

// threat 46: what was taken from the parent is taken from the child.
#[tokio::test]
async fn a_grant_revoked_from_the_parents_agent_stops_the_child() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let grant = alice.grants("bot", &["api:GET /**"]).await;
    alice.registers("coder").await;
    alice.grants("coder", &["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    let coder = parent.starts(run_of("coder")).await.unwrap();
    coder.calls("GET", "/v1/items").await.is_allowed();
    alice.revokes(&grant).await;
    coder.calls("GET", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    let own = alice.starts_a_run("coder").await;
    own.calls("GET", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn a_child_never_outlives_its_parent() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts(RunSpec { ttl_secs: 60, ..run_of("bot") }).await.unwrap();
    let child = parent.starts(RunSpec { ttl_secs: 3_600, ..child() }).await.unwrap();
    assert_eq!(child.opened().run.expires_at, parent.opened().run.expires_at);
    plane.clock().advance(Duration::from_secs(60));
    child.calls("GET", "/v1/items").await.is_refused("refused.run.expired");
}

// threat 179
#[tokio::test]
async fn killing_a_parent_kills_its_children_and_theirs() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    let one = parent.starts(child()).await.unwrap();
    let two = one.starts(child()).await.unwrap();
    let lease = two.opens(get("/v1/items")).await.lease;
    assert_eq!(alice.kills(&parent).await.runs.len(), 3);
    assert!(lease.is_cancelled());
    for run in [&parent, &one, &two] {
        run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
    }
}

// threat 179
#[tokio::test]
async fn a_parent_that_ends_takes_its_children_with_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    let child = parent.starts(child()).await.unwrap();
    parent.ends().await;
    child.calls("GET", "/v1/items").await.is_refused("refused.run.closed");
    let closed = plane.log().entries().iter().filter(|entry| is_closing(&entry.event)).count();
    assert_eq!(closed, 2);
    let late = parent.starts(marque_testkit::child()).await.err().unwrap();
    assert_eq!(late.kind, AdminKind::Conflict);
}

fn is_closing(event: &Event) -> bool {
    matches!(event, Event::RunClosed { .. })
}

#[tokio::test]
async fn a_childs_calls_count_against_its_parent() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls: Some(3), ..Limits::default() };
    let parent = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    let (one, two) = (parent.starts(child()).await.unwrap(), parent.starts(child()).await.unwrap());
    one.calls("GET", "/v1/1").await.is_allowed();
    two.calls("GET", "/v1/2").await.is_allowed();
    parent.calls("GET", "/v1/3").await.is_allowed();
    let refusal = one.calls("GET", "/v1/4").await.is_refused("refused.limits.calls_spent");
    assert!(refusal.message.contains("a run above this one"), "{refusal}");
}

// threat 45
#[tokio::test]
async fn a_chain_is_only_so_deep() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let first = alice.starts_a_run("bot").await;
    let second = first.starts(child()).await.unwrap();
    let third = second.starts(child()).await.unwrap();
    let fourth = third.starts(child()).await.unwrap();
    let error = fourth.starts(child()).await.err().unwrap();
    assert!(error.message.contains("at most 4"), "{error}");
    fourth.calls("GET", "/v1/items").await.is_allowed();
}

// threat 45
#[tokio::test]
async fn one_tree_of_runs_takes_only_so_much_room() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    for _ in 1..64 {
        parent.starts(child()).await.unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(parent.starts(child()).await.err().unwrap().kind, AdminKind::Unavailable);
    alice.starts_a_run("bot").await.calls("GET", "/").await.is_allowed();
}

// threat 45
#[tokio::test]
async fn an_agent_does_not_come_back_by_way_of_another() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.registers("coder").await;
    alice.grants("coder", &["api:GET /**"]).await;
    let bot = alice.starts_a_run("bot").await;
    let coder = bot.starts(run_of("coder")).await.unwrap();
    let error = coder.starts(run_of("bot")).await.err().unwrap();
    assert!(error.message.contains("must not loop"), "{error}");
}

#[tokio::test]
async fn a_child_acts_for_nobody_its_parent_does_not_act_for() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    let spec = RunSpec { on_behalf_of: "alice".parse().ok(), ..child() };
    let child = parent.starts(spec).await;
    let person = child.ok().and_then(|child| child.opened().run.on_behalf_of.clone());
    assert_eq!(person, None, "only a human's own proof lends their name");
}
