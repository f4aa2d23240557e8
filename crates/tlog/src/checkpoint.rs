//! Checkpoints (C2SP tlog-checkpoint v1.0.0): a tree head that a log vouches for.
//!
//! Signing does not check history: the caller must never sign a head that does not extend the last
//! one it signed.

use std::fmt;

use marque_crypto::sign::LogKey;
use marque_domain::Digest;

use crate::key::{KeyName, VerifierKey};
use crate::text::{decimal, digest_from_base64, to_base64};
use crate::{Error, Note};

/// A tree head. Prints as the note text that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log and of its key.
    pub origin: KeyName,
    /// Entries in the tree.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The signed note that carries this checkpoint, signed in the name of its origin.
    pub fn sign(&self, key: &LogKey) -> String {
        Note::sign(self.to_string(), &self.origin, &[key]).to_string()
    }

    /// The same with which one key hands over to the next: signed by both, so that whoever trusts
    /// either believes the record that is its last entry.
    pub fn hand_over(&self, old: &LogKey, new: &LogKey) -> String {
        Note::sign(self.to_string(), &self.origin, &[old, new]).to_string()
    }

    /// The checkpoint of a signed note, if `key` signed it for its own log.
    ///
    /// Extension lines are covered by the signature and not interpreted.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, Error> {
        let note = Note::parse(note)?;
        key.check(&note)?;
        Self::of(&note, key.name())
    }

    /// The checkpoint of a note whose signatures were checked, if it speaks for that log.
    pub(crate) fn of(note: &Note, log: &KeyName) -> Result<Self, Error> {
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != *log {
            let (found, expected) = (checkpoint.origin.to_string(), log.to_string());
            return Err(Error::OtherLog { found, expected });
        }
        Ok(checkpoint)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { what: "checkpoint", why };
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it needs three lines: origin, size and root"));
        };
        if lines.any(str::is_empty) {
            return Err(malformed("an extension line is empty"));
        }
        Ok(Self {
            origin: origin.parse()?,
            size: decimal(size).ok_or_else(|| malformed("its size is not a plain decimal"))?,
            root: digest_from_base64(root)
                .ok_or_else(|| malformed("its root is not base64 of 32 bytes"))?,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = to_base64(self.root.as_bytes());
        writeln!(f, "{}\n{}\n{root}", self.origin, self.size)
    }
}
