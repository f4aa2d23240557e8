//! The log as mathematics: Merkle tree, checkpoints, proofs, anchors, and the offline verifier.
//!
//! Sans-IO: bytes and hashes come in, answers go out. Reads no file, clock or database, signs only
//! with a [`marque_crypto::sign::LogKey`] it is handed, and knows nothing of what entries mean.
#![warn(missing_docs)]

mod anchor;
mod chain;
mod checkpoint;
mod error;
mod fault;
mod frontier;
mod hash;
mod key;
mod note;
mod proof;
mod receipt;
mod source;
#[cfg(test)]
mod testing;
mod text;
mod verify;

pub use anchor::{Anchor, AnchoredLeaf};
pub use chain::{KeyChain, Rotation, may_sign};
pub use checkpoint::Checkpoint;
pub use error::Error;
pub use fault::{Anchored, Fault, FaultKind, Report};
pub use frontier::{Frontier, Subtree};
pub use hash::{EMPTY_ROOT, leaf_hash, node_hash};
pub use key::{KeyName, VerifierKey};
pub use note::{Note, Signature};
pub use proof::{consistency, inclusion, verify_consistency, verify_inclusion};
pub use receipt::Receipt;
pub use source::HashSource;
pub use verify::{Evidence, Verifier};
