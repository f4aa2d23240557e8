//! Shared by the tests: a log in memory, its keys, and the rows a store would keep.

use std::cell::Cell;
use std::collections::BTreeMap;

use marque_crypto::random::Random;
use marque_crypto::sign::LogKey;
use marque_domain::Digest;

use crate::{
    Checkpoint, Error, Frontier, HashSource, KeyName, Rotation, Subtree, VerifierKey, inclusion,
    leaf_hash,
};

/// Every byte the same: a key that tests can have again.
struct Constant(u8);

impl Random for Constant {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

pub(crate) fn key(seed: u8) -> LogKey {
    LogKey::generate(&Constant(seed)).unwrap()
}

pub(crate) fn name() -> KeyName {
    "marque.example.com/log".parse().unwrap()
}

pub(crate) fn trusted() -> VerifierKey {
    verifier(1)
}

pub(crate) fn verifier(seed: u8) -> VerifierKey {
    VerifierKey::new(name(), key(seed).public().clone())
}

/// A record by which one key hands over to the next.
pub(crate) fn rotation(index: u64, old: u8, new: u8) -> Rotation {
    Rotation { index, old: verifier(old), new: verifier(new) }
}

/// The rows a store keeps, and what was read of them.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) levels: BTreeMap<u8, Vec<Digest>>,
    pub(crate) reads: Cell<usize>,
    pub(crate) widest: Cell<usize>,
}

impl Rows {
    pub(crate) fn append(&mut self, frontier: &mut Frontier, leaf: Digest) {
        self.levels.entry(0).or_default().push(leaf);
        for Subtree { level, index, hash } in frontier.append(leaf) {
            let row = self.levels.entry(level).or_default();
            assert_eq!(row.len() as u64, index, "subtrees complete in order");
            row.push(hash);
        }
    }
}

impl HashSource for Rows {
    type Error = Error;

    fn hashes(&self, level: u8, start: u64, count: usize) -> Result<Vec<Digest>, Error> {
        self.reads.set(self.reads.get() + 1);
        self.widest.set(self.widest.get().max(count));
        let row = self.levels.get(&level).map_or(&[][..], Vec::as_slice);
        Ok(row.iter().skip(start.try_into().unwrap()).take(count).copied().collect())
    }
}

/// A log of text entries with everything needed to sign, prove and store it.
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Log {
    pub(crate) fn of(size: u64) -> Self {
        Self { entries: (0..size).map(|index| format!("entry {index}").into_bytes()).collect() }
    }

    pub(crate) fn leaf(&self, index: usize) -> Digest {
        leaf_hash(self.entries.get(index).unwrap())
    }

    pub(crate) fn tree(&self, size: usize) -> (Frontier, Rows) {
        let (mut frontier, mut rows) = (Frontier::new(), Rows::default());
        self.entries
            .iter()
            .take(size)
            .for_each(|entry| rows.append(&mut frontier, leaf_hash(entry)));
        (frontier, rows)
    }

    pub(crate) fn root(&self, size: usize) -> Digest {
        self.tree(size).0.root()
    }

    /// The signed note for the first `size` entries.
    pub(crate) fn checkpoint(&self, size: usize) -> String {
        self.checkpoint_by(size, 1)
    }

    /// The same by another key.
    pub(crate) fn checkpoint_by(&self, size: usize, seed: u8) -> String {
        self.head(size).sign(&key(seed))
    }

    /// The same by two keys.
    pub(crate) fn handed_over(&self, size: usize, old: u8, new: u8) -> String {
        self.head(size).hand_over(&key(old), &key(new))
    }

    fn head(&self, size: usize) -> Checkpoint {
        Checkpoint { origin: name(), size: size as u64, root: self.root(size) }
    }

    pub(crate) fn inclusion(&self, index: u64, size: usize) -> Vec<Digest> {
        inclusion(index, size as u64, &self.tree(size).1).unwrap()
    }

    /// What the store hands out: index, canonical bytes, stored leaf hash.
    pub(crate) fn stored(&self) -> Vec<(u64, Vec<u8>, Digest)> {
        let stored = |(index, entry): (u64, &Vec<u8>)| (index, entry.clone(), leaf_hash(entry));
        (0..).zip(&self.entries).map(stored).collect()
    }
}
