//! One client connection: the run it belongs to, and the upstream connection it keeps.
//!
//! A connection serves one run for all its life, so that cutting the run cuts the connection and
//! nothing an earlier run left on it is ever used by another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use marque_plane::LiveRun;
use tokio::sync::SetOnce;

use crate::dial::{Key, Upstream};
use crate::gateway::Shared;
use crate::refuse::Notice;
use crate::tally;

/// What is known of one client connection.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    run: SetOnce<Arc<LiveRun>>,
    upstream: Mutex<Option<Upstream>>,
    in_flight: AtomicUsize,
}

impl Session {
    /// A connection that belongs to nobody yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            run: SetOnce::new(),
            upstream: Mutex::new(None),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Makes the connection that run's; says so where it is another's already.
    pub(crate) fn belong_to(&self, live: &Arc<LiveRun>) -> Result<(), Notice> {
        // Losing this race to another request of the same run is fine.
        let _first = self.run.set(Arc::clone(live));
        match self.run.get() {
            Some(owner) if owner.run == live.run => Ok(()),
            _ => Err(Notice::malformed(
                "caller",
                "this connection belongs to another run",
                "open a connection of its own for each run",
            )),
        }
    }

    /// Resolves once nothing more may pass: the run was cut, or the gateway was.
    pub(crate) async fn cut(&self) {
        let run_cut = async { self.run.wait().await.cancelled().await };
        tokio::select! {
            () = run_cut => {}
            () = self.shared.cut.cancelled() => {}
        }
    }

    /// The kept upstream connection, if it is that one and can take another request.
    pub(crate) async fn kept(&self, key: &Key) -> Option<Upstream> {
        let mut kept = self.slot().take().filter(|kept| kept.key() == key)?;
        kept.is_usable().await.then_some(kept)
    }

    /// Keeps an upstream connection for the next request, in place of any other.
    pub(crate) fn keep(&self, upstream: Upstream) {
        *self.slot() = Some(upstream);
    }

    /// Whether an answer is under way.
    pub(crate) fn is_answering(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Upstream>> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as under way for as long as it lives.
pub(crate) struct InFlight(Arc<Session>);

impl InFlight {
    /// One more request of that connection.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        session.in_flight.fetch_add(1, Ordering::Relaxed);
        tally::entered();
        Self(Arc::clone(session))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        tally::left();
    }
}
