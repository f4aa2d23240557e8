//! Approvals: one human, one factor, one digest, one use.

use std::time::Duration;

use marque_domain::{Answer, Digest, Verb};
use marque_plane::AdminKind;
use marque_plane::spec::{KillTarget, RunSpec};
use marque_testkit::{Call, Human, RunActor, Setup, TestPlane, asking, post, run_of};

const HELD: &str = "refused.mandate.needs_approval";

async fn a_run_that_asks(plane: &TestPlane) -> (Human, RunActor) {
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /v1/**"])).await;
    let run = alice.starts_a_run("bot").await;
    (alice, run)
}

fn order() -> Call {
    post("/v1/orders").query("dry=0").header("content-type", "text/plain").body("ten")
}

#[tokio::test]
async fn a_held_call_goes_through_once_after_a_human_said_yes() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    alice.approves(asked).await.unwrap();
    run.asks(order()).await.is_allowed();
    let log = plane.log();
    assert_eq!(log.last_decision().approval, Some(asked));
    assert_eq!(log.verbs().last(), Some(&Verb::ApprovalGiven));
}

// threat 128
#[tokio::test]
async fn an_approval_is_used_once() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    alice.approves(asked).await.unwrap();
    run.asks(order()).await.is_allowed();
    let again = run.asks(order()).await.is_held(HELD);
    assert_ne!(again, asked, "a second use is a second question");
    assert!(alice.approves(asked).await.is_err(), "it cannot be given anew");
}

// threat 127
#[tokio::test]
async fn an_approval_of_one_operation_serves_no_other() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    alice.approves(asked).await.unwrap();
    let others = [
        order().body("ten thousand"),
        order().query("dry=1"),
        order().header("content-type", "application/json"),
        order().header("x-account", "2"),
        post("/v1/orders/2").query("dry=0").header("content-type", "text/plain").body("ten"),
        post("/v1/orders").body("ten"),
    ];
    for other in others {
        let question = run.asks(other).await.is_held(HELD);
        assert_ne!(question, asked);
    }
    run.asks(order().to("other.test")).await.is_refused("refused.mandate.nothing_allows");
    run.asks(order().in_the_clear()).await.is_refused("refused.mandate.nothing_allows");
    run.asks(order()).await.is_allowed();
}

// threat 127: the human answers what they were shown, and nothing that took its place.
#[tokio::test]
async fn a_yes_to_another_digest_than_the_one_asked_is_refused() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD).to_string();
    let other = Digest::from_bytes([7; 32]);
    let plane = plane.plane();
    let error = plane.give_approval(alice.peer(), alice.factor(), &asked, other).await.unwrap_err();
    assert_eq!(error.kind, AdminKind::Conflict);
    run.asks(order()).await.is_held(HELD);
}

// threat 128
#[tokio::test]
async fn an_approval_lapses_asked_or_given() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let given = run.asks(order()).await.is_held(HELD);
    alice.approves(given).await.unwrap();
    plane.clock().advance(Duration::from_secs(15 * 60));
    let asked = run.asks(order()).await.is_held(HELD);
    plane.clock().advance(Duration::from_secs(15 * 60));
    assert_eq!(alice.approves(asked).await.unwrap_err().kind, AdminKind::Conflict);
}

// threat 128
#[tokio::test]
async fn an_approval_serves_no_other_run_of_the_same_agent() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    alice.approves(asked).await.unwrap();
    let other = alice.starts_a_run("bot").await;
    other.asks(order()).await.is_held(HELD);
    run.asks(order()).await.is_allowed();
}

// threat 128
#[tokio::test(flavor = "multi_thread")]
async fn of_two_uses_at_once_one_goes_through() {
    let home = marque_testkit::FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    alice.approves(asked).await.unwrap();
    let (one, two, three) = tokio::join!(run.asks(order()), run.asks(order()), run.asks(order()));
    let passed = [one, two, three].into_iter().filter(marque_testkit::Verdict::passed).count();
    assert_eq!(passed, 1);
}

// threat 128: an approval lifts a hold, not a rule that came after it.
#[tokio::test]
async fn an_approval_does_not_outlive_the_grant_under_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let grant = alice.grants_lines("bot", asking(&["api:POST /v1/**"])).await;
    let run = alice.starts_a_run("bot").await;
    let asked = run.asks(order()).await.is_held(HELD);
    alice.approves(asked).await.unwrap();
    alice.revokes(&grant).await;
    run.asks(order()).await.is_refused("refused.mandate.nothing_allows");
}

// threats 134, 178
#[tokio::test]
async fn a_kill_beats_an_approval_that_lands_with_it() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let given = run.asks(order()).await.is_held(HELD);
    let waiting = run.asks(order().body("eleven")).await.is_held(HELD);
    alice.approves(given).await.unwrap();
    alice.kills(&run).await;
    run.asks(order()).await.is_refused("refused.run.killed");
    assert!(alice.approves(waiting).await.is_err(), "a late yes finds nothing to answer");
    run.asks(order().body("eleven")).await.is_refused("refused.run.killed");
}

#[tokio::test]
async fn a_declined_question_is_not_served_and_may_be_asked_again() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    let acting = alice.acting().await;
    plane.plane().decline_approval(&acting, &asked.to_string()).await.unwrap();
    assert_ne!(run.asks(order()).await.is_held(HELD), asked);
}

// threat 130
#[tokio::test]
async fn the_same_question_is_asked_once_and_a_run_asks_only_so_many() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD);
    assert_eq!(run.asks(order()).await.is_held(HELD), asked);
    for place in 0..31 {
        run.asks(post(&format!("/v1/{place}"))).await.is_held(HELD);
    }
    run.asks(post("/v1/one-too-many")).await.is_refused("refused.record.overloaded");
    let waiting = plane.plane().approvals(&alice.acting().await, false).await.unwrap();
    assert_eq!(waiting.len(), 32);
}

#[tokio::test]
async fn what_cannot_be_shown_whole_cannot_be_approved() {
    let plane = TestPlane::new().await;
    let (_, run) = a_run_that_asks(&plane).await;
    run.asks(post("/v1/orders").streamed()).await.is_refused("refused.mandate.body_too_large");
}

// threat 139: what the agent wrote reaches the human escaped, and the log on one line.
#[tokio::test]
async fn control_characters_of_an_agent_stay_inside_their_json_text() {
    let plane = TestPlane::new().await;
    let (_, run) = a_run_that_asks(&plane).await;
    let path = "/v1/\u{1b}[2J\n{\"event\":\"claimed\"}";
    run.asks(post(path)).await.is_held(HELD);
    let log = plane.log();
    assert_eq!(log.last_decision().operation.resource, [path]);
    assert_eq!(log.text().lines().count(), log.size(), "an entry is one line");
    assert!(!log.text().contains('\u{1b}'));
}

#[tokio::test]
async fn no_human_is_asked_for_what_would_be_refused_anyway() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /v1/**"])).await;
    let limits = marque_domain::Limits { calls: Some(0), ..marque_domain::Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    run.asks(order()).await.is_refused("refused.limits.calls_spent");
    assert!(plane.plane().approvals(&alice.acting().await, true).await.unwrap().is_empty());
}

#[tokio::test]
async fn everybody_is_told_who_asks_for_what_and_where_it_stands() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_that_asks(&plane).await;
    let asked = run.asks(order()).await.is_held(HELD).to_string();
    let acting = alice.acting().await;
    let shown = plane.plane().approval(&acting, &asked).await.unwrap();
    assert_eq!((shown.state.as_str(), shown.line.as_str()), ("asked", "api:POST /v1/orders"));
    assert_eq!(shown.actor.agent.as_str(), "bot");
    assert!(matches!(plane.log().last_decision().answer, Answer::Held { .. }));
    plane.plane().kill(&acting, KillTarget::All).await.unwrap();
    let shown = plane.plane().approvals(&acting, true).await.unwrap();
    assert_eq!(shown[0].state, "lapsed");
}
