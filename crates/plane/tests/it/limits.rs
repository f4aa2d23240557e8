//! Limits: exact, whoever asks how fast.

use std::sync::Arc;
use std::time::Duration;

use marque_domain::{Code, Event, Limits, Verb};
use marque_plane::spec::{AgentSpec, ConnectionSpec, LimitSpec, RunSpec};
use marque_testkit::{FilePlane, Setup, TestPlane, child, connection, get, run_of};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn ten_calls_are_ten_calls_however_many_ask_at_once() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let limits = Limits { calls: Some(10), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    let run = Arc::new(run);
    let mut asking = JoinSet::new();
    for place in 0..64 {
        let run = Arc::clone(&run);
        let method = ["GET", "POST"][place % 2];
        asking.spawn(async move { run.calls(method, &format!("/v1/{place}")).await });
    }
    let verdicts = asking.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| verdict.passed()).count(), 10);
    let codes = verdicts.iter().filter_map(marque_testkit::Verdict::code);
    assert!(codes.map(Code::text).all(|code| code == "refused.limits.calls_spent"));
    assert_eq!((plane.log().allowed(), plane.log().codes().len()), (10, 54));
}

#[tokio::test]
async fn a_run_that_is_too_fast_waits_and_goes_on() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls_per_minute: Some(60), burst: Some(2), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    run.calls("GET", "/v1/1").await.is_allowed();
    run.calls("GET", "/v1/2").await.is_allowed();
    let refusal = run.calls("GET", "/v1/3").await.is_refused("refused.limits.rate_spent");
    assert_eq!(refusal.remedy.as_deref(), Some("wait 1 s and try again"));
    plane.clock().advance(Duration::from_secs(1));
    run.calls("GET", "/v1/3").await.is_allowed();
}

#[tokio::test]
async fn a_connection_is_shared_by_everybody_who_uses_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let limits = Limits { calls_per_minute: Some(1), burst: Some(1), ..Limits::default() };
    alice.connects_as(ConnectionSpec { limits, ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let (one, two) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    one.calls("GET", "/v1/items").await.is_allowed();
    two.calls("GET", "/v1/items").await.is_refused("refused.limits.rate_spent");
}

#[tokio::test]
async fn a_refused_call_spends_nothing() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls: Some(1), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..run_of("bot") }).await.unwrap();
    run.calls("POST", "/v1/items").await.is_refused("refused.mandate.nothing_allows");
    run.calls("GET", "/v1/items").await.is_allowed();
}

fn a_day(calls: u64) -> Limits {
    Limits { calls: Some(calls), ..Limits::default() }
}

#[tokio::test]
async fn an_agents_rate_holds_for_all_its_runs_together() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let limits = Limits { calls_per_minute: Some(60), burst: Some(2), ..Limits::default() };
    alice.limits("bot", limits).await;
    let (one, two) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    one.calls("GET", "/v1/1").await.is_allowed();
    two.calls("GET", "/v1/2").await.is_allowed();
    let refusal = one.calls("GET", "/v1/3").await.is_refused("refused.limits.rate_spent");
    assert!(refusal.message.starts_with("agent `bot` is too fast"), "{}", refusal.message);
    plane.clock().advance(Duration::from_secs(1));
    two.calls("GET", "/v1/3").await.is_allowed();
}

#[tokio::test]
async fn a_child_spends_of_its_own_agent_and_once_of_each_above_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.registers("helper").await;
    alice.grants("helper", &["api:GET /**"]).await;
    alice.limits("bot", a_day(2)).await;
    let parent = alice.starts_a_run("bot").await;
    let same = parent.starts(child()).await.unwrap();
    same.calls("GET", "/v1/1").await.is_allowed();
    let helper = RunSpec { agent: Some("helper".parse().unwrap()), ..child() };
    let other = parent.starts(helper).await.unwrap();
    other.calls("GET", "/v1/2").await.is_allowed();
    let refusal = other.calls("GET", "/v1/3").await.is_refused("refused.limits.calls_spent");
    assert!(refusal.message.starts_with("agent `bot` has no calls left"), "{}", refusal.message);
    assert!(refusal.remedy.unwrap().contains("`marque agent limit bot --calls-per-day N`"));
    let acting = alice.acting().await;
    let spent = |name| plane.plane().agent(&acting, name).unwrap().budget;
    assert_eq!((spent("bot").calls, spent("bot").calls_left), (2, Some(0)));
    assert_eq!((spent("helper").calls, spent("helper").calls_left), (1, None));
    alice.starts_a_run("helper").await.calls("GET", "/v1/4").await.is_allowed();
}

