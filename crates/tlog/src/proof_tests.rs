use ct_merkle::digest::consts::U32;
use ct_merkle::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use marque_crypto::hash::sha256;
use marque_domain::Digest;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assume, proptest};

use crate::testing::{Log, Rows};
use crate::{
    EMPTY_ROOT, Error, Frontier, consistency, inclusion, leaf_hash, node_hash, verify_consistency,
    verify_inclusion,
};

/// The definitions of RFC 9162 section 2.1, word for word and slowly.
mod naive {
    use super::{Digest, EMPTY_ROOT, node_hash};

    fn split(leaves: usize) -> usize {
        leaves.next_power_of_two() / 2
    }

    pub(super) fn root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => EMPTY_ROOT,
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&root(left), &root(right))
            }
        }
    }

    pub(super) fn path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        if index < left.len() {
            [path(index, left), vec![root(right)]].concat()
        } else {
            [path(index - left.len(), right), vec![root(left)]].concat()
        }
    }

    pub(super) fn subproof(old: usize, leaves: &[Digest], known: bool) -> Vec<Digest> {
        if old == leaves.len() {
            return if known { Vec::new() } else { vec![root(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        if old <= left.len() {
            [subproof(old, left, known), vec![root(right)]].concat()
        } else {
            [subproof(old - left.len(), right, false), vec![root(left)]].concat()
        }
    }
}

/// SHA-256 in the shape `ct-merkle` asks for.
#[derive(Clone, Default)]
struct Sha256(Vec<u8>);

impl OutputSizeUser for Sha256 {
    type OutputSize = U32;
}

impl Update for Sha256 {
    fn update(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(sha256(&self.0).as_bytes());
    }
}

impl HashMarker for Sha256 {}

fn hex(digest: &Digest) -> String {
    digest.to_string().trim_start_matches("sha256:").to_owned()
}

fn tree(leaves: &[Digest]) -> (Frontier, Rows) {
    let (mut frontier, mut rows) = (Frontier::new(), Rows::default());
    for leaf in leaves {
        rows.append(&mut frontier, *leaf);
    }
    (frontier, rows)
}

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

#[test]
fn roots_are_those_of_the_published_certificate_transparency_vectors() {
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), sha256(b""));
    frontier.append(leaf_hash(entries[0]));
    assert_eq!(
        hex(&frontier.root()),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    entries.iter().skip(1).for_each(|entry| drop(frontier.append(leaf_hash(entry))));
    assert_eq!(
        hex(&frontier.root()),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn every_tree_of_up_to_70_leaves_proves_what_the_definitions_say() {
    let all = leaves(70);
    for size in 0..=70_usize {
        let leaves = &all[..size];
        let (frontier, rows) = tree(leaves);
        let root = naive::root(leaves);
        assert_eq!(frontier.root(), root, "root of {size}");
        assert_eq!(Frontier::restore(size as u64, &rows).unwrap(), frontier, "frontier of {size}");
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = inclusion(index as u64, size as u64, &rows).unwrap();
            assert_eq!(proof, naive::path(index, leaves), "inclusion of {index} in {size}");
            verify_inclusion(leaf, index as u64, size as u64, &proof, &root).unwrap();
        }
        for old in 1..=size {
            let proof = consistency(old as u64, size as u64, &rows).unwrap();
            assert_eq!(proof, naive::subproof(old, leaves, true), "from {old} to {size}");
            let old_root = naive::root(&leaves[..old]);
            verify_consistency(old as u64, &old_root, size as u64, &root, &proof).unwrap();
        }
    }
}

#[test]
fn another_implementation_finds_the_same_roots_and_proofs() {
    let entries: Vec<Vec<u8>> = (0..600_u32).map(|index| index.to_be_bytes().to_vec()).collect();
    for size in [1, 2, 3, 7, 64, 100, 255, 256, 257, 513, 600] {
        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        entries.iter().take(size).for_each(|entry| theirs.push(entry.clone()));
        let (frontier, rows) =
            tree(&entries[..size].iter().map(|e| leaf_hash(e)).collect::<Vec<_>>());
        assert_eq!(theirs.root().as_bytes().as_slice(), frontier.root().as_bytes());
        for index in [0, size / 3, size / 2, size - 1] {
            let ours = inclusion(index as u64, size as u64, &rows).unwrap();
            let ours: Vec<u8> = ours.iter().flat_map(|hash| *hash.as_bytes()).collect();
            assert_eq!(theirs.prove_inclusion(index).as_bytes(), ours, "{index} in {size}");
            let ours = consistency(index as u64 + 1, size as u64, &rows).unwrap();
            let ours: Vec<u8> = ours.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let added = size - index - 1;
            assert_eq!(theirs.prove_consistency(added).as_bytes(), ours, "{index} to {size}");
        }
    }
}

#[test]
fn proofs_hold_and_read_little_where_tiles_fill_and_overflow() {
    let all = leaves(66_000);
    let (_, rows) = tree(&all);
    let marks =
        [1, 2, 255, 256, 257, 511, 512, 513, 65_279, 65_535, 65_536, 65_537, 65_793, 66_000];
    let roots = marks.map(|size| tree(&all[..size]).0.root());
    for (size, root) in marks.into_iter().zip(roots) {
        assert_eq!(Frontier::restore(size as u64, &rows).unwrap().root(), root, "{size}");
        for index in marks.into_iter().map(|mark| mark - 1).filter(|index| *index < size) {
            rows.reads.set(0);
            let proof = inclusion(index as u64, size as u64, &rows).unwrap();
            assert!(rows.reads.get() <= 6, "{} reads for {index} in {size}", rows.reads.get());
            verify_inclusion(&all[index], index as u64, size as u64, &proof, &root).unwrap();
        }
        for (old, old_root) in marks.into_iter().zip(roots).filter(|(old, _)| *old <= size) {
            rows.reads.set(0);
            let proof = consistency(old as u64, size as u64, &rows).unwrap();
            assert!(rows.reads.get() <= 6, "{} reads from {old} to {size}", rows.reads.get());
            verify_consistency(old as u64, &old_root, size as u64, &root, &proof).unwrap();
        }
    }
    assert!(rows.widest.get() <= 256);
    assert_eq!(rows.levels[&8].len(), 257);
    assert_eq!(rows.levels[&16].len(), 1);
}

#[test]
fn a_store_with_missing_hashes_is_an_error_and_never_a_wrong_proof() {
    let (_, mut rows) = Log::of(300).tree(300);
    rows.levels.get_mut(&0).unwrap().truncate(280);
    let missing = Error::MissingHashes { level: 0, start: 256, wanted: 44, got: 24 };
    assert_eq!(inclusion(3, 300, &rows), Err(missing.clone()));
    assert_eq!(Frontier::restore(300, &rows), Err(missing.clone()));
    assert_eq!(consistency(257, 300, &rows), Err(missing));
}

#[test]
fn proofs_outside_the_tree_are_refused() {
    let (frontier, rows) = Log::of(5).tree(5);
    let (leaf, root) = (Log::of(5).leaf(0), frontier.root());
    let outside = Error::OutsideLog { index: 5, size: 5 };
    assert_eq!(inclusion(5, 5, &rows), Err(outside.clone()));
    assert_eq!(verify_inclusion(&leaf, 5, 5, &[], &root), Err(outside));
    assert_eq!(
        verify_inclusion(&leaf, 0, 0, &[], &EMPTY_ROOT),
        Err(Error::OutsideLog { index: 0, size: 0 })
    );
    assert_eq!(consistency(6, 5, &rows), Err(Error::Shrunk { old: 6, new: 5 }));
}

#[test]
fn a_log_that_shrinks_is_refused_whatever_its_proof_says() {
    // threat 138
    let log = Log::of(9);
    let (old, new) = (log.root(9), log.root(5));
    let proof = consistency(5, 9, &log.tree(9).1).unwrap();
    let refused = verify_consistency(9, &old, 5, &new, &proof);
    assert_eq!(refused, Err(Error::Shrunk { old: 9, new: 5 }));
}

#[test]
fn consistency_with_nothing_or_itself_wants_equal_roots_and_no_proof() {
    let log = Log::of(4);
    let root = log.root(4);
    let refused = Err(Error::NotConsistent);
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 4, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(4, &root, 4, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 0, &EMPTY_ROOT, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 0, &root, &[]), refused);
    assert_eq!(verify_consistency(0, &root, 4, &root, &[]), refused);
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 4, &root, &[root]), refused);
    assert_eq!(verify_consistency(4, &root, 4, &root, &[root]), refused);
    assert_eq!(verify_consistency(4, &root, 4, &log.root(3), &[]), refused);
    assert_eq!(verify_consistency(2, &log.root(2), 4, &root, &[]), refused);
}

