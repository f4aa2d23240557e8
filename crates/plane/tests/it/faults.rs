//! Faults: a disk that fails, a crash between act and record. What cannot be recorded is not done.

use std::time::Duration;

use marque_domain::{Event, Outcome};
use marque_plane::AdminKind;
use marque_store::{CommitFault, FaultSwitch, Faults, OpenOptions};
use marque_testkit::{FilePlane, Setup, TestPlane, get, post};

const UNAVAILABLE: &str = "refused.record.log_unavailable";
/// Two commits at the start, the claim, a connection, an agent, a grant, a run.
const FIRST_CALL: u64 = 8;

fn failing(faults: Faults) -> Setup {
    Setup { store: OpenOptions { faults, ..OpenOptions::default() }, ..Setup::default() }
}

#[tokio::test]
async fn a_call_that_cannot_be_recorded_is_refused_and_the_next_goes_through() {
    let faults = Faults { fail_commit: Some(FIRST_CALL), ..Faults::default() };
    let plane = TestPlane::with(failing(faults)).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let refusal = run.calls("GET", "/v1/items").await.is_refused(UNAVAILABLE);
    assert!(refusal.message.contains("nothing is allowed"), "{refusal}");
    assert_eq!(plane.log().allowed(), 0);
    run.calls("GET", "/v1/items").await.is_allowed();
    let log = plane.log();
    assert!(log.entries().iter().map(|entry| entry.index).eq(0..log.size() as u64));
    assert!(log.verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
}

#[tokio::test]
async fn a_transaction_that_runs_twice_decides_once() {
    let faults = Faults { repeat_commit: Some(FIRST_CALL), ..Faults::default() };
    let plane = TestPlane::with(failing(faults)).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let done = run.calls("GET", "/v1/items").await.is_allowed();
    let log = plane.log();
    assert_eq!((log.allowed(), log.leaf(done.index)), (1, Some(done.leaf)));
    let acting = alice.acting().await;
    let view = plane.plane().run(&acting, &run.id().to_string()).await.unwrap();
    assert_eq!(view.calls, 1, "spent once");
}

// threat 142
#[tokio::test]
async fn a_full_disk_stops_every_act() {
    let store = OpenOptions { max_pages: Some(120), ..OpenOptions::default() };
    let plane = TestPlane::with(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let mut codes = Vec::new();
    for place in 0..400 {
        let permit = run.permit(get(&format!("/{place}"))).await;
        codes.push(permit.err().map(|refusal| refusal.code.text()));
    }
    let first = codes.iter().position(Option::is_some).expect("120 pages are soon full");
    let unavailable = |code: &Option<String>| code.as_deref() == Some(UNAVAILABLE);
    assert!(codes[first..].iter().all(unavailable), "{:?}", &codes[first..]);
    assert_eq!(plane.log().allowed(), first);
}

// What the start settled would otherwise count as synced, and a checkpoint could cover it.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_reach_the_disk_is_no_start() {
    let home = FilePlane::new();
    let faults = Faults { fail_sync: Some(1), ..Faults::default() };
    assert!(home.try_start(failing(faults)).is_err());
    home.try_start(Setup::default()).unwrap().stop().await;
}

// The kernel tells of a lost page once; whoever goes on would promise what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_allowed_any_more() {
    let home = FilePlane::new();
    let faults = Faults { fail_sync: Some(20), ..Faults::default() };
    let plane = home.start(failing(faults)).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let mut codes = Vec::new();
    for place in 0..40 {
        let permit = run.permit(post(&format!("/{place}"))).await;
        codes.push(permit.err().map(|refusal| refusal.code.text()));
    }
    let first = codes.iter().position(Option::is_some).expect("the twentieth sync fails");
    let unavailable = |code: &Option<String>| code.as_deref() == Some(UNAVAILABLE);
    assert!(codes[first..].iter().all(unavailable), "{:?}", &codes[first..]);
    run.asks(get("/")).await.is_refused(UNAVAILABLE);
    let acting = alice.acting().await;
    let kill = plane.plane().kill(&acting, marque_plane::spec::KillTarget::All).await;
    assert_eq!(kill.unwrap_err().kind, AdminKind::Unavailable);
}

