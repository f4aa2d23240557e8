//! What can be wrong with a proof, a note, a key, an anchors file or a receipt.
//!
//! Faults of a log that was read in full are not errors: they are [`crate::Fault`]s.

/// Why a proof could not be made, or why something read is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A proof was asked or offered for an entry the tree does not have.
    #[error("entry {index} is outside a log of {size} entries")]
    OutsideLog {
        /// Zero-based index of the entry.
        index: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// The newer tree is the smaller one, which an append-only log cannot become.
    #[error(
        "a log of {old} entries cannot have become one of {new}: entries were removed, or an old \
         checkpoint is shown again"
    )]
    Shrunk {
        /// Entries in the tree seen earlier.
        old: u64,
        /// Entries in the tree offered now.
        new: u64,
    },
    /// The [`crate::HashSource`] answered with fewer or more hashes than it owes.
    #[error(
        "the store gave {got} of {wanted} hashes of level {level} from {start}: is it damaged?"
    )]
    MissingHashes {
        /// Level of the row: 0 for leaves, 8, 16, … for full subtrees.
        level: u8,
        /// Position of the first hash asked for.
        start: u64,
        /// Hashes asked for.
        wanted: usize,
        /// Hashes given.
        got: usize,
    },
    /// The inclusion proof does not lead from the leaf to the root (RFC 9162 section 2.1.3.2).
    #[error("the proof does not lead to the root: entry, index, proof or checkpoint was changed")]
    NotIncluded,
    /// The proof does not lead to both roots (RFC 9162 section 2.1.4.2).
    #[error(
        "the newer tree does not extend the older one: history was rewritten, or the proof is for \
         other trees"
    )]
    NotConsistent,
    /// No signature line of the note belongs to the trusted key.
    #[error("the note is not signed by the trusted key `{key}`")]
    NotSigned {
        /// The trusted key, as `name+keyid`.
        key: String,
    },
    /// A signature line names the trusted key but does not verify.
    #[error(
        "the signature by `{key}` does not match the note: its text was changed, or it is forged"
    )]
    BadSignature {
        /// The trusted key, as `name+keyid`.
        key: String,
    },
    /// The note is signed by the trusted key, but speaks for another log.
    #[error("the checkpoint speaks for the log `{found}`, the trusted key for `{expected}`")]
    OtherLog {
        /// Origin line of the checkpoint.
        found: String,
        /// Name of the trusted key.
        expected: String,
    },
    /// The note is signed by a key that was retired before the log had that size (threat 145).
    #[error(
        "the checkpoint of size {size} is signed by `{key}`, which entry {index} retired: whoever \
         has that key could have signed it"
    )]
    Retired {
        /// The retired key, as `name+keyid`.
        key: String,
        /// Size of the checkpoint.
        size: u64,
        /// The entry that retired it.
        index: u64,
    },
    /// A record of the log's keys does not follow from what came before.
    #[error("entry {index} does not rotate the log's key: {why}")]
    BadRotation {
        /// Index of the record's entry.
        index: u64,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The trusted key is none of those the log names.
    #[error("the log does not name the trusted key `{key}` among its own")]
    NotItsKey {
        /// The trusted key, as `name+keyid`.
        key: String,
    },
    /// The text breaks its format.
    #[error("this is no {what}: {why}")]
    Malformed {
        /// Which format was expected.
        what: &'static str,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A record of an anchors file is refused.
    #[error("anchors file, line {line}: {why}")]
    AnchorLine {
        /// One-based line number.
        line: usize,
        /// What is wrong there.
        why: Box<Error>,
    },
}
