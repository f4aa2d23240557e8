//! Returning: a captured run outlives its server, if its launcher takes hold of it at the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use marque_crypto::Secret;
use marque_domain::{Closing, Event, Id, Limits, Outcome, Run, Tier};
use marque_plane::spec::RunSpec;
use marque_plane::{AdminKind, Ask, Crossed, Opened, Presented, broker};
use marque_store::{OpenOptions, Store};
use marque_testkit::{
    CANARY, Call, FilePlane, Human, RunActor, Setup, TestPlane, asking, child, delete, get, lines,
    post, run_of,
};

/// As long as launchers have to come back.
const GRACE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(10);

fn captured() -> RunSpec {
    RunSpec { tier: Tier::Captured, ..run_of("bot") }
}

/// Alice at a plane of files, with a bot that may read and must ask before it writes.
async fn begin() -> (FilePlane, TestPlane, Human) {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /**"])).await;
    (home, plane, alice)
}

/// The next server, after the one before was gone without a word.
async fn after_a_crash(home: &FilePlane) -> (FilePlane, TestPlane) {
    let home = home.as_after_a_crash();
    let plane = home.start(Setup::default()).await;
    (home, plane)
}

/// What comes in through a door of the run, to the end.
async fn calls(run: &RunActor, plane: &TestPlane, call: Call) -> Result<(), String> {
    let opened = opens(run, plane, call).await?;
    opened.lease.finish(Outcome::Answered { status: 200 }, Crossed::default());
    Ok(())
}

async fn opens(run: &RunActor, plane: &TestPlane, call: Call) -> Result<Opened, String> {
    let proof = plane.plane().hand_over(&run.acting(), run.launcher());
    let proof = proof.map_err(|error| error.to_string())?;
    let operation = call.operation().clone();
    let ask = Ask { presented: Presented::Door(proof), operation, announced_bytes: 0 };
    let permit = plane.plane().decide(ask).await.map_err(|refusal| refusal.code.text())?;
    broker::open(plane.plane(), permit).map_err(|refusal| refusal.code.text())
}

async fn state(plane: &TestPlane, run: &RunActor) -> String {
    let shown = plane.plane().run(&plane.alice().acting().await, &run.id().to_string()).await;
    shown.unwrap().state
}

async fn becomes(plane: &TestPlane, run: &RunActor, wanted: &str) {
    let waiting = async {
        while state(plane, run).await != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, waiting).await;
    came.unwrap_or_else(|_| panic!("it did not become {wanted}"));
}

fn closings(plane: &TestPlane, of: Id<Run>) -> Vec<Closing> {
    let log = plane.log();
    let closings = log.entries().iter().filter_map(|entry| match &entry.event {
        Event::RunClosed { run, cause, .. } if *run == of => Some(cause.clone()),
        _ => None,
    });
    closings.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_run_goes_on_at_the_next_server_with_what_it_has_left() {
    let (home, first, alice) = begin().await;
    let limits = Limits { calls: Some(3), ..Limits::default() };
    let run = alice.starts(RunSpec { limits, ..captured() }).await.unwrap();
    first.plane().hold_run(&run.acting(), run.launcher()).unwrap();
    calls(&run, &first, get("/v1/items")).await.unwrap();
    calls(&run, &first, get("/v1/items")).await.unwrap();
    let refused = calls(&run, &first, delete("/v1/items")).await;
    assert_eq!(refused.unwrap_err(), "refused.mandate.nothing_allows");
    let (_home, plane) = after_a_crash(&home).await;
    let run = run.through(&plane);
    assert_eq!(state(&plane, &run).await, "open");
    plane.plane().hold_run(&run.acting(), run.launcher()).unwrap();
    let again = plane.plane().hold_run(&run.acting(), run.launcher()).unwrap_err();
    assert_eq!(again.kind, AdminKind::Conflict, "it has one hold");
    let id = run.id().to_string();
    let shown = plane.plane().run(&plane.alice().acting().await, &id).await.unwrap();
    assert_eq!((shown.calls, shown.refusals), (2, 1));
    calls(&run, &plane, get("/v1/items")).await.unwrap();
    let decided = plane.log().last_decision().actor.clone().unwrap();
    assert_eq!((decided.run, decided.tier), (run.id(), Tier::Captured));
    let spent = calls(&run, &plane, get("/v1/items")).await.unwrap_err();
    assert_eq!(spent, "refused.limits.calls_spent", "no restart gives anything back");
    plane.clock().advance(GRACE * 2);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(state(&plane, &run).await, "open", "it is held");
    let ended = plane.plane().end_run(&run.acting(), run.launcher()).await.unwrap();
    assert_eq!((ended.run.state.as_str(), ended.run.calls), ("done", 3));
    plane.stop().await;
}

// threats 98, 153: a restart makes the secret worth no more than it was.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_its_launcher_takes_hold_of_a_run_that_waits() {
    let (home, _first, alice) = begin().await;
    let run = alice.starts(captured()).await.unwrap();
    let (_home, plane) = after_a_crash(&home).await;
    let run = run.through(&plane);
    run.calls("GET", "/v1/items").await.is_refused("refused.caller.door");
    let front = plane.plane();
    for peer in [&run.inside(), plane.alice().peer()] {
        let kind = front.hold_run(&run.acting(), peer).unwrap_err().kind;
        assert_eq!(kind, AdminKind::Forbidden);
        let kind = front.hand_over(&run.acting(), peer).err().unwrap().kind;
        assert_eq!(kind, AdminKind::Forbidden);
        assert!(front.must_launch(peer).is_err());
    }
    let secret = Secret::from_string("guessed".to_owned());
    let guess = Presented::RunSecret { run: run.id().to_string(), secret };
    assert!(front.identify_run(&guess).is_err());
    assert_eq!(front.run_of(&run.inside()), Some(run.id()), "its processes are inside it still");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_launcher_does_not_come_back_is_orphaned_after_a_minute() {
    let (home, _first, alice) = begin().await;
    let run = alice.starts(captured()).await.unwrap();
    let (_home, plane) = after_a_crash(&home).await;
    let run = run.through(&plane);
    plane.clock().advance(Duration::from_secs(59));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(state(&plane, &run).await, "open");
    plane.clock().advance(Duration::from_secs(1));
    becomes(&plane, &run, "orphaned").await;
    assert_eq!(closings(&plane, run.id()), [Closing::Orphaned]);
    // Too late: it hears what became of the run, and hands nothing over.
    plane.plane().hold_run(&run.acting(), run.launcher()).unwrap();
    assert_eq!(plane.plane().closed_run(&run.acting()).await.unwrap().state, "orphaned");
    let late = calls(&run, &plane, get("/v1/items")).await.unwrap_err();
    assert!(late.contains("is over"), "{late}");
    plane.stop().await;
}

// threat 178: a kill beats whoever comes back, at this server and at the one after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_launcher_is_back_is_final() {
    let (home, _first, alice) = begin().await;
    let run = alice.starts(captured()).await.unwrap();
    let (home, plane) = after_a_crash(&home).await;
    plane.alice().kills(&run.through(&plane)).await;
    let check = async |plane: &TestPlane| {
        let run = run.through(plane);
        plane.plane().hold_run(&run.acting(), run.launcher()).unwrap();
        assert_eq!(plane.plane().closed_run(&run.acting()).await.unwrap().state, "killed");
        let late = calls(&run, plane, get("/v1/items")).await.unwrap_err();
        assert!(late.contains("is over"), "{late}");
        assert_eq!(closings(plane, run.id()), [Closing::Killed]);
    };
    check(&plane).await;
    let (_home, plane) = after_a_crash(&home).await;
    check(&plane).await;
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_time_is_up_meanwhile_is_expired_and_not_held_again() {
    let (home, first, alice) = begin().await;
    let run = alice.starts(RunSpec { ttl_secs: 30, ..captured() }).await.unwrap();
    let crashed = home.as_after_a_crash();
    first.clock().advance(Duration::from_secs(31));
    let plane = crashed.start(Setup::default()).await;
    let run = run.through(&plane);
    let late = calls(&run, &plane, get("/v1/items")).await.unwrap_err();
    assert!(late.contains("is over"), "{late}");
    let recorded = async {
        while closings(&plane, run.id()).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, recorded).await.expect("it is closed");
    assert_eq!(closings(&plane, run.id()), [Closing::Expired]);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_held_again_by_itself_and_ends_with_its_parent() {
    let (home, _first, alice) = begin().await;
    let parent = alice.starts(captured()).await.unwrap();
    let held = parent.starts(child()).await.unwrap();
    let lost = parent.starts(child()).await.unwrap();
    let (_home, plane) = after_a_crash(&home).await;
    let [parent, held, lost] = [parent, held, lost].map(|run| run.through(&plane));
    for run in [&parent, &held] {
        plane.plane().hold_run(&run.acting(), run.launcher()).unwrap();
    }
    calls(&held, &plane, get("/v1/items")).await.unwrap();
    plane.clock().advance(GRACE);
    becomes(&plane, &lost, "orphaned").await;
    assert_eq!(state(&plane, &held).await, "open");
    plane.plane().end_run(&parent.acting(), parent.launcher()).await.unwrap();
    assert_eq!(state(&plane, &held).await, "done");
    plane.stop().await;
}

// threat 165: an unlock does not count beside a run that may still sit there.
#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_of_a_run_that_waits_stays_occupied_until_its_launcher_says_so() {
    let (home, _first, alice) = begin().await;
    let run = alice.starts(captured()).await.unwrap();
    let (_home, plane) = after_a_crash(&home).await;
    let (run, alice) = (run.through(&plane), plane.alice());
    let front = plane.plane();
    let refused = front.unlock(alice.peer(), alice.factor(), 600).await.err().unwrap();
    assert_eq!(refused.kind, AdminKind::Locked, "{refused}");
    alice.at(2).unlocks().await;
    front.end_run(&run.acting(), run.launcher()).await.unwrap();
    alice.unlocks().await;
    plane.stop().await;
}

// threat 81: what was injected before a restart must not come back after it either.
#[tokio::test(flavor = "multi_thread")]
async fn what_calls_were_given_before_is_searched_for_afterwards() {
    let (home, first, alice) = begin().await;
    let run = alice.starts(captured()).await.unwrap();
    let opened = opens(&run, &first, get("/v1/items")).await.unwrap();
    assert!(opened.lease.live().searched().is_empty());
    let fresh = Secret::from_string("the-next-credential".to_owned());
    let acting = alice.acting().await;
    first.plane().rotate_connection(&acting, "api", fresh).await.unwrap();
    let (home, plane) = after_a_crash(&home).await;
    let given = |opened: &Opened| -> Vec<String> {
        let values =
            opened.lease.live().searched().iter().map(|given| given.bare.expose().to_vec());
        values.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    };
    let opened = opens(&run.through(&plane), &plane, get("/v1/items")).await.unwrap();
    assert_eq!(opened.injection.as_ref().unwrap().bare.expose(), b"the-next-credential");
    assert_eq!(given(&opened), [CANARY]);
    let (_home, plane) = after_a_crash(&home).await;
    let opened = opens(&run.through(&plane), &plane, get("/v1/items")).await.unwrap();
    assert_eq!(given(&opened), [CANARY, "the-next-credential"]);
    plane.stop().await;
}

// threat 128: what a human said before the restart binds the same operation after it, once.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_was_asked_for_before_is_given_and_used_once_afterwards() {
    let (home, first, alice) = begin().await;
    let run = alice.starts(captured()).await.unwrap();
    let held = calls(&run, &first, post("/v1/items")).await.unwrap_err();
    assert_eq!(held, "refused.mandate.needs_approval");
    let (_home, plane) = after_a_crash(&home).await;
    let (run, alice) = (run.through(&plane), plane.alice());
    let waiting = plane.plane().approvals(&alice.acting().await, false).await.unwrap();
    assert_eq!(waiting.len(), 1);
    alice.approves(waiting[0].approval.id).await.unwrap();
    calls(&run, &plane, post("/v1/items")).await.unwrap();
    let again = calls(&run, &plane, post("/v1/items")).await.unwrap_err();
    assert_eq!(again, "refused.mandate.needs_approval");
    plane.stop().await;
}

// threats 141, 155: what was kept may be of another release, or damaged. Then the run is closed,
// and the start goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_which_nothing_useful_is_kept_is_closed_at_once() {
    for body in ["{}", "no json"] {
        let (home, _first, alice) = begin().await;
        let run = alice.starts(captured()).await.unwrap();
        let key = format!("live {}", run.id());
        let spoilt = home.as_after_a_crash();
        let store = Store::open_with(&spoilt.database(), OpenOptions::default()).unwrap();
        let mut writer = store.writer().unwrap();
        let put = writer.batch(|batch| batch.attempt(|tx| tx.put_kept(&key, body)));
        put.unwrap().unwrap();
        let crashed = spoilt.as_after_a_crash();
        let plane = crashed.start(Setup::default()).await;
        let run = run.through(&plane);
        assert_eq!(state(&plane, &run).await, "orphaned");
        let left = plane.store().read("test", |tx| Ok(tx.all_kept()?.len()));
        assert_eq!(left.unwrap(), 0, "it is tidied away");
        plane.stop().await;
    }
}

// Nothing of a run is kept for longer than its refusals can say why.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_run_goes_with_it() {
    let (_home, plane, alice) = begin().await;
    let kept = || -> BTreeMap<String, String> {
        plane.store().read("test", |tx| Ok(tx.all_kept()?.into_iter().collect())).unwrap()
    };
    let advisory = alice.starts_a_run("bot").await;
    advisory.calls("GET", "/v1/items").await.is_allowed();
    assert!(kept().is_empty(), "only a captured run outlives its server");
    let run = alice.starts(RunSpec { mandate: lines(&["api:GET /**"]), ..captured() });
    let run = run.await.unwrap();
    calls(&run, &plane, get("/v1/items")).await.unwrap();
    let keys: Vec<_> = kept().into_keys().collect();
    let id = run.id();
    assert_eq!(keys, [format!("live {id}"), format!("meter {id}")]);
    assert!(kept().values().all(|body| !body.contains(CANARY)));
    run.ends().await;
    plane.clock().advance(Duration::from_secs(601));
    let waiting = async {
        while !kept().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it is forgotten");
}
