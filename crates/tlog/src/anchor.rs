//! The anchors file: what a launcher saw of the log, kept where the log's keeper cannot reach.
//!
//! A sequence of records, each a signed checkpoint, then a line `leaf <index> sha256:…` for each
//! entry of the launcher's own run, then an empty line. Appended only, one record a write.

use std::fmt;

use marque_domain::Digest;

use crate::text::decimal;
use crate::{Checkpoint, Error, KeyChain, KeyName, Note, VerifierKey};

const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Records that may be torn at the end of a file.
const TORN_MAX: usize = 8;

/// One record, its checkpoint known to be signed by a key of the log. Prints as the text to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    checkpoint: Checkpoint,
    /// Places in the chain of keys, whether or not they may have signed that size.
    signers: Vec<usize>,
    note: String,
    leaves: Vec<AnchoredLeaf>,
}

/// An entry the run saw recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnchoredLeaf {
    /// Index in the log.
    pub index: u64,
    /// Leaf hash of the entry.
    pub leaf: Digest,
}

impl Anchor {
    /// A record of the signed checkpoint `note` and of leaves inside it, by ascending index.
    pub fn new(note: &str, leaves: Vec<AnchoredLeaf>, keys: &KeyChain) -> Result<Self, Error> {
        let (checkpoint, signers) = keys.signers(note)?;
        let anchor = Self { checkpoint, signers, note: note.to_owned(), leaves: Vec::new() };
        leaves.into_iter().try_fold(anchor, Self::with_leaf)
    }

    /// The records of an anchors file of at most 64 MiB. Refuses the whole file, naming the line,
    /// where one record is broken or not signed by any of `keys`.
    pub fn parse_file(file: &str, keys: &KeyChain) -> Result<Vec<Self>, Error> {
        if file.len() > MAX_BYTES {
            return Err(malformed("it is longer than 64 MiB"));
        }
        let mut lines = Lines { rest: file, number: 0 };
        let mut anchors = Vec::new();
        while !lines.rest.is_empty() {
            anchors.push(Self::read(&mut lines, keys)?);
        }
        Ok(anchors)
    }

    /// The checkpoint of the last record of an anchors file, or of the end of one, that is whole
    /// and signed by `key`. Without a key whoever signed it is taken at their word: enough to doubt
    /// a log, never to believe one. Looks no further back than a few records, which a crash may
    /// have torn.
    pub fn newest(file: &str, log: &KeyName, key: Option<&VerifierKey>) -> Option<Checkpoint> {
        let (first, mut end) = (format!("{log}\n"), file.len());
        let (later, keys) = (format!("\n\n{first}"), key.cloned().map(KeyChain::from));
        for _ in 0..TORN_MAX {
            let before = file.get(..end)?;
            let start = match before.rfind(&later) {
                Some(at) => at + 2,
                None if before.starts_with(&first) => 0,
                None => return None,
            };
            let mut lines = Lines { rest: before.get(start..)?, number: 0 };
            let read = match &keys {
                Some(keys) => Self::read(&mut lines, keys).map(|anchor| anchor.checkpoint),
                None => claimed(&mut lines, log),
            };
            if let Ok(checkpoint) = read {
                return Some(checkpoint);
            }
            end = start;
        }
        None
    }

    /// The checkpoint the record rests on.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The places of the keys that signed it, in the chain it was read with.
    pub(crate) fn signers(&self) -> &[usize] {
        &self.signers
    }

    /// The leaves it pins, by ascending index.
    pub fn leaves(&self) -> &[AnchoredLeaf] {
        &self.leaves
    }

    fn read(lines: &mut Lines<'_>, keys: &KeyChain) -> Result<Self, Error> {
        let first = lines.number + 1;
        let note = lines.note()?;
        let mut anchor = Self::new(note, Vec::new(), keys).map_err(at(first))?;
        while let Some(leaf) = lines.leaf()? {
            anchor = anchor.with_leaf(leaf).map_err(at(lines.number))?;
        }
        Ok(anchor)
    }

    fn with_leaf(mut self, leaf: AnchoredLeaf) -> Result<Self, Error> {
        let size = self.checkpoint.size;
        if leaf.index >= size {
            return Err(Error::OutsideLog { index: leaf.index, size });
        }
        if self.leaves.last().is_some_and(|last| last.index >= leaf.index) {
            return Err(malformed("its leaves are not in ascending order"));
        }
        self.leaves.push(leaf);
        Ok(self)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)?;
        let mut leaves = self.leaves.iter();
        leaves.try_for_each(|AnchoredLeaf { index, leaf }| writeln!(f, "leaf {index} {leaf}"))?;
        writeln!(f)
    }
}

/// What a record says that is whole, whoever signed it.
fn claimed(lines: &mut Lines<'_>, log: &KeyName) -> Result<Checkpoint, Error> {
    let checkpoint = Checkpoint::of(&Note::parse(lines.note()?)?, log)?;
    while lines.leaf()?.is_some() {}
    Ok(checkpoint)
}

/// The unread rest of a file, and the number of the last line read.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn line(&mut self) -> Result<&'a str, Error> {
        let torn = "the record is cut short, as by a crash while it was written: delete its lines";
        let (line, rest) =
            self.rest.split_once('\n').ok_or_else(|| at(self.number + 1)(malformed(torn)))?;
        self.rest = rest;
        self.number += 1;
        Ok(line)
    }

    /// The text lines of a note, the empty line, and its signature lines.
    fn note(&mut self) -> Result<&'a str, Error> {
        let start = self.rest;
        while !self.line()?.is_empty() {}
        while self.rest.starts_with('\u{2014}') {
            self.line()?;
        }
        Ok(start.get(..start.len() - self.rest.len()).unwrap_or_default())
    }

    /// The next leaf line, or none at the empty line that ends the record.
    fn leaf(&mut self) -> Result<Option<AnchoredLeaf>, Error> {
        let line = self.line()?;
        if line.is_empty() {
            return Ok(None);
        }
        let parsed = line.strip_prefix("leaf ").and_then(|rest| {
            let (index, leaf) = rest.split_once(' ')?;
            Some(AnchoredLeaf { index: decimal(index)?, leaf: leaf.parse().ok()? })
        });
        let wrong = "expected `leaf <index> sha256:<hash>` or the empty line that ends a record";
        parsed.map(Some).ok_or_else(|| at(self.number)(malformed(wrong)))
    }
}

fn at(line: usize) -> impl Fn(Error) -> Error {
    move |why| Error::AnchorLine { line, why: Box::new(why) }
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed { what: "anchors file", why }
}

#[cfg(test)]
#[path = "anchor_tests.rs"]
mod tests;
