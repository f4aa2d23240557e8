//! Moving the log of writes (SQLite's WAL) into the database in the background.
//!
//! SQLite calls this a checkpoint; here that word means a signed tree head.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::error::StoreError;
use crate::session::Session;
use crate::store::Shared;

/// How often the helper goes over the log of writes before the writer pauses: each round leaves
/// only what was written during the one before.
const ROUNDS: u32 = 3;

/// How far the log of writes has moved into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backfill {
    /// Pages in the log of writes since it last started anew.
    pub frames: u64,
    /// Those already in the database.
    pub moved: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
}

impl Backfill {
    /// Whether nothing is left to move, so that the log of writes can start anew.
    pub fn is_complete(&self) -> bool {
        self.moved == self.frames
    }

    /// Bytes the log of writes holds.
    pub fn held_bytes(&self) -> u64 {
        self.frames * self.page_bytes
    }

    /// Bytes that are not in the database yet.
    pub fn left_bytes(&self) -> u64 {
        self.frames.saturating_sub(self.moved) * self.page_bytes
    }
}

/// Does the bulk of the moving on a connection of its own, for a helper thread: the writer goes on
/// meanwhile. Make one for the life of the store.
pub struct Backfiller {
    /// `None` in memory, and where the engine tends its own log of writes.
    parts: Option<Parts>,
    shared: Arc<Shared>,
}

struct Parts {
    session: Box<dyn Session>,
    /// Never closed: closing any descriptor of the database file drops every POSIX lock that
    /// SQLite holds on it in this process.
    database: ManuallyDrop<File>,
}

impl Backfiller {
    pub(crate) fn new(shared: Arc<Shared>, files: Option<(Box<dyn Session>, File)>) -> Self {
        let parts =
            files.map(|(session, file)| Parts { session, database: ManuallyDrop::new(file) });
        Self { parts, shared }
    }

    /// Moves and syncs, three times over. Afterwards [`crate::Writer::backfill`] has little left
    /// to do. Under load this never finishes by itself; the writer's own call does.
    pub fn backfill(&mut self) -> Result<Backfill, StoreError> {
        let Some(parts) = &mut self.parts else { return Ok(Backfill::default()) };
        let mut done = Backfill::default();
        for _ in 0..ROUNDS {
            done = parts.session.backfill()?;
            // SQLite syncs the database only after a full backfill; synced now, the pages do not
            // wait for the writer's pause.
            let synced = parts.database.sync_data();
            synced.map_err(|error| StoreError::io(self.shared.path(), &error))?;
        }
        Ok(done)
    }
}
