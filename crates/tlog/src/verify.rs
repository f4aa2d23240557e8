//! The offline verifier: reads a log from its first entry and names the first bad one.
//!
//! [`Evidence`] is what is known beforehand; a [`Verifier`] is shown the entries one by one and
//! keeps none. Whatever the log itself supplies can only show it consistent with itself: rewriting
//! by the holder of the key shows only against evidence from elsewhere.

use std::iter::Peekable;
use std::ops::ControlFlow;
use std::vec::IntoIter;

use marque_domain::Digest;

use crate::fault::{Anchored, Fault, FaultKind, Report};
use crate::hash::leaf_hash;
use crate::{Anchor, AnchoredLeaf, Checkpoint, Error, Frontier, KeyChain};

/// Tree heads and leaves to hold a log against, and the keys they are signed with.
#[derive(Debug, Clone)]
pub struct Evidence {
    keys: KeyChain,
    heads: Vec<Head>,
    leaves: Vec<AnchoredLeaf>,
    own_checkpoints: u64,
    own_size: u64,
    doubt: Option<(u64, FaultKind)>,
}

/// What the log is claimed to be at one size.
#[derive(Debug, Clone)]
struct Head {
    size: u64,
    root: Digest,
    /// Places of the keys that signed it.
    signers: Vec<usize>,
    voice: Voice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    /// Kept with the log, by whoever keeps the log.
    Own,
    /// Signed, and seen elsewhere.
    Elsewhere,
    /// Written down by the reader, without a signature.
    Printed,
}

impl Evidence {
    /// No evidence yet, besides trust in a key, and what the log says of those before and after.
    pub fn new(keys: impl Into<KeyChain>) -> Self {
        Self {
            keys: keys.into(),
            heads: Vec::new(),
            leaves: Vec::new(),
            own_checkpoints: 0,
            own_size: 0,
            doubt: None,
        }
    }

    /// Adds the next of the log's own checkpoints, a signed note, in the order it recorded them. A
    /// bad one is a fault of the log, told in the report.
    pub fn own_checkpoint(&mut self, note: &str) {
        self.own_checkpoints += 1;
        let opened = self.keys.signers(note).and_then(|(checkpoint, signers)| {
            Ok((checkpoint.size, checkpoint.root, self.keys.judge(checkpoint.size, signers)?))
        });
        let kind = match opened {
            Ok((size, ..)) if size < self.own_size => {
                FaultKind::Replayed { size, after: self.own_size }
            }
            Ok((size, root, signers)) => {
                self.own_size = size;
                return self.heads.push(Head { size, root, signers, voice: Voice::Own });
            }
            Err(why) => FaultKind::BadCheckpoint { number: self.own_checkpoints, why },
        };
        let first = match kind {
            FaultKind::Replayed { size, .. } => size,
            _ => self.own_size,
        };
        self.doubt.get_or_insert((first, kind));
    }

    /// Adds every record of an anchors file; refuses all of it where one is broken or not signed
    /// by a key of the log.
    pub fn anchors(&mut self, file: &str) -> Result<(), Error> {
        for anchor in Anchor::parse_file(file, &self.keys)? {
            if self.elsewhere(anchor.checkpoint(), anchor.signers().to_vec()) {
                self.leaves.extend(anchor.leaves());
            }
        }
        Ok(())
    }

    /// Adds one checkpoint got elsewhere, a signed note; refuses it if not signed by a key of the
    /// log.
    pub fn checkpoint(&mut self, note: &str) -> Result<(), Error> {
        let (checkpoint, signers) = self.keys.signers(note)?;
        self.elsewhere(&checkpoint, signers);
        Ok(())
    }

    /// Adds a size and root the reader wrote down, as every run prints them at its end.
    pub fn printed(&mut self, size: u64, root: Digest) {
        self.heads.push(Head { size, root, signers: Vec::new(), voice: Voice::Printed });
    }

    /// Whether the keys may have signed that. If not, it proves nothing by itself, and yet not
    /// both it and the record that retires them can be honest.
    fn elsewhere(&mut self, checkpoint: &Checkpoint, signers: Vec<usize>) -> bool {
        let Checkpoint { size, root, .. } = *checkpoint;
        match self.keys.judge(size, signers) {
            Ok(signers) => {
                self.heads.push(Head { size, root, signers, voice: Voice::Elsewhere });
                true
            }
            Err(Error::Retired { key, index, .. }) => {
                self.doubt.get_or_insert((index, FaultKind::Retired { size, key }));
                false
            }
            Err(_) => false,
        }
    }

    /// Starts reading a log against this evidence.
    pub fn verifier(mut self) -> Verifier {
        self.heads.sort_by_key(|head| head.size);
        self.leaves.sort();
        let claimed = self.heads.last().map_or(0, |head| head.size);
        let mut verifier = Verifier {
            frontier: Frontier::new(),
            unvouched: self.keys.records().collect(),
            keys: self.keys,
            heads: self.heads.into_iter().peekable(),
            leaves: self.leaves.into_iter().peekable(),
            claimed,
            doubt: self.doubt,
            fault: None,
            signed: 0,
            anchored: 0,
            anchors: Vec::new(),
        };
        verifier.compare_heads();
        verifier
    }
}

