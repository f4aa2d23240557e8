//! The log's key: it is rotated by an entry, and a crash or another server in between loses neither
//! the key nor the log.

use std::time::Duration;

use marque_domain::Event;
use marque_plane::view::RotatedView;
use marque_plane::{AdminError, AdminKind, StartError};
use marque_store::{Faults, OpenOptions};
use marque_testkit::{FilePlane, KeyFolder, PostgresServer, Setup, TestPlane, get};
use marque_tlog::{Checkpoint, Receipt, VerifierKey};

/// Generous: a server says every second that it is there, and this machine may be busy.
const SOON: Duration = Duration::from_secs(15);

fn setup(keys: &KeyFolder) -> Setup {
    Setup { log_keys: Some(keys.path()), ..Setup::default() }
}

async fn rotates(plane: &TestPlane) -> Result<RotatedView, AdminError> {
    let acting = plane.alice().acting().await;
    plane.plane().rotate_log_key(&acting).await
}

fn signed_by(note: &str, key: &str) -> bool {
    Checkpoint::open(note, &key.parse::<VerifierKey>().unwrap()).is_ok()
}

// threat 145
#[tokio::test]
async fn a_rotated_log_verifies_whole_with_any_of_its_keys_and_the_old_one_is_gone() {
    let keys = KeyFolder::new();
    let plane = TestPlane::with(setup(&keys)).await;
    let (old, before, first) =
        (plane.log_key(), plane.checkpoint().await, keys.read("log").unwrap());
    let acting = plane.alice().acting().await;
    let receipt = plane.plane().receipt(&acting, 0).await.unwrap();

    let rotated = rotates(&plane).await.unwrap();
    assert_eq!(rotated.old, old);
    assert_eq!(rotated.new, plane.log_key(), "the status names the key in force");
    assert_ne!(keys.read("log").unwrap(), first);
    assert_eq!(keys.read("log.next"), None);
    assert_eq!(keys.read("log.vkey").unwrap(), format!("{}\n", rotated.new).into_bytes());
    let handed_over = plane.checkpoint().await;
    assert_eq!(handed_over.size, rotated.index + 1);
    assert!(signed_by(&handed_over.note, &old) && signed_by(&handed_over.note, &rotated.new));

    plane.alice_with_bot(&["api:GET /**"]).await;
    let again = rotates(&plane).await.unwrap();
    let after = plane.checkpoint().await;
    assert!(signed_by(&after.note, &again.new) && !signed_by(&after.note, &old));
    let log = plane.log();
    for key in [&old, &rotated.new, &again.new] {
        for note in [&before.note, &handed_over.note, &after.note] {
            let report = log.verified(key, note);
            assert!(report.holds(), "{report}");
        }
    }
    let receipt: Receipt = receipt.parse().unwrap();
    receipt.verify(&old.parse::<VerifierKey>().unwrap().into()).unwrap();
    receipt.verify(&log.keys(&again.new)).unwrap();

    let listed = plane.plane().keys(&acting).await.unwrap();
    let of_the_log: Vec<_> = listed.iter().filter(|key| key.purpose == "log").collect();
    let told: Vec<_> = of_the_log.iter().map(|key| (key.since, key.until)).collect();
    let (one, other) = (Some(rotated.index), Some(again.index));
    assert_eq!(told, [(None, one), (one, other), (other, None)]);
    let rotation = &log.entries()[usize::try_from(rotated.index).unwrap()].event;
    assert!(matches!(rotation, Event::LogKeyRotated { by, .. } if by.name.as_str() == "alice"));
}

// threat 145
#[tokio::test]
async fn a_rehearsed_rotation_changes_neither_log_nor_key() {
    let keys = KeyFolder::new();
    let plane = TestPlane::with(setup(&keys)).await;
    let before = (plane.log_key(), keys.read("log"));
    let acting = plane.alice().rehearsing().await;
    let size = plane.log().size();
    let rehearsed = plane.plane().rotate_log_key(&acting).await.unwrap();
    assert_eq!(rehearsed.old, before.0);
    assert_eq!((plane.log_key(), keys.read("log")), before);
    assert_eq!((plane.log().size(), keys.read("log.next")), (size, None));
    assert!(signed_by(&plane.checkpoint().await.note, &before.0));
}

