//! What only a store in PostgreSQL promises: who may write, what a broken connection leaves.

use marque_domain::{Agent, Meter, User};
use marque_store::{DatabaseUrl, OpenOptions, Store, StoreError};
use marque_testkit::PostgresServer;

use crate::home::{read, write};
use crate::sample::{append, id, started, user};

pub(crate) fn open(url: &str) -> Result<Store, StoreError> {
    Store::open_postgres(&DatabaseUrl::parse(url)?, OpenOptions::default())
}

pub(crate) fn server() -> Option<(&'static PostgresServer, String)> {
    PostgresServer::shared().map(|server| (server, server.url()))
}

#[test]
fn a_second_store_of_the_same_name_on_the_same_schema_is_refused() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    let second = open(&url).map(|_| ());
    assert!(matches!(second, Err(StoreError::DatabaseInUse(_))), "{second:?}");
    open(&server.url()).unwrap();
    drop(store);
    open(&url).unwrap();
}

#[test]
fn servers_that_start_at_once_on_an_empty_database_do_not_clash() {
    let Some((_, url)) = server() else { return };
    let mut epochs: Vec<u64> = std::thread::scope(|scope| {
        let start = || open(&url).map(|store| store.epoch());
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3, 4]);
}

// threat 154, the part of it that is the store's: a writer that was thought dead comes back.
#[test]
fn a_writer_whose_epoch_has_passed_writes_nothing() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    server.sql_in(&url, "UPDATE replicas SET epoch = 2");
    let late = write(&store, |tx| append(tx, 1, started()));
    assert_eq!(late, Err(StoreError::Deposed("server".to_owned())));
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

#[test]
fn a_connection_that_broke_between_transactions_is_opened_anew() {
    let Some(server) = PostgresServer::start() else { return };
    let store = open(&server.url()).unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
    server.end_sessions();
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
    write(&store, |tx| append(tx, 1, started())).unwrap();
    assert_eq!(read(&store, |tx| tx.log_size()), 2);
}

#[test]
fn a_batch_whose_connection_breaks_before_its_commit_runs_again() {
    let Some(server) = PostgresServer::start() else { return };
    let store = open(&server.url()).unwrap();
    let mut runs = 0;
    // Nothing of this one was sent when the connection breaks but its beginning.
    let written = store.writer().unwrap().batch(|batch| {
        runs += 1;
        batch.attempt(|tx| append(tx, 0, started()))??;
        if runs == 1 {
            server.end_sessions();
        }
        Ok(())
    });
    assert_eq!((written, runs), (Ok(()), 2));
    assert_eq!(read(&store, |tx| tx.log_size()), 1);
}

#[test]
fn a_batch_whose_connection_breaks_runs_again_and_counts_once() {
    let Some(server) = PostgresServer::start() else { return };
    let store = open(&server.url()).unwrap();
    let mut runs = 0;
    let written = store.writer().unwrap().batch(|batch| {
        runs += 1;
        batch.attempt(|tx| tx.put(&user(1, "alice"), 0))??;
        if runs == 1 {
            server.end_sessions();
        }
        batch.attempt(|tx| tx.put(&user(2, "bob"), 0))?
    });
    assert_eq!(written, Ok(1));
    assert_eq!(runs, 2);
    assert_eq!(read(&store, |tx| tx.all::<User>()).len(), 2);
}

// threat 153: never a guess about what is there.
#[test]
fn a_connection_that_breaks_in_the_commit_leaves_a_doubt_that_is_said() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    server.sql_in(
        &url,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER die AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW WHEN (NEW.idx = 1) EXECUTE FUNCTION die()",
    );
    write(&store, |tx| append(tx, 0, started())).unwrap();
    let doubt = write(&store, |tx| append(tx, 1, started()));
    assert!(matches!(doubt, Err(StoreError::InDoubt(_))), "{doubt:?}");
    server.sql_in(&url, "DROP TRIGGER die ON log");
    write(&store, |tx| append(tx, 1, started())).unwrap();
    assert_eq!(read(&store, |tx| tx.log_size()), 2);
}

