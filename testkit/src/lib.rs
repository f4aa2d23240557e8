//! The test kit: a whole plane in memory or on a directory, a clock with hands, and actors, so
//! that a test reads like the story it tells.
//!
//! Real parts only: what is faked is the world around them (time, randomness, a failing disk).
//! Nothing here ships.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this crate serves tests, and tests fail by panicking"
)]

mod actors;
mod call;
mod clock;
mod directory;
mod log;
mod oauth;
mod outside;
mod plane;
mod postgres;
mod rng;
mod verdict;

pub use actors::{
    Human, RunActor, agent, asking, child, connection, git_connection, lines, run_of,
};
pub use call::{Call, HOST, delete, get, post, push};
pub use clock::MockClock;
pub use directory::{FilePlane, KeyFolder};
pub use log::Log;
pub use oauth::{GATEWAY, Got, ISSUER, OAuthClient, fresh_name, issuing, jwks, request};
pub use outside::Outside;
pub use plane::{Setup, TestPlane};
pub use postgres::{DATABASE_PASSWORD, PostgresServer, Relay};
pub use rng::SeededRandom;
pub use verdict::{Done, Verdict, code_of};

/// The passphrase of every human in tests.
pub const PASSPHRASE: &str = "correct horse battery staple";
/// What is sealed behind every connection in tests. It must turn up nowhere else.
pub const CANARY: &str = "canary-7f3a-secret-of-the-upstream";
