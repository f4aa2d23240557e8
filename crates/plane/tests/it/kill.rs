//! Kill: it writes, then cuts; nothing passes afterwards.

use std::time::Duration;

use marque_domain::{Closing, Event, Outcome};
use marque_plane::spec::{KillTarget, RunSpec};
use marque_plane::{AdminKind, broker};
use marque_store::{CommitFault, FaultSwitch, Faults, OpenOptions};
use marque_testkit::{FilePlane, Setup, TestPlane, code_of, get, post, run_of};

const SOON: Duration = Duration::from_secs(5);

// threat 178
#[tokio::test]
async fn a_kill_cuts_a_lease_that_is_open() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let lease = run.opens(get("/v1/slow")).await.lease;
    assert!(!lease.is_cancelled());
    let killed = alice.kills(&run).await;
    assert_eq!(killed.runs, [run.id()]);
    tokio::time::timeout(SOON, lease.cancelled()).await.unwrap();
    let decision = lease.decision();
    drop(lease);
    plane.settled(decision).await;
    let log = plane.log();
    let last = &log.entries().last().unwrap().event;
    assert!(matches!(last, Event::Outcome { result: Outcome::Cut, .. }), "{last:?}");
    run.calls("GET", "/v1/slow").await.is_refused("refused.run.killed");
}

// threat 178: the decision is committed and waits for the disk when the kill comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_beats_a_decision_that_waits_for_the_disk() {
    let home = FilePlane::new();
    let store = OpenOptions { sync_delay: Some(Duration::from_millis(150)), ..Default::default() };
    let plane = home.start(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let committed = plane.log().size() + 1;
    let kill = async {
        while plane.log().size() < committed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        alice.kills(&run).await
    };
    let (permit, _) = tokio::join!(run.permit(post("/v1/items")), kill);
    assert_eq!(code_of(permit), "refused.run.killed");
    let decision = plane.log().decisions()[0].id;
    plane.settled(decision).await;
    let log = plane.log();
    assert!(log.entries().iter().any(|entry| is_cut(&entry.event)), "the intent is settled");
}

fn is_cut(event: &Event) -> bool {
    matches!(event, Event::Outcome { result: Outcome::Cut, .. })
}

// threat 178: opening looks at the run as well.
#[tokio::test]
async fn a_permit_of_a_killed_run_opens_nothing() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let permit = run.permit(get("/v1/items")).await.unwrap();
    let decision = permit.decision();
    alice.kills(&run).await;
    assert_eq!(code_of(broker::open(plane.plane(), permit)), "refused.run.killed");
    plane.settled(decision).await;
    assert!(is_cut(&plane.log().entries().last().unwrap().event));
}