#[test]
fn a_command_that_hides_a_failed_statement_loses_the_batch() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    server.sql_in(&url, "DROP TABLE factors");
    let mut writer = store.writer().unwrap();
    let lost = writer.batch(|batch| {
        batch.attempt(|tx| append(tx, 0, started()))??;
        let hidden = batch.attempt(|tx| {
            let _ = tx.factor(id(1));
            Ok::<_, StoreError>(())
        });
        assert!(hidden.is_err(), "the transaction is dead");
        assert!(batch.attempt(|tx| append(tx, 1, started())).is_err(), "nothing runs after it");
        Ok(())
    });
    assert!(matches!(lost, Err(StoreError::Engine(_))), "{lost:?}");
    assert_eq!(read(&store, |tx| tx.log_size()), 0);
}

#[test]
fn a_command_that_owns_up_to_a_failed_statement_loses_only_itself() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    // The first insert of bob's revision fails; nothing else does.
    server.sql_in(&url, "ALTER TABLE names ADD CHECK (name <> 'forbidden')");
    let mut writer = store.writer().unwrap();
    let kept = writer.batch(|batch| {
        batch.attempt(|tx| append(tx, 0, started()))??;
        let refused = batch.attempt(|tx| {
            append(tx, 1, started())?;
            tx.put(&user(2, "bob"), 0)?;
            tx.take_name("forbidden", id::<Agent>(1))
        })?;
        assert!(matches!(refused, Err(StoreError::Engine(_))), "{refused:?}");
        batch.attempt(|tx| append(tx, 1, started()))?
    });
    assert_eq!(kept, Ok(()));
    assert_eq!(read(&store, |tx| tx.log_size()), 2);
    assert_eq!(read(&store, |tx| tx.all::<User>()), []);
}

// A failure quotes no value: not the text that broke a rule, nor the row it was in.
#[test]
fn what_the_server_says_of_a_value_is_not_passed_on() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    server.sql_in(&url, "ALTER TABLE names ADD CONSTRAINT rule CHECK (name <> 'canary')");
    let told = write(&store, |tx| tx.take_name("canary", id::<Agent>(1))).unwrap_err().to_string();
    assert!(told.contains("rule") && !told.contains("canary"), "{told}");
}

#[test]
fn text_sorts_by_its_bytes_whatever_the_database_thinks() {
    let Some((server, url)) = server() else { return };
    let store = open(&url).unwrap();
    let sorted = "SELECT string_agg(key, '' ORDER BY key) FROM (VALUES ('a'), ('B')) keys(key)";
    let by_language = server.sql(sorted);
    assert_eq!(by_language, "aB", "the test's database must not sort by bytes itself");
    let keys = ["B", "_", "a", "aB", "a~", "é", "語", "🦀"];
    write(&store, |tx| keys.iter().rev().try_for_each(|k| tx.put_meter(k, &Meter::default())))
        .unwrap();
    let kept = read(&store, |tx| tx.meters());
    assert_eq!(kept.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), keys);
}

#[test]
fn a_text_that_cannot_be_kept_is_refused_before_it_is_sent() {
    let Some((_, url)) = server() else { return };
    let store = open(&url).unwrap();
    let mut writer = store.writer().unwrap();
    let kept = writer.batch(|batch| {
        let refused = batch.attempt(|tx| tx.put_setting("zero", "a\0b"))?;
        assert!(matches!(refused, Err(StoreError::Unstorable(_))), "{refused:?}");
        batch.attempt(|tx| tx.put_setting("one", "é 語 🦀 \u{7f} \\ ' \" $1"))?
    });
    assert_eq!(kept, Ok(()));
    let one = read(&store, |tx| tx.setting("one"));
    assert_eq!(one.as_deref(), Some("é 語 🦀 \u{7f} \\ ' \" $1"));
}

