//! What servers that share a PostgreSQL database promise each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use marque_domain::User;
use marque_store::{DatabaseUrl, OpenOptions, Store, StoreError, Turn};
use marque_testkit::PostgresServer;

use crate::home::{read, write};
use crate::postgres::server;
use crate::sample::{append, at, started, user};

const SOON: Duration = Duration::from_millis(100);

fn open(url: &str, replica: &str) -> Result<Store, StoreError> {
    let options = OpenOptions { replica: replica.to_owned(), ..OpenOptions::default() };
    Store::open_postgres(&DatabaseUrl::parse(url)?, options)
}

/// A batch that appends an entry and tells of it; its turn.
fn tell(store: &Store) -> Result<Turn, StoreError> {
    store.writer()?.batch(|batch| {
        let turn = batch.turn().unwrap();
        batch.attempt(|tx| {
            let size = tx.log_size()?;
            append(tx, size, started())?;
            tx.tell(turn.seq + 1, turn.now, "x")
        })??;
        Ok(turn)
    })
}

fn names(store: &Store) -> Vec<String> {
    read(store, |tx| tx.replicas()).into_iter().map(|replica| replica.name).collect()
}

#[test]
fn servers_of_different_names_take_turns_and_see_all_that_went_before() {
    let Some((_, url)) = server() else { return };
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    assert_eq!((one.replica(), two.replica(), one.is_shared()), ("one", "two", true));
    assert_eq!((one.epoch(), two.epoch()), (1, 2));
    assert_eq!(tell(&one).unwrap().seq, 0);
    assert_eq!(tell(&two).unwrap().seq, 1);
    assert_eq!(tell(&one).unwrap().seq, 2);
    thread::scope(|scope| {
        for store in [&one, &two] {
            scope.spawn(|| (0..25).try_for_each(|_| tell(store).map(|_| ())).unwrap());
        }
    });
    let numbers: Vec<_> =
        read(&two, |tx| tx.told_since(0, 100)).told.into_iter().map(|told| told.seq).collect();
    assert_eq!(numbers, (1..=53).collect::<Vec<_>>());
    assert_eq!(read(&one, |tx| tx.log_size()), 53);
}

#[test]
fn a_turn_goes_by_the_clock_of_the_database() {
    let Some((server, url)) = server() else { return };
    let store = open(&url, "one").unwrap();
    let clock = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let now = || server.sql(clock).parse().map(at).unwrap();
    let (before, turn, after) = (now(), tell(&store).unwrap(), now());
    assert!(before <= turn.now && turn.now <= after, "{before} {turn:?} {after}");
}

#[test]
fn no_two_servers_run_under_one_name() {
    let Some((_, url)) = server() else { return };
    let (one, _two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let second = open(&url, "one").map(|_| ());
    assert!(matches!(second, Err(StoreError::DatabaseInUse(_))), "{second:?}");
    tell(&one).unwrap();
    drop(one);
    assert_eq!(tell(&open(&url, "one").unwrap()).unwrap().seq, 1);
    let endless = open(&url, &"n".repeat(65)).map(|_| ());
    assert!(matches!(endless, Err(StoreError::Unstorable(_))), "{endless:?}");
}

#[test]
fn servers_of_different_names_start_at_once_on_an_empty_database() {
    let Some((_, url)) = server() else { return };
    let stores: Vec<Store> = thread::scope(|scope| {
        let start = |name| {
            let url = &url;
            move || open(url, name).unwrap()
        };
        let starting = ["a", "b", "c", "d"].map(|name| scope.spawn(start(name)));
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut epochs: Vec<_> = stores.iter().map(Store::epoch).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3, 4]);
    for store in &stores {
        tell(store).unwrap();
    }
}

// threat 154: a server that the others gave up on comes back.
#[test]
fn a_server_that_was_dismissed_writes_nothing_until_it_is_started_anew() {
    let Some((_, url)) = server() else { return };
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    tell(&one).unwrap();
    assert_eq!(write(&two, |tx| tx.dismiss("one")), Ok(true));
    assert_eq!(write(&two, |tx| tx.dismiss("one")), Ok(false));
    let mut runs = 0;
    let late = one.writer().unwrap().batch(|batch| {
        runs += 1;
        batch.attempt(|tx| append(tx, 1, started()))?
    });
    assert_eq!((late, runs), (Err(StoreError::Deposed("one".to_owned())), 0));
    let beat = write(&one, |tx| tx.beat("one", at(1)));
    assert_eq!(beat, Err(StoreError::Deposed("one".to_owned())));
    assert_eq!((read(&two, |tx| tx.log_size()), names(&two)), (1, vec!["two".to_owned()]));
    assert_eq!(read(&one, |tx| tx.log_size()), 1, "it may still read");
    drop(one);
    assert_eq!(tell(&open(&url, "one").unwrap()).unwrap().seq, 1);
}

#[test]
fn a_server_is_seen_from_its_start_and_when_it_says_so() {
    let Some((_, url)) = server() else { return };
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let seen = |name: &str| {
        let found = read(&one, |tx| tx.replicas()).into_iter().find(|it| it.name == name);
        found.map(|replica| (replica.epoch, replica.seen)).unwrap()
    };
    let ((first, early), (second, late)) = (seen("one"), seen("two"));
    assert_eq!((first, second), (1, 2));
    assert!(at(1) < early && early <= late, "{early} {late}");
    write(&two, |tx| tx.beat("two", at(7))).unwrap();
    assert_eq!((seen("one"), seen("two")), ((1, early), (2, at(7))));
}

#[test]
fn a_server_says_what_it_is_and_one_that_takes_its_name_says_it_anew() {
    let Some((server, url)) = server() else { return };
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let says = || {
        let said = read(&two, |tx| tx.replicas()).into_iter();
        said.map(|it| (it.name, it.speaks, it.release, it.policies)).collect::<Vec<_>>()
    };
    let said = |name: &str, speaks, release: &str, policies: &str| {
        (name.to_owned(), speaks, release.to_owned(), policies.to_owned())
    };
    assert_eq!(says(), [said("one", 0, "", ""), said("two", 0, "", "")]);
    write(&one, |tx| tx.introduce("one", (1, "0.1.0"), "sha256:1")).unwrap();
    assert_eq!(says(), [said("one", 1, "0.1.0", "sha256:1"), said("two", 0, "", "")]);
    assert_eq!(read(&two, |tx| tx.living()), ["one", "two"]);
    drop(one);
    let lives = || read(&two, |tx| tx.living()).len() == 2;
    while lives() {
        thread::sleep(Duration::from_millis(10));
    }
    let _one = open(&url, "one").unwrap();
    assert_eq!(says(), [said("one", 0, "", ""), said("two", 0, "", "")]);
    // A program of schema 3 names three columns, and speaks what was spoken then.
    let sql = "INSERT INTO replicas (name, epoch, seen) VALUES ('old', 1, 1)";
    server.sql_in(&url, sql);
    assert_eq!(says()[0], said("old", 1, "", ""));
}

#[test]
fn a_commit_of_another_server_is_heard_at_once_and_one_that_was_undone_is_not() {
    let Some((_, url)) = server() else { return };
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let mut listener = one.listener().unwrap().unwrap();
    assert_eq!(listener.wait(SOON), Ok(false));
    tell(&two).unwrap();
    tell(&two).unwrap();
    assert_eq!(listener.wait(SOON), Ok(true));
    // Both are heard at once, or one after the other.
    while listener.wait(SOON) == Ok(true) {}
    let undone = two.writer().unwrap().batch(|batch| {
        batch.attempt(|tx| tx.tell(3, at(1), "x"))??;
        assert_eq!(batch.attempt(|tx| tx.last_told())??, 3, "it was sent");
        Err::<(), _>(StoreError::Full)
    });
    assert_eq!(undone, Err(StoreError::Full));
    assert_eq!(listener.wait(SOON), Ok(false), "nothing was committed");
    tell(&one).unwrap();
    assert_eq!(listener.wait(SOON), Ok(false), "what it said itself is no news");
    assert_eq!(listener.wait(Duration::ZERO), Ok(false));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| listener.wait(Duration::from_secs(30)));
        tell(&two).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(true));
    });
}

