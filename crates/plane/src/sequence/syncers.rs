//! Syncers: threads that put committed entries on disk, several syncs overlapping.
//!
//! One syncer would make most writes wait for two syncs: the first of a wave starts one that the
//! others just miss. Four hold the bar (`docs/decisions/0001-sequencer-group-commit.md`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use marque_store::Syncer;

use super::SyncedHead;
use super::command::Command;
use super::writing::Writing;
use crate::failure::Failure;

/// Syncs that may be under way at once.
pub(super) const COUNT: usize = 4;
/// The longest a committed read stays off the disk, half of what is promised.
const READ_DEADLINE: Duration = Duration::from_millis(50);

/// The threads and what waits for them.
pub(super) struct Syncers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    synced: Arc<Mutex<SyncedHead>>,
    has_failed: AtomicBool,
    writing: Arc<Writing>,
}

struct Pending {
    waiters: Vec<Box<dyn Command>>,
    committed: SyncedHead,
    // The size a sync that has started, or ended, will have covered.
    claimed: u64,
    is_stopping: bool,
}

impl Syncers {
    pub(super) fn start(syncers: Vec<Syncer>, head: SyncedHead, writing: Arc<Writing>) -> Self {
        let pending = Pending {
            waiters: Vec::new(),
            committed: head,
            claimed: head.size,
            is_stopping: false,
        };
        let shared = Arc::new(Shared {
            pending: Mutex::new(pending),
            wake: Condvar::new(),
            synced: Arc::new(Mutex::new(head)),
            has_failed: AtomicBool::new(false),
            writing,
        });
        let spawn = |syncer: Syncer| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("marque-sync".to_owned())
                .spawn(move || shared.serve(&syncer))
                .ok()
        };
        let threads: Vec<_> = syncers.into_iter().filter_map(spawn).collect();
        if threads.is_empty() {
            shared.fail();
        }
        Self { shared, threads }
    }

    /// The part of the log that is on disk, kept up to date.
    pub(super) fn synced(&self) -> Arc<Mutex<SyncedHead>> {
        Arc::clone(&self.shared.synced)
    }

    /// Whether a sync failed. It is final: the kernel reports a lost page once.
    pub(super) fn has_failed(&self) -> bool {
        self.shared.has_failed.load(Ordering::Acquire)
    }

    /// Takes the committed writes of one batch, to be answered once they are on disk.
    pub(super) fn hand_over(&self, waiters: Vec<Box<dyn Command>>, committed: SyncedHead) {
        let mut pending = self.shared.pending();
        let wakes = !waiters.is_empty();
        pending.waiters.extend(waiters);
        pending.committed = committed;
        drop(pending);
        if wakes {
            self.shared.wake.notify_one();
        }
    }

    /// Syncs what is left, then ends the threads.
    pub(super) fn stop(&mut self) {
        self.shared.pending().is_stopping = true;
        self.shared.wake.notify_all();
        for thread in std::mem::take(&mut self.threads) {
            drop(thread.join());
        }
        let left = std::mem::take(&mut self.shared.pending().waiters);
        for command in left {
            command.fail(Failure::Stopped);
        }
    }
}

// A committer that panics must not leave threads behind that keep the store open.
impl Drop for Syncers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self) {
        self.has_failed.store(true, Ordering::Release);
        self.writing.note(&Err(Failure::Lost));
    }

    fn serve(&self, syncer: &Syncer) {
        while let Some((waiters, head)) = self.take() {
            // ORDER: the waiters were taken before the sync starts; one that came later might not
            // be covered by it.
            let result = if self.has_failed.load(Ordering::Acquire) {
                Err("an earlier sync failed".to_owned())
            } else {
                syncer.sync().map_err(|error| error.to_string())
            };
            match result {
                Ok(()) => {
                    let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
                    if head.size > synced.size {
                        *synced = head;
                    }
                    drop(synced);
                    waiters.into_iter().for_each(Command::answer);
                }
                Err(error) => {
                    self.fail();
                    tracing::error!(error, "the log could not be put on disk; nothing is allowed");
                    for one in waiters {
                        one.fail(Failure::Lost);
                    }
                }
            }
        }
    }

    // Waits until a write waits or a committed read has waited long enough; `None` to end.
    fn take(&self) -> Option<(Vec<Box<dyn Command>>, SyncedHead)> {
        let mut pending = self.pending();
        loop {
            if !pending.waiters.is_empty() {
                break;
            }
            let is_behind = pending.committed.size > pending.claimed;
            if pending.is_stopping && !is_behind {
                return None;
            }
            let (woken, timeout) = self
                .wake
                .wait_timeout(pending, READ_DEADLINE)
                .unwrap_or_else(PoisonError::into_inner);
            pending = woken;
            let is_behind = pending.committed.size > pending.claimed;
            if is_behind && (timeout.timed_out() || pending.is_stopping) {
                break;
            }
        }
        pending.claimed = pending.committed.size;
        Some((std::mem::take(&mut pending.waiters), pending.committed))
    }
}
