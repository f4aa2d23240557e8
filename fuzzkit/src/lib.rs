//! The fuzz kit: what must hold of every parser that meets the network or a file, whatever bytes
//! come.
//!
//! Each target is a plain function over bytes that panics where a promise is broken. libFuzzer
//! calls them from `fuzz/`, and an ordinary test of this crate calls them over the kept corpus and
//! a bounded number of mutations, which takes no tool and no other compiler. Nothing here ships.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this crate serves tests, and tests fail by panicking"
)]

mod fields;
mod fixed;
mod mutate;
mod pieces;
mod smoke;
mod targets;

pub use smoke::smoke;
pub use targets::{TARGETS, Target, target};
