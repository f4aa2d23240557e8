//! Dry runs: every verb says what it would do, and does not do it.

use marque_crypto::Secret;
use marque_domain::Limits;
use marque_plane::spec::{KillTarget, LimitSpec};
use marque_testkit::{Human, TestPlane, agent, asking, connection, lines, post, run_of};

/// Everything that can be seen of a plane.
async fn everything(plane: &TestPlane, alice: &Human) -> String {
    let (front, acting) = (plane.plane(), alice.acting().await);
    let views = (
        front.agents(&acting).unwrap(),
        front.connections(&acting).unwrap(),
        front.grants(&acting, None).unwrap(),
        front.runs(&acting, true).await.unwrap(),
        front.approvals(&acting, true).await.unwrap(),
        front.status(),
    );
    serde_json::to_string(&views).unwrap() + &plane.log().text()
}

#[tokio::test]
async fn a_rehearsed_verb_answers_and_changes_nothing() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let grant = alice.grants_lines("bot", asking(&["api:POST /**"])).await.id.to_string();
    let run = alice.starts_a_run("bot").await;
    let asked = run.asks(post("/1")).await.is_held("refused.mandate.needs_approval").to_string();
    let before = everything(&plane, &alice).await;

    let (front, who) = (plane.plane(), alice.rehearsing().await);
    let secret = || Secret::from_string("another".to_owned());
    assert_eq!(front.add_agent(&who, agent("new")).await.unwrap().name.as_str(), "new");
    front.add_connection(&who, connection("new"), Some(secret())).await.unwrap();
    front.rotate_connection(&who, "api", secret()).await.unwrap();
    assert_eq!(front.remove_connection(&who, "api").await.unwrap().state, "removed");
    let spec = LimitSpec { limits: Limits { calls: Some(0), ..Limits::default() }, clear: true };
    assert_eq!(
        front.limit_agent(&who, "bot", spec.clone()).await.unwrap().budget.calls_left,
        Some(0)
    );
    front.limit_connection(&who, "api", spec).await.unwrap();
    front.add_grant(&who, alice.grant("bot", lines(&["api:PUT /**"]))).await.unwrap();
    assert_eq!(front.revoke_grant(&who, &grant).await.unwrap().state, "revoked");
    assert_eq!(front.suspend_agent(&who, "bot").await.unwrap().state, "suspended");
    assert_eq!(front.retire_agent(&who, "bot").await.unwrap().state, "retired");
    front.open_run(&who, run.launcher(), run_of("bot")).await.unwrap();
    assert_eq!(front.kill(&who, KillTarget::All).await.unwrap().runs, [run.id()]);
    front.close_task(&who, run.opened().run.task.clone()).await.unwrap();
    assert_eq!(front.decline_approval(&who, &asked).await.unwrap().state, "declined");

    assert_eq!(everything(&plane, &alice).await, before);
    run.calls("GET", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn a_rehearsed_verb_fails_as_the_real_one_would() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let (rehearsing, acting) = (alice.rehearsing().await, alice.acting().await);
    let rehearsed = plane.plane().add_agent(&rehearsing, agent("bot")).await.unwrap_err();
    let real = plane.plane().add_agent(&acting, agent("bot")).await.unwrap_err();
    assert_eq!(rehearsed, real);
}

#[tokio::test]
async fn a_rehearsed_run_has_no_secret_that_works() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let who = alice.rehearsing().await;
    let opened = plane.plane().open_run(&who, alice.peer(), run_of("bot")).await.unwrap();
    let presented = marque_plane::Presented::RunSecret {
        run: opened.run.id.to_string(),
        secret: Secret::from_string(opened.secret),
    };
    assert!(plane.plane().identify_run(&presented).is_err());
}
