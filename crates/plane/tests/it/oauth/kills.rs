//! Kills and what stands behind the runs they take: the client, the job, the person, the hop.

use std::time::Duration;

use marque_domain::{Event, Verb};
use marque_plane::AdminKind;
use marque_plane::spec::KillTarget;
use marque_store::{CommitFault, FaultSwitch, Faults, OpenOptions};
use marque_testkit::{Human, Setup, TestPlane, issuing};

const API: &str = "https://api.test/";
const SOON: Duration = Duration::from_secs(5);

async fn breakable() -> (TestPlane, Human, FaultSwitch) {
    let switch = FaultSwitch::default();
    let faults = Faults { switch: switch.clone(), ..Faults::default() };
    let store = OpenOptions { faults, ..OpenOptions::default() };
    let plane = TestPlane::with(Setup { store, ..issuing() }).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.grants("bot", &["api:token"]).await;
    (plane, alice, switch)
}

// Who killed, as the log says it, once it tells of so many kills.
async fn recorded(plane: &TestPlane, kills: usize) -> String {
    let looks = async {
        loop {
            let log = plane.log();
            let mut found = log.entries().iter().filter_map(|entry| match &entry.event {
                Event::Changed(change) if change.verb == Verb::Killed => {
                    Some(change.by.name.to_string())
                }
                _ => None,
            });
            if let Some(by) = found.nth(kills - 1) {
                return by;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, looks).await.expect("it is recorded once that is possible")
}

// threat 178: whoever would open the next run is stopped as well, by memory until by the log.
#[tokio::test]
async fn a_kill_that_cannot_be_recorded_stops_the_clients_too() {
    let (plane, alice, switch) = breakable().await;
    let (busy, idle) =
        (alice.has_client("busy", "bot").await, alice.has_client("idle", "bot").await);
    let targets = [
        KillTarget::Agent("bot".parse().unwrap()),
        KillTarget::Owner("alice".parse().unwrap()),
        KillTarget::All,
    ];
    for (before, target) in targets.into_iter().enumerate() {
        busy.takes(API, "").await.unwrap();
        let acting = alice.acting().await;
        switch.choose(0, CommitFault::Fails);
        let killed = plane.plane().kill(&acting, target).await.unwrap_err();
        assert_eq!(killed.kind, AdminKind::Unavailable);
        // The log can be written again, and does not say so yet.
        assert!(busy.takes(API, "").await.is_err(), "it opened the next run");
        assert!(idle.takes(API, "").await.is_err(), "it opened its first run");
        assert_eq!(recorded(&plane, before + 1).await, "alice");
        for name in ["busy", "idle"] {
            let client = plane.plane().client(&acting, name).unwrap();
            assert_eq!(client.state, "suspended");
            plane.plane().resume_client(&acting, name).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_kill_of_one_run_that_cannot_be_recorded_stops_the_client_behind_it_alone() {
    let (plane, alice, switch) = breakable().await;
    let (one, other) =
        (alice.has_client("one", "bot").await, alice.has_client("other", "bot").await);
    let run = one.takes(API, "").await.unwrap().claims.run.unwrap().id;
    let acting = alice.acting().await;
    switch.choose(0, CommitFault::Fails);
    let killed = plane.plane().kill(&acting, KillTarget::Run(run.to_string())).await;
    assert_eq!(killed.unwrap_err().kind, AdminKind::Unavailable);
    assert!(one.takes(API, "").await.is_err());
    other.takes(API, "").await.unwrap();
    assert_eq!(recorded(&plane, 1).await, "alice");
    assert_eq!(plane.plane().client(&acting, "one").unwrap().state, "suspended");
    assert_eq!(plane.plane().client(&acting, "other").unwrap().state, "active");
}

// threat 178: a run that is over, and that the server remembers no more.
#[tokio::test]
async fn a_kill_of_a_run_long_over_stops_the_client_and_the_run_it_has_by_now() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.grants("bot", &["api:token"]).await;
    let client = alice.has_client("bot-prod", "bot").await;
    let first = client.takes(API, "").await.unwrap().claims.run.unwrap().id;
    for while_it_is in [Duration::from_secs(3_601), Duration::from_secs(601)] {
        plane.clock().advance(while_it_is);
        // The reaper closes it, and then forgets it.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let next = client.takes(API, "").await.unwrap().claims.run.unwrap().id;
    let acting = alice.acting().await;
    let target = KillTarget::Run(first.to_string());
    let killed = plane.plane().kill(&acting, target.clone()).await.unwrap();
    assert_eq!(killed.runs, [next]);
    assert_eq!(killed.stopped[0].client.as_ref().unwrap().as_str(), "bot-prod");
    assert!(client.takes(API, "").await.is_err());
    // By the run it is let in again, as by its name.
    let resumed = plane.plane().resume_client(&acting, &first.to_string()).await.unwrap();
    assert_eq!(resumed.state, "active");
    client.takes(API, "").await.unwrap();
    let unknown = KillTarget::Run("run_01M81E7AA0P4ASSHQM6H71S5TH".to_owned());
    let unknown = plane.plane().kill(&acting, unknown).await.unwrap_err();
    assert_eq!(unknown.kind, AdminKind::NotFound);
}
