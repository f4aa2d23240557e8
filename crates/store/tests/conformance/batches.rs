use std::panic::{AssertUnwindSafe, catch_unwind};

use marque_domain::User;
use marque_store::{Faults, OpenOptions, StoreError, Tx};

use crate::home::{Home, read, write};
use crate::sample::{append, id, started, user};

/// A command's own refusal.
#[derive(Debug, PartialEq)]
struct Refused;

pub(crate) fn a_refused_command_leaves_nothing_and_the_others_stay(home: &Home) {
    let store = home.open();
    let mut writer = store.writer().unwrap();
    writer
        .batch(|batch| {
            assert_eq!(batch.attempt(|tx| tx.put(&user(1, "alice"), 0))?, Ok(1));
            let refused = batch.attempt(|tx| {
                tx.put(&user(2, "bob"), 0).unwrap();
                append(tx, 0, started()).unwrap();
                Err::<(), _>(Refused)
            })?;
            assert_eq!(refused, Err(Refused));
            batch.attempt(|tx| append(tx, 0, started()))?
        })
        .unwrap();
    assert_eq!(read(&store, |tx| tx.all::<User>()).len(), 1);
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

pub(crate) fn a_batch_that_fails_leaves_nothing(home: &Home) {
    let store = home.open();
    let failed = store.writer().unwrap().batch(|batch| {
        batch.attempt(|tx| append(tx, 0, started()))??;
        Err::<(), _>(StoreError::Full)
    });
    assert_eq!(failed, Err(StoreError::Full));
    assert_eq!(read(&store, |tx| tx.log_size()), 0);
}

pub(crate) fn a_batch_that_panics_leaves_nothing(home: &Home) {
    let store = home.open();
    let mut writer = store.writer().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        writer.batch::<()>(|batch| {
            batch.attempt(|tx| append(tx, 0, started()))??;
            panic!("a defect in a command")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(read(&store, |tx| tx.log_size()), 0);
    writer.batch(|batch| batch.attempt(|tx| append(tx, 0, started()))?).unwrap();
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

pub(crate) fn a_batch_may_run_twice_and_counts_once(home: &Home) {
    let store = home.open_failing(Faults { repeat_commit: Some(1), ..Faults::default() });
    let mut runs = 0;
    let mut writer = store.writer().unwrap();
    writer
        .batch(|batch| {
            runs += 1;
            batch.attempt(|tx| {
                let next = tx.log_size()?;
                append(tx, next, started())
            })?
        })
        .unwrap();
    assert_eq!(runs, 2);
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

pub(crate) fn a_batch_of_kept_commands_runs_once_and_one_that_is_not_kept_makes_it_run_again(
    home: &Home,
) {
    let store = home.open();
    let mut writer = store.writer().unwrap();
    let mut hopes = Vec::new();
    writer
        .batch(|batch| {
            hopes.push(batch.is_hopeful());
            batch.attempt(|tx| append(tx, 0, started()))?
        })
        .unwrap();
    assert_eq!(hopes, [true], "nothing was undone");
    hopes.clear();
    writer
        .batch(|batch| {
            hopes.push(batch.is_hopeful());
            batch.attempt(|tx| append(tx, 1, started()))??;
            assert_eq!(batch.attempt(|_| Err::<(), _>(Refused))?, Err(Refused));
            batch.attempt(|tx| append(tx, 2, started()))?
        })
        .unwrap();
    assert_eq!(hopes, [true, false]);
    assert_eq!(read(&store, |tx| tx.log_size()), 3, "what ran twice counts once");
}

pub(crate) fn a_commit_that_fails_leaves_nothing_and_the_next_one_works(home: &Home) {
    let store = home.open_failing(Faults { fail_commit: Some(2), ..Faults::default() });
    write(&store, |tx| append(tx, 0, started())).unwrap();
    let failed = write(&store, |tx| append(tx, 1, started()));
    assert!(matches!(failed, Err(StoreError::Io(_))), "{failed:?}");
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
    write(&store, |tx| append(tx, 1, started())).unwrap();
}

// A full disk undoes the whole transaction below us; a command that shrugs at the error must not
// get the commands after it committed without those before it.
#[test]
fn a_batch_whose_disk_is_full_cannot_be_saved() {
    for home in [Home::in_memory(), Home::in_files()] {
        a_full_batch_cannot_be_saved(&home);
    }
}

fn a_full_batch_cannot_be_saved(home: &Home) {
    let store = home.open_with(OpenOptions { max_pages: Some(64), ..OpenOptions::default() });
    let fill = |tx: &mut Tx<'_>| tx.put_setting("large", &"x".repeat(1 << 20));
    let mut writer = store.writer().unwrap();
    let lost = writer.batch(|batch| {
        batch.attempt(|tx| append(tx, 0, started()))??;
        let shrugged = batch.attempt(|tx| {
            let _ = fill(tx);
            Ok::<_, Refused>(())
        });
        assert!(shrugged.is_err(), "the savepoint is gone");
        let after = batch.attempt(|tx| append(tx, 0, started()));
        assert!(after.is_err(), "nothing runs after a failure of the engine");
        Ok(())
    });
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(read(&store, |tx| tx.log_size()), 0);
    let full = writer.batch(|batch| batch.attempt(fill)?);
    assert_eq!(full, Err(StoreError::Full));
    writer.batch(|batch| batch.attempt(|tx| append(tx, 0, started()))?).unwrap();
}

pub(crate) fn reopening_shows_everything_committed(home: &Home) {
    if matches!(home, Home::Memory) {
        return;
    }
    let store = home.open();
    write(&store, |tx| tx.put(&user(1, "alice"), 0)).unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    let epoch = store.epoch();
    drop(store);
    let store = home.open();
    assert_eq!(store.epoch(), epoch + 1);
    assert_eq!(read(&store, |tx| tx.get::<User>(id(1))).unwrap().fact, user(1, "alice"));
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

pub(crate) fn a_second_writer_is_refused_until_the_first_is_gone(home: &Home) {
    let store = home.open();
    let first = store.writer().unwrap();
    assert_eq!(store.clone().writer().map(|_| ()), Err(StoreError::WriterTaken));
    drop(first);
    store.writer().unwrap().batch(|_| Ok(())).unwrap();
}

pub(crate) fn readers_see_only_committed_batches(home: &Home) {
    let store = home.open();
    let (inside, began) = std::sync::mpsc::sync_channel(1);
    let (go_on, waits) = std::sync::mpsc::sync_channel::<()>(1);
    let mut writer = store.writer().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            writer.batch(|batch| {
                batch.attempt(|tx| tx.put(&user(1, "alice"), 0))??;
                inside.send(()).unwrap();
                // In memory a reader waits for the batch; in a file it must not.
                let _ = waits.recv_timeout(std::time::Duration::from_millis(200));
                batch.attempt(|tx| tx.put(&user(2, "bob"), 0))?
            })
        });
        began.recv().unwrap();
        let seen = read(&store, |tx| tx.all::<User>()).len();
        assert!([0, 2].contains(&seen), "half a batch was seen");
        let _ = go_on.send(());
    });
    assert_eq!(read(&store, |tx| tx.all::<User>()).len(), 2);
    assert_eq!(read(&store, |tx| tx.get::<User>(id(1))).unwrap().revision, 1);
}

pub(crate) fn a_failed_sync_is_reported(home: &Home) {
    let store = home.open_failing(Faults { fail_sync: Some(2), ..Faults::default() });
    let syncer = store.syncer().unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    syncer.sync().unwrap();
    assert!(matches!(syncer.sync(), Err(StoreError::Io(_))));
}
