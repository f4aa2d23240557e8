//! The bench kit: what `cargo xtask bench decision`, `record` and `token` measure from inside the
//! process.
//!
//! Real parts only, with the clock and the randomness of the binary. It prints one line of JSON for
//! each thing it measured and judges nothing: bars are xtask's. Nothing here ships.

mod clock;
pub mod decision;
mod figures;
mod ground;
mod lines;
pub mod record;
pub mod token;

pub use lines::{Words, tell};
