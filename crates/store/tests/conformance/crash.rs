//! A process killed in the middle of batches.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use marque_domain::Credential;
use marque_store::{Intent, Sealed, Store, StoreError, Tx};

use crate::home::{Home, read};
use crate::sample::{append, id, outcome};

const VICTIM: &str = "crash::victim";
const HOME: &str = "MARQUE_STORE_CRASH_TEST";
const ENTRIES_PER_BATCH: u64 = 3;

// threat 153, the part of it that is the store's: a sealed credential and the entry that records
// it are both there or neither is. What was answered is there.
#[test]
fn a_killed_process_leaves_whole_batches_and_all_it_answered() {
    for kill_after in [1, 7, 40] {
        let home = Home::in_files();
        let mut victim = start(&home);
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let acknowledged = (&mut lines).filter_map(answered).nth(kill_after).unwrap();
        victim.kill().unwrap();
        victim.wait().unwrap();
        // What it still said before it died counts too.
        let acknowledged = lines.filter_map(answered).last().unwrap_or(acknowledged);
        judge(&home.open(), acknowledged);
        assert_eq!(integrity(&home), "ok");
    }
}

fn integrity(home: &Home) -> String {
    let database = rusqlite::Connection::open(home.path()).unwrap();
    database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

fn judge(store: &Store, acknowledged: u64) {
    let size = read(store, |tx| tx.log_size());
    assert_eq!(size % ENTRIES_PER_BATCH, 0, "half a batch is there");
    assert!(size >= acknowledged, "{acknowledged} entries were answered, {size} are there");
    assert_eq!(read(store, |tx| tx.hashes(0, 0, u64::MAX)).len() as u64, size);
    assert_eq!(read(store, |tx| tx.first_misfiled(0, u64::MAX)), None);
    let sealed = read(store, |tx| tx.all_sealed());
    assert_eq!(sealed.first().map_or(0, |sealed| sealed.revision), size);
    assert_eq!(read(store, |tx| tx.unsettled_intents(None, u64::MAX)).len(), 1);
}

fn start(home: &Home) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args([VICTIM, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(HOME, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The number of entries a line acknowledges; a line cut short by the kill says nothing.
fn answered(line: std::io::Result<String>) -> Option<u64> {
    line.ok()?.strip_prefix("answered ")?.strip_suffix('.')?.parse().ok()
}

#[test]
#[ignore = "writes until it is killed; started by the test above"]
#[expect(clippy::disallowed_methods, reason = "a test's child is told its home by its parent")]
fn victim() {
    let store = Store::open(&PathBuf::from(std::env::var_os(HOME).unwrap())).unwrap();
    let mut writer = store.writer().unwrap();
    let mut out = std::io::stdout();
    loop {
        let size = writer.batch(|batch| batch.attempt(work)?).unwrap();
        writeln!(out, "answered {size}.").unwrap();
    }
}

/// Three entries, an intent moved on, and a credential sealed anew.
fn work(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let size = tx.log_size()?;
    for index in size..size + ENTRIES_PER_BATCH {
        append(tx, index, outcome(1))?;
    }
    let size = size + ENTRIES_PER_BATCH;
    tx.settle_intent(id(1))?;
    let replica = String::new();
    tx.open_intent(&Intent { decision: id(1), run: id(1), index: size, replica })?;
    let credential = id::<Credential>(1);
    tx.shred_sealed(credential)?;
    tx.put_sealed(&Sealed { credential, revision: size, bytes: vec![7; 5000] })?;
    Ok(size)
}