/// A log being read. Memory: the evidence, and O(log n).
#[derive(Debug)]
pub struct Verifier {
    frontier: Frontier,
    keys: KeyChain,
    /// Entries that rotate the key, and whose word for that is still missing.
    unvouched: Vec<(u64, usize)>,
    heads: Peekable<IntoIter<Head>>,
    leaves: Peekable<IntoIter<AnchoredLeaf>>,
    /// Largest size any head speaks of.
    claimed: u64,
    /// A fault among the log's own checkpoints, from which entry on, told if the entries show none.
    doubt: Option<(u64, FaultKind)>,
    fault: Option<Fault>,
    /// Entries below this agree with the log's own checkpoints.
    signed: u64,
    /// Entries below this agree with evidence from elsewhere.
    anchored: u64,
    anchors: Vec<u64>,
}

impl Verifier {
    /// Shows the next stored entry: its index, canonical bytes and stored leaf hash. Breaks where
    /// a fault has settled the report and reading on would add nothing.
    pub fn entry(&mut self, index: u64, bytes: &[u8], stored: &Digest) -> ControlFlow<()> {
        if let Some(fault) = &mut self.fault {
            return reordered(fault, index);
        }
        let next = self.frontier.size();
        if index > next {
            self.fault = Some(Fault { first: next, last: index - 1, kind: FaultKind::Missing });
            return ControlFlow::Continue(());
        }
        let leaf = leaf_hash(bytes);
        if index < next {
            self.fault = Some(Fault { first: index, last: index, kind: FaultKind::Repeated });
        } else if leaf != *stored {
            self.fault = Some(Fault { first: index, last: index, kind: FaultKind::Edited });
        } else if !self.agrees_with_leaves(index, leaf) {
            self.fault = Some(Fault { first: index, last: index, kind: FaultKind::Replaced });
        } else {
            self.frontier.append(leaf);
            self.compare_heads();
        }
        if self.fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Ends the log and tells what was found.
    pub fn finish(self) -> Report {
        let size = self.frontier.size();
        let truncated = (size < self.claimed).then(|| Fault {
            first: size,
            last: self.claimed - 1,
            kind: FaultKind::Truncated { size: self.claimed },
        });
        let doubt = self.doubt.map(|(first, kind)| match kind {
            FaultKind::Retired { .. } => Fault { first, last: first, kind },
            kind => Fault { first, last: first.max(size.max(1) - 1), kind },
        });
        let unvouched = self.unvouched.first().map(|(first, place)| {
            let kind = FaultKind::Unvouched { key: self.keys.label(*place) };
            Fault { first: *first, last: *first, kind }
        });
        Report {
            size,
            root: self.frontier.root(),
            first_bad: self.fault.or(truncated).or(doubt).or(unvouched),
            signed: self.signed,
            anchored: Anchored { sizes: self.anchors },
        }
    }

    fn agrees_with_leaves(&mut self, index: u64, leaf: Digest) -> bool {
        let mut agrees = true;
        while let Some(seen) = self.leaves.next_if(|seen| seen.index == index) {
            agrees &= seen.leaf == leaf;
            if agrees && self.anchored == index {
                self.anchored = index + 1;
            }
        }
        agrees
    }

    /// Holds the tree read so far against every head of its size.
    fn compare_heads(&mut self) {
        let size = self.frontier.size();
        if self.heads.peek().is_none_or(|head| head.size != size) {
            return;
        }
        let root = self.frontier.root();
        let mut heads = Vec::new();
        while let Some(head) = self.heads.next_if(|head| head.size == size) {
            heads.push(head);
        }
        self.fault = self.disagreement(&heads, root);
        if self.fault.is_some() || size == 0 {
            return;
        }
        self.unvouched.retain(|(index, place)| {
            *index >= size || !heads.iter().any(|head| head.signers.contains(place))
        });
        if heads.iter().any(|head| head.voice == Voice::Own) {
            self.signed = size;
        }
        if heads.iter().any(|head| head.voice != Voice::Own) {
            self.anchored = size;
            self.anchors.push(size);
        }
    }

    fn disagreement(&self, heads: &[Head], root: Digest) -> Option<Fault> {
        let bad = heads
            .iter()
            .filter(|head| head.root != root)
            .max_by_key(|head| head.voice != Voice::Own)?;
        let size = bad.size;
        let mut signed = heads.iter().filter(|head| head.voice != Voice::Printed);
        let one = signed.next();
        let fork = one.is_some_and(|one| signed.any(|other| other.root != one.root));
        // Own checkpoints bound the fault only against own checkpoints: who rewrote history with
        // the key has signed them anew.
        let (kind, first) = match bad.voice {
            Voice::Own => (FaultKind::Unlike { size }, self.signed.max(self.anchored)),
            Voice::Elsewhere | Voice::Printed => (FaultKind::Rewritten { size }, self.anchored),
        };
        let kind = if fork { FaultKind::Fork { size } } else { kind };
        let last = size.saturating_sub(1);
        Some(Fault { first: first.min(last), last, kind })
    }
}

/// After a gap, an entry from inside it turns "missing" into "out of order".
fn reordered(fault: &mut Fault, index: u64) -> ControlFlow<()> {
    if fault.kind != FaultKind::Missing {
        return ControlFlow::Break(());
    }
    if (fault.first..=fault.last).contains(&index) {
        let kind = FaultKind::OutOfOrder { found: fault.last + 1 };
        *fault = Fault { first: fault.first, last: fault.first, kind };
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