// threat 142
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_failed_is_over_by_itself_and_a_lost_disk_stays_lost() {
    let home = FilePlane::new();
    let switch = FaultSwitch::default();
    let faults = Faults { switch: switch.clone(), ..Faults::default() };
    let plane = home.start(failing(faults)).await;
    let alice = plane.alice_with_bot(&["api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    plane.plane().must_record().unwrap();
    switch.choose(0, CommitFault::Fails);
    run.asks(post("/refused")).await.is_refused(UNAVAILABLE);
    // Nobody asks for anything meanwhile.
    tokio::time::timeout(Duration::from_secs(20), async {
        while plane.plane().must_record().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it tries again by itself");
    run.asks(post("/again")).await.is_allowed();
    switch.fail_sync();
    run.asks(post("/lost")).await.is_refused(UNAVAILABLE);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refusal = plane.plane().must_record().unwrap_err();
    assert!(refusal.remedy.unwrap().contains("restart the server"), "{}", refusal.message);
}

// threat 141
#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_outcome_a_crash_swallowed_is_marked_unknown_and_never_guessed() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    run.asks(get("/finished")).await.is_allowed();
    let permit = run.permit(post("/v1/items")).await.unwrap();
    let (decision, index) = (permit.decision(), permit.index());
    let opened = marque_plane::broker::open(plane.plane(), permit).unwrap();
    let after = home.as_after_a_crash();

    let again = after.start(Setup::default()).await;
    let log = again.log();
    assert!(
        matches!(&log.entries()[usize::try_from(index).unwrap()].event,
        Event::Decided(intent) if intent.id == decision),
        "the intent is durable"
    );
    let unknown: Vec<_> = log.entries().iter().filter_map(|entry| unknown(&entry.event)).collect();
    assert_eq!(unknown, [decision]);
    let started = log.entries().iter().rev().find_map(|entry| unknown_outcomes(&entry.event));
    assert_eq!(started, Some(1));
    assert!(log.verified(&again.log_key(), &again.checkpoint().await.note).holds());
    let third = after.as_after_a_crash().start(Setup::default()).await;
    let once = third.log().entries().iter().filter(|e| unknown_of(&e.event)).count();
    assert_eq!(once, 1, "another start does not mark it again");
    drop(opened);
}

fn unknown(event: &Event) -> Option<marque_domain::Id<marque_domain::Decision>> {
    match event {
        Event::Outcome { decision, result: Outcome::Unknown, .. } => Some(*decision),
        _ => None,
    }
}

fn unknown_of(event: &Event) -> bool {
    unknown(event).is_some()
}

fn unknown_outcomes(event: &Event) -> Option<u64> {
    match event {
        Event::Started { unknown_outcomes, .. } => Some(*unknown_outcomes),
        _ => None,
    }
}

// threat 153: whatever moment a crash picks, a permit that was given has its entry.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_loses_no_entry_that_was_answered() {
    let home = FilePlane::new();
    let plane = home.start(Setup::default()).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let mut given = Vec::new();
    for place in 0..6 {
        let call = [get, post][place % 2](&format!("/{place}"));
        let permit = run.permit(call).await.unwrap();
        given.push((permit.index(), permit.leaf()));
        let log = home.as_after_a_crash().start(Setup::default()).await.log();
        assert!(given.iter().all(|(index, leaf)| log.leaf(*index) == Some(*leaf)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_does_not_wait_for_anybodys_sync() {
    let home = FilePlane::new();
    let store = OpenOptions { sync_delay: Some(Duration::from_millis(900)), ..Default::default() };
    let plane = home.start(Setup { store, ..Setup::default() }).await;
    let alice = plane.alice_with_bot(&["api:GET /**", "api:POST /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let write = run.permit(post("/slow"));
    let read = async {
        let read = tokio::time::timeout(Duration::from_millis(600), run.permit(get("/quick")));
        read.await.expect("a read is answered from memory").unwrap().index()
    };
    let (write, read) = tokio::join!(write, read);
    assert!(write.unwrap().index() < read);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_do_not_share_a_directory() {
    let home = FilePlane::new();
    let _first = home.start(Setup::default()).await;
    let second = home.try_start(Setup::default()).err().unwrap();
    assert!(second.to_string().contains("use"), "{second}");
}
