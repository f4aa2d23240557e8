//! Disks that lie: writes that never arrived, and pages of which a part did.

use std::fs;
use std::path::{Path, PathBuf};

use marque_domain::{Credential, Revised, User};
use marque_store::{Sealed, Store, StoreError, StoredEntry, Tx};

use crate::home::{Home, read, write};
use crate::sample::{append, id, started, user};

const PAGE: usize = 4096;
const BATCHES: u8 = 12;
const ENTRIES_PER_BATCH: u64 = 3;

/// Three entries, a fact and a credential, or nothing of them.
fn work(tx: &mut Tx<'_>, batch: u8) -> Result<(), StoreError> {
    let size = tx.log_size()?;
    (size..size + ENTRIES_PER_BATCH).try_for_each(|index| append(tx, index, started()))?;
    tx.put(&user(batch, &format!("user{batch}")), 0)?;
    let credential = id::<Credential>(1);
    tx.shred_sealed(credential)?;
    tx.put_sealed(&Sealed { credential, revision: size + ENTRIES_PER_BATCH, bytes: vec![7; 5000] })
}

fn fill(store: &Store) {
    (0..BATCHES).for_each(|batch| write(store, |tx| work(tx, batch)).unwrap());
}

/// What a crash leaves of the files of a store that is open: the database and its log of writes.
fn crashed(home: &Home) -> (Vec<u8>, Vec<u8>) {
    let wal = PathBuf::from(format!("{}-wal", home.path().display()));
    (fs::read(home.path()).unwrap(), fs::read(wal).unwrap())
}

fn lay(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A store of these files.
fn laid(database: &[u8], wal: Option<&[u8]>) -> Home {
    let home = Home::in_files();
    lay(&home.path(), database);
    if let Some(wal) = wal {
        lay(&PathBuf::from(format!("{}-wal", home.path().display())), wal);
    }
    home
}

/// The number of whole batches that are there; fails on half of one.
fn batches(store: &Store) -> u64 {
    assert_eq!(store.damage(), Ok(Vec::new()));
    let size = read(store, |tx| tx.log_size());
    assert_eq!(size % ENTRIES_PER_BATCH, 0, "half a batch is there");
    assert_eq!(read(store, |tx| tx.entries(0, u64::MAX)).len() as u64, size);
    assert_eq!(read(store, |tx| tx.hashes(0, 0, u64::MAX)).len() as u64, size);
    assert_eq!(read(store, |tx| tx.first_misfiled(0, u64::MAX)), None);
    assert_eq!(read(store, |tx| tx.all::<User>()).len() as u64, size / ENTRIES_PER_BATCH);
    let sealed = read(store, |tx| tx.all_sealed());
    assert_eq!(sealed.first().map_or(0, |sealed| sealed.revision), size);
    size / ENTRIES_PER_BATCH
}

// threat 157: a sync that lies loses the end of the log of writes. What is left is the store of a
// moment before, whole; that it is an older one is told by what was seen of its log.
#[test]
fn a_log_of_writes_that_was_cut_off_or_torn_leaves_the_batches_before_and_no_half_of_one() {
    let home = Home::in_files();
    let store = home.open();
    fill(&store);
    let (database, wal) = crashed(&home);
    let all = u64::from(BATCHES);
    assert_eq!(batches(&laid(&database, Some(&wal)).open()), all);

    let step = wal.len() / 40 + 13;
    let mut before = 0;
    for cut in (0..wal.len()).step_by(step) {
        let left = batches(&laid(&database, wal.get(..cut)).open());
        assert!((before..=all).contains(&left), "{left} batches of the first {cut} bytes");
        before = left;
        // The page that was being written then, and some that follow it, never arrived.
        let mut torn = wal.clone();
        torn.iter_mut().skip(cut).take(PAGE).for_each(|byte| *byte = 0);
        let left = batches(&laid(&database, Some(&torn)).open());
        assert!(left < all || torn == wal, "zeros from {cut} on passed for what was written");
    }
    assert!(before > 0 && before < all, "some cuts fall between batches");
}

type Content = (Vec<StoredEntry>, Vec<Revised<User>>, Vec<Sealed>);

/// Everything there is to read, or what notices that something is not there.
fn content(home: &Home) -> Result<Content, String> {
    let store = Store::open(&home.path()).map_err(|error| error.to_string())?;
    let damage = store.damage().map_err(|error| error.to_string())?;
    if let Some(first) = damage.into_iter().next() {
        return Err(first);
    }
    let whole = |tx: &mut Tx<'_>| Ok((tx.entries(0, u64::MAX)?, tx.all()?, tx.all_sealed()?));
    store.read("test", whole).map_err(|error| error.to_string())
}

// threat 157
#[test]
fn a_page_of_the_database_that_was_torn_zeroed_or_lost_is_noticed_or_was_empty() {
    let home = Home::in_files();
    let store = home.open();
    fill(&store);
    drop(store);
    let whole = fs::read(home.path()).unwrap();
    let (entries, users, sealed) = content(&laid(&whole, None)).unwrap();
    assert_eq!(entries.len() as u64, u64::from(BATCHES) * ENTRIES_PER_BATCH);

    let mut noticed = 0;
    let pages = whole.len() / PAGE;
    for page in 0..pages {
        let from = page * PAGE;
        let zeroed = |bytes: std::ops::Range<usize>| {
            let mut torn = whole.clone();
            torn.get_mut(bytes).unwrap().fill(0);
            torn
        };
        // An empty file is a new store; that it is no new plane is for the plane to say.
        let cut = whole.get(..from.max(PAGE / 2)).unwrap().to_vec();
        for (how, torn) in [
            ("zeroed", zeroed(from..from + PAGE)),
            ("torn", zeroed(from + PAGE / 2..from + PAGE)),
            ("cut off", cut),
        ] {
            match content(&laid(&torn, None)) {
                Err(_) => noticed += 1,
                Ok(found) => {
                    assert_eq!((&found.0, &found.1), (&entries, &users), "page {page}, {how}");
                    // Sealed bytes are told by their seal: `no_byte_of_a_sealed_value_can_change`.
                    assert_eq!(found.2.len(), sealed.len(), "page {page}, {how}");
                }
            }
        }
    }
    assert!(noticed > pages, "{noticed} of {} were noticed", 3 * pages);
}
