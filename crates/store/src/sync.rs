//! Making commits durable: the sync of the log of writes.

use std::fs::File;
use std::sync::Arc;
use std::thread;

use crate::error::StoreError;
use crate::store::Shared;

/// Syncs what was committed. Several may work at once, each on a descriptor of its own.
pub struct Syncer {
    /// `None` in memory, and where each commit is durable by itself.
    wal: Option<File>,
    /// Keeps the connections open, and with them the file that `wal` names.
    shared: Arc<Shared>,
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>, wal: Option<File>) -> Self {
        Self { wal, shared }
    }

    /// Returns once everything committed before this call survives a power cut.
    ///
    /// An error is final: the kernel reports a lost write once, so a second call may succeed
    /// without it. Whoever gets one must stop recording.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.shared.faults.sync()?;
        if let Some(wal) = &self.wal {
            wal.sync_data().map_err(|error| StoreError::io(self.shared.path(), &error))?;
        }
        if let Some(delay) = self.shared.options.sync_delay {
            thread::sleep(delay);
        }
        Ok(())
    }
}
