//! What every request shares: the plane, the metrics, and how busy we are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use marque_plane::Plane;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hold::Holds;
use crate::metrics::Metrics;
use crate::places::{Places, Room};

/// Requests answered at once, holds apart.
const REQUESTS: Room = Room { outside: 64, inside: 32, of_one_run: 8 };
/// Holds at once: few enough to leave connections for everything else.
const HOLDS: Room = Room { outside: 1_024, inside: 384, of_one_run: 96 };

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) plane: Plane,
    pub(crate) metrics: Metrics,
    pub(crate) activity: Arc<Activity>,
    pub(crate) holds: Holds,
    /// For requests being answered.
    pub(crate) requests: Arc<Places>,
    /// For runs being held.
    pub(crate) held: Arc<Places>,
    pub(crate) tasks: TaskTracker,
    /// The server ends soon: whoever chooses among several is to choose another.
    pub(crate) leaving: CancellationToken,
    pub(crate) shutdown: CancellationToken,
}

impl Shared {
    pub(crate) fn new(plane: Plane, metrics: Metrics, shutdown: CancellationToken) -> Self {
        let tasks = TaskTracker::new();
        Self {
            activity: Arc::new(Activity::default()),
            holds: Holds::new(plane.clone(), tasks.clone(), shutdown.clone()),
            requests: Arc::new(Places::new(REQUESTS)),
            held: Arc::new(Places::new(HOLDS)),
            plane,
            metrics,
            tasks,
            leaving: CancellationToken::new(),
            shutdown,
        }
    }
}

impl FromRef<Shared> for Plane {
    fn from_ref(shared: &Shared) -> Self {
        shared.plane.clone()
    }
}

impl FromRef<Shared> for Metrics {
    fn from_ref(shared: &Shared) -> Self {
        shared.metrics.clone()
    }
}

/// How busy the API is, for a server that leaves when nobody needs it.
#[derive(Default)]
pub(crate) struct Activity {
    requests: AtomicU64,
    open: AtomicU64,
    last_micros: AtomicU64,
}

/// One request being answered.
pub(crate) struct Busy {
    activity: Arc<Activity>,
    plane: Plane,
    number: u64,
}

impl Activity {
    pub(crate) fn begin(self: &Arc<Self>, plane: &Plane) -> Busy {
        self.open.fetch_add(1, Ordering::SeqCst);
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        Busy { activity: Arc::clone(self), plane: plane.clone(), number }
    }

    /// How long no request has been open, by the plane's own clock.
    pub(crate) fn idle(&self, plane: &Plane) -> Duration {
        if self.open.load(Ordering::SeqCst) > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_micros(self.last_micros.load(Ordering::SeqCst));
        plane.clock().elapsed().saturating_sub(last)
    }
}

impl Busy {
    /// The request, as traces and problem documents name it.
    pub(crate) fn reference(&self) -> String {
        format!("request {}", self.number)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = u64::try_from(self.plane.clock().elapsed().as_micros()).unwrap_or(u64::MAX);
        self.activity.last_micros.fetch_max(now, Ordering::SeqCst);
        self.activity.open.fetch_sub(1, Ordering::SeqCst);
    }
}
