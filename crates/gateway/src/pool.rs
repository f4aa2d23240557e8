//! Upstream connections kept for the next request of the same run.
//!
//! Owns how many are kept, and for whom: a line serves one run, one connection, one credential and
//! one host for all its life, so nothing one principal left on it is ever used by another.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use marque_domain::{Id, Run};
use marque_plane::LiveRun;
use tokio_util::sync::CancellationToken;

use crate::dial::{Key, Upstream};

/// Most lines kept over all runs.
const KEPT_MAX: usize = 512;
/// Most of them that are one run's.
const RUN_KEPT_MAX: usize = 64;

/// Lines by run, the latest last.
pub(crate) struct Pool {
    /// The gateway ends: nothing is kept any more.
    closing: CancellationToken,
    shelves: Mutex<HashMap<Id<Run>, Vec<Upstream>>>,
}

impl Pool {
    /// An empty one, in use until `closing`.
    pub(crate) fn new(closing: CancellationToken) -> Self {
        Self { closing, shelves: Mutex::default() }
    }

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
        let place = lines.iter().rposition(|line| line.key() == key && !line.is_full())?;
        match lines.get(place).and_then(Upstream::share) {
            Some(shared) => Some(shared),
            None => Some(lines.remove(place)),
        }
    }

    /// Keeps a line for the next request, within the bounds.
    pub(crate) fn keep(&self, run: &LiveRun, line: Upstream) {
        let mut shelves = self.lock();
        // ORDER: asked under the lock, which whoever forgets a run takes afterwards.
        if run.is_cancelled() || self.closing.is_cancelled() || line.is_closed() {
            return;
        }
        let lines = shelves.entry(run.run).or_default();
        // One handle of a shared line is enough.
        if lines.iter().any(|held| held.is_same(&line)) {
            return;
        }
        if lines.len() >= RUN_KEPT_MAX {
            lines.remove(0);
        }
        lines.push(line);
        make_room(&mut shelves);
    }

    /// Closes what a run that has ended kept.
    pub(crate) fn forget(&self, run: Id<Run>) {
        self.lock().remove(&run);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id<Run>, Vec<Upstream>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Beyond the bound, closed lines go first, and then the oldest of whoever keeps most.
fn make_room(shelves: &mut HashMap<Id<Run>, Vec<Upstream>>) {
    let kept = |shelves: &HashMap<_, Vec<_>>| shelves.values().map(Vec::len).sum::<usize>();
    if kept(shelves) > KEPT_MAX {
        for lines in shelves.values_mut() {
            lines.retain(|line| !line.is_closed());
        }
    }
    while kept(shelves) > KEPT_MAX
        && let Some(most) = shelves.values_mut().max_by_key(|lines| lines.len())
    {
        most.remove(0);
    }
}
