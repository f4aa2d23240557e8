//! Bytes: reserved before they flow, settled exactly, whoever asks how fast.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use marque_domain::portion::{FIRST, LARGEST};
use marque_domain::{Limits, Outcome};
use marque_plane::spec::RunSpec;
use marque_plane::view::BudgetView;
use marque_plane::{Allowance, Crossed, Opened, Spent};
use marque_testkit::{FilePlane, Human, RunActor, Setup, TestPlane, get, post, run_of};
use tokio::task::JoinSet;

const KIB: u64 = 1_024;
const MIB: u64 = 1_024 * KIB;
const SPENT: &str = "refused.limits.bytes_spent";

fn of(bytes: u64) -> Limits {
    Limits { bytes: Some(bytes), ..Limits::default() }
}

async fn run_limited_to(alice: &Human, bytes: u64) -> RunActor {
    alice.starts(RunSpec { limits: of(bytes), ..run_of("bot") }).await.unwrap()
}

async fn take(allowance: &Allowance, bytes: u64) -> Result<(), Spent> {
    let taking = poll_fn(|cx| allowance.poll_take(cx, bytes));
    tokio::time::timeout(Duration::from_secs(10), taking).await.unwrap()
}

/// Takes all of it in pieces, as bodies flow; says how much it got.
async fn stream(allowance: &Allowance, bytes: u64) -> u64 {
    let mut got = 0;
    while got < bytes {
        let piece = (16 * KIB).min(bytes - got);
        if take(allowance, piece).await.is_err() {
            break;
        }
        got += piece;
    }
    got
}

async fn finish(plane: &TestPlane, opened: Opened, sent: u64, received: u64) {
    let decision = opened.lease.decision();
    let crossed = Crossed { sent_bytes: sent, received_bytes: received, redacted: 0 };
    opened.lease.finish(Outcome::Answered { status: 200 }, crossed);
    plane.settled(decision).await;
}

async fn budget_of(plane: &TestPlane, run: &RunActor) -> BudgetView {
    let acting = plane.alice().acting().await;
    plane.plane().run(&acting, &run.id().to_string()).await.unwrap().budget
}

async fn budget_of_bot(plane: &TestPlane) -> BudgetView {
    plane.plane().agent(&plane.alice().acting().await, "bot").unwrap().budget
}

#[tokio::test]
async fn a_run_moves_its_bytes_and_not_one_more() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = run_limited_to(&alice, 100 * KIB).await;
    let first = run.opens(post("/v1/1").announcing(60 * KIB)).await;
    finish(&plane, first, 60 * KIB, 30 * KIB).await;
    let budget = budget_of(&plane, &run).await;
    assert_eq!((budget.bytes, budget.bytes_left), (90 * KIB, Some(10 * KIB)));

    let refusal = run.asks(post("/v1/2").announcing(10 * KIB + 1)).await.is_refused(SPENT);
    assert!(refusal.message.starts_with("this run has too few bytes left"), "{}", refusal.message);
    assert_eq!(refusal.remedy.unwrap(), "open another run with a larger `--limit-bytes`");

    let second = run.opens(post("/v1/2").announcing(10 * KIB)).await;
    assert_eq!(plane.log().last_decision().meter.unwrap().bytes, 90 * KIB);
    let allowance = second.lease.allowance().unwrap();
    take(&allowance, 10 * KIB).await.unwrap();
    let spent = take(&allowance, 1).await.unwrap_err();
    assert_eq!(spent.refusal.code.text(), SPENT);
    assert_eq!(take(&allowance, 1).await.unwrap_err(), spent, "it stays so");
    finish(&plane, second, 10 * KIB, 0).await;
    assert_eq!(budget_of(&plane, &run).await.bytes_left, Some(0));
    run.asks(get("/v1/3")).await.is_refused(SPENT);
}

