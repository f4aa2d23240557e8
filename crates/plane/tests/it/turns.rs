//! Turns: who commits what, and when, where a plane is kept in files.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use marque_domain::{Event, Outcome};
use marque_plane::Crossed;
use marque_testkit::{FilePlane, RunActor, Setup, TestPlane, get, post};
use tokio::task::JoinSet;

async fn with_a_run(home: &FilePlane) -> (TestPlane, RunActor) {
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    (plane, run)
}

fn outcomes(plane: &TestPlane) -> Vec<Outcome> {
    let of = |event: &Event| match event {
        Event::Outcome { result, .. } => Some(result.clone()),
        _ => None,
    };
    plane.log().entries().iter().filter_map(|entry| of(&entry.event)).collect()
}

const ANSWERED: Outcome = Outcome::Answered { status: 200 };

// It waits for the next batch. If none comes it gets one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_recorded_though_nobody_asks_for_anything_after_it() {
    let home = FilePlane::new();
    let (plane, run) = with_a_run(&home).await;
    let lease = run.opens(get("/v1/items")).await.lease;
    let decision = lease.decision();
    lease.finish(ANSWERED, Crossed::default());
    plane.settled(decision).await;
    assert_eq!(outcomes(&plane), [ANSWERED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_recorded_no_later_than_what_is_asked_for_after_it() {
    let home = FilePlane::new();
    let (plane, run) = with_a_run(&home).await;
    for told in 1..=20 {
        run.opens(get("/v1/items")).await.lease.finish(ANSWERED, Crossed::default());
        let permit = run.permit(get("/v1/items")).await.expect("it is granted");
        assert!(outcomes(&plane).len() >= told, "the outcome came with the decision after it");
        drop(permit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_records_what_still_waits() {
    let home = FilePlane::new();
    let (plane, run) = with_a_run(&home).await;
    for _ in 0..40 {
        run.opens(get("/v1/items")).await.lease.finish(ANSWERED, Crossed::default());
    }
    drop(run);
    plane.stop().await;
    let plane = home.start(Setup::default()).await;
    assert_eq!(outcomes(&plane), vec![ANSWERED; 40], "no outcome is unknown");
}

// Some are committed by whoever asks, others by the committer's thread: the log is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_ask_at_once_and_those_who_ask_alone_share_one_log() {
    let home = FilePlane::new();
    let (plane, run) = with_a_run(&home).await;
    let mut asking = JoinSet::new();
    for asker in 0..8_u64 {
        let run = run.through(&plane);
        asking.spawn(async move {
            for call in 0..25_u64 {
                run.opens(get("/v1/items")).await.lease.finish(ANSWERED, Crossed::default());
                tokio::time::sleep(Duration::from_micros((asker * call) % 700)).await;
            }
        });
    }
    asking.join_all().await;
    drop(run);
    let (key, note) = (plane.log_key(), plane.checkpoint().await.note);
    assert!(plane.log().verified(&key, &note).holds());
    assert_eq!(plane.log().allowed(), 200);
    plane.stop().await;
    let plane = home.start(Setup::default()).await;
    assert_eq!(outcomes(&plane), vec![ANSWERED; 200]);
}

async fn with_a_writer(home: &FilePlane) -> (TestPlane, RunActor) {
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    (plane, run)
}

// What waits for the disk lets others come first. Whoever came first may be gone by then.
#[tokio::test]
async fn what_gathered_is_committed_though_whoever_asked_is_gone() {
    let home = FilePlane::new();
    let (plane, run) = with_a_writer(&home).await;
    let mut asked = Box::pin(run.permit(post("/v1/items")));
    let is_pending = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_pending()));
    assert!(is_pending.await, "it lets others come first");
    drop(asked);
    assert_eq!(plane.log().allowed(), 1);
    let next = tokio::time::timeout(Duration::from_secs(20), run.permit(post("/v1/items")));
    assert!(next.await.expect("nobody waits for the one that is gone").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_write_at_once_are_all_recorded() {
    let home = FilePlane::new();
    let (plane, run) = with_a_writer(&home).await;
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let run = run.through(&plane);
        asking.spawn(async move {
            run.opens(post("/v1/items")).await.lease.finish(ANSWERED, Crossed::default());
        });
    }
    asking.join_all().await;
    drop(run);
    let (key, note) = (plane.log_key(), plane.checkpoint().await.note);
    assert!(plane.log().verified(&key, &note).holds());
    assert_eq!(plane.log().allowed(), 100);
}
