//! The log: what it holds, in which order, and that anybody can check it.

use std::time::Duration;

use marque_domain::{Event, LogEntry, Outcome};
use marque_store::{GroupBy, LogQuery};
use marque_testkit::{FilePlane, Setup, TestPlane, get, post};

const NOTHING_ALLOWS: &str = "refused.mandate.nothing_allows";

#[tokio::test]
async fn the_intent_stands_before_the_outcome_and_both_before_the_end() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let done = run.calls("GET", "/v1/items").await.is_allowed();
    run.ends().await;
    let log = plane.log();
    let words = log.words();
    let changes = ["changed"; 3];
    let story = ["run_opened", "decided", "outcome", "run_closed"];
    assert_eq!(words, [&["claimed", "started"], &changes[..], &story[..]].concat());
    assert_eq!(log.leaf(done.index), Some(done.leaf), "the permit names its entry");
    let outcome = &log.entries()[usize::try_from(done.index).unwrap() + 1].event;
    assert!(
        matches!(outcome, Event::Outcome { decision, result: Outcome::Answered { status: 200 },
        .. } if *decision == done.decision)
    );
}

#[tokio::test]
async fn an_act_has_one_outcome_whatever_is_said_afterwards() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let lease = run.opens(get("/v1/items")).await.lease;
    let decision = lease.decision();
    drop(lease);
    plane.settled(decision).await;
    let log = plane.log();
    let outcomes: Vec<_> = log.entries().iter().filter_map(outcome).collect();
    assert_eq!(outcomes, [Outcome::Abandoned]);
}

fn outcome(entry: &LogEntry) -> Option<Outcome> {
    match &entry.event {
        Event::Outcome { result, .. } => Some(result.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_can_verify_the_log_against_a_checkpoint_they_kept() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let kept = plane.checkpoint().await;
    run.asks(get("/v1/items")).await.is_allowed();
    run.asks(post("/v1/items")).await.is_allowed();
    let ended = run.ends().await.checkpoint;
    let key = plane.log_key();
    for checkpoint in [&kept, &ended] {
        let report = plane.log().verified(&key, &checkpoint.note);
        assert!(report.holds(), "{report:?}");
        assert_eq!(report.anchored.sizes, [checkpoint.size]);
    }
    let mine: Vec<_> = ended.leaves.iter().map(|(index, _)| *index).collect();
    assert_eq!(mine.len(), 6, "opened, two decisions, two outcomes, closed");
    let log = plane.log();
    assert!(ended.leaves.iter().all(|(index, leaf)| log.leaf(*index) == Some(*leaf)));
}

#[tokio::test]
async fn a_receipt_proves_one_entry() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let done = run.calls("GET", "/v1/items").await.is_allowed();
    let acting = alice.acting().await;
    let text = plane.plane().receipt(&acting, done.index).await.unwrap();
    let receipt: marque_tlog::Receipt = text.parse().unwrap();
    receipt.verify(&plane.log().keys(&plane.log_key())).unwrap();
    assert_eq!(marque_tlog::leaf_hash(&receipt.entry), done.leaf);
    assert!(plane.plane().receipt(&acting, 10_000).await.is_err());
}

// threat 143
#[tokio::test]
async fn a_clock_that_steps_back_does_not_disturb_the_order() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/1").await.is_allowed();
    plane.clock().step_back(Duration::from_secs(600));
    run.calls("GET", "/2").await.is_allowed();
    let log = plane.log();
    assert!(log.entries().iter().map(|entry| entry.index).eq(0..log.size() as u64));
    assert!(log.entries().first().unwrap().at > log.entries().last().unwrap().at);
    let report = log.verified(&plane.log_key(), &plane.checkpoint().await.note);
    assert!(report.holds());
}

#[tokio::test]
async fn the_log_answers_who_did_what_and_how_often() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    for _ in 0..3 {
        run.calls("GET", "/v1/customers").await.is_allowed();
    }
    run.calls("GET", "/v1/orders").await.is_allowed();
    let query = LogQuery {
        event: Some("decided".to_owned()),
        agent: "bot".parse().ok(),
        answer: Some("allowed".to_owned()),
        ..LogQuery::default()
    };
    let acting = alice.acting().await;
    let counts = plane.plane().log_count(&acting, query, GroupBy::Resource).await.unwrap();
    let counts: Vec<_> =
        counts.into_iter().map(|count| (count.label.unwrap(), count.entries)).collect();
    assert_eq!(counts, [("/v1/customers".to_owned(), 3), ("/v1/orders".to_owned(), 1)]);
    let query = LogQuery { run: Some(run.id()), ..LogQuery::default() };
    assert_eq!(plane.plane().log_query(&acting, query).await.unwrap().len(), 9);
}

// What strangers ask is recorded, but cannot fill the disk.
#[tokio::test]
async fn strangers_are_recorded_one_by_one_up_to_a_bound() {
    let plane = TestPlane::new().await;
    let before = plane.log().size();
    for _ in 0..700 {
        let operation = get("/").operation().clone();
        let ask = marque_plane::Ask {
            presented: marque_plane::Presented::Nothing,
            operation,
            announced_bytes: 0,
        };
        assert!(plane.plane().decide(ask).await.is_err());
    }
    let recorded = plane.log().size() - before;
    assert!((1..=600).contains(&recorded), "{recorded}");
}

// threat 164: a run that is refused without end fills its own share of the log, and what others
// do is recorded as before.
#[tokio::test]
async fn a_run_that_floods_the_log_takes_no_entry_from_another() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let (flooding, other) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    let before = plane.log().size();
    for _ in 0..700 {
        flooding.calls("POST", "/v1/items").await.is_refused(NOTHING_ALLOWS);
    }
    let recorded = plane.log().size() - before;
    assert!((1..=600).contains(&recorded), "{recorded}");
    let before = plane.log().size();
    other.calls("POST", "/v1/items").await.is_refused(NOTHING_ALLOWS);
    other.calls("GET", "/v1/items").await.is_allowed();
    assert_eq!(plane.log().size() - before, 3, "a refusal, a decision and its outcome");
    let killed = alice.kills(&flooding).await;
    assert_eq!(killed.runs.len(), 1, "nor does it keep the human out");
}