// threat 145
#[tokio::test]
async fn a_key_that_cannot_be_written_is_not_rotated() {
    let plane = TestPlane::new().await;
    let (old, size) = (plane.log_key(), plane.log().size());
    let refused = rotates(&plane).await.unwrap_err();
    assert_eq!(refused.kind, AdminKind::Unavailable);
    assert!(refused.message.contains("no new key can be made"), "{refused}");
    assert_eq!((plane.log_key(), plane.log().size()), (old, size));
}

// threat 145, threat 150: every state in which a crash can leave the key files.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_settles_whatever_a_broken_off_rotation_left() {
    let (home, keys) = (FilePlane::new(), KeyFolder::new());
    let plane = home.start(setup(&keys)).await;
    let before = home.as_after_a_crash();
    let (old_key, old) = (plane.log_key(), keys.read("log").unwrap());
    rotates(&plane).await.unwrap();
    let (new_key, new) = (plane.log_key(), keys.read("log").unwrap());
    plane.stop().await;

    let prepared = KeyFolder::with(&[("log", &old), ("log.next", &new)]);
    let plane = before.start(setup(&prepared)).await;
    assert_eq!(prepared.read("log.next"), None, "the log does not know it");
    assert_eq!(plane.log_key(), old_key);
    rotates(&plane).await.unwrap();
    plane.stop().await;

    for files in [
        &[("log", &old[..]), ("log.next", &new[..])][..],
        &[("log", &new), ("log.next", &old)],
        &[("log", &new)],
    ] {
        let left = KeyFolder::with(files);
        let plane = home.start(setup(&left)).await;
        assert_eq!(left.read("log"), Some(new.clone()));
        assert_eq!(left.read("log.next"), None);
        assert_eq!(plane.log_key(), new_key);
        let checkpoint = plane.checkpoint().await;
        assert!(signed_by(&checkpoint.note, &new_key));
        assert!(plane.log().verified(&old_key, &checkpoint.note).holds());
        plane.stop().await;
    }
}

fn failing(keys: &KeyFolder, faults: Faults) -> Setup {
    Setup { store: OpenOptions { faults, ..OpenOptions::default() }, ..setup(keys) }
}

// threat 145: two commits at the start, the claim, one to see that nothing is in doubt, the entry.
#[tokio::test]
async fn a_rotation_that_is_not_committed_changes_nothing_and_one_that_runs_twice_is_one() {
    let keys = KeyFolder::new();
    let faults = Faults { fail_commit: Some(5), ..Faults::default() };
    let plane = TestPlane::with(failing(&keys, faults)).await;
    let (old, file) = (plane.log_key(), keys.read("log"));
    assert_eq!(rotates(&plane).await.unwrap_err().kind, AdminKind::Unavailable);
    assert_eq!((plane.log_key(), keys.read("log")), (old.clone(), file));
    assert!(signed_by(&plane.checkpoint().await.note, &old));
    let rotated = rotates(&plane).await.unwrap();
    assert!(plane.log().verified(&old, &plane.checkpoint().await.note).holds());
    assert_eq!((plane.log_key(), keys.read("log.next")), (rotated.new, None));

    let keys = KeyFolder::new();
    let faults = Faults { repeat_commit: Some(5), ..Faults::default() };
    let plane = TestPlane::with(failing(&keys, faults)).await;
    rotates(&plane).await.unwrap();
    let words = plane.log().words();
    assert_eq!(words, ["claimed", "started", "log_key_rotated"]);
    assert!(plane.log().verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
}

// threat 145, threat 142: what the disk did with the entry shows at the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_under_a_rotation_costs_neither_key_nor_log() {
    let mut lost = 0;
    for sync in 2..=6 {
        let (home, keys) = (FilePlane::new(), KeyFolder::new());
        let faults = Faults { fail_sync: Some(sync), ..Faults::default() };
        let plane = home.try_start(failing(&keys, faults)).unwrap();
        if plane.alice().claims().await.is_ok() {
            lost += usize::from(rotates(&plane).await.is_err());
        }
        plane.stop().await;
        let plane = home.start(setup(&keys)).await;
        assert_eq!(keys.read("log.next"), None);
        rotates(&plane).await.unwrap();
        assert!(plane.log().verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
        plane.stop().await;
    }
    assert!(lost > 0, "a sync under the rotation failed");
}

// threat 145
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_key_from_before_does_not_start() {
    let (home, keys) = (FilePlane::new(), KeyFolder::new());
    let plane = home.start(setup(&keys)).await;
    let old = keys.read("log").unwrap();
    let index = rotates(&plane).await.unwrap().index;
    let size = plane.log().size();
    plane.stop().await;

    let (elsewhere, others) = (FilePlane::new(), KeyFolder::new());
    let stranger = elsewhere.start(Setup { seed: 9, ..setup(&others) }).await;
    rotates(&stranger).await.unwrap();
    stranger.stop().await;
    for files in
        [&[("log", &old[..])][..], &[("log", &old), ("log.next", &others.read("log").unwrap())]]
    {
        let refused = home.try_start(setup(&KeyFolder::with(files))).err().unwrap();
        assert!(matches!(refused, StartError::RetiredLogKey { index: by } if by == index));
        assert!(refused.to_string().contains("copy the folder `keys`"), "{refused}");
    }
    let other = KeyFolder::with(&[("log", &others.read("log").unwrap())]);
    let refused = home.try_start(setup(&other)).err().unwrap();
    assert!(matches!(refused, StartError::OtherKeys), "{refused}");
    let plane = home.start(setup(&keys)).await;
    assert_eq!(plane.log().size(), size + 1, "only this start was added");
    plane.stop().await;
}

// threat 145
#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_made_while_the_key_is_rotated_are_signed_by_the_key_of_their_time() {
    let (home, keys) = (FilePlane::new(), KeyFolder::new());
    let plane = home.start(setup(&keys)).await;
    let alice = plane.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let first = plane.log_key();
    let signing = |plane: TestPlane| async move {
        let mut notes = Vec::new();
        for _ in 0..40 {
            run.calls("GET", "/v1/items").await.is_allowed();
            notes.push(plane.checkpoint().await.note);
        }
        notes
    };
    let rotating = async {
        for _ in 0..5 {
            rotates(&plane).await.unwrap();
        }
    };
    let (notes, ()) = tokio::join!(signing(plane.clone()), rotating);
    let log = plane.log();
    let chain = log.keys(&first);
    for note in &notes {
        chain.open(note).unwrap();
    }
    assert!(log.verified(&plane.log_key(), &plane.checkpoint().await.note).holds());
}

