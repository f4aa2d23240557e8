//! Holds: a run lives as long as its launcher keeps a request open for it.
//!
//! A launcher that dies, however it dies, drops its connection; the run is abandoned then. A run
//! that nobody takes hold of soon after it was opened is abandoned as well. A captured run is left
//! open when the server stops, for its launcher to hold it again at the next one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marque_domain::{Id, Run};
use marque_plane::Plane;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a new run waits for its launcher's hold.
const GRACE: Duration = Duration::from_secs(10);

/// The runs that launchers hold.
#[derive(Clone)]
pub(crate) struct Holds {
    plane: Plane,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    held: Arc<Mutex<HashSet<Id<Run>>>>,
}

/// A launcher's hold on its run. Dropping it before the run is closed abandons the run.
pub(crate) struct Hold {
    run: Id<Run>,
    holds: Holds,
}

impl Holds {
    pub(crate) fn new(plane: Plane, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self { plane, tasks, shutdown, held: Arc::default() }
    }

    /// Expects the launcher of a new run to hold it soon.
    pub(crate) fn expect(&self, run: Id<Run>) {
        let holds = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(GRACE) => {}
                // The next start closes what this server leaves open, or waits for its launcher.
                () = holds.shutdown.cancelled() => return,
            }
            if !holds.held().contains(&run) {
                holds.plane.abandon_run(run).await;
            }
        });
    }

    /// Holds a run. The set is bounded by the runs the plane has open.
    pub(crate) fn hold(&self, run: Id<Run>) -> Hold {
        self.held().insert(run);
        Hold { run, holds: self.clone() }
    }

    /// The run is closed: there is nothing left to abandon.
    pub(crate) fn release(&self, run: Id<Run>) {
        self.held().remove(&run);
    }

    fn held(&self) -> MutexGuard<'_, HashSet<Id<Run>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let run = self.run;
        let plane = self.holds.plane.clone();
        if !self.holds.held().remove(&run) {
            return;
        }
        // The server leaves its launcher, not the launcher the run: it may hold it at the next one.
        if self.holds.shutdown.is_cancelled() && plane.may_return(run) {
            return;
        }
        self.holds.tasks.spawn(async move { plane.abandon_run(run).await });
    }
}