#[test]
fn an_entry_that_looks_like_an_inner_node_is_not_one() {
    let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
    let disguised = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    assert_ne!(leaf_hash(&disguised), node_hash(&left, &right));
}

proptest! {
    #[test]
    fn no_inclusion_proof_survives_a_change(
        size in 1_u64..600, pick in any::<u64>(), place in any::<usize>(), bit in 0..8_u32,
    ) {
        let (index, all) = (pick % size, leaves(size));
        let (frontier, rows) = tree(&all);
        let (leaf, root) = (all[usize::try_from(index).unwrap()], frontier.root());
        let proof = inclusion(index, size, &rows).unwrap();
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));

        let longer = [proof.as_slice(), &[root]].concat();
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index + 1, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&root, index, size, &proof, &leaf).is_err() || size == 1);
        prop_assume!(!proof.is_empty());
        prop_assert!(verify_inclusion(&leaf, index, size, &proof[1..], &root).is_err());
        let mut flipped = proof.clone();
        let place = place % proof.len();
        flipped[place] = flip(&proof[place], bit);
        prop_assert!(verify_inclusion(&leaf, index, size, &flipped, &root).is_err());
    }

    #[test]
    fn no_consistency_proof_survives_a_change(
        new in 2_u64..600, pick in any::<u64>(), place in any::<usize>(), bit in 0..8_u32,
    ) {
        let (old, all) = (1 + pick % (new - 1), leaves(new));
        let (frontier, rows) = tree(&all);
        let old_root = tree(&all[..usize::try_from(old).unwrap()]).0.root();
        let new_root = frontier.root();
        let proof = consistency(old, new, &rows).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()));

        let longer = [proof.as_slice(), &[old_root]].concat();
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, &longer).is_err());
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, &proof[1..]).is_err());
        prop_assert!(verify_consistency(old, &new_root, new, &old_root, &proof).is_err());
        let mut flipped = proof.clone();
        let place = place % proof.len();
        flipped[place] = flip(&proof[place], bit);
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, &flipped).is_err());
    }
}

fn flip(digest: &Digest, bit: u32) -> Digest {
    let mut bytes = *digest.as_bytes();
    bytes[7] ^= 1 << bit;
    Digest::from_bytes(bytes)
}