fn named(name: &str, keys: &KeyFolder) -> Setup {
    let store = OpenOptions { replica: name.to_owned(), ..OpenOptions::default() };
    let seed = name.bytes().map(u64::from).sum();
    Setup { store, seed, ..setup(keys) }
}

// threat 145: of several servers the others have the old key until they are given the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_key_another_retired_signs_and_allows_nothing_more() {
    let Some(server) = PostgresServer::shared() else { return };
    let url = server.url();
    let here = KeyFolder::new();
    let one = TestPlane::in_postgres(&url, named("one", &here)).await;
    let copy = KeyFolder::with(&[("log", &here.read("log").unwrap())]);
    let other = TestPlane::in_postgres(&url, named("other", &copy)).await;
    let alice = one.alice_with_bot(&["api:GET /**"]).await;
    let run = alice.starts_a_run("bot").await;
    let there = run.through(&other);
    let (old, kept) = (one.log_key(), other.checkpoint().await);

    let rotated = rotates(&one).await.unwrap();
    let refused = there.permit(get("/v1/items")).await.err().unwrap();
    assert_eq!(refused.code.text(), "refused.record.log_unavailable");
    let refused = other.plane().checkpoint(None).await.unwrap_err();
    assert!(refused.message.contains("copy its folder `keys`"), "{refused}");
    tokio::time::timeout(SOON, other.plane().deposed()).await.unwrap();
    run.calls("GET", "/v1/items").await.is_allowed();
    assert!(!one.plane().is_deposed());

    let stale = TestPlane::try_in_postgres(&url, named("third", &copy)).await.err().unwrap();
    assert!(matches!(stale, StartError::RetiredLogKey { index } if index == rotated.index));
    let copied = KeyFolder::with(&[("log", &here.read("log").unwrap())]);
    let third = TestPlane::in_postgres(&url, named("third", &copied)).await;
    assert_eq!(third.log_key(), rotated.new);
    let through = run.through(&third);
    through.calls("GET", "/v1/items").await.is_allowed();
    for plane in [&one, &third] {
        let note = plane.checkpoint().await.note;
        assert!(signed_by(&note, &rotated.new) && !signed_by(&note, &old));
        for note in [&note, &kept.note] {
            assert!(plane.log().verified(&old, note).holds());
            assert!(plane.log().verified(&rotated.new, note).holds());
        }
    }
}
