//! The plane's stories, told through its front door over real parts.
//!
//! One binary; a module for each thing that is promised.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod approvals;
mod authority;
mod bytes;
mod children;
mod claim;
mod commits;
mod coverage;
mod credentials;
mod explain;
mod faults;
mod git;
mod kill;
mod life;
mod limits;
mod log;
mod log_key;
mod oauth;
mod pen;
mod policy;
mod postgres;
mod random;
mod rehearsal;
mod replicas;
mod returning;
mod road;
mod simulated;
mod tiers;
mod trust;
mod turns;
mod twins;
