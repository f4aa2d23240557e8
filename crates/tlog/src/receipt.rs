//! Receipts: one entry and the proof that it is in the log, in one text (C2SP tlog-proof v1).
//!
//! Parsed, a receipt claims; [`Receipt::verify`] makes it believed.

use std::fmt;
use std::str::FromStr;

use marque_domain::Digest;

use crate::hash::leaf_hash;
use crate::text::{decimal, digest_from_base64, from_base64, to_base64};
use crate::{Checkpoint, Error, KeyChain, verify_inclusion};

const MAGIC: &str = "c2sp.org/tlog-proof@v1";
const MAX_BYTES: usize = 1024 * 1024;
/// Levels of a tree whose size fits 64 bits.
const MAX_PROOF: usize = 64;

/// One entry and its way to a signed checkpoint. Prints and parses as at most 1 MiB of text, the
/// entry on its `extra` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Canonical bytes of the entry.
    pub entry: Vec<u8>,
    /// Its index in the log.
    pub index: u64,
    /// Inclusion proof, leaf's sibling first.
    pub proof: Vec<Digest>,
    /// The checkpoint as a signed note, with whatever cosignatures it gathered.
    pub checkpoint: String,
}

impl Receipt {
    /// The checkpoint this entry is included in, if one of `keys` may have signed it and the proof
    /// leads there.
    pub fn verify(&self, keys: &KeyChain) -> Result<Checkpoint, Error> {
        let checkpoint = keys.open(&self.checkpoint)?;
        let leaf = leaf_hash(&self.entry);
        verify_inclusion(&leaf, self.index, checkpoint.size, &self.proof, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}\nextra {}\nindex {}", to_base64(&self.entry), self.index)?;
        let mut proof = self.proof.iter();
        proof.try_for_each(|hash| writeln!(f, "{}", to_base64(hash.as_bytes())))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { what: "receipt", why };
        if text.len() > MAX_BYTES {
            return Err(malformed("it is longer than 1 MiB"));
        }
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or_else(|| malformed("no empty line parts the proof from its checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(MAGIC) {
            return Err(malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let entry = lines.next().and_then(|line| line.strip_prefix("extra ")).and_then(from_base64);
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let proof = lines.map(digest_from_base64).collect::<Option<Vec<_>>>();
        Ok(Self {
            entry: entry.ok_or_else(|| malformed("its second line is not `extra` and an entry"))?,
            index: index.ok_or_else(|| malformed("its third line is not `index` and a decimal"))?,
            proof: proof
                .filter(|proof| proof.len() <= MAX_PROOF)
                .ok_or_else(|| malformed("its proof is not at most 64 lines of base64 hashes"))?,
            checkpoint: checkpoint.to_owned(),
        })
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
