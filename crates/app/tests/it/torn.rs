//! A disk that lost or tore what it said was written: the next start notices, or nothing is lost.

use std::fs;
use std::path::PathBuf;

use super::crash::witness;
use super::support::{Json, Marque, World, chmod, eventually};

const PAGE: usize = 4096;

fn wal(world: &Marque) -> PathBuf {
    world.data().join("marque.db-wal")
}

/// Puts these bytes where the store was.
fn lay(world: &Marque, database: &[u8], writes: &[u8]) {
    let _ = fs::remove_file(world.data().join("marque.db-shm"));
    for (path, bytes) in [(world.database(), database), (wal(world), writes)] {
        fs::write(&path, bytes).unwrap();
        chmod(&path, 0o600);
    }
}

/// The files as they are now.
fn files(world: &Marque) -> (Vec<u8>, Vec<u8>) {
    (fs::read(world.database()).unwrap(), fs::read(wal(world)).unwrap())
}

/// A plane that was killed after its server noted down what its log had come to: what the log was
/// then, as a witness tells it, and the files of before.
fn killed() -> (World, String, (Vec<u8>, Vec<u8>)) {
    let mut world = World::new();
    let before = files(&world);
    let mut run = world.run();
    for item in 0..4 {
        assert_eq!(run.curl(&format!("http://plain.test/v1/items/{item}")).0, 200);
    }
    assert_eq!(run.ends(), 0);
    let witness = witness(&world);
    let size: u64 = witness.split(':').next().unwrap().parse().unwrap();
    eventually("the server notes what it saw", || {
        let seen = fs::read_to_string(world.data().join("seen")).ok()?;
        let seen: Json = serde_json::from_str(&seen).ok()?;
        (seen["size"].as_u64()? >= size).then_some(())
    });
    world.kill_server();
    (world, witness, before)
}

// threat 157: every sync was answered, and the end of what was written is not there. What is left
// is served if the log is whole, and refused if an entry is missing.
#[test]
fn a_store_that_lost_its_last_writes_is_not_served_as_if_nothing_had_been() {
    let (mut world, witness, before) = killed();
    let (database, writes) = files(&world);
    let seen = fs::read(world.data().join("seen")).unwrap();
    let half = writes.len() / 2;
    let mut torn = writes.clone();
    torn[half..][..PAGE].fill(0);
    let cut = database.len() / PAGE / 2 * PAGE;
    let mut refused = Vec::new();
    for (what, database, writes) in [
        ("nothing is missing", &database[..], &writes[..]),
        ("the second half of the writes", &database, &writes[..half]),
        ("a page in their middle", &database, &torn),
        ("all of them", &database, &writes[..32]),
        ("everything since the run", &before.0, &before.1),
        ("the second half of the database", &database[..cut], &[]),
        ("everything", &[], &[]),
    ] {
        lay(&world, database, writes);
        let proved = world.cli(&["log", "verify", "--against", &witness]).code == 0;
        lay(&world, database, writes);
        // A server of the case before may have gone on, and noted that down.
        fs::write(world.data().join("seen"), &seen).unwrap();
        if proved {
            world.serve();
            assert_eq!(world.json(&["store", "check"])["ok"], true, "{what}");
            world.kill_server();
        } else {
            assert_eq!(world.serves_not().code, 1, "{what}");
            refused.push(what);
        }
    }
    assert!(!refused.contains(&"nothing is missing"), "{refused:?}");
    for what in ["everything since the run", "the second half of the database", "everything"] {
        assert!(refused.contains(&what), "{what}: {refused:?}");
    }
}

// threat 157
#[test]
fn a_page_that_was_torn_is_found_by_a_check_or_held_nothing() {
    let mut world = World::new();
    assert_eq!(world.stop(), Some(0));
    let whole = fs::read(world.database()).unwrap();
    let root = world.json(&["store", "check"])["root"].clone();
    let pages = whole.len() / PAGE;
    let mut found = 0;
    for page in (1..pages).step_by(pages / 12 + 1) {
        let mut torn = whole.clone();
        torn[page * PAGE..][..PAGE].fill(0);
        lay(&world, &torn, &[]);
        let told = world.cli(&["store", "check", "--json"]);
        if told.code == 0 {
            assert_eq!(told.json()["root"], root, "page {page}");
        }
        found += usize::from(told.code != 0);
    }
    assert!(found > 0, "of {pages} pages");
    lay(&world, &whole, &[]);
    assert_eq!(world.json(&["store", "check"])["ok"], true);
}
