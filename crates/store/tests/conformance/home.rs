//! Where the stores of one test live.

use std::path::PathBuf;

use marque_store::{DatabaseUrl, Faults, OpenOptions, Store, StoreError, Tx};
use marque_testkit::PostgresServer;
use tempfile::TempDir;

pub(crate) enum Home {
    Memory,
    Files(TempDir),
    /// A schema of its own.
    Postgres(String),
}

impl Home {
    pub(crate) fn in_memory() -> Self {
        Self::Memory
    }

    pub(crate) fn in_files() -> Self {
        Self::Files(tempfile::tempdir().unwrap())
    }

    /// `None` where PostgreSQL is not installed.
    pub(crate) fn in_postgres() -> Option<Self> {
        PostgresServer::shared().map(|server| Self::Postgres(server.url()))
    }

    pub(crate) fn open(&self) -> Store {
        self.open_with(OpenOptions::default())
    }

    pub(crate) fn open_failing(&self, faults: Faults) -> Store {
        self.open_with(OpenOptions { faults, ..OpenOptions::default() })
    }

    pub(crate) fn open_with(&self, options: OpenOptions) -> Store {
        match self {
            Self::Memory => Store::in_memory_with(options).unwrap(),
            Self::Files(_) => Store::open_with(&self.path(), options).unwrap(),
            Self::Postgres(url) => {
                Store::open_postgres(&DatabaseUrl::parse(url).unwrap(), options).unwrap()
            }
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Files(directory) => directory.path().join("marque.db"),
            Self::Memory | Self::Postgres(_) => panic!("only a store in files has a path"),
        }
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
