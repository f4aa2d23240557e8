//! Next: what a batch makes of the world and the log, until it is committed.
//!
//! Owns catching up with the other servers of a shared store, and telling them. Everything here can
//! be thrown away and done again, for a transaction may run twice.

use std::cell::RefCell;
use std::sync::Arc;

use marque_crypto::Random;
use marque_domain::Timestamp;
use marque_store::{Since, StoreError, Tx};
use marque_tlog::Frontier;

use crate::live::{Kin, LiveRun};
use crate::log_key::LogSigner;
use crate::start::StoredHashes;
use crate::step::Step;
use crate::told::{Changes, Told};
use crate::world::World;

/// Batches of others that are read at once.
const TOLD_AT_ONCE: u64 = 256;
/// Entries of others whose leaves are read one by one; beyond that the tree is read anew.
const LEAVES_MAX: u64 = 4_096;

/// A world with the log that led to it.
pub(super) struct Next {
    pub(super) world: World,
    pub(super) head: Frontier,
    /// The last batch that is in it.
    told: u64,
    /// When that was told; `None` before it was looked up.
    told_at: Option<Timestamp>,
    cuts: Vec<Arc<LiveRun>>,
    changes: Changes,
}

/// A point to go back to.
pub(super) struct Mark {
    world: World,
    head: Frontier,
    cuts: usize,
    changes: usize,
}

impl Next {
    /// As it is committed.
    pub(super) fn new(world: World, head: Frontier, told: u64) -> Self {
        let changes = Changes::new(false);
        Self { world, head, told, told_at: None, cuts: Vec::new(), changes }
    }

    /// A copy that a batch changes; what it changes is noted if others are told.
    pub(super) fn begin(&self, is_told: bool) -> Self {
        Self {
            world: self.world.clone(),
            head: self.head.clone(),
            told: self.told,
            told_at: self.told_at,
            cuts: Vec::new(),
            changes: Changes::new(is_told),
        }
    }

    pub(super) fn told(&self) -> u64 {
        self.told
    }

    pub(super) fn take_cuts(&mut self) -> Vec<Arc<LiveRun>> {
        std::mem::take(&mut self.cuts)
    }

    pub(super) fn mark(&self) -> Mark {
        let (world, head) = (self.world.clone(), self.head.clone());
        Mark { world, head, cuts: self.cuts.len(), changes: self.changes.len() }
    }

    pub(super) fn go_back(&mut self, mark: Mark) {
        self.world = mark.world;
        self.head = mark.head;
        self.cuts.truncate(mark.cuts);
        self.changes.cut_to(mark.changes);
    }

    pub(super) fn step<'a, 'tx>(
        &'a mut self,
        tx: &'a mut Tx<'tx>,
        now: Timestamp,
        random: &'a dyn Random,
        replica: &'a str,
    ) -> Step<'a, 'tx> {
        let Self { world, head, cuts, changes, .. } = self;
        Step { tx, world, now, head, random, cuts, changes, replica }
    }

    /// Does what other servers committed since. Fails if the store is no longer the one that this
    /// world was made from.
    pub(super) fn catch_up(&mut self, tx: &mut Tx<'_>, kin: &Kin) -> Result<(), StoreError> {
        let before = self.told;
        loop {
            let since = tx.told_since(self.told, TOLD_AT_ONCE)?;
            self.must_go_on_from(&since)?;
            for batch in &since.told {
                let told: Told = serde_json::from_str(&batch.body).map_err(|error| {
                    StoreError::Corrupt(format!("batch {}: {error}", batch.seq))
                })?;
                self.world.follow(tx, &told, (kin, &mut self.cuts))?;
                (self.told, self.told_at) = (batch.seq, Some(batch.at));
            }
            if (since.told.len() as u64) < TOLD_AT_ONCE {
                break;
            }
        }
        if self.told == before { Ok(()) } else { self.catch_up_log(tx) }
    }

    // The feed has the last batch that is in this world, told at the same moment, and all after it.
    // A copy that others went on from has that number too, but told later.
    fn must_go_on_from(&mut self, since: &Since) -> Result<(), StoreError> {
        let seen = self.told;
        let next = since.told.first().map(|batch| batch.seq);
        match (since.at, self.told_at) {
            (Some(at), Some(known)) if at != known => {
                return Err(StoreError::Rewound(format!("another batch {seen} than it has")));
            }
            (Some(at), _) => self.told_at = Some(at),
            // Nothing was told before the first.
            (None, _) if seen == 0 => {}
            (None, _) if next.is_some_and(|next| next > seen) => {}
            (None, _) => return Err(StoreError::Rewound(format!("batch {seen}"))),
        }
        match next {
            Some(next) if next != seen + 1 => Err(StoreError::Engine(format!(
                "batch {} of the other servers is gone, so this one is too far behind: restart it",
                seen + 1
            ))),
            _ => Ok(()),
        }
    }

    /// Fails unless it is everything that was told before this turn.
    pub(super) fn must_be_at(&self, seq: u64) -> Result<(), StoreError> {
        if self.told == seq {
            return Ok(());
        }
        Err(StoreError::Rewound(format!("batch {}, after {seq}", self.told)))
    }

    /// Fails if another server gave the log a key that this one does not have: then it can vouch
    /// for nothing.
    pub(super) fn must_be_signed_by(
        &self,
        signer: &LogSigner,
        before: &World,
    ) -> Result<(), StoreError> {
        let Some(key) = &self.world.log_key else { return Ok(()) };
        let is_another = before.log_key.is_some_and(|before| before != *key);
        if is_another || signer.current().is_none() { signer.must_have(key) } else { Ok(()) }
    }

    /// Whether this batch changed anything that must be told or kept.
    pub(super) fn has_news(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Keeps what this batch changed for those who start later, and where the store is shared tells
    /// it to the others.
    pub(super) fn tell(
        &mut self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        is_shared: bool,
    ) -> Result<(), StoreError> {
        let Some(told) = self.changes.told(&self.world) else { return Ok(()) };
        for (key, body) in &told.kept {
            match body {
                Some(body) => tx.put_kept(key, body)?,
                None => tx.drop_kept(key)?,
            }
        }
        if !is_shared {
            return Ok(());
        }
        let body = serde_json::to_string(&told)
            .map_err(|error| StoreError::Unstorable(error.to_string()))?;
        (self.told, self.told_at) = (self.told + 1, Some(now));
        tx.tell(self.told, now, &body)
    }

    fn catch_up_log(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let size = tx.log_size()?;
        let new = size.saturating_sub(self.head.size());
        if new > LEAVES_MAX {
            let restored = Frontier::restore(size, &StoredHashes(RefCell::new(tx)));
            self.head = restored.map_err(|error| StoreError::Corrupt(error.0))?;
        } else if new > 0 {
            for leaf in tx.hashes(0, self.head.size(), new)? {
                drop(self.head.append(leaf));
            }
        }
        if self.head.size() == size {
            return Ok(());
        }
        let known = self.head.size();
        Err(StoreError::Rewound(format!("entry {known}, after {size}")))
    }
}
