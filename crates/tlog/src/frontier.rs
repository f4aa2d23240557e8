//! The growing edge of the tree: appends leaves and knows the root, in O(log n) memory.
//!
//! Holds no leaf; the caller stores the leaf hashes and the subtrees each append completes.

use marque_domain::Digest;

use crate::hash::node_hash;
use crate::source::{HashSource, Tiles, fold_peaks};

/// Compact range from the first leaf to the last: the roots of the perfect subtrees, one for each
/// bit set in the size, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

/// Root of a full subtree that starts a row of stored hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Height above the leaves: 8, 16, 24, ….
    pub level: u8,
    /// Position in its row: the subtree covers leaves `index << level` and on.
    pub index: u64,
    /// Root of the subtree.
    pub hash: Digest,
}

impl Frontier {
    /// The frontier of a log without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rebuilds the frontier of the first `size` leaves: at most one read for each stored row.
    pub fn restore<S: HashSource>(size: u64, source: &S) -> Result<Self, S::Error> {
        let peaks = Tiles::new(source, size).peaks(0, size)?;
        Ok(Self { size, peaks })
    }

    /// Adds a leaf hash. Yields the subtrees of 256, 256², … leaves this completes, smallest first
    /// and mostly none: the caller stores them with the leaf.
    pub fn append(&mut self, leaf: Digest) -> Vec<Subtree> {
        let mut completed = Vec::new();
        let mut node = leaf;
        let mut height = 0;
        // One carry of binary addition for each pair of equal subtrees.
        while self.size >> height & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            node = node_hash(&left, &node);
            height += 1;
            if height % 8 == 0 {
                completed.push(Subtree { level: height, index: self.size >> height, hash: node });
            }
        }
        self.peaks.push(node);
        self.size += 1;
        completed
    }

    /// How many leaves were appended.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root over all of them (RFC 9162 section 2.1.1).
    pub fn root(&self) -> Digest {
        fold_peaks(&self.peaks)
    }
}