#[tokio::test]
async fn what_was_reserved_in_vain_goes_back_when_the_call_is_over() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = run_limited_to(&alice, FIRST).await;
    let first = run.opens(get("/v1/1")).await;
    assert_eq!(budget_of(&plane, &run).await.bytes_left, Some(0));
    run.asks(get("/v1/2")).await.is_refused(SPENT);
    finish(&plane, first, 0, 5).await;
    assert_eq!(budget_of(&plane, &run).await.bytes_left, Some(FIRST - 5));
    run.asks(get("/v1/2")).await.is_allowed();
}

#[tokio::test]
async fn a_long_stream_reserves_in_growing_portions_and_settles_exactly() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", of(1_024 * MIB)).await;
    let run = alice.starts_a_run("bot").await;
    let opened = run.opens(get("/v1/long")).await;
    let allowance = opened.lease.allowance().unwrap();
    let (mut before, mut portions) = (FIRST, Vec::new());
    for taken in 1..=(40 * 16) {
        take(&allowance, 64 * KIB).await.unwrap();
        let held = budget_of_bot(&plane).await.bytes;
        assert!(held >= taken * 64 * KIB);
        if held > before {
            portions.push(held - before);
        }
        before = held;
    }
    let doubled = [2, 4, 8, 16, 32, 64, 128, 128, 128, 128, 128].map(|times| times * FIRST);
    assert_eq!(portions, doubled);
    assert_eq!(portions.last(), Some(&LARGEST));
    let run_before = budget_of(&plane, &run).await.bytes;
    assert_eq!(run_before, before, "every meter of the call holds the same");
    finish(&plane, opened, 3, 40 * MIB).await;
    assert_eq!(budget_of_bot(&plane).await.bytes, 40 * MIB + 3);
    assert_eq!(budget_of(&plane, &run).await.bytes, 40 * MIB + 3);
}

#[tokio::test]
async fn a_call_that_no_limit_of_bytes_binds_is_counted_and_not_bounded() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let opened = run.opens(get("/v1/1").announcing(1 << 40)).await;
    assert!(opened.lease.allowance().is_none());
    finish(&plane, opened, 7, 1_000).await;
    let budget = budget_of(&plane, &run).await;
    assert_eq!((budget.bytes, budget.bytes_left), (1_007, None));
    let under_way = run.opens(get("/v1/2")).await;
    alice.limits("bot", of(2_000)).await;
    finish(&plane, under_way, 0, 900).await;
    assert_eq!(budget_of_bot(&plane).await.bytes_left, Some(93), "what was spent before counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_stream_at_once_never_pass_the_limit_together() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", of(3 * MIB)).await;
    let mut under_way = Vec::new();
    for place in 0..8 {
        let run = alice.starts_a_run("bot").await;
        under_way.push(run.opens(get(&format!("/v1/{place}"))).await);
    }
    let mut streaming = JoinSet::new();
    for opened in under_way {
        let plane = plane.clone();
        streaming.spawn(async move {
            let allowance = opened.lease.allowance().unwrap();
            let got = stream(&allowance, 2 * MIB).await;
            finish(&plane, opened, 0, got).await;
            got
        });
    }
    let got: u64 = streaming.join_all().await.into_iter().sum();
    assert!((FIRST..=3 * MIB).contains(&got), "{got} bytes");
    let budget = budget_of_bot(&plane).await;
    assert_eq!((budget.bytes, budget.bytes_left), (got, Some(3 * MIB - got)));
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_and_download_of_one_call_take_from_the_same_allowance() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = run_limited_to(&alice, 5 * MIB).await;
    let opened = run.opens(post("/v1/echo").announcing(2 * MIB)).await;
    let allowance = opened.lease.allowance().unwrap();
    let (up, down) = (Arc::clone(&allowance), allowance);
    let mut streaming = JoinSet::new();
    streaming.spawn(async move { (stream(&up, 2 * MIB).await, 0) });
    streaming.spawn(async move { (0, stream(&down, 4 * MIB).await) });
    let ways = streaming.join_all().await;
    let (up, down) = ways.iter().fold((0, 0), |all, way| (all.0 + way.0, all.1 + way.1));
    assert!(up + down <= 5 * MIB && up + down > 4 * MIB, "{up} up, {down} down");
    finish(&plane, opened, up, down).await;
    assert_eq!(budget_of(&plane, &run).await.bytes, up + down);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_crash_swallowed_keeps_what_it_reserved() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", of(10 * MIB)).await;
    let run = alice.starts_a_run("bot").await;
    let done = run.opens(get("/v1/1")).await;
    finish(&plane, done, 1, 2).await;
    let swallowed = run.opens(get("/v1/2")).await;
    take(&swallowed.lease.allowance().unwrap(), 2 * FIRST).await.unwrap();
    let after = home.as_after_a_crash().start(Setup::default()).await;
    assert_eq!(budget_of_bot(&after).await.bytes, 3 + 3 * FIRST);
    finish(&plane, swallowed, 0, 5).await;
    let after = home.as_after_a_crash().start(Setup::default()).await;
    assert_eq!(budget_of_bot(&after).await.bytes, 8, "what was settled was kept as well");
}

