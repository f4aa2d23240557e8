//! The words of Marque: nouns, their states, and the pure rules over them.
//!
//! Nothing here waits, reads a clock, draws randomness, logs, or touches the outside.
#![warn(missing_docs)]

pub mod digest;
pub mod time;

pub use digest::Digest;
pub use time::Timestamp;