#[test]
fn servers_of_another_schema_are_not_heard() {
    let Some((server, url)) = server() else { return };
    let (one, other) = (open(&url, "one").unwrap(), open(&server.url(), "two").unwrap());
    let mut listener = one.listener().unwrap().unwrap();
    tell(&other).unwrap();
    assert_eq!(listener.wait(SOON), Ok(false));
}

#[test]
fn a_listener_that_lost_its_connection_says_so_and_may_have_missed_something() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.url();
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let mut listener = one.listener().unwrap().unwrap();
    server.end_sessions();
    let lost = listener.wait(Duration::from_secs(30));
    assert!(matches!(lost, Err(StoreError::Unreachable(_))), "{lost:?}");
    assert_eq!(listener.wait(SOON), Ok(true));
    assert_eq!(listener.wait(SOON), Ok(false));
    tell(&two).unwrap();
    assert_eq!(listener.wait(SOON), Ok(true));
}

#[test]
fn a_batch_that_runs_again_has_the_turn_of_its_last_run() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.url();
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let mut turns = Vec::new();
    let told = one.writer().unwrap().batch(|batch| {
        let turn = batch.turn().unwrap();
        turns.push(turn.seq);
        batch.attempt(|tx| tx.tell(turn.seq + 1, turn.now, "one"))??;
        if turns.len() == 1 {
            server.end_sessions();
            tell(&two)?;
        }
        Ok(())
    });
    assert_eq!((told, turns), (Ok(()), vec![0, 1]));
    assert_eq!(read(&two, |tx| tx.last_told()), 2);
}

// threat 154: what hangs in a transaction, as behind a network that swallows it, holds nobody up.
#[test]
fn a_server_that_is_silent_in_its_turn_loses_it_and_the_others_go_on() {
    let Some((_, url)) = server() else { return };
    let (one, two) = (open(&url, "one").unwrap(), open(&url, "two").unwrap());
    let (began, wait_for_it) = mpsc::sync_channel(1);
    let is_back = AtomicBool::new(false);
    thread::scope(|scope| {
        let silent = scope.spawn(|| {
            let mut runs = 0;
            let written = one.writer().unwrap().batch(|batch| {
                runs += 1;
                batch.attempt(|tx| tx.put(&user(1, "alice"), 0))??;
                if runs == 1 {
                    began.send(()).unwrap();
                    thread::sleep(Duration::from_secs(2));
                    is_back.store(true, Ordering::SeqCst);
                }
                Ok(())
            });
            (written, runs)
        });
        wait_for_it.recv().unwrap();
        write(&two, |tx| tx.put(&user(2, "bob"), 0)).unwrap();
        assert!(!is_back.load(Ordering::SeqCst), "the other had to wait until it came back");
        assert_eq!(silent.join().unwrap(), (Ok(()), 2));
    });
    assert_eq!(read(&two, |tx| tx.all::<User>()).len(), 2);
}