// threat 178: taking authority away does not wait for a log that cannot be written.
#[tokio::test]
async fn a_kill_that_cannot_be_recorded_cuts_all_the_same_and_is_recorded_later() {
    // Two commits at the start, the claim, a connection, an agent, a grant, a run, a call.
    let faults = Faults { fail_commit: Some(9), ..Faults::default() };
    let store = OpenOptions { faults, ..OpenOptions::default() };
    let plane = TestPlane::with(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let lease = run.opens(get("/v1/slow")).await.lease;
    let killed = plane.plane().kill(&alice.acting().await, KillTarget::All).await;
    assert_eq!(killed.unwrap_err().kind, AdminKind::Unavailable);
    assert!(lease.is_cancelled());
    run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
    let recorded = async {
        while plane.log().entries().iter().all(|entry| closing(&entry.event).is_none()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, recorded).await.unwrap();
    let log = plane.log();
    let closed = log.entries().iter().find_map(|entry| closing(&entry.event));
    assert_eq!(closed, Some(Closing::Killed));
}

// The command ends by the kill, and its launcher is gone before anything could be recorded.
#[tokio::test]
async fn a_run_whose_kill_is_not_on_record_yet_is_killed_whoever_tells_of_its_end() {
    let faults = Faults { fail_commit: Some(8), ..Faults::default() };
    let store = OpenOptions { faults, ..OpenOptions::default() };
    let plane = TestPlane::with(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let killed = plane.plane().kill(&alice.acting().await, KillTarget::All).await;
    assert_eq!(killed.unwrap_err().kind, AdminKind::Unavailable);
    plane.plane().abandon_run(run.id()).await;
    let shown = plane.plane().run(&alice.acting().await, &run.id().to_string()).await.unwrap();
    assert_eq!(shown.state, "killed");
}

#[tokio::test]
async fn a_kill_of_an_agent_takes_its_runs_and_no_others() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.registers("other").await;
    alice.grants("other", &["api:GET /**"]).await;
    let (one, two) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    let other = alice.starts_a_run("other").await;
    let target = KillTarget::Agent("bot".parse().unwrap());
    let killed = plane.plane().kill(&alice.acting().await, target).await.unwrap();
    assert_eq!(killed.runs.len(), 2);
    one.calls("GET", "/").await.is_refused("refused.run.killed");
    two.calls("GET", "/").await.is_refused("refused.run.killed");
    other.calls("GET", "/").await.is_allowed();
    plane.plane().kill(&alice.acting().await, KillTarget::All).await.unwrap();
    other.calls("GET", "/").await.is_refused("refused.run.killed");
}

// threat 178: the clock is ahead while a human kills, nobody has closed what expired by it, and the
// clock goes back.
#[tokio::test]
async fn a_kill_takes_runs_whose_time_is_up_by_a_clock_that_steps_back() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let all = [KillTarget::All, KillTarget::Agent("bot".parse().unwrap())];
    for target in all {
        let run = alice.starts_a_run("bot").await;
        let acting = alice.acting().await;
        plane.clock().advance(Duration::from_secs(7_200));
        plane.plane().kill(&acting, target).await.unwrap();
        plane.clock().step_back(Duration::from_secs(7_200));
        assert!(run.permit(get("/")).await.is_err(), "a killed run acts");
    }
}

#[tokio::test]
async fn what_waits_for_the_end_of_a_run_learns_of_the_kill() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let acting = run.acting();
    plane.plane().hold_run(&acting, run.launcher()).unwrap();
    let hold = plane.plane().closed_run(&acting);
    let (held, _) = tokio::join!(tokio::time::timeout(SOON, hold), alice.kills(&run));
    assert_eq!(held.unwrap().unwrap().state, "killed");
}

#[tokio::test]
async fn the_reaper_closes_a_run_whose_time_is_up_and_cuts_what_it_holds() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts(RunSpec { ttl_secs: 60, ..run_of("bot") }).await.unwrap();
    let lease = run.opens(get("/v1/slow")).await.lease;
    plane.clock().advance(Duration::from_secs(60));
    run.calls("GET", "/v1/items").await.is_refused("refused.run.expired");
    tokio::time::timeout(SOON, lease.cancelled()).await.unwrap();
    let log = plane.log();
    let closed = log.entries().iter().find_map(|entry| closing(&entry.event)).unwrap();
    assert_eq!(closed, Closing::Expired);
}

fn closing(event: &Event) -> Option<Closing> {
    match event {
        Event::RunClosed { cause, .. } => Some(cause.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn closing_a_task_ends_its_runs_and_lets_no_other_be_opened_for_it() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let task: marque_domain::TaskRef = "ticket:OPS-12".parse().unwrap();
    let spec = || RunSpec { task: Some(task.clone()), ..run_of("bot") };
    let run = alice.starts(spec()).await.unwrap();
    plane.plane().close_task(&alice.acting().await, task.clone()).await.unwrap();
    run.calls("GET", "/v1/items").await.is_refused("refused.run.closed");
    assert!(alice.starts(spec()).await.is_err());
    alice.starts_a_run("bot").await.calls("GET", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn a_refused_call_of_a_killed_run_says_whose_it_was() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    alice.kills(&run).await;
    run.calls("GET", "/v1/items").await.is_refused("refused.run.killed");
    let log = plane.log();
    let actor = log.last_decision().actor.as_ref().expect("a killed run is no stranger");
    assert_eq!((actor.run, actor.agent.as_str()), (run.id(), "bot"));
}

// threat 178: found by the simulator. A kill that cannot be recorded cuts all the same, and a
// permit that was given before opens nothing.
#[tokio::test]
async fn a_permit_of_a_run_that_was_cut_without_a_record_opens_nothing() {
    let switch = FaultSwitch::default();
    let faults = Faults { switch: switch.clone(), ..Default::default() };
    let store = OpenOptions { faults, ..Default::default() };
    let plane = TestPlane::with(Setup { store, ..Default::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let permit = run.permit(get("/v1/items")).await.unwrap();
    let acting = alice.acting().await;
    switch.choose(0, CommitFault::Fails);
    let target = KillTarget::Run(run.id().to_string());
    plane.plane().kill(&acting, target).await.unwrap_err();
    let opened = broker::open(plane.plane(), permit);
    assert_eq!(code_of(opened), "refused.run.killed");
}
