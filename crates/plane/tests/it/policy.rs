//! The organisation's policies: they forbid or ask, and never widen.

use marque_testkit::{Setup, TestPlane, post};

async fn under(policy: &'static str) -> TestPlane {
    TestPlane::with(Setup { policies: vec![policy], ..Setup::default() }).await
}

#[tokio::test]
async fn what_a_policy_forbids_no_grant_allows() {
    let plane = under(
        r#"@id("no-orders") @reason("orders are placed by hand")
        forbid (principal, action == Marque::Action::"http:POST", resource);"#,
    )
    .await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let refusal = run.calls("POST", "/v1/orders").await.is_refused("refused.policy.forbidden");
    assert!(refusal.message.contains("orders are placed by hand"), "{refusal}");
    assert_eq!(plane.log().last_decision().rules, ["no-orders"]);
    run.calls("GET", "/v1/orders").await.is_allowed();
}

// threat 128: a policy's question is one digest and one use as well.
#[tokio::test]
async fn what_a_policy_asks_for_goes_through_once_with_an_approval() {
    let plane = under(
        r#"@id("ask-orders") @ask("places an order")
        forbid (principal, action == Marque::Action::"http:POST", resource);"#,
    )
    .await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let order = || post("/v1/orders").body("ten");
    let asked = run.asks(order()).await.is_held("refused.policy.needs_approval");
    alice.approves(asked).await.unwrap();
    run.asks(order().body("twenty")).await.is_held("refused.policy.needs_approval");
    run.asks(order()).await.is_allowed();
    assert_eq!(plane.log().last_decision().rules, ["ask-orders"]);
    run.asks(order()).await.is_held("refused.policy.needs_approval");
}

#[tokio::test]
async fn an_approval_lifts_what_was_asked_and_never_what_is_forbidden() {
    let plane = under(
        r#"@id("ask-orders") @ask("places an order")
        forbid (principal, action == Marque::Action::"http:POST", resource);
        @id("no-weak-orders") @reason("not from here")
        forbid (principal, action == Marque::Action::"http:POST", resource)
        when { context.operation.has_query };"#,
    )
    .await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let order = post("/v1/orders").query("fast=1");
    run.asks(order).await.is_refused("refused.policy.forbidden");
}

#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_refuses() {
    let plane = under(
        r#"@id("overflows")
        forbid (principal, action, resource)
        when { context.trust.score + 9223372036854775807 > 0 };"#,
    )
    .await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_refused("refused.policy.error");
}

#[tokio::test]
async fn every_decision_names_the_policies_it_was_made_under() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.starts_a_run("bot").await.calls("GET", "/").await.is_allowed();
    let digest = plane.plane().status().policy_digest;
    assert_eq!(plane.log().last_decision().policy_digest, Some(digest));
}
