//! The application: the road every act passes, the sequencer that records it, and the verbs by
//! which humans steer.
//!
//! Knows nothing of HTTP, sockets or terminals; those are `api`, `gateway` and the binary. Time
//! and randomness come in through [`Parts`].
#![warn(missing_docs)]

mod allowance;
pub mod broker;
mod caller;
mod clock;
mod decide;
mod doors;
mod draft;
mod error;
mod explain;
mod failure;
mod git;
mod issue;
mod issuer_keys;
mod laps;
mod lease;
mod limits;
mod live;
mod log;
mod log_key;
mod mandate;
pub mod oauth;
pub mod outbound;
mod plane;
mod policy;
mod reaper;
mod record;
mod replicas;
mod restore;
mod returning;
mod run;
mod seen;
mod sequence;
mod shelf;
mod show;
pub mod spec;
mod spending;
mod start;
mod step;
#[cfg(test)]
mod testing;
mod tier;
mod told;
mod trust;
mod verbs;
pub mod view;
mod world;

pub use allowance::{Allowance, Spent};
pub use broker::{Injection, Opened};
pub use caller::{Acting, Factor, Peer, Presented, ProcessKey, TerminalSession};
pub use clock::Clock;
pub use decide::{Ask, Preview};
pub use doors::{Door, DoorKind, DoorProof, HandedDoors};
pub use error::{AdminError, AdminKind};
pub use failure::Failure;
pub use git::PushLooker;
pub use lease::{Crossed, Lease};
pub use live::LiveRun;
pub use log_key::{KeyRecords, LogKeyFiles, LogSigner, rotations};
pub use marque_crypto::Secret;
pub use marque_crypto::token_key::TokenAlgorithm;
pub use marque_store::{Count, GroupBy, LogQuery};
pub use plane::{GitSettings, Parts, Plane, Settings};
pub use record::Permit;
pub use restore::RestoredView;
pub use seen::{Gap, Seen};
pub use start::{StartError, log_name};
