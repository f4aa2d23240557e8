//! Networks: a server that the database cannot be reached from, or only slowly.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use marque_domain::{Answer, Event, Id};
use marque_testkit::{PostgresServer, Relay, RunActor, TestPlane};
use tokio::task::JoinSet;

use super::{PATIENCE, SOON, UNAVAILABLE, eventually, heard, replica, tries};

/// What calls were answered, as often as somebody asked until told to stop.
struct Load {
    asking: JoinSet<(usize, BTreeSet<String>)>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    fn on(plane: &TestPlane, run: &RunActor) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut asking = JoinSet::new();
        for _ in 0..4 {
            let (plane, run, is_over) = (plane.clone(), run.through(plane), Arc::clone(&is_over));
            asking.spawn(async move {
                let (mut allowed, mut codes) = (0, BTreeSet::new());
                while !is_over.load(Ordering::Relaxed) {
                    match tries(&plane, &run).await {
                        Ok(()) => allowed += 1,
                        Err(code) => {
                            codes.insert(code);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                (allowed, codes)
            });
        }
        Self { asking, is_over }
    }

    async fn ends(self) -> (usize, BTreeSet<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let all = self.asking.join_all().await;
        let allowed = all.iter().map(|(allowed, _)| allowed).sum();
        (allowed, all.into_iter().flat_map(|(_, codes)| codes).collect())
    }
}

/// Every allowed call has one outcome, once all of them are recorded.
pub(super) async fn settled(plane: &TestPlane) {
    eventually("every act has its outcome", async || {
        let log = plane.log();
        let allowed: BTreeSet<Id<_>> = log.decisions().into_iter().filter_map(allowed).collect();
        let outcomes: Vec<_> = log.entries().iter().filter_map(|e| outcome(&e.event)).collect();
        let once: BTreeSet<_> = outcomes.iter().copied().collect();
        assert_eq!(once.len(), outcomes.len(), "no act has two outcomes");
        once == allowed
    })
    .await;
}

fn allowed(decision: &marque_domain::Decision) -> Option<Id<marque_domain::Decision>> {
    (decision.answer == Answer::Allowed).then_some(decision.id)
}

fn outcome(event: &Event) -> Option<Id<marque_domain::Decision>> {
    match event {
        Event::Outcome { decision, .. } => Some(*decision),
        _ => None,
    }
}

/// Whether the log that `keeper` shows holds against what each of these servers signs.
pub(super) async fn holds(keeper: &TestPlane, planes: &[&TestPlane]) {
    for plane in planes {
        // ORDER: before the log, which may have grown since, but never lacks what was signed.
        let note = plane.checkpoint().await.note;
        let log = keeper.log();
        assert!(log.entries().iter().map(|entry| entry.index).eq(0..log.size() as u64));
        assert!(log.verified(&plane.log_key(), &note).holds());
    }
}

// threat 154, threat 178: what is open on a server that hears nothing is cut, and what was killed
// meanwhile stays killed there.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_network_refuses_in_time_and_goes_on_when_it_is_back() {
    let Some(server) = PostgresServer::shared() else { return };
    let (url, relay) = (server.url_with_password(), Relay::to(server.address()));
    let one = replica(&url, "one").await;
    let other = replica(&relay.leads_to(&url), "other").await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let (run, doomed) = (alice.starts_a_run("bot").await, alice.starts_a_run("bot").await);
    heard(&other, &doomed).await;
    tries(&other, &doomed).await.unwrap();
    let load = Load::on(&other, &run);
    tokio::time::sleep(Duration::from_millis(200)).await;

    relay.falls_silent();
    tokio::time::timeout(SOON, other.plane().lost()).await.expect("it notices by itself");
    alice.kills(&doomed).await;
    // It may have fallen silent in its turn.
    eventually("the others go on", async || tries(&one, &run).await.is_ok()).await;
    for _ in 0..5 {
        let refused = tries(&other, &doomed).await;
        assert_eq!(refused.unwrap_err(), UNAVAILABLE);
        tries(&one, &run).await.expect("the others go on");
    }
    relay.speaks_again();
    // Whatever is asked meanwhile: not one call of the run that was killed goes through.
    eventually("it serves again", async || {
        let refused = tries(&other, &doomed).await.unwrap_err();
        assert!(refused == UNAVAILABLE || refused == "refused.run.killed", "{refused}");
        tries(&other, &run).await.is_ok()
    })
    .await;
    let (answered, codes) = load.ends().await;
    assert!(answered > 0);
    assert_eq!(codes, [UNAVAILABLE.to_owned()].into());
    settled(&one).await;
    holds(&one, &[&one, &other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_under_load_cost_nothing_that_was_answered() {
    let Some(server) = PostgresServer::shared() else { return };
    let (url, relay) = (server.url_with_password(), Relay::to(server.address()));
    let plane = replica(&relay.leads_to(&url), "one").await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let load = Load::on(&plane, &run);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        relay.cuts();
    }
    let (answered, codes) = load.ends().await;
    assert!(codes.iter().all(|code| code == UNAVAILABLE), "{codes:?}");
    let log = plane.log();
    assert!(answered > 0 && log.allowed() >= answered, "{} {answered}", log.allowed());
    holds(&plane, &[&plane]).await;
}

// A database that is far away is slow: calls go through or are refused in time, and nothing hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_is_waited_for_up_to_a_bound_and_refused_beyond() {
    let Some(server) = PostgresServer::shared() else { return };
    let (url, relay) = (server.url_with_password(), Relay::to(server.address()));
    let plane = replica(&relay.leads_to(&url), "one").await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    for delay in [3, 50, 150] {
        relay.delays(Duration::from_millis(delay));
        let load = Load::on(&plane, &run);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let (answered, codes) = load.ends().await;
        assert!(codes.iter().all(|code| code == UNAVAILABLE), "{codes:?}");
        assert!(answered > 0 || delay > 3, "a few milliseconds are no reason to refuse");
    }
    tokio::time::timeout(PATIENCE, plane.plane().lost()).await.expect("it is too slow to hear");
    relay.delays(Duration::ZERO);
    eventually("it serves again", async || tries(&plane, &run).await.is_ok()).await;
    settled(&plane).await;
    holds(&plane, &[&plane]).await;
}

// threat 141: whoever keeps the database to themselves keeps nobody waiting for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_hangs_is_given_up_in_time_and_asked_again() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url_with_password();
    let plane = replica(&url, "one").await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let turn = "SELECT pg_advisory_xact_lock(1297240406, hashtext(current_schema()))";
    for keeps in [turn, "LOCK TABLE log"] {
        tries(&plane, &run).await.unwrap();
        let (kept, url) = (format!("BEGIN; {keeps}; SELECT pg_sleep(3); COMMIT"), url.clone());
        let keeping = thread::spawn(move || server.sql_in(&url, &kept));
        eventually("it is kept", async || tries(&plane, &run).await.is_err()).await;
        assert_eq!(tries(&plane, &run).await.unwrap_err(), UNAVAILABLE);
        keeping.join().unwrap();
        eventually("it serves again", async || tries(&plane, &run).await.is_ok()).await;
    }
    settled(&plane).await;
    holds(&plane, &[&plane]).await;
}
