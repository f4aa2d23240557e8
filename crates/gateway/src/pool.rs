//! Upstream connections kept for the next request of the same run.
//!
//! Owns how many are kept, and for whom: a line serves one run, one connection, one credential and
//! one host for all its life, so nothing one principal left on it is ever used by another.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use marque_domain::{Id, Run};
use marque_plane::LiveRun;

use crate::dial::{Key, Upstream};

/// Most lines kept over all runs.
const KEPT_MAX: usize = 512;
/// Most of them that are one run's.
const RUN_KEPT_MAX: usize = 64;

/// Lines by run, the latest last.
#[derive(Default)]
pub(crate) struct Pool {
    shelves: Mutex<HashMap<Id<Run>, Vec<Upstream>>>,
}

impl Pool {
    /// A line that run kept for that use and that takes another request.
    pub(crate) async fn take(&self, run: &LiveRun, key: &Key) -> Option<Upstream> {
        while let Some(mut line) = self.find(run.run, key) {
            if line.is_usable().await {
                return Some(line);
            }
        }
        None
    }

    // A line that many requests share stays; any other leaves until it is kept again.
    fn find(&self, run: Id<Run>, key: &Key) -> Option<Upstream> {
        let mut shelves = self.lock();
        let lines = shelves.get_mut(&run)?;
        lines.retain(|line| !line.is_closed());
        let place = lines.iter().rposition(|line| line.key() == key)?;
        match lines.get(place).and_then(Upstream::share) {
            Some(shared) => Some(shared),
            None => Some(lines.remove(place)),
        }
    }

    /// Keeps a line for the next request, within the bounds.
    pub(crate) fn keep(&self, run: &LiveRun, line: Upstream) {
        if run.is_cancelled() || line.is_closed() {
            return;
        }
        let mut shelves = self.lock();
        let kept: usize = shelves.values().map(Vec::len).sum();
        let lines = shelves.entry(run.run).or_default();
        // One handle of a shared line is enough.
        if line.share().is_some() && lines.iter().any(|held| held.key() == line.key()) {
            return;
        }
        if lines.len() >= RUN_KEPT_MAX || kept >= KEPT_MAX {
            if lines.is_empty() {
                return;
            }
            lines.remove(0);
        }
        lines.push(line);
    }

    /// Closes what a run that has ended kept.
    pub(crate) fn forget(&self, run: Id<Run>) {
        self.lock().remove(&run);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id<Run>, Vec<Upstream>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
