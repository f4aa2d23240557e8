//! Where the stores of one test live.

use std::path::PathBuf;

use marque_store::{Faults, OpenOptions, Store, StoreError, Tx};
use tempfile::TempDir;

pub(crate) struct Home {
    directory: Option<TempDir>,
}

impl Home {
    pub(crate) fn in_memory() -> Self {
        Self { directory: None }
    }

    pub(crate) fn in_files() -> Self {
        Self { directory: Some(tempfile::tempdir().unwrap()) }
    }

    pub(crate) fn open(&self) -> Store {
        self.open_with(OpenOptions::default())
    }

    pub(crate) fn open_failing(&self, faults: Faults) -> Store {
        self.open_with(OpenOptions { faults, ..OpenOptions::default() })
    }

    pub(crate) fn open_with(&self, options: OpenOptions) -> Store {
        match &self.directory {
            Some(_) => Store::open_with(&self.path(), options).unwrap(),
            None => Store::in_memory_with(options).unwrap(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.as_ref().unwrap().path().join("marque.db")
    }
}

/// Runs one command in a batch of its own.
pub(crate) fn write<R>(
    store: &Store,
    mut command: impl FnMut(&mut Tx<'_>) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    store.writer()?.batch(|batch| batch.attempt(&mut command)).and_then(|answer| answer)
}

/// Reads, where nothing can fail.
pub(crate) fn read<R>(store: &Store, body: impl FnMut(&mut Tx<'_>) -> Result<R, StoreError>) -> R {
    store.read("test", body).unwrap()
}
