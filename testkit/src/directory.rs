//! A plane on a directory: real files, real threads, and what a crash leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use marque_plane::{Plane, RestoredView, StartError};
use marque_store::Store;
use tempfile::TempDir;

use crate::plane::parts;
use crate::{MockClock, Setup, TestPlane};

/// The directory of a plane, which starts on it as often as a test likes.
pub struct FilePlane {
    directory: TempDir,
    clock: Arc<MockClock>,
    starts: AtomicU64,
}

impl FilePlane {
    /// An empty directory.
    pub fn new() -> Self {
        Self { directory: private_directory(), clock: Arc::default(), starts: AtomicU64::new(0) }
    }

    /// A plane on it that alice has claimed, now or before.
    pub async fn start(&self, setup: Setup) -> TestPlane {
        let plane = self.try_start(setup).unwrap_or_else(|error| panic!("{error}"));
        if plane.log().size() == 0 {
            plane.alice().claims().await.unwrap();
        }
        plane
    }

    /// A plane on it, claimed or not, or why it cannot start.
    pub fn try_start(&self, setup: Setup) -> Result<TestPlane, StartError> {
        // Another start draws other ids.
        let start = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        let seed = setup.seed.wrapping_add(start << 32);
        let store = Store::open_with(&self.database(), setup.store.clone())?;
        TestPlane::on_threads(store, Setup { seed, ..setup }, Arc::clone(&self.clock))
    }

    /// Takes the files as an older copy, before anybody serves them.
    pub fn restores(&self, setup: &Setup) -> RestoredView {
        let store = Store::open_with(&self.database(), setup.store.clone()).unwrap();
        let (_, parts) = parts(setup, Arc::clone(&self.clock));
        Plane::restore(store, parts).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The files as a crash at this moment would leave them, in a directory of their own. What was
    /// committed is there; what a process held in memory is not.
    #[must_use]
    pub fn as_after_a_crash(&self) -> Self {
        let directory = private_directory();
        for name in ["marque.db", "marque.db-wal"] {
            fs::copy(self.directory.path().join(name), directory.path().join(name)).unwrap();
        }
        let starts = AtomicU64::new(self.starts.load(Ordering::Relaxed));
        Self { directory, clock: Arc::clone(&self.clock), starts }
    }

    /// The clock of every plane that starts on it.
    pub fn clock(&self) -> &Arc<MockClock> {
        &self.clock
    }

    /// The store's database file.
    pub fn database(&self) -> PathBuf {
        self.directory.path().join("marque.db")
    }
}

impl Default for FilePlane {
    fn default() -> Self {
        Self::new()
    }
}

fn private_directory() -> TempDir {
    tempfile::Builder::new().prefix("marque-test").tempdir().unwrap()
}

/// The folder with a log's key, as one server has it.
pub struct KeyFolder(TempDir);

impl KeyFolder {
    /// An empty one: the first plane that is given it makes the key.
    pub fn new() -> Self {
        Self(private_directory())
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// The bytes of one of its files, if it is there.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.path().join(name)).ok()
    }

    /// Its files under these names, as another server or a crash has them.
    #[must_use]
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Self::new();
        for (name, bytes) in files {
            let path = folder.0.path().join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        folder
    }
}

impl Default for KeyFolder {
    fn default() -> Self {
        Self::new()
    }
}
