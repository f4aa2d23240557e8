//! Keys, signing, sealing and hashing: the only user of the cryptographic libraries.
//!
//! Every key has a purpose and a type of its own, so that a key for one act cannot do another.
//! Secret types have no `Debug`, `Display` or `Serialize` and wipe themselves when dropped.
//! Nothing here reads a clock; only [`key_file`] touches the disk.
#![warn(missing_docs)]

pub mod client_certificate;
mod ecdsa;
pub mod error;
pub mod factor;
pub mod git_key;
pub mod hash;
pub mod intercept;
pub mod key_file;
pub mod key_ring;
pub mod machine;
pub mod proof_key;
pub mod public_key;
pub mod random;
pub mod seal;
pub mod secret;
pub mod sign;
pub mod spki;
pub mod token_key;

pub use error::CryptoError;
pub use random::{Random, SystemRandom};
pub use secret::Secret;

#[cfg(test)]
mod canary_tests;
