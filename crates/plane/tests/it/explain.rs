//! Explaining: a past decision gives the same answer again from the revisions it rested on.

use marque_domain::Limits;
use marque_plane::spec::{Lines, RunSpec};
use marque_plane::{Ask, Presented};
use marque_testkit::{Human, Setup, TestPlane, asking, get, post, run_of};

/// What an explanation of the last decision says.
async fn replayed(plane: &TestPlane, alice: &Human) -> String {
    let decision = plane.log().last_decision().id.to_string();
    plane.plane().explain(&alice.acting().await, &decision).await.unwrap().replayed
}

fn agrees(said: &str, with: &str) -> bool {
    said == format!("stages 2 to 5 give the same answer from these revisions: {with}")
}

#[tokio::test]
async fn an_allowed_decision_is_replayed_with_its_facts_and_its_outcome() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let grant = alice.grants("bot", &["api:GET /v1/**"]).await;
    let run = alice.starts_a_run("bot").await;
    let done = run.calls("GET", "/v1/items").await.is_allowed();
    alice.revokes(&grant).await;
    let acting = alice.acting().await;
    let told = plane.plane().explain(&acting, &done.decision.to_string()).await.unwrap();
    assert!(agrees(&told.replayed, "allowed by `api:GET /v1/**`"), "{}", told.replayed);
    assert_eq!(told.index, done.index);
    assert!(told.outcome.is_some() && told.policies.is_some());
    let granted = told.facts.iter().find(|fact| fact.reference.id.starts_with("grt_")).unwrap();
    assert_eq!(
        (granted.reference.revision, granted.body["state"]["state"].as_str()),
        (1, Some("live")),
        "as it stood, not as it stands"
    );
}

#[tokio::test]
async fn a_held_and_then_approved_decision_is_replayed() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    alice.grants_lines("bot", asking(&["api:POST /**"])).await;
    let run = alice.starts_a_run("bot").await;
    let asked = run.asks(post("/1")).await.is_held("refused.mandate.needs_approval");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "a hold: refused.mandate.needs_approval"), "{said}");
    alice.approves(asked).await.unwrap();
    run.asks(post("/1")).await.is_allowed();
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "a hold: refused.mandate.needs_approval"), "{said}");
}

#[tokio::test]
async fn every_kind_of_refusal_is_replayed_to_the_same_code() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /**"])).await;
    let never = vec!["api:GET /secret".to_owned()];
    alice.grants_lines("bot", Lines { never, ..Lines::default() }).await;
    let limits = Limits { calls: Some(0), ..Limits::default() };
    let spent = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    let run = alice.starts_a_run("bot").await;

    run.calls("DELETE", "/1").await.is_refused("refused.mandate.nothing_allows");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "refused: refused.mandate.nothing_allows"), "{said}");

    run.calls("GET", "/secret").await.is_refused("refused.mandate.never");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "refused: refused.mandate.never"), "{said}");
    assert_eq!(plane.log().last_decision().line.as_deref(), Some("api:GET /secret"));

    run.asks(get("/").to("elsewhere.test")).await.is_refused("refused.mandate.nothing_allows");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "refused: refused.mandate.nothing_allows"), "{said}");

    run.asks(post("/1").streamed()).await.is_refused("refused.mandate.body_too_large");
    let said = replayed(&plane, &alice).await;
    assert!(said.starts_with("stages 2 to 5 give the same answer"), "{said}");

    spent.calls("GET", "/1").await.is_refused("refused.limits.calls_spent");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "allowed by `api:GET /**`"), "stage 6 is not replayed: {said}");

    alice.kills(&run).await;
    run.calls("GET", "/1").await.is_refused("refused.run.killed");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "refused: refused.run.killed"), "{said}");
}

#[tokio::test]
async fn a_refusal_by_a_policy_is_replayed() {
    let policy = r#"@id("no") @reason("no")
        forbid (principal, action == Marque::Action::"http:POST", resource);"#;
    let plane = TestPlane::with(Setup { policies: vec![policy], ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("POST", "/1").await.is_refused("refused.policy.forbidden");
    let said = replayed(&plane, &alice).await;
    assert!(agrees(&said, "refused: refused.policy.forbidden"), "{said}");
}

#[tokio::test]
async fn a_strangers_refusal_says_that_there_is_nothing_to_replay() {
    let plane = TestPlane::new().await;
    let operation = get("/").operation().clone();
    let refused = plane
        .plane()
        .decide(Ask { presented: Presented::Nothing, operation, announced_bytes: 0 })
        .await;
    assert!(refused.is_err());
    let said = replayed(&plane, &plane.alice()).await;
    assert!(said.starts_with("not replayed: the caller could not be told"), "{said}");
}

#[tokio::test]
async fn a_decision_nobody_made_is_not_explained() {
    let plane = TestPlane::new().await;
    let acting = plane.alice().acting().await;
    assert!(plane.plane().explain(&acting, "dec_01ARZ3NDEKTSV4RRFFQ69G5FAV").await.is_err());
    assert!(plane.plane().explain(&acting, "no id").await.is_err());
}
