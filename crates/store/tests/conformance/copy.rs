//! Copying a plane from SQLite into PostgreSQL: all of it, or nobody serves it.

use marque_domain::{Digest, User};
use marque_store::{DatabaseUrl, Intent, OpenOptions, Store, StoreError, Tx};
use marque_testkit::PostgresServer;

use crate::home::{Home, read, write};
use crate::sample::{append, decided, decision, id, leaf, opened, user};

/// More than one page of the log.
const ENTRIES: u64 = 600;

fn plane(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let alice = user(1, "alice");
    tx.put(&alice, 0)?;
    tx.put(&User { is_admin: true, ..alice.clone() }, 1)?;
    tx.take_name("alice", alice.id)?;
    append(tx, 0, opened(1, "bot", "ticket:OPS-1"))?;
    for index in 1..ENTRIES {
        let number = u8::try_from(index % 250).unwrap_or(0);
        append(tx, index, decided(decision(number, 1, "bot", "/é/items")))?;
    }
    tx.append_root(8, 0, &leaf(7))?;
    tx.open_intent(&Intent { decision: id(9), run: id(1), index: 9, replica: String::new() })?;
    tx.put_checkpoint(1, "note")?;
    tx.put_setting("trust_domain", "marque.test")?;
    tx.put_policy_text(&Digest::from_bytes([0; 32]), "forbid (principal, action, resource);")?;
    tx.put_factor(id(1), "check")?;
    Ok(())
}

fn filled() -> (Home, Store) {
    let home = Home::in_files();
    let store = home.open();
    write(&store, plane).unwrap();
    (home, store)
}

fn to_fill(url: &str) -> Result<Store, StoreError> {
    Store::open_postgres_to_fill(&DatabaseUrl::parse(url).unwrap(), OpenOptions::default())
}

fn open(url: &str) -> Result<Store, StoreError> {
    Store::open_postgres(&DatabaseUrl::parse(url).unwrap(), OpenOptions::default())
}

#[test]
fn a_copy_holds_every_row_and_goes_on_counting_epochs() {
    let Some(server) = PostgresServer::shared() else { return };
    let (url, (_home, source)) = (server.url(), filled());
    let target = to_fill(&url).unwrap();
    let mut told = Vec::new();
    target.fill_from(&source, &mut |table, rows| told.push((table, rows))).unwrap();
    assert!(told.contains(&("log", 256)) && told.contains(&("log", ENTRIES)), "{told:?}");
    assert_eq!(source.first_difference(&target, &mut |_, _| {}).unwrap(), None);
    assert_eq!(source.counts().unwrap(), target.counts().unwrap());
    target.finish_filling(&source).unwrap();
    drop(target);
    let served = open(&url).unwrap();
    assert_eq!(served.epoch(), source.epoch() + 1);
    assert_eq!(read(&served, |tx| tx.setting("trust_domain")).as_deref(), Some("marque.test"));
    let misfiled = read(&served, |tx| tx.first_misfiled(0, ENTRIES));
    assert_eq!(misfiled, None);
}

#[test]
fn a_copy_that_lacks_or_changes_a_row_is_told_from_the_whole_one() {
    let Some(server) = PostgresServer::shared() else { return };
    for (change, table) in [
        ("DELETE FROM facts WHERE revision = 1", "facts"),
        ("UPDATE log SET bytes = '' WHERE idx = 599", "log"),
        ("INSERT INTO checkpoints (size, note) VALUES (2, 'x')", "checkpoints"),
        ("UPDATE settings SET value = 'x' WHERE name = 'trust_domain'", "settings"),
    ] {
        let (url, (_home, source)) = (server.url(), filled());
        let target = to_fill(&url).unwrap();
        target.fill_from(&source, &mut |_, _| {}).unwrap();
        server.sql_in(&url, change);
        let found = source.first_difference(&target, &mut |_, _| {}).unwrap();
        assert_eq!(found, Some(table), "{change}");
    }
}

// threat 155
#[test]
fn nobody_serves_a_copy_that_broke_off_or_fills_it_again() {
    let Some(server) = PostgresServer::shared() else { return };
    let (url, (_home, source)) = (server.url(), filled());
    let target = to_fill(&url).unwrap();
    let broken = target.fill_from(&source, &mut |table, rows| {
        if (table, rows) == ("log", 256) {
            server.sql_in(&url, "DROP TABLE checkpoints");
        }
    });
    broken.unwrap_err();
    drop(target);
    for refused in [
        open(&url).map(|_| ()),
        to_fill(&url).map(|_| ()),
        Store::open_postgres_read_only(&DatabaseUrl::parse(&url).unwrap()).map(|_| ()),
    ] {
        assert!(matches!(refused, Err(StoreError::Unfinished(_))), "{refused:?}");
    }
}

#[test]
fn only_an_empty_database_is_filled() {
    let Some(server) = PostgresServer::shared() else { return };
    let (used, opened_once) = (server.url(), server.url());
    write(&open(&used).unwrap(), |tx| tx.put_setting("trust_domain", "x")).unwrap();
    assert!(matches!(to_fill(&used), Err(StoreError::NotEmpty(_))));
    drop(open(&used).expect("a refusal leaves no mark"));
    drop(open(&opened_once).unwrap());
    drop(to_fill(&opened_once).expect("a store that holds nothing is empty"));
}

#[test]
fn a_store_that_was_moved_is_not_opened_for_writing_until_it_is_taken_back() {
    let (home, store) = filled();
    store.mark_moved("db.example:5432/marque").unwrap();
    drop(store);
    let refused = Store::open(&home.path()).map(|_| ()).unwrap_err();
    assert_eq!(refused, StoreError::Moved("db.example:5432/marque".to_owned()));
    let reader = Store::open_read_only(&home.path()).unwrap();
    assert_eq!(read(&reader, |tx| tx.log_size()), ENTRIES);
    assert_eq!(reader.moved_to().unwrap().as_deref(), Some("db.example:5432/marque"));
    drop(reader);
    let was = Store::take_back(&home.path()).unwrap();
    assert_eq!(was.as_deref(), Some("db.example:5432/marque"));
    let store = Store::open(&home.path()).unwrap();
    assert!(matches!(Store::take_back(&home.path()), Err(StoreError::InUse(_))));
    assert_eq!(store.moved_to().unwrap(), None);
}
