//! Where hashes of a stored tree come from, and how proofs read them.
//!
//! The store keeps the leaf hashes and, for every 256 hashes of a row, one hash in the row eight
//! levels up. Every other node is computed from one read of at most 256 neighbours.

use marque_domain::Digest;

use crate::Error;
use crate::hash::node_hash;

/// A stored tree, row by row.
pub trait HashSource {
    /// What a failed read yields; takes in this crate's errors, so that a proof has one error type.
    type Error: From<Error>;

    /// Reads `count` (1 to 256) hashes of a row from position `start`.
    ///
    /// Level 0 holds the leaf hashes; level 8, 16, … up to 56 the roots of the full subtrees of
    /// 2^level leaves, as [`crate::Frontier::append`] yields them.
    fn hashes(&self, level: u8, start: u64, count: usize) -> Result<Vec<Digest>, Self::Error>;
}

const WIDTH: u64 = 256;

/// The tree of the first `size` leaves of a source. Reads each tile once.
pub(crate) struct Tiles<'a, S> {
    source: &'a S,
    size: u64,
    read: Vec<Tile>,
}

struct Tile {
    level: u8,
    index: u64,
    row: Vec<Digest>,
}

impl<'a, S: HashSource> Tiles<'a, S> {
    pub(crate) fn new(source: &'a S, size: u64) -> Self {
        Self { source, size, read: Vec::new() }
    }

    /// Root of the leaves `start..end`, where `start` is a multiple of the largest power of two
    /// in their number: true of every range RFC 9162 hashes.
    pub(crate) fn root(&mut self, start: u64, end: u64) -> Result<Digest, S::Error> {
        Ok(fold_peaks(&self.peaks(start, end)?))
    }

    /// Roots of the perfect subtrees that make up `start..end`, left to right.
    pub(crate) fn peaks(&mut self, start: u64, end: u64) -> Result<Vec<Digest>, S::Error> {
        let mut peaks = Vec::new();
        let mut at = start;
        for height in (0..64).rev().filter(|height| (end - start) >> height & 1 == 1) {
            peaks.push(self.perfect(height, at >> height)?);
            at += 1 << height;
        }
        Ok(peaks)
    }

    fn perfect(&mut self, height: u8, index: u64) -> Result<Digest, S::Error> {
        let above = height % 8;
        let first = index << above;
        let [offset, ..] = first.to_le_bytes();
        let offset = usize::from(offset);
        let level = height - above;
        let row = self.tile(level, first / WIDTH)?;
        match row.get(offset..offset + (1 << above)) {
            Some(nodes) => Ok(fold_perfect(nodes)),
            None => Err(Error::OutsideLog { index: first << level, size: self.size }.into()),
        }
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&[Digest], S::Error> {
        let known = self.read.iter().position(|tile| tile.level == level && tile.index == index);
        if known.is_none() {
            let row = self.fetch(level, index * WIDTH)?;
            self.read.push(Tile { level, index, row });
        }
        let at = known.unwrap_or(self.read.len() - 1);
        Ok(self.read.get(at).map_or(&[], |tile| &tile.row))
    }

    fn fetch(&self, level: u8, start: u64) -> Result<Vec<Digest>, S::Error> {
        let left = (self.size >> level).saturating_sub(start);
        let wanted = usize::try_from(left.min(WIDTH)).unwrap_or_default();
        let row = self.source.hashes(level, start, wanted)?;
        if row.len() != wanted {
            return Err(Error::MissingHashes { level, start, wanted, got: row.len() }.into());
        }
        Ok(row)
    }
}

/// Root of a tree from the roots of its perfect subtrees, left to right.
pub(crate) fn fold_peaks(peaks: &[Digest]) -> Digest {
    let folded = peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    folded.unwrap_or(crate::EMPTY_ROOT)
}

/// Root of a row whose length is a power of two.
fn fold_perfect(row: &[Digest]) -> Digest {
    if let [only] = row {
        return *only;
    }
    let (left, right) = row.split_at(row.len() / 2);
    node_hash(&fold_perfect(left), &fold_perfect(right))
}
