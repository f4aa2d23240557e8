//! The log's key: the one this server signs with, and what the log says of those before it.
//!
//! A rotation survives a crash at every step. The new key lies beside the old one, on disk, before
//! the entry that names it is committed; then the two files change places, and the old one is
//! destroyed. A start finishes, or undoes, what it finds half done: the log says which.

mod records;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marque_crypto::hash::sha256;
use marque_crypto::key_file::{self, Purpose};
use marque_crypto::sign::{LogKey, LogPublicKey};
use marque_crypto::{CryptoError, Random};
use marque_domain::Digest;
use marque_store::{Store, StoreError};

pub use records::{KeyRecords, rotations};
pub(crate) use records::{must_be_its_key, note_rotation};

use crate::error::{AdminError, AdminKind};
use crate::start::StartError;

/// What a server with a retired key is told.
const RETIRED: &str = "the log's key was rotated at another server: copy its folder `keys` over \
                       the one here, then start this server anew";

/// The answer of a server with a retired key.
pub(crate) fn retired() -> AdminError {
    AdminError::new(AdminKind::Unavailable, RETIRED)
}

/// The digest by which the log names a key.
pub(crate) fn digest(key: &LogPublicKey) -> Digest {
    sha256(key.as_bytes())
}

/// Where the two halves of the log's key lie. While it is rotated, another key lies beside the
/// private half, as `log.next` beside `log`.
#[derive(Debug, Clone)]
pub struct LogKeyFiles {
    /// The private half.
    pub private: PathBuf,
    /// The public half, for those who verify without a server.
    pub public: PathBuf,
}

/// Signs checkpoints with the log's key, until that is retired.
pub struct LogSigner {
    files: LogKeyFiles,
    held: Mutex<Held>,
    /// Held by whoever rotates.
    pub(crate) rotating: Arc<tokio::sync::Mutex<()>>,
}

struct Held {
    public: LogPublicKey,
    /// Nothing once another server has retired it.
    current: Option<Arc<LogKey>>,
    /// A key that may come into force with the next batch.
    next: Option<Arc<LogKey>>,
}

impl LogSigner {
    /// Signs with `key`, the one that lies in those files.
    pub fn new(key: LogKey, files: LogKeyFiles) -> Self {
        let held = Held { public: key.public().clone(), current: Some(Arc::new(key)), next: None };
        Self { files, held: Mutex::new(held), rotating: Arc::default() }
    }

    /// The public half of the key it signs with, or signed with last.
    pub fn public(&self) -> LogPublicKey {
        self.held().public.clone()
    }

    /// The digest by which the log names that key.
    pub(crate) fn digest(&self) -> Digest {
        digest(&self.held().public)
    }

    /// The key to sign with; nothing once it is retired.
    pub(crate) fn current(&self) -> Option<Arc<LogKey>> {
        self.held().current.clone()
    }

    /// Fails unless this server has the key that is in force in the log.
    pub(crate) fn must_have(&self, in_force: &Digest) -> Result<(), StoreError> {
        let held = self.held();
        let keys = [&held.current, &held.next];
        if keys.into_iter().flatten().any(|key| digest(key.public()) == *in_force) {
            return Ok(());
        }
        Err(StoreError::Deposed(RETIRED.to_owned()))
    }

    /// Signs with the key that came into force; with none if this server does not have it. The
    /// one before is forgotten.
    pub(crate) fn turn_to(&self, in_force: &Digest) {
        let mut held = self.held();
        let is_it = |key: &Option<Arc<LogKey>>| {
            key.as_ref().is_some_and(|key| digest(key.public()) == *in_force)
        };
        if is_it(&held.current) {
            return;
        }
        held.current = held.next.take();
        held.current.take_if(|key| digest(key.public()) != *in_force);
        if let Some(key) = &held.current {
            held.public = key.public().clone();
        }
    }

    /// Makes the next key: on disk when this returns, beside the one in force.
    pub(crate) fn prepare(&self, random: &dyn Random) -> Result<Arc<LogKey>, CryptoError> {
        // A rotation in doubt may have left the key in force there.
        let left = match self.prepared() {
            // Half destroyed, so it is not the key in force.
            Err(CryptoError::KeyFileMalformed { .. }) => None,
            left => left?,
        };
        if left.is_some_and(|key| digest(key.public()) == self.digest()) {
            self.put_in_place()?;
        }
        self.discard()?;
        let material = key_file::create(&self.next(), Purpose::LogSigning, random)?;
        let key = Arc::new(LogKey::from_material(&material)?);
        self.held().next = Some(Arc::clone(&key));
        Ok(key)
    }

    /// Puts the prepared key in the place of the one before, which is destroyed, and says for those
    /// who verify which one it is. Only for a key that the log names as the one in force.
    pub(crate) fn adopt(&self, verifier: &str) -> Result<(), CryptoError> {
        self.put_in_place()?;
        let public = &self.files.public;
        publish(public, verifier)
            .map_err(|source| CryptoError::KeyFileIo { path: public.clone(), source })
    }

    /// Destroys a prepared key that the log does not know.
    pub(crate) fn discard(&self) -> Result<(), CryptoError> {
        self.held().next = None;
        match key_file::destroy(&self.next()) {
            // A plane whose keys are in no files has none beside them either.
            Err(CryptoError::KeyFileIo { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            answer => answer,
        }
    }

    // ORDER: both keys lie there until the new one has its name on disk.
    fn put_in_place(&self) -> Result<(), CryptoError> {
        key_file::swap(&self.files.private, &self.next())?;
        key_file::destroy(&self.next())
    }

    fn prepared(&self) -> Result<Option<LogKey>, CryptoError> {
        match key_file::load(&self.next(), Purpose::LogSigning) {
            Ok(material) => LogKey::from_material(&material).map(Some),
            Err(CryptoError::KeyFileAbsent { .. }) => Ok(None),
            Err(CryptoError::KeyFileIo { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn next(&self) -> PathBuf {
        self.files.private.with_extension("next")
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Whole or not at all, and through no link.
fn publish(path: &Path, verifier: &str) -> io::Result<()> {
    let new = path.with_extension("vkey.new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(format!("{verifier}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Finishes a rotation that the log has and the key file does not, and destroys a prepared key
/// that the log does not know. Whether the key is the log's is asked later.
pub(crate) fn settle(store: &Store, signer: &LogSigner) -> Result<KeyRecords, StartError> {
    let records = store.read("log.keys", KeyRecords::read)?;
    let (Some(in_force), own) = (records.in_force(), signer.digest()) else { return Ok(records) };
    if own == in_force {
        return Ok(records);
    }
    let Some(index) = records.retired_by(&own) else { return Ok(records) };
    let prepared = signer.prepared().map_err(StartError::LogKeyFile)?;
    let prepared = prepared.filter(|key| digest(key.public()) == in_force);
    match prepared.zip(records.last_verifier()) {
        Some((key, verifier)) => {
            signer.adopt(verifier).map_err(StartError::LogKeyFile)?;
            signer.held().next = Some(Arc::new(key));
            signer.turn_to(&in_force);
            tracing::warn!(entry = index, "a rotation of the log's key was finished");
            Ok(records)
        }
        None => Err(StartError::RetiredLogKey { index }),
    }
}
