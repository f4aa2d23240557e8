//! Inclusion and consistency proofs (RFC 9162 sections 2.1.3 and 2.1.4): made and checked.
//!
//! Making reads a [`HashSource`]; checking needs nothing but the proof.

use marque_domain::Digest;

use crate::Error;
use crate::hash::{EMPTY_ROOT, node_hash};
use crate::source::{HashSource, Tiles};

/// Proof that the entry at `index` is in the tree of `size` entries, leaf's sibling first.
///
/// Reads at most two tiles of 256 hashes for each eight levels of the tree.
pub fn inclusion<S: HashSource>(
    index: u64,
    size: u64,
    source: &S,
) -> Result<Vec<Digest>, S::Error> {
    if index >= size {
        return Err(Error::OutsideLog { index, size }.into());
    }
    let mut tiles = Tiles::new(source, size);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(tiles.root(middle, end)?);
            end = middle;
        } else {
            proof.push(tiles.root(start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proof that the tree of `new` entries begins with the tree of `old` entries. Empty where `old`
/// is 0 or equals `new`.
pub fn consistency<S: HashSource>(old: u64, new: u64, source: &S) -> Result<Vec<Digest>, S::Error> {
    if old > new {
        return Err(Error::Shrunk { old, new }.into());
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut tiles = Tiles::new(source, new);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(tiles.root(middle, end)?);
            end = middle;
        } else {
            proof.push(tiles.root(start, middle)?);
            start = middle;
        }
    }
    // The verifier knows the old root, so it is left out where it is itself a node of the new tree.
    if start != 0 {
        proof.push(tiles.root(start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that `leaf` is entry `index` of the tree of `size` entries under `root`
/// (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), Error> {
    if index >= size {
        return Err(Error::OutsideLog { index, size });
    }
    let mut path = Path { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match path.climb().ok_or(Error::NotIncluded)? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    if path.last != 0 || hash != *root {
        return Err(Error::NotIncluded);
    }
    Ok(())
}

/// Checks that the tree `new` under `new_root` extends the tree `old` under `old_root`
/// (RFC 9162 section 2.1.4.2). A smaller `new` is [`Error::Shrunk`].
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), Error> {
    if old > new {
        return Err(Error::Shrunk { old, new });
    }
    let plain = match old {
        0 => Some(*old_root == EMPTY_ROOT && (new > 0 || *new_root == EMPTY_ROOT)),
        _ if old == new => Some(old_root == new_root),
        _ => None,
    };
    match plain {
        Some(true) if proof.is_empty() => return Ok(()),
        Some(_) => return Err(Error::NotConsistent),
        None => {}
    }
    // A tree of 2^k entries is a node of the new tree; the proof leaves it out.
    let known = if old.is_power_of_two() { Some(old_root) } else { None };
    let mut hashes = known.into_iter().chain(proof);
    let first = hashes.next().ok_or(Error::NotConsistent)?;
    let shared = (old - 1).trailing_ones();
    let mut path = Path { node: (old - 1) >> shared, last: (new - 1) >> shared };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in hashes {
        match path.climb().ok_or(Error::NotConsistent)? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    if path.last != 0 || old_hash != *old_root || new_hash != *new_root {
        return Err(Error::NotConsistent);
    }
    Ok(())
}

/// Largest power of two below `leaves`, which is at least 2: where RFC 9162 splits a tree.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

enum Side {
    Left,
    Right,
}

/// The climb of RFC 9162: `node` is `fn`, `last` is `sn`, both positions in the current row.
struct Path {
    node: u64,
    last: u64,
}

impl Path {
    /// Steps up past one sibling and says on which side it stands; none at the root.
    fn climb(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a row may stand alone on several rows: it rises without a sibling.
            // INVARIANT: `node` is not 0 here, being odd or equal to `last`.
            self.shift(self.node.trailing_zeros());
            Side::Left
        } else {
            Side::Right
        };
        self.shift(1);
        Some(side)
    }

    fn shift(&mut self, rows: u32) {
        self.node >>= rows;
        self.last >>= rows;
    }
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
