//! What a verifier found, in sentences for people.
//!
//! Data only; the finding is in `verify`.

use std::fmt;

use marque_domain::Digest;

use crate::Error;

/// The outcome of reading a log to its end, or to its first fault. Prints as plain sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Entries read in order, up to the end or the fault.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// The lowest place shown to be bad; none if the log holds.
    pub first_bad: Option<Fault>,
    /// Largest size at which one of the log's own checkpoints agreed; 0 for none.
    pub signed: u64,
    /// What agreed with evidence from outside the log.
    pub anchored: Anchored,
}

impl Report {
    /// Whether nothing bad was found. Says nothing of who else saw this log: see `anchored`.
    pub fn holds(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// Sizes of the log confirmed by checkpoints from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anchored {
    /// Ascending, without repetition, never 0.
    pub sizes: Vec<u64>,
}

/// A place in the log and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Index of the first bad entry, or the lowest it can be where only roots disagree.
    pub first: u64,
    /// The highest it can be; equal to `first` where the entry is known.
    pub last: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The bytes do not have the leaf hash stored with them.
    Edited,
    /// No entry has these indexes.
    Missing,
    /// Another entry stands where this one belongs.
    OutOfOrder {
        /// Index of the entry found in its place.
        found: u64,
    },
    /// A second entry has this index.
    Repeated,
    /// The entry is not the one an anchor saw recorded under this index.
    Replaced,
    /// The root differs from one of the log's own checkpoints.
    Unlike {
        /// Size of the checkpoint.
        size: u64,
    },
    /// The root differs from a checkpoint seen elsewhere: history before it was rewritten.
    Rewritten {
        /// Size of the checkpoint.
        size: u64,
    },
    /// The key signed two different roots for one size.
    Fork {
        /// The size signed twice.
        size: u64,
    },
    /// The log ends before a checkpoint says it may.
    Truncated {
        /// Size the checkpoint vouches for.
        size: u64,
    },
    /// Retires a key that signed a larger head seen elsewhere (threat 145).
    Retired {
        /// Size of that head.
        size: u64,
        /// The retired key, as `name+keyid`.
        key: String,
    },
    /// Rotates the log's key, and the key that would have to vouch for that does not.
    Unvouched {
        /// The key whose checkpoint is missing, as `name+keyid`.
        key: String,
    },
    /// The log's own list of checkpoints goes back to an older one.
    Replayed {
        /// Size of the older checkpoint.
        size: u64,
        /// Size of the one recorded before it.
        after: u64,
    },
    /// One of the log's own checkpoints cannot be believed.
    BadCheckpoint {
        /// Its place in the log's list, from 1.
        number: u64,
        /// Why not.
        why: Error,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, root, signed, anchored, .. } = self;
        if let Some(fault) = &self.first_bad {
            return write!(f, "{fault}\n{} read; {anchored}", Count(*size));
        }
        write!(f, "{}, root {root}: consistent with itself; {anchored}", Count(*size))?;
        if let Some(last) = anchored.sizes.last().filter(|last| *last < size) {
            write!(f, ", the {} after that not", Count(size - last))?;
        }
        if signed < size {
            write!(f, "\n{} at its end under no checkpoint of its own", Count(size - signed))?;
        }
        Ok(())
    }
}

impl fmt::Display for Anchored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sizes.last() {
            Some(last) => write!(f, "anchored up to size {last}"),
            None => f.write_str("not anchored"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "entry {}: ", self.first)?;
        } else {
            write!(f, "entries {} to {}: ", self.first, self.last)?;
        }
        fmt::Display::fmt(&self.kind, f)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited => f.write_str("edited; the bytes do not match the stored leaf hash"),
            Self::Missing => f.write_str("missing"),
            Self::OutOfOrder { found } => write!(f, "out of order; entry {found} is in its place"),
            Self::Repeated => f.write_str("stored a second time"),
            Self::Replaced => f.write_str("replaced; an anchor saw another entry here"),
            Self::Unlike { size } => {
                write!(f, "changed; the root differs from the log's own checkpoint of size {size}")
            }
            Self::Rewritten { size } => write!(
                f,
                "rewritten; the root differs from a checkpoint of size {size} seen elsewhere"
            ),
            Self::Fork { size } => {
                write!(f, "forked; two different roots are signed for size {size}")
            }
            Self::Truncated { size } => {
                write!(f, "removed from the end; a checkpoint vouches for {size} entries")
            }
            Self::Retired { size, key } => write!(
                f,
                "retires the key `{key}`, which signed a checkpoint of size {size} seen elsewhere: \
                 either the key was stolen and signed that, or this log was rewritten"
            ),
            Self::Unvouched { key } => {
                write!(f, "rotates the log's key, and no checkpoint by `{key}` covers that")
            }
            Self::Replayed { size, after } => write!(
                f,
                "withdrawn; after a checkpoint of size {after} the log recorded one of size {size}"
            ),
            Self::BadCheckpoint { number, why } => {
                write!(f, "not vouched for; checkpoint {number} of the log: {why}")
            }
        }
    }
}

/// "1 entry", "2 entries".
struct Count(u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "entry" } else { "entries" })
    }
}
