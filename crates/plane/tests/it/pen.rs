//! Agents never hold the pen: nothing that belongs to a run passes for a human.

use std::fs;
use std::path::Path;

use marque_domain::Verb;
use marque_plane::view::WhoamiView;
use marque_plane::{AdminKind, Peer, Presented};
use marque_testkit::{Human, RunActor, TestPlane, asking, child, post};

async fn a_run_beside_alice(plane: &TestPlane) -> (Human, RunActor) {
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.grants_lines("bot", asking(&["api:POST /**"])).await;
    let run = alice.starts_a_run("bot").await;
    (alice, run)
}

// threat 126: not even with the passphrase.
#[tokio::test]
async fn a_process_inside_a_run_is_no_human_whatever_it_knows() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_beside_alice(&plane).await;
    let asked = run.asks(post("/v1/items")).await.is_held("refused.mandate.needs_approval");
    let (inside, front, before) = (run.inside(), plane.plane(), plane.log().size());
    let digest = marque_domain::Digest::from_bytes([0; 32]);
    let which = asked.to_string();
    let kinds = [
        front.identify(&inside, Some(alice.factor()), false).await.err().unwrap().kind,
        front.identify(&inside, None, false).await.err().unwrap().kind,
        front.claim(&inside, alice.factor()).await.err().unwrap().kind,
        front.give_approval(&inside, alice.factor(), &which, digest).await.err().unwrap().kind,
    ];
    assert_eq!(kinds, [AdminKind::InsideRun; 4]);
    assert!(front.unlock(&inside, alice.factor(), 60).await.is_err());
    assert_eq!(plane.log().size(), before, "nothing was changed");
}

// threat 126
#[tokio::test]
async fn an_unlocked_terminal_grants_but_never_approves() {
    let plane = TestPlane::new().await;
    let (alice, run) = a_run_beside_alice(&plane).await;
    let asked = run.asks(post("/v1/items")).await.is_held("refused.mandate.needs_approval");
    let second = alice.at(2);
    second.unlocks().await;
    let acting = plane.plane().identify(second.peer(), None, false).await.unwrap();
    let shown = plane.plane().approval(&acting, &asked.to_string()).await.unwrap();
    let (which, digest) = (asked.to_string(), shown.approval.digest);
    let guess = second.wrong_factor("I am at an unlocked terminal");
    let given = plane.plane().give_approval(second.peer(), guess, &which, digest).await;
    assert_eq!(given.unwrap_err().kind, AdminKind::BadFactor);
    run.asks(post("/v1/items")).await.is_held("refused.mandate.needs_approval");
}

// threat 126
#[tokio::test]
async fn an_unlock_does_not_count_while_a_run_of_that_terminal_is_open() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.unlocks().await;
    plane.plane().identify(alice.peer(), None, false).await.unwrap();
    let run = alice.starts_a_run("bot").await;
    let orphan = Peer { ancestors: run.inside().ancestors[..1].to_vec(), ..run.inside() };
    let error = plane.plane().identify(&orphan, None, false).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::Locked, "it lost its launcher, not its terminal");
    alice.kills(&run).await;
    let killed = plane.plane().identify(&orphan, None, false).await.err().unwrap();
    assert_eq!(killed.kind, AdminKind::Locked, "nobody said that nothing of it is left");
    run.ends().await;
    plane.plane().identify(alice.peer(), None, false).await.unwrap();
}

// threat 126
#[tokio::test]
async fn a_terminal_whose_run_was_abandoned_stays_locked() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.unlocks().await;
    let run = alice.starts_a_run("bot").await;
    plane.plane().abandon_run(run.id()).await;
    let error = plane.plane().identify(alice.peer(), None, false).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::Locked);
    let again = plane.plane().unlock(alice.peer(), alice.factor(), 60).await.err().unwrap();
    assert_eq!(again.kind, AdminKind::Locked);
    plane.plane().identify(alice.peer(), Some(alice.factor()), false).await.unwrap();
}

// threat 126: it outlived its launcher, and the server that knew of its run.
#[tokio::test]
async fn a_process_that_lost_its_parents_is_not_of_any_terminal() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&[]).await;
    alice.unlocks().await;
    let own = alice.peer();
    let orphan = Peer {
        ancestors: own
            .ancestors
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != 1)
            .map(|(_, one)| *one)
            .collect(),
        ..own.clone()
    };
    let error = plane.plane().identify(&orphan, None, false).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::Locked);
    assert!(plane.plane().unlock(&orphan, alice.factor(), 60).await.is_err());
    plane.plane().identify(own, None, false).await.unwrap();
}

