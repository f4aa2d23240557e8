//! Keys: which the plane has, and the rotation of the log's.

use std::sync::Arc;

use marque_crypto::CryptoError;
use marque_crypto::sign::LogKey;
use marque_domain::{Event, User, UserRef};
use marque_tlog::{Checkpoint, KeyName, VerifierKey};

use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::log_key::{self, KeyRecords, LogSigner};
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::start::{KEYS, keys_word};
use crate::step::Step;
use crate::view::{KeyView, RotatedView};

/// One key hands over to the next.
struct HandOver {
    by: UserRef,
    log: KeyName,
    old: Arc<LogKey>,
    new: Arc<LogKey>,
    /// The id of the key that wraps those of credentials, which stays.
    kek: String,
}

impl Plane {
    /// Every key the plane has, and every one that its log ever had.
    pub async fn keys(&self, _who: &Acting<User>) -> Result<Vec<KeyView>, AdminError> {
        let store = self.inner().store.clone();
        let records = self.blocking(move || store.read("keys", KeyRecords::read)).await??;
        let damaged = |error: marque_tlog::Error| {
            AdminError::new(AdminKind::Unavailable, error.to_string())
                .hint("`marque log verify` says what is wrong with the log")
        };
        let chain = records.chain(&self.verifier_key()).map_err(damaged)?;
        let mut since = None;
        let mut keys: Vec<_> = chain
            .keys()
            .map(|(key, until)| {
                let state = if until.is_some() { "retired" } else { "active" }.to_owned();
                let (purpose, id) = ("log".to_owned(), Some(key.to_string()));
                let since = std::mem::replace(&mut since, until);
                KeyView { purpose, id, since, until, state, at: None }
            })
            .collect();
        let other = |purpose: &str, id: Option<String>| {
            let (purpose, state) = (purpose.to_owned(), "active".to_owned());
            KeyView { purpose, id, since: None, until: None, state, at: None }
        };
        keys.extend(self.git().keys().shown().map(|key| KeyView {
            purpose: "git".to_owned(),
            state: if key.retired.is_some() { "retired" } else { "active" }.to_owned(),
            id: Some(key.public),
            since: key.since,
            until: key.retired,
            at: None,
        }));
        if let Some(tokens) = self.world().tokens.keys() {
            keys.extend(tokens.views());
        }
        keys.push(other("key-encryption", Some(self.key_manager().id().to_string())));
        keys.push(other("machine-hash", None));
        Ok(keys)
    }

    /// Retires the log's key for a new one. The old one is destroyed on this machine.
    pub async fn rotate_log_key(&self, who: &Acting<User>) -> Result<RotatedView, AdminError> {
        let Ok(alone) = Arc::clone(&self.signer().rotating).try_lock_owned() else {
            return Err(AdminError::new(AdminKind::Conflict, "the log's key is being rotated"));
        };
        let (plane, who) = (self.clone(), Acting::proven(Self::by(who), who.is_dry_run));
        // A task of its own, for whoever asked may go away between the entry and the file.
        let rotation = self.inner().tasks.spawn(async move {
            let rotated = plane.rotate(&who).await;
            drop(alone);
            rotated
        });
        rotation.await.map_err(|_| AdminError::unavailable())?
    }

    async fn rotate(&self, who: &Acting<User>) -> Result<RotatedView, AdminError> {
        self.must_be_settled().await?;
        let old = self.signer().current().ok_or_else(log_key::retired)?;
        let new = if who.is_dry_run {
            Arc::new(LogKey::generate(self.random()).map_err(|error| unusable(&error))?)
        } else {
            let random = Arc::clone(&self.inner().parts.random);
            let prepared = self.with_files(move |signer| signer.prepare(&*random)).await?;
            prepared.map_err(|error| unusable(&error))?
        };
        let (by, log) = (Self::by(who), self.inner().log_name.clone());
        let kek = self.key_manager().id().to_string();
        let hand_over = HandOver { by, log, old, new, kek };
        match self.change(who, move |step| hand_over.record(step)).await {
            Ok(rotated) if who.is_dry_run => Ok(rotated),
            Ok(rotated) => {
                let verifier = rotated.new.clone();
                let adopted = self.with_files(move |signer| signer.adopt(&verifier)).await?;
                adopted.map_err(|error| unfinished(&error))?;
                Ok(rotated)
            }
            Err(error) => {
                // Where it is in doubt the log may have the new key already.
                if error.kind != AdminKind::Unavailable {
                    let discarded = self.with_files(LogSigner::discard).await?;
                    discarded.map_err(|error| unusable(&error))?;
                }
                Err(error)
            }
        }
    }

    async fn with_files<R: Send + 'static>(
        &self,
        work: impl FnOnce(&LogSigner) -> R + Send + 'static,
    ) -> Result<R, AdminError> {
        let signer = Arc::clone(self.signer());
        self.blocking(move || work(&signer)).await
    }

    // What the log has must be what this server signs with. A rotation in doubt is one no more
    // after a turn of its own.
    async fn must_be_settled(&self) -> Result<(), AdminError> {
        let in_force = self
            .sequencer()
            .submit(Durability::Disk, |step| {
                Ok::<_, Failure>(KeyRecords::read(step.tx)?.in_force())
            })
            .await?;
        if in_force == Some(self.signer().digest()) {
            return Ok(());
        }
        Err(AdminError::new(AdminKind::Unavailable, "the log has another key than this server")
            .hint("start the server anew: it finishes a rotation that was broken off"))
    }
}

impl HandOver {
    // One savepoint holds the record, the head that both keys sign, and what ties the store to its
    // keys: none of them is ever without the others.
    fn record(&self, step: &mut Step<'_, '_>) -> Result<RotatedView, AdminError> {
        let (old, new) = (self.old.public(), self.new.public());
        let (old_key, new_key) = (log_key::digest(old), log_key::digest(new));
        if step.world.log_key != Some(old_key) {
            return Err(AdminError::new(AdminKind::Conflict, "the log has another key by now"));
        }
        let old_verifier = VerifierKey::new(self.log.clone(), old.clone()).to_string();
        let new_verifier = VerifierKey::new(self.log.clone(), new.clone()).to_string();
        let rotated = RotatedView {
            index: step.head.size(),
            old: old_verifier.clone(),
            new: new_verifier.clone(),
        };
        let by = self.by.clone();
        step.append(Event::LogKeyRotated { by, old_key, old_verifier, new_key, new_verifier })?;
        let (size, root) = (step.head.size(), step.head.root());
        let head = Checkpoint { origin: self.log.clone(), size, root };
        step.tx.put_checkpoint(size, &head.hand_over(&self.old, &self.new))?;
        step.tx.put_setting(KEYS, &keys_word(&new_key, &self.kek))?;
        log_key::note_rotation(step.tx, rotated.index)?;
        step.set_log_key(new_key);
        Ok(rotated)
    }
}

fn unusable(error: &CryptoError) -> AdminError {
    AdminError::new(AdminKind::Unavailable, format!("no new key can be made: {error}"))
        .hint("nothing was changed; mend the folder `keys` of the data directory and try again")
}

fn unfinished(error: &CryptoError) -> AdminError {
    let message = format!("the key was rotated, and its file could not be put in place: {error}");
    AdminError::new(AdminKind::Unavailable, message)
        .hint("mend the folder `keys` and start the server anew: that finishes it")
}
