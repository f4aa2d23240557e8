//! What only a store in files promises.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use marque_domain::User;
use marque_store::{Store, StoreError};

use crate::home::{Home, read, write};
use crate::sample::{append, id, started, user};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn problem(path: &Path) -> String {
    match Store::open(path) {
        Err(StoreError::Unsafe { problem, .. }) => problem,
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("`{}` must be refused", path.display()),
    }
}

#[test]
fn reopening_shows_everything_committed_and_counts_the_epoch() {
    let home = Home::in_files();
    let store = home.open();
    assert_eq!(store.epoch(), 1);
    write(&store, |tx| tx.put(&user(1, "alice"), 0)).unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    drop(store);
    let store = home.open();
    assert_eq!(store.epoch(), 2);
    assert_eq!(read(&store, |tx| tx.get::<User>(id(1))).unwrap().fact, user(1, "alice"));
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

// threat 158
#[test]
fn every_file_of_a_store_is_for_its_owner_only() {
    let home = Home::in_files();
    let store = home.open();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&beside(&home.path(), suffix)), 0o600, "`{suffix}`");
    }
}

// threat 158
#[test]
fn files_that_others_could_read_or_redirect_are_refused() {
    let home = Home::in_files();
    let path = home.path();
    drop(home.open());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(problem(&path).contains("chmod 600"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let link = path.with_file_name("link.db");
    symlink(&path, &link).unwrap();
    assert!(problem(&link).contains("symbolic link"));

    let second = path.with_file_name("second.db");
    fs::hard_link(&path, &second).unwrap();
    assert!(problem(&path).contains("hard link"));
    fs::remove_file(&second).unwrap();

    symlink("elsewhere", beside(&path, "-wal")).unwrap();
    assert!(problem(&path).contains("symbolic link"));
    fs::remove_file(beside(&path, "-wal")).unwrap();

    let directory = path.parent().unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(problem(&path).contains("chmod go-w"));
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
    home.open();
}

// threat 158
#[test]
fn files_of_another_user_are_refused() {
    let home = Home::in_files();
    drop(home.open());
    // Only root can give a file away; anybody else cannot even set the scene.
    let is_given_away = chown(home.path(), Some(65_534), None).is_ok();
    assert!(!is_given_away || problem(&home.path()).contains("another user"));
}

#[test]
fn a_second_store_on_the_same_files_is_refused_by_name() {
    let home = Home::in_files();
    let store = home.open();
    let directory = home.path().parent().unwrap().canonicalize().unwrap();
    let second = Store::open(&home.path()).map(|_| ());
    assert_eq!(second, Err(StoreError::InUse(directory)));
    drop(store);
    home.open();
}

#[test]
fn a_foreign_file_is_named_as_such_and_left_alone() {
    let home = Home::in_files();
    let path = home.path();
    fs::write(&path, "not a database, but long enough to look at: ".repeat(200)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Foreign(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_reader_beside_the_server_sees_what_is_committed_and_cannot_write() {
    let home = Home::in_files();
    assert!(matches!(Store::open_read_only(&home.path()), Err(StoreError::Absent(_))));
    let store = home.open();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    let beside = Store::open_read_only(&home.path()).unwrap();
    assert_eq!(read(&beside, |tx| tx.log_size()), 1);
    write(&store, |tx| append(tx, 1, started())).unwrap();
    assert_eq!(read(&beside, |tx| tx.log_size()), 2);
    assert!(matches!(beside.writer().map(|_| ()), Err(StoreError::ReadOnly(_))));
    let written = beside.read("test", |tx| append(tx, 2, started()));
    assert!(written.is_err(), "a reader wrote");
    drop((store, beside));
    let alone = Store::open_read_only(&home.path()).unwrap();
    assert_eq!(read(&alone, |tx| tx.log_size()), 2);
}

#[test]
fn the_log_of_writes_moves_into_the_database_and_starts_anew() {
    let home = Home::in_files();
    let store = home.open();
    let mut writer = store.writer().unwrap();
    let syncer = store.syncer().unwrap();
    let mut backfiller = store.backfiller().unwrap();
    let mut append_next = |index| {
        writer.batch(|batch| batch.attempt(|tx| append(tx, index, started()))?).unwrap();
        writer.backlog().unwrap()
    };
    let grown = (0..200).map(&mut append_next).last().unwrap();
    assert!(grown.held_bytes() > 200 * 4096 && grown.left_bytes() > 0, "{grown:?}");
    assert!(backfiller.backfill().unwrap().is_complete());
    assert!(writer.backfill().unwrap().is_complete());
    let anew = writer.backlog().unwrap();
    assert!(anew.frames < 5 && anew.frames > 0, "{anew:?}");
    syncer.sync().unwrap();
    assert_eq!(read(&store, |tx| tx.log_size()), 200);
}