#[tokio::test]
async fn a_lease_that_is_dropped_counts_what_was_taken_in_order_to_move() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = run_limited_to(&alice, MIB).await;
    let opened = run.opens(get("/v1/1")).await;
    let decision = opened.lease.decision();
    take(&opened.lease.allowance().unwrap(), 1_000).await.unwrap();
    drop(opened);
    plane.settled(decision).await;
    assert_eq!(budget_of(&plane, &run).await.bytes, 1_000);
}

#[tokio::test]
async fn nothing_is_reserved_for_a_call_that_is_over() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = run_limited_to(&alice, MIB).await;
    let opened = run.opens(get("/v1/1")).await;
    let allowance = opened.lease.allowance().unwrap();
    finish(&plane, opened, 0, 10).await;
    take(&allowance, FIRST + 1).await.unwrap_err();
    assert_eq!(budget_of(&plane, &run).await.bytes, 10);
}

#[tokio::test]
async fn a_call_under_way_asks_the_limits_as_they_are_now_for_more() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", of(FIRST)).await;
    let run = alice.starts_a_run("bot").await;
    let (raised, lowered) = (run.opens(get("/v1/1")).await, alice.limits("bot", of(MIB)).await);
    assert_eq!(lowered.budget.bytes_left, Some(MIB - FIRST));
    let allowance = raised.lease.allowance().unwrap();
    take(&allowance, FIRST).await.unwrap();
    take(&allowance, FIRST).await.unwrap();
    alice.limits("bot", of(FIRST)).await;
    take(&allowance, FIRST).await.unwrap();
    take(&allowance, 1).await.unwrap_err();
    finish(&plane, raised, 0, 3 * FIRST).await;
    assert_eq!(budget_of_bot(&plane).await.bytes_left, Some(0));
}

#[tokio::test]
async fn a_call_over_midnight_counts_on_the_day_its_bytes_were_reserved() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", of(MIB)).await;
    plane.clock().advance(Duration::from_secs(12 * 3_600 - 60));
    let run = alice.starts_a_run("bot").await;
    let opened = run.opens(get("/v1/1")).await;
    assert_eq!(budget_of_bot(&plane).await.bytes, FIRST);
    plane.clock().advance(Duration::from_secs(120));
    assert_eq!(budget_of_bot(&plane).await.bytes, 0);
    take(&opened.lease.allowance().unwrap(), FIRST + 10).await.unwrap();
    assert_eq!(budget_of_bot(&plane).await.bytes, 2 * FIRST);
    finish(&plane, opened, 0, FIRST + 10).await;
    assert_eq!(budget_of_bot(&plane).await.bytes, 10);
    assert_eq!(budget_of(&plane, &run).await.bytes, FIRST + 10);
}
