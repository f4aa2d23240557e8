//! The store: facts, the log and everything else Marque keeps, in one SQLite file, in memory, or in
//! a PostgreSQL database.
//!
//! Owns SQL, migrations, durability primitives and who may write. Transactions are plain
//! synchronous closures that may run twice. It has no thread, queue, clock or randomness of its
//! own; ordering commits, syncs and answers is the sequencer's work, in `plane`.
#![warn(missing_docs)]

mod backfill;
mod checkpoints;
mod copy;
mod error;
mod facts;
mod faults;
mod feed;
mod intents;
mod log;
mod meters;
mod migrations;
mod names;
mod pool;
mod postgres;
mod replicas;
mod sealed;
mod session;
mod settings;
mod sqlite;
mod store;
mod sync;
mod transaction;
mod value;
mod writer;

pub use backfill::{Backfill, Backfiller};
pub use checkpoints::StoredCheckpoint;
pub use error::StoreError;
pub use faults::{CommitFault, FaultSwitch, Faults, OpenOptions};
pub use feed::{Since, Told, Turn};
pub use intents::Intent;
pub use log::{Count, DecisionEntries, GroupBy, LogQuery, StoredEntry};
pub use migrations::known_schema;
pub use postgres::{DatabaseUrl, Listener};
pub use replicas::Replica;
pub use sealed::Sealed;
pub use store::Store;
pub use sync::Syncer;
pub use transaction::Tx;
pub use writer::{Batch, Writer};
