//! The insider: rewrites one entry of the log and signs everything anew with the real key.
//!
//! Uses only what everybody may use, on a store of its own that it then puts in the place of the
//! real one. The result is without a fault in itself: only what others kept gives it away.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use marque_crypto::key_file::{self, Purpose};
use marque_crypto::sign::LogKey;
use marque_domain::{Answer, Event, LogEntry};
use marque_store::{Store, StoredEntry, Tx};
use marque_tlog::{Checkpoint, Frontier, KeyName, VerifierKey, leaf_hash};

/// Whom the insider blames.
pub(super) const SCAPEGOAT: &str = "somebody-else";
/// More entries than the story ever has.
const LIMIT: u64 = 10_000;

/// Blames another agent for the first write that was allowed; the index of its entry. The server
/// must have ended.
pub(super) fn rewrite(data: &Path) -> anyhow::Result<u64> {
    let (real, forged) = (data.join("marque.db"), data.join("forged.db"));
    let (mut entries, sizes) = read(&real)?;
    let index = entries.iter_mut().find_map(blame).context("no write was allowed")?;
    let insider = Insider::with_the_keys_of(data)?;
    let store = Store::open(&forged)?;
    store.writer()?.batch(|batch| batch.attempt(|tx| insider.write(tx, &entries, &sizes)))??;
    drop(store);
    for companion in ["", "-wal", "-shm"] {
        let (from, to) = (beside(&forged, companion), beside(&real, companion));
        // A store that was closed in order leaves no companions behind.
        if to.exists() {
            std::fs::remove_file(&to)?;
        }
        if from.exists() {
            std::fs::rename(from, to)?;
        }
    }
    Ok(index)
}

/// Every entry, and the sizes that checkpoints were signed for.
fn read(database: &Path) -> anyhow::Result<(Vec<LogEntry>, Vec<u64>)> {
    let store = Store::open_read_only(database)?;
    let (stored, checkpoints) =
        store.read("demo.rewrite", |tx| Ok((tx.entries(0, LIMIT)?, tx.checkpoints(0, LIMIT)?)))?;
    let entries = stored.iter().map(StoredEntry::entry).collect::<Result<_, _>>()?;
    Ok((entries, checkpoints.into_iter().map(|kept| kept.size).collect()))
}

fn blame(entry: &mut LogEntry) -> Option<u64> {
    let Event::Decided(decision) = &mut entry.event else { return None };
    if decision.answer != Answer::Allowed || decision.operation.name != "POST" {
        return None;
    }
    decision.actor.as_mut()?.agent = SCAPEGOAT.parse().ok()?;
    Some(entry.index)
}

struct Insider {
    key: LogKey,
    log: KeyName,
}

impl Insider {
    fn with_the_keys_of(data: &Path) -> anyhow::Result<Self> {
        let key = key_file::load(&data.join("keys/log"), Purpose::LogSigning)?;
        let verifier = std::fs::read_to_string(data.join("log.vkey"))?;
        let verifier: VerifierKey = verifier.trim().parse()?;
        Ok(Self { key: LogKey::from_material(&key)?, log: verifier.name().clone() })
    }

    fn write(&self, tx: &mut Tx<'_>, entries: &[LogEntry], sizes: &[u64]) -> anyhow::Result<()> {
        let mut tree = Frontier::new();
        for entry in entries {
            let bytes = entry.canonical_bytes()?;
            let leaf = leaf_hash(&bytes);
            tx.append(entry, &leaf, &bytes)?;
            for subtree in tree.append(leaf) {
                tx.append_root(subtree.level, subtree.index, &subtree.hash)?;
            }
            let (size, root) = (tree.size(), tree.root());
            if sizes.contains(&size) {
                let checkpoint = Checkpoint { origin: self.log.clone(), size, root };
                tx.put_checkpoint(size, &checkpoint.sign(&self.key))?;
            }
        }
        Ok(())
    }
}

fn beside(database: &Path, companion: &str) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(companion);
    path.into()
}
