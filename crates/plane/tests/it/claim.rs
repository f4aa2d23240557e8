//! The claim and the factor: how a plane gets its first human, and how nobody else becomes one.

use std::time::Duration;

use marque_domain::{Event, Verb};
use marque_plane::{AdminKind, Ask, Peer, Presented};
use marque_testkit::{PASSPHRASE, Setup, TestPlane, get};

#[tokio::test]
async fn the_claim_is_entry_0_and_is_made_once() {
    let plane = TestPlane::unclaimed(Setup::default());
    let alice = plane.alice();
    let claim = alice.claims().await.unwrap();
    assert_eq!(claim.by.as_str(), "alice");
    assert_eq!(plane.log().words(), ["claimed", "started"]);
    assert!(matches!(&plane.log().entries()[0].event, Event::Claimed { by, .. }
        if by.name.as_str() == "alice"));
    assert_eq!(alice.claims().await.unwrap_err().kind, AdminKind::AlreadyClaimed);
    assert_eq!(plane.log().size(), 2);
}

#[tokio::test]
async fn before_the_claim_nothing_is_allowed_and_nothing_recorded() {
    let plane = TestPlane::unclaimed(Setup::default());
    let alice = plane.alice();
    let operation = get("/").operation().clone();
    let refused = plane
        .plane()
        .decide(Ask { presented: Presented::Nothing, operation, announced_bytes: 0 })
        .await;
    assert_eq!(refused.err().unwrap().code.text(), "refused.caller.missing");
    let early = plane.plane().identify(alice.peer(), Some(alice.factor()), false).await;
    assert_eq!(early.err().unwrap().kind, AdminKind::NotClaimed);
    assert_eq!(plane.log().size(), 0);
    alice.claims().await.unwrap();
    assert_eq!(plane.log().words()[0], "claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_claims_at_once_one_wins() {
    let home = marque_testkit::FilePlane::new();
    let plane = home.try_start(Setup::default()).unwrap();
    let (one, two) = (plane.alice(), plane.alice().at(2));
    let (one, two) = tokio::join!(one.claims(), two.claims());
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|won| **won).count(), 1);
    assert_eq!(plane.log().words(), ["claimed", "started"]);
}

#[tokio::test]
async fn a_wrong_factor_is_recorded_and_locks_out_for_longer_and_longer() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let wrong = || alice.wrong_factor("not the passphrase");
    let tries = |factor| plane.plane().identify(alice.peer(), Some(factor), false);
    for _ in 0..4 {
        assert_eq!(tries(wrong()).await.err().unwrap().kind, AdminKind::BadFactor);
    }
    assert_eq!(plane.log().verbs(), [Verb::FactorFailed; 4]);
    let right = tries(alice.factor()).await.err().unwrap();
    assert!(right.message.contains("the next try is in 2 s"), "{right}");
    assert_eq!(right.kind, AdminKind::Delayed);
    plane.clock().advance(Duration::from_secs(2));
    assert!(tries(wrong()).await.is_err());
    let right = tries(alice.factor()).await.err().unwrap();
    assert!(right.message.contains("the next try is in 4 s"), "{right}");
    plane.clock().advance(Duration::from_secs(4));
    tries(alice.factor()).await.unwrap();
    assert_eq!(tries(wrong()).await.err().unwrap().kind, AdminKind::BadFactor);
    tries(alice.factor()).await.unwrap();
}

#[tokio::test]
async fn whoever_guesses_at_one_terminal_locks_nobody_out_of_another() {
    let plane = TestPlane::new().await;
    let (alice, mallory) = (plane.alice(), plane.alice().at(66));
    for _ in 0..5 {
        let wrong = mallory.wrong_factor("not the passphrase");
        assert!(plane.plane().identify(mallory.peer(), Some(wrong), false).await.is_err());
    }
    plane.plane().identify(alice.peer(), Some(alice.factor()), false).await.unwrap();
}

#[tokio::test]
async fn guesses_made_at_once_are_no_more_than_guesses_made_in_turn() {
    let plane = TestPlane::new().await;
    let mut guessing = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (guesser, front) = (plane.alice(), plane.clone());
        guessing.spawn(async move {
            let factor = guesser.wrong_factor("not the passphrase");
            let refused = front.plane().identify(guesser.peer(), Some(factor), false).await;
            refused.err().unwrap().kind == AdminKind::Delayed
        });
    }
    let told_to_wait = guessing.join_all().await.into_iter().filter(|waits| *waits).count();
    assert!(told_to_wait >= 34, "only {told_to_wait} of 40 had to wait");
}

#[tokio::test]
async fn an_unknown_name_is_answered_like_a_wrong_passphrase() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let mut factor = alice.factor();
    factor.user = "mallory".parse().ok();
    let unknown = plane.plane().identify(alice.peer(), Some(factor), false).await.err().unwrap();
    let wrong = alice.wrong_factor("not the passphrase");
    let wrong = plane.plane().identify(alice.peer(), Some(wrong), false).await.err().unwrap();
    assert_eq!(unknown, wrong);
}

#[tokio::test]
async fn an_unlocked_terminal_is_one_terminal_for_a_while() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    alice.unlocks().await;
    plane.plane().identify(alice.peer(), None, false).await.unwrap();
    let elsewhere = plane.plane().identify(alice.at(2).peer(), None, false).await.err().unwrap();
    assert_eq!(elsewhere.kind, AdminKind::Locked);
    plane.clock().advance(Duration::from_secs(600));
    let late = plane.plane().identify(alice.peer(), None, false).await.err().unwrap();
    assert_eq!(late.kind, AdminKind::Locked);
    alice.unlocks().await;
    plane.plane().lock(alice.peer());
    let locked = plane.plane().identify(alice.peer(), None, false).await.err().unwrap();
    assert_eq!(locked.kind, AdminKind::Locked);
}

#[tokio::test]
async fn without_a_terminal_there_is_nothing_to_unlock_and_nothing_is_recorded() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let detached = Peer { session: None, ..alice.peer().clone() };
    let before = plane.log().size();
    let error = plane.plane().unlock(&detached, alice.factor(), 60).await.err().unwrap();
    assert_eq!((error.kind, plane.log().size()), (AdminKind::Invalid, before));
}

// threat 144
#[tokio::test]
async fn no_passphrase_and_no_secret_of_a_run_reaches_the_log() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.unlocks().await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/items").await.is_allowed();
    run.ends().await;
    let text = plane.log().text();
    for secret in [PASSPHRASE, marque_testkit::CANARY, run.opened().secret.as_str()] {
        assert!(!text.contains(secret));
    }
}