// threat 126: that a run is over does not let its processes out.
#[tokio::test]
async fn a_process_stays_inside_a_run_that_has_ended() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    alice.unlocks().await;
    let run = alice.starts_a_run("bot").await;
    run.ends().await;
    let by_terminal = plane.plane().identify(&run.inside(), None, false).await.err().unwrap();
    assert_eq!(by_terminal.kind, AdminKind::InsideRun);
    let by_factor = plane.plane().identify(&run.inside(), Some(alice.factor()), false).await;
    assert_eq!(by_factor.err().unwrap().kind, AdminKind::InsideRun);
    assert_eq!(plane.plane().run_of(&run.inside()), Some(run.id()));
}

// threats 126, 165
#[tokio::test]
async fn a_process_of_the_same_user_without_a_factor_is_nobody() {
    let plane = TestPlane::new().await;
    let alice = plane.alice();
    let error = plane.plane().identify(alice.peer(), None, false).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::Locked);
    let who = plane.plane().whoami(alice.peer(), &Presented::Nothing);
    assert!(matches!(who, WhoamiView::Nobody));
}

// threat 165
#[tokio::test]
async fn a_runs_secret_proves_the_run_and_nothing_more() {
    let plane = TestPlane::new().await;
    let (_, run) = a_run_beside_alice(&plane).await;
    let who = plane.plane().whoami(&run.inside(), &run.presented());
    let WhoamiView::Run(view) = who else { panic!("a run is a run") };
    assert_eq!(view.id, run.id());
    let secret = marque_crypto::Secret::from_string(run.opened().secret.clone());
    let factor = marque_plane::Factor { user: "alice".parse().ok(), passphrase: secret };
    let outside = plane.alice().at(9);
    let error = plane.plane().identify(outside.peer(), Some(factor), false).await.err().unwrap();
    assert_eq!(error.kind, AdminKind::BadFactor);
}

// threat 166: the only verbs that take a run are about that run.
#[test]
fn no_verb_but_these_can_be_reached_by_a_run() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut taking = Vec::new();
    for text in rust_files(&source) {
        let functions = text.split("pub async fn ").skip(1).chain(text.split("pub fn ").skip(1));
        let heads = functions.filter_map(|rest| rest.split_once(" {").map(|(head, _)| head));
        let takes = heads.filter(|head| head.contains("&Acting<Run>"));
        taking.extend(takes.filter_map(|head| head.split('(').next()).map(str::to_owned));
    }
    taking.sort();
    let own = ["closed_run", "end_run", "hand_over", "hold_run", "open_child", "sign_git"];
    assert_eq!(taking, own);
}

fn rust_files(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(rust_files(&path));
        } else {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

// threat 166: refusals follow a run into its children, and its children's come back to it.
#[tokio::test]
async fn a_run_does_not_shed_its_refusals_by_opening_a_child() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let parent = alice.starts_a_run("bot").await;
    parent.calls("POST", "/1").await.is_refused("refused.mandate.nothing_allows");
    parent.calls("POST", "/2").await.is_refused("refused.mandate.nothing_allows");
    let child = parent.starts(child()).await.unwrap();
    child.calls("GET", "/3").await.is_allowed();
    assert_eq!(refusals(&plane), Some(2));
    child.calls("POST", "/4").await.is_refused("refused.mandate.nothing_allows");
    parent.calls("GET", "/5").await.is_allowed();
    assert_eq!(refusals(&plane), Some(3));
}

/// How many refusals the last decision weighed.
fn refusals(plane: &TestPlane) -> Option<u64> {
    plane.log().last_decision().trust_inputs.and_then(|inputs| inputs.refusals)
}

// threat 126: the run's secret lies inside the run, so holding and ending take its launcher.
#[tokio::test]
async fn a_run_can_neither_end_nor_hold_itself() {
    let plane = TestPlane::new().await;
    let (_, run) = a_run_beside_alice(&plane).await;
    let (front, acting) = (plane.plane(), run.acting());
    let ended = front.end_run(&acting, &run.inside()).await.err().unwrap();
    let held = front.hold_run(&acting, &run.inside()).err().unwrap();
    assert_eq!((ended.kind, held.kind), (AdminKind::Forbidden, AdminKind::Forbidden));
    run.calls("GET", "/v1/items").await.is_allowed();
}

#[tokio::test]
async fn everything_a_human_changes_names_that_human() {
    let plane = TestPlane::new().await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    alice.kills(&run).await;
    let verbs = plane.log().verbs();
    assert_eq!(verbs, [Verb::ConnectionAdded, Verb::AgentAdded, Verb::GrantAdded, Verb::Killed]);
    assert_eq!(plane.log().text().matches("\"name\":\"alice\"").count(), 7);
}
