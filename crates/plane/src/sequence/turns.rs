//! Turns: who commits next, and what goes into the batch.
//!
//! Whoever asks while nothing else happens commits its own command, in its own thread: two
//! hand-overs less. As soon as anybody waits, the committer's thread serves all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::aside::Aside;
use super::backfill::Backfill;
use super::command::{Command, Durability};
use super::committer::Committer;
use super::gathering::Gathering;
use super::syncers::Syncers;
use super::writing::Writing;
use crate::failure::Failure;

/// Commands of each kind, queued and aside, that share a transaction at most.
pub(super) const BATCH: usize = 512;

/// Of what lies aside, what whoever commits by itself takes along at most.
const TAKEN_ALONG: usize = 64;
/// Commands of others after which the thread looks after the write-ahead log.
const TENDED_AFTER: usize = 64;

/// Everything that commits, for whoever has its turn.
pub(super) struct Core {
    pub(super) committer: Committer,
    pub(super) syncers: Syncers,
    pub(super) backfill: Backfill,
    pub(super) writing: Arc<Writing>,
}

/// One turn at a time.
pub(super) struct Turns {
    /// `None` once the committer's thread has ended.
    core: Mutex<Option<Core>>,
    pub(super) aside: Aside,
    gathering: Gathering,
    /// Commands that were queued and are not committed.
    queued: AtomicUsize,
    /// Commands that were committed by whoever asked, since the thread looked.
    passed: AtomicUsize,
    /// Whether whoever asks may commit: a store in the network may be far away.
    is_near: bool,
}

impl Turns {
    pub(super) fn new(core: Core, is_near: bool) -> Self {
        Self {
            core: Mutex::new(Some(core)),
            aside: Aside::default(),
            gathering: Gathering::default(),
            queued: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
            is_near,
        }
    }

    /// Where what waits for the disk gathers; `None` where the committer's thread serves all.
    pub(super) fn gathering(&self) -> Option<&Gathering> {
        self.is_near.then_some(&self.gathering)
    }

    /// Commits them here and now, if nobody else is at it and nobody waits; else gives them back.
    /// `nudge` has the thread look after the write-ahead log, once in a while.
    pub(super) fn pass(
        &self,
        commands: Vec<Box<dyn Command>>,
        nudge: impl FnOnce(),
    ) -> Result<(), Vec<Box<dyn Command>>> {
        if !self.is_near {
            return Err(commands);
        }
        let Ok(mut guard) = self.core.try_lock() else { return Err(commands) };
        let Some(core) = guard.as_mut() else { return Err(commands) };
        // ORDER: what was queued first goes first.
        if self.queued.load(Ordering::Acquire) > 0 {
            return Err(commands);
        }
        let count = commands.len();
        let mut batch = self.aside.take(TAKEN_ALONG);
        // ORDER: what gathers was asked for before.
        batch.extend(self.gathering.take());
        batch.extend(commands);
        core.commit(batch);
        drop(guard);
        let passed = self.passed.fetch_add(count, Ordering::AcqRel);
        if passed / TENDED_AFTER != (passed + count) / TENDED_AFTER {
            nudge();
        }
        Ok(())
    }

    /// One more is about to be queued.
    pub(super) fn queue(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
    }

    /// So many that were queued are committed, or were not taken after all.
    pub(super) fn unqueue(&self, count: usize) {
        self.queued.fetch_sub(count, Ordering::AcqRel);
    }

    /// Whether whoever asked committed by itself since this was called last.
    pub(super) fn has_passed(&self) -> bool {
        self.passed.swap(0, Ordering::AcqRel) > 0
    }

    /// The turn of the committer's thread; `None` if a command panicked in an earlier turn, after
    /// which nothing is sure.
    pub(super) fn core(&self) -> Option<MutexGuard<'_, Option<Core>>> {
        self.core.lock().ok()
    }

    /// Ends all turns.
    pub(super) fn end(&self) {
        let is_poisoned = self.core.is_poisoned();
        let core = self.core.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Core { mut syncers, backfill, writing, .. }) = core {
            if is_poisoned {
                writing.note(&Err(Failure::Stopped));
            }
            syncers.stop();
            backfill.stop();
        }
        self.aside.close();
    }
}

impl Core {
    // ORDER: commit → answer reads → hand writes to the syncers. A read never waits for a sync.
    /// Commits a batch and answers it.
    pub(super) fn commit(&mut self, mut batch: Vec<Box<dyn Command>>) {
        if self.syncers.has_failed() {
            for command in batch {
                command.fail(Failure::Lost);
            }
            return;
        }
        let done = self.committer.commit(&mut batch);
        self.writing.note(&done);
        match done {
            Ok(()) => {
                let (reads, writes): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|command| command.durability() == Durability::Read);
                reads.into_iter().for_each(Command::answer);
                self.syncers.hand_over(writes, self.committer.synced_head());
            }
            Err(failure) => {
                for command in batch {
                    command.fail(failure.clone());
                }
            }
        }
    }
}
