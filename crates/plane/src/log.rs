//! The log, from outside the sequencer: checkpoints, questions, receipts.

use std::cell::RefCell;

use marque_domain::{Id, LogEntry, Run, User};
use marque_store::{Count, GroupBy, LogQuery};
use marque_tlog::{Checkpoint, Receipt, VerifierKey};

use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::log_key;
use crate::plane::Plane;
use crate::sequence::Durability;
use crate::start::StoredHashes;
use crate::view::CheckpointView;

/// Leaves of one run that its anchor names at most.
const MAX_LEAVES: u64 = 10_000;

impl Plane {
    /// Signs what is on disk of the log, and with it names the leaves of one run.
    // ORDER: the note is stored before it is given away, so that no restart signs a fork of it.
    pub async fn checkpoint(&self, run: Option<Id<Run>>) -> Result<CheckpointView, AdminError> {
        // ORDER: the head before the key, for a retired key signs no head beyond its last.
        let head = self.sequencer().synced();
        let key = self.signer().current().ok_or_else(log_key::retired)?;
        let origin = self.inner().log_name.clone();
        let verifier = VerifierKey::new(origin.clone(), key.public().clone());
        let checkpoint = Checkpoint { origin, size: head.size, root: head.root };
        let signed = checkpoint.sign(&key);
        let note = self
            .sequencer()
            .submit(Durability::Disk, move |step| {
                let kept = step.tx.checkpoint_at_or_before(head.size)?;
                // With one of this size two keys may have handed over: it stays as it is.
                let is_it =
                    |note: &str| Checkpoint::open(note, &verifier) == Ok(checkpoint.clone());
                if let Some(kept) = kept.filter(|kept| is_it(&kept.note)) {
                    return Ok(kept.note);
                }
                step.tx.put_checkpoint(head.size, &signed)?;
                Ok::<_, Failure>(signed.clone())
            })
            .await?;
        let leaves = match run {
            Some(run) => self.leaves_of(run, head.size).await?,
            None => Vec::new(),
        };
        Ok(CheckpointView { size: head.size, root: head.root, note, leaves })
    }

    /// Entries that answer a question, in the order it asks for.
    pub async fn log_query(
        &self,
        _who: &Acting<User>,
        query: LogQuery,
    ) -> Result<Vec<LogEntry>, AdminError> {
        let store = self.inner().store.clone();
        let read = move || {
            store.read("log.query", |tx| {
                tx.query(&query)?.iter().map(marque_store::StoredEntry::entry).collect()
            })
        };
        Ok(self.blocking(read).await??)
    }

    /// How many entries answer a question, by what they have in common.
    pub async fn log_count(
        &self,
        _who: &Acting<User>,
        query: LogQuery,
        group: GroupBy,
    ) -> Result<Vec<Count>, AdminError> {
        let store = self.inner().store.clone();
        let read = move || store.read("log.count", |tx| tx.count_by(&query, group));
        Ok(self.blocking(read).await??)
    }

    /// One entry with the proof that it is in the log, to be verified offline.
    pub async fn receipt(&self, _who: &Acting<User>, index: u64) -> Result<String, AdminError> {
        let checkpoint = self.checkpoint(None).await?;
        if index >= checkpoint.size {
            return Err(AdminError::not_found("entry", &index.to_string(), "marque log query"));
        }
        let store = self.inner().store.clone();
        let size = checkpoint.size;
        let read = move || {
            store.read("log.receipt", |tx| {
                let entry = tx.entry(index)?;
                let proof = marque_tlog::inclusion(index, size, &StoredHashes(RefCell::new(tx)));
                Ok((entry, proof))
            })
        };
        let (entry, proof) = self.blocking(read).await??;
        let damaged = |what: String| AdminError::new(AdminKind::Unavailable, what);
        let entry = entry.ok_or_else(|| damaged(format!("entry {index} is missing")))?;
        let proof = proof.map_err(|error| damaged(error.0))?;
        let receipt = Receipt { entry: entry.bytes, index, proof, checkpoint: checkpoint.note };
        Ok(receipt.to_string())
    }

    async fn leaves_of(
        &self,
        run: Id<Run>,
        size: u64,
    ) -> Result<Vec<(u64, marque_domain::Digest)>, AdminError> {
        let store = self.inner().store.clone();
        let query = LogQuery { run: Some(run), limit: MAX_LEAVES, ..LogQuery::default() };
        let read = move || store.read("log.leaves", |tx| tx.query(&query));
        let entries = self.blocking(read).await??;
        let covered = entries.into_iter().filter(|entry| entry.index < size);
        Ok(covered.map(|entry| (entry.index, entry.leaf)).collect())
    }

    /// Runs what reads the store, or thinks long, away from the tasks that must not wait.
    pub(crate) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, AdminError> {
        let work = self.inner().tasks.spawn_blocking(work);
        work.await.map_err(|_| AdminError::unavailable())
    }
}
