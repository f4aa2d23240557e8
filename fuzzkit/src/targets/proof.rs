//! Proofs of the log: under one root nothing is proven but what is there, whatever is changed in a
//! proof, and no stored row makes the prover fail otherwise than with an error.

use std::collections::BTreeMap;

use marque_domain::Digest;
use marque_tlog::{
    Error, Frontier, HashSource, Subtree, consistency, inclusion, leaf_hash, verify_consistency,
    verify_inclusion,
};

use super::note::digest;

/// Largest tree: enough for a second row.
const LEAVES_MAX: u64 = 300;

pub(super) fn check(data: &[u8]) {
    let [size, extra, index, old, changes @ ..] = data else { return };
    let size = (u64::from(*size) + u64::from(extra & 63)).min(LEAVES_MAX - 1) + 1;
    let (index, old) = (u64::from(*index) % size, u64::from(*old) % (size + 1));
    let tree = Tree::of(size);
    included(&tree, index, changes);
    consistent(&tree, old, changes);
    let broken = Broken(changes);
    let _refused = inclusion(index, size, &broken);
    let _refused = consistency(old, size, &broken);
    let _refused = Frontier::restore(size, &broken);
}

fn included(tree: &Tree, index: u64, changes: &[u8]) {
    let (size, root) = (tree.frontier.size(), tree.frontier.root());
    let leaf = leaf_of(index);
    let proof = inclusion(index, size, tree).expect("an honest tree proves");
    verify_inclusion(&leaf, index, size, &proof, &root).expect("an honest proof verifies");
    let other_index = changes.first().map_or(index, |change| u64::from(*change));
    let other_proof = changed(&proof, changes);
    for (leaf, index) in [(leaf, other_index), (digest(9), index), (leaf_of(other_index), index)] {
        if verify_inclusion(&leaf, index, size, &other_proof, &root).is_ok() {
            assert_eq!(leaf, leaf_of(index), "another leaf is proven at {index} of {size}");
            assert_eq!(inclusion(index, size, tree).unwrap(), other_proof, "a second proof");
        }
    }
}

fn consistent(tree: &Tree, old: u64, changes: &[u8]) {
    let (size, root) = (tree.frontier.size(), tree.frontier.root());
    let old_root = Tree::of(old).frontier.root();
    let proof = consistency(old, size, tree).expect("an honest tree proves");
    verify_consistency(old, &old_root, size, &root, &proof).expect("an honest proof verifies");
    let other_old = changes.first().map_or(old, |change| u64::from(*change) % (size + 1));
    let other_proof = changed(&proof, changes);
    for (before, before_root) in [(old, digest(9)), (other_old, old_root), (old, old_root)] {
        if verify_consistency(before, &before_root, size, &root, &other_proof).is_ok() {
            let expected = Tree::of(before).frontier.root();
            assert_eq!(before_root, expected, "{size} is taken to go on from another {before}");
        }
    }
}

/// A proof with bytes, hashes and lengths changed as `changes` says.
fn changed(proof: &[Digest], changes: &[u8]) -> Vec<Digest> {
    let mut proof = proof.to_vec();
    for change in changes.chunks_exact(3).take(8) {
        let place = usize::from(change[1]) % (proof.len() + 1);
        match (change[0] % 4, proof.get_mut(place)) {
            (0, Some(hash)) => {
                let mut bytes = *hash.as_bytes();
                bytes[usize::from(change[2]) % 32] ^= change[2];
                *hash = Digest::from_bytes(bytes);
            }
            (1, Some(_)) => drop(proof.remove(place)),
            (2, _) => proof.insert(place, digest(change[2])),
            (_, Some(hash)) => {
                let again = *hash;
                proof.push(again);
            }
            (_, None) => {}
        }
    }
    proof
}

fn leaf_of(index: u64) -> Digest {
    leaf_hash(&index.to_be_bytes())
}

/// An honest tree, as a store keeps it.
struct Tree {
    frontier: Frontier,
    rows: BTreeMap<u8, Vec<Digest>>,
}

impl Tree {
    fn of(size: u64) -> Self {
        let (mut frontier, mut rows) = (Frontier::new(), BTreeMap::<u8, Vec<Digest>>::new());
        for index in 0..size {
            rows.entry(0).or_default().push(leaf_of(index));
            for Subtree { level, hash, .. } in frontier.append(leaf_of(index)) {
                rows.entry(level).or_default().push(hash);
            }
        }
        Self { frontier, rows }
    }
}

impl HashSource for Tree {
    type Error = Error;

    fn hashes(&self, level: u8, start: u64, count: usize) -> Result<Vec<Digest>, Error> {
        let row = self.rows.get(&level).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(start).unwrap();
        Ok(row.iter().skip(start).take(count).copied().collect())
    }
}

/// Rows of any length with anything in them.
struct Broken<'a>(&'a [u8]);

impl HashSource for Broken<'_> {
    type Error = Error;

    fn hashes(&self, level: u8, _start: u64, count: usize) -> Result<Vec<Digest>, Error> {
        let length = self.0.get(usize::from(level)).map_or(count, |byte| usize::from(*byte));
        Ok(vec![digest(level); length])
    }
}
