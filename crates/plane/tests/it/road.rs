//! The road itself: eight stages, one order, one screen.

use marque_domain::Stage;
use marque_plane::spec::RunSpec;
use marque_plane::{Ask, Presented, Preview};
use marque_testkit::{TestPlane, get, lines, post, run_of};

const DECIDE: &str = include_str!("../../src/decide.rs");

// What each stage's one call looks like.
const CALLS: [(Stage, &str); 8] = [
    (Stage::Caller, " caller::"),
    (Stage::Run, " run::"),
    (Stage::Mandate, " mandate::"),
    (Stage::Policy, " policy::"),
    (Stage::Trust, "trust::weigh"),
    (Stage::Limits, " limits::"),
    (Stage::Broker, " broker::"),
    (Stage::Record, " record::allow"),
];

/// The body of one function, without comments.
fn body(name: &str) -> String {
    let start = DECIDE.find(&format!("fn {name}(")).expect("decide.rs has this function");
    let text = &DECIDE[start..];
    let end = text.find("\n}").expect("a function ends at the margin");
    let code = text[..end].lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_road_fits_a_screen() {
    assert!(DECIDE.lines().count() <= 150, "decide.rs is the one screen everybody reads");
}

#[test]
fn the_eight_stages_are_called_once_each_and_in_order() {
    assert!(CALLS.iter().map(|(stage, _)| *stage).eq(Stage::ALL));
    let road = body("walk") + &body("decide");
    let places: Vec<_> = CALLS.iter().map(|(_, call)| road.find(call)).collect();
    assert!(places.iter().all(Option::is_some), "{places:?}");
    assert!(places.is_sorted(), "the stages are out of order: {places:?}");
    for (stage, call) in CALLS {
        assert_eq!(road.matches(call).count(), 1, "{stage} is asked once");
    }
}

#[test]
fn a_stage_says_that_it_was_passed_before_the_next_is_asked() {
    let walk = body("walk");
    for ((_, call), (stage, _)) in CALLS.iter().skip(1).zip(CALLS).take(6) {
        let passed = walk.find(&format!("Stage::{stage:?})")).expect("each stage is timed");
        assert!(passed < walk.find(call).unwrap(), "{stage} is left before `{call}`");
    }
}

#[tokio::test]
async fn a_call_without_a_proof_is_refused_and_recorded() {
    let plane = TestPlane::new().await;
    let ask = Ask {
        presented: Presented::Nothing,
        operation: get("/v1/items").operation().clone(),
        announced_bytes: 0,
    };
    let refusal = plane.plane().decide(ask).await.err().unwrap();
    assert_eq!(refusal.code.text(), "refused.caller.missing");
    assert_eq!(plane.log().codes(), ["refused.caller.missing"]);
    assert_eq!(plane.log().last_decision().actor, None);
}

#[tokio::test]
async fn a_secret_of_another_run_does_not_open_this_one() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let (mine, other) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    let Presented::RunSecret { secret, .. } = other.presented() else { unreachable!() };
    let mixed = Presented::RunSecret { run: mine.id().to_string(), secret };
    let ask = Ask {
        presented: mixed,
        operation: get("/v1/items").operation().clone(),
        announced_bytes: 0,
    };
    let refusal = plane.plane().decide(ask).await.err().unwrap();
    assert_eq!(refusal.code.text(), "refused.caller.unknown");
}

#[tokio::test]
async fn an_allowed_call_carries_a_credential_the_run_never_held() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /v1/**"]).await;
    let run = alice.starts_a_run("bot").await;
    let done = run.calls("GET", "/v1/items").await.is_allowed();
    let (header, value) = done.injected.unwrap();
    assert_eq!((header.as_str(), value), ("authorization", bearer()));
    let told = serde_json::to_string(run.opened()).unwrap();
    assert!(!told.contains(marque_testkit::CANARY));
    assert!(!plane.log().text().contains(marque_testkit::CANARY));
}

fn bearer() -> String {
    format!("Bearer {}", marque_testkit::CANARY)
}

#[tokio::test]
async fn a_preview_says_what_the_road_would_and_leaves_no_trace() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", marque_testkit::asking(&["api:POST /v1/items"])).await;
    let run = alice.starts_a_run("bot").await;
    let before = plane.log().size();
    let preview = |call: marque_testkit::Call| {
        let ask = Ask {
            presented: run.presented(),
            operation: call.operation().clone(),
            announced_bytes: 0,
        };
        plane.plane().preview(&ask)
    };
    assert_eq!(preview(get("/v1/items")), Preview::WouldPass);
    assert_eq!(preview(post("/v1/items")), Preview::WouldHold);
    assert!(matches!(preview(post("/v1/users")), Preview::WouldRefuse(_)));
    assert_eq!(plane.log().size(), before);
}

// threat 178: what was decided on facts that are gone is decided again.
#[tokio::test]
async fn facts_that_change_under_a_decision_make_it_walk_the_road_again() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let (secret, acting) = (new_secret(), alice.acting().await);
    let run = alice.starts_a_run("bot").await;
    let inner = plane.clone();
    plane.clock().interfere_once(move || {
        poll_once(inner.plane().rotate_connection(&acting, "api", secret)).unwrap();
    });
    let done = run.calls("GET", "/v1/items").await.is_allowed();
    assert_eq!(done.injected.unwrap().1, "Bearer another-secret", "the newest is used");
    assert_eq!(plane.log().allowed(), 1);
}

#[tokio::test]
async fn facts_that_never_stand_still_refuse_the_decision() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let acting = alice.acting().await;
    let run = alice.starts_a_run("bot").await;
    let inner = plane.clone();
    plane.clock().interfere(move || {
        poll_once(inner.plane().rotate_connection(&acting, "api", new_secret())).unwrap();
    });
    let verdict = run.calls("GET", "/v1/items").await;
    plane.clock().leave();
    verdict.is_refused("refused.record.facts_changed");
    run.calls("GET", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn a_grant_revoked_under_a_decision_is_not_used_by_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    let grant = alice.grants("bot", &["api:GET /**"]).await;
    let acting = alice.acting().await;
    let run = alice.starts(RunSpec { mandate: lines(&["api:GET /**"]), ..run_of("bot") }).await;
    let (run, inner) = (run.unwrap(), plane.clone());
    plane.clock().interfere_once(move || {
        poll_once(inner.plane().revoke_grant(&acting, &grant.id.to_string())).unwrap();
    });
    run.calls("GET", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    assert_eq!(plane.log().allowed(), 0);
}

#[tokio::test]
async fn a_run_killed_under_a_decision_gets_no_permit() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let acting = alice.acting().await;
    let run = alice.starts_a_run("bot").await;
    let (inner, target) = (plane.clone(), marque_plane::spec::KillTarget::All);
    plane.clock().interfere_once(move || {
        poll_once(inner.plane().kill(&acting, target)).unwrap();
    });
    run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
}

fn new_secret() -> marque_crypto::Secret {
    marque_crypto::Secret::from_string("another-secret".to_owned())
}

/// In memory a verb is done when it is first looked at.
fn poll_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("a change in memory waits for nobody"),
    }
}