#[tokio::test]
async fn the_count_of_a_day_begins_anew_at_midnight() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    alice.connects_as(ConnectionSpec { limits: a_day(2), ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let call = async || alice.starts_a_run("bot").await.calls("GET", "/v1/items").await;
    call().await.is_allowed();
    // The clock of tests starts at noon.
    plane.clock().advance(Duration::from_secs(12 * 3_600 - 1));
    call().await.is_allowed();
    let refusal = call().await.is_refused("refused.limits.calls_spent");
    assert!(refusal.message.starts_with("connection `api` has no calls"), "{}", refusal.message);
    plane.clock().advance(Duration::from_secs(1));
    call().await.is_allowed();
    plane.clock().step_back(Duration::from_secs(60));
    call().await.is_allowed();
    call().await.is_refused("refused.limits.calls_spent");
}

// A clock that is set a little ahead at midnight and then back: the call that ends in between, and
// the limit that is raised, spend nothing of the new day.
#[tokio::test]
async fn only_what_is_spent_begins_a_day() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.limits("bot", a_day(2)).await;
    plane.clock().advance(Duration::from_secs(12 * 3_600 - 1));
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/1").await.is_allowed();
    let lease = run.opens(get("/v1/2")).await.lease;
    plane.clock().advance(Duration::from_secs(1));
    let decision = lease.decision();
    drop(lease);
    plane.settled(decision).await;
    alice.limits("bot", a_day(2)).await;
    plane.clock().step_back(Duration::from_secs(1));
    run.calls("GET", "/v1/3").await.is_refused("refused.limits.calls_spent");
    plane.clock().advance(Duration::from_secs(1));
    run.calls("GET", "/v1/4").await.is_allowed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_count_of_the_day() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice();
    alice.connects_as(ConnectionSpec { limits: a_day(3), ..connection("api") }).await;
    alice.registers("bot").await;
    alice.grants("bot", &["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/1").await.is_allowed();
    // What was spent before there was a limit counts as well.
    alice.limits("bot", a_day(2)).await;
    let after = home.as_after_a_crash().start(Setup::default()).await;
    let run = after.alice().starts_a_run("bot").await;
    run.calls("GET", "/v1/2").await.is_allowed();
    run.calls("GET", "/v1/3").await.is_refused("refused.limits.calls_spent");
    after.alice().limits("bot", a_day(9)).await;
    run.calls("GET", "/v1/3").await.is_allowed();
    let refusal = run.calls("GET", "/v1/4").await.is_refused("refused.limits.calls_spent");
    assert!(refusal.message.starts_with("connection `api`"), "{}", refusal.message);
}

#[tokio::test]
async fn new_limits_are_recorded_and_bind_the_next_call_of_a_run_that_is_open() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.calls("GET", "/v1/1").await.is_allowed();
    let limits = Limits { calls_per_minute: Some(600), bytes: Some(5 << 20), ..a_day(1) };
    let shown = alice.limits("bot", limits).await.budget;
    assert_eq!((shown.limits, shown.calls, shown.calls_left), (limits, 1, Some(0)));
    let Some(Event::Changed(change)) = plane.log().entries().last().map(|last| last.event.clone())
    else {
        unreachable!()
    };
    assert_eq!(change.verb, Verb::AgentLimited);
    assert_eq!(change.details["limits"], "600 calls a minute; 1 calls a day; 5MiB a day");
    run.calls("GET", "/v1/2").await.is_refused("refused.limits.calls_spent");
    let spec = LimitSpec { clear: true, limits: Limits::default() };
    plane.plane().limit_agent(&alice.acting().await, "bot", spec).await.unwrap();
    run.calls("GET", "/v1/2").await.is_allowed();
    let spec = LimitSpec { clear: false, limits: a_day(0) };
    plane.plane().limit_connection(&alice.acting().await, "api", spec).await.unwrap();
    run.calls("GET", "/v1/3").await.is_refused("refused.limits.calls_spent");
    assert_eq!(plane.log().verbs().last(), Some(&Verb::ConnectionLimited));
}

#[tokio::test]
async fn limits_that_say_nothing_or_fit_no_record_are_refused() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let acting = alice.acting().await;
    let burst = Limits { burst: Some(5), ..Limits::default() };
    let vast = Limits { bytes: Some((1 << 53) + 1), ..Limits::default() };
    for limits in [burst, vast] {
        let spec = LimitSpec { clear: false, limits };
        plane.plane().limit_agent(&acting, "bot", spec.clone()).await.unwrap_err();
        plane.plane().limit_connection(&acting, "api", spec).await.unwrap_err();
        let new = marque_testkit::agent("new");
        plane.plane().add_agent(&acting, AgentSpec { limits, ..new }).await.unwrap_err();
        assert!(alice.starts(RunSpec { limits, ..run_of("bot") }).await.is_err());
    }
    let gone = LimitSpec { clear: true, limits: Limits::default() };
    plane.plane().remove_connection(&acting, "api").await.unwrap();
    plane.plane().limit_connection(&acting, "api", gone.clone()).await.unwrap_err();
    plane.plane().limit_agent(&acting, "nobody", gone).await.unwrap_err();
}