// threat 155
#[test]
fn a_schema_of_a_newer_program_or_of_another_is_refused() {
    let Some((server, url)) = server() else { return };
    drop(open(&url).unwrap());
    server.sql_in(&url, "INSERT INTO migrations (number, step) VALUES (1000, 'SELECT 1')");
    let newer = open(&url).map(|_| ());
    assert!(matches!(newer, Err(StoreError::NewerSchema { .. })), "{newer:?}");
    let foreign = server.url();
    server.sql_in(&foreign, "CREATE TABLE migrations (id int, migration text)");
    let refused = open(&foreign).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Foreign(_))), "{refused:?}");
    let nowhere = format!("{url}_absent");
    let refused = open(&nowhere).map(|_| ());
    assert!(matches!(refused, Err(StoreError::BadUrl(_))), "{refused:?}");
}

// threat 155: what broke off leaves nothing of itself, and the next start goes on from there.
#[test]
fn an_upgrade_that_breaks_off_goes_on_next_time() {
    let Some((server, url)) = server() else { return };
    server.sql_in(&url, "CREATE TABLE meters (in_the_way int)");
    let broken = open(&url).map(|_| ());
    assert!(matches!(broken, Err(StoreError::Engine(_))), "{broken:?}");
    assert_eq!(server.sql_in(&url, "SELECT max(number) FROM migrations"), "1");
    server.sql_in(&url, "DROP TABLE meters");
    let store = open(&url).unwrap();
    write(&store, |tx| tx.put_meter("agt_1", &Meter::default())).unwrap();
}

#[test]
fn a_reader_beside_the_server_sees_what_is_committed_and_cannot_write() {
    let Some((_, url)) = server() else { return };
    let parsed = DatabaseUrl::parse(&url).unwrap();
    let absent = Store::open_postgres_read_only(&parsed).map(|_| ());
    assert!(matches!(absent, Err(StoreError::Absent(_))), "{absent:?}");
    let store = open(&url).unwrap();
    write(&store, |tx| append(tx, 0, started())).unwrap();
    let beside = Store::open_postgres_read_only(&parsed).unwrap();
    assert_eq!((read(&beside, |tx| tx.log_size()), beside.epoch()), (1, 1));
    write(&store, |tx| append(tx, 1, started())).unwrap();
    assert_eq!(read(&beside, |tx| tx.log_size()), 2);
    assert!(matches!(beside.writer().map(|_| ()), Err(StoreError::ReadOnly(_))));
    let written = beside.read("test", |tx| append(tx, 2, started()));
    assert!(matches!(written, Err(StoreError::ReadOnly(_))), "{written:?}");
}

// threat 153: of a crash of the server itself, every answered batch is there, and no half of one.
#[test]
fn a_server_that_is_killed_keeps_all_it_answered_and_the_store_goes_on() {
    let Some(mut server) = PostgresServer::start() else { return };
    let store = open(&server.url()).unwrap();
    let mut answered = 0;
    for _ in 0..3 {
        for _ in 0..7 {
            let size = store.writer().unwrap().batch(|batch| {
                batch.attempt(|tx| {
                    let size = tx.log_size()?;
                    (size..size + 3).try_for_each(|index| append(tx, index, started()))?;
                    Ok::<_, StoreError>(size + 3)
                })?
            });
            answered = size.unwrap();
        }
        server.crash_and_restart();
        assert_eq!(read(&store, |tx| tx.log_size()), answered);
        assert_eq!(read(&store, |tx| tx.first_misfiled(0, u64::MAX)), None);
    }
}

// The driver brings no runtime of its own, and must not mind ours.
#[test]
fn a_store_works_inside_an_async_runtime() {
    let Some((_, url)) = server() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&url).unwrap();
        write(&store, |tx| append(tx, 0, started())).unwrap();
        assert_eq!(read(&store, |tx| tx.log_size()), 1);
    });
}
