//! The pulse: when this server last knew everything that the others had committed.
//!
//! A server that cannot reach a shared store does not hear of a kill. It notices that by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// How far behind a server may be and still answer.
pub(crate) const BEHIND_MAX: Duration = Duration::from_millis(500);
/// How far behind it may be before it cuts what is under way: until then a kill may have come that
/// it did not hear of.
pub(crate) const LOST: Duration = Duration::from_millis(800);

/// How often somebody who waits for it looks.
const GLANCE: Duration = Duration::from_millis(5);

/// When it last knew everything, by the clock that never steps back.
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    /// It knows everything now.
    pub(crate) fn new(elapsed: Duration) -> Self {
        Self(AtomicU64::new(millis(elapsed)))
    }

    /// It knows everything that was committed by then.
    pub(crate) fn beat(&self, elapsed: Duration) {
        self.0.fetch_max(millis(elapsed), Ordering::AcqRel);
    }

    /// Waits until it knows everything that was committed before this call, or until it is too
    /// far behind to answer anyway. Costs the store nothing: it is looked at all the time.
    pub(crate) async fn passes(&self, clock: &dyn Clock) {
        let since = clock.elapsed();
        while self.0.load(Ordering::Acquire) <= millis(since)
            && clock.elapsed().saturating_sub(since) < BEHIND_MAX
        {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// How far behind it may be.
    pub(crate) fn behind(&self, elapsed: Duration) -> Duration {
        Duration::from_millis(millis(elapsed).saturating_sub(self.0.load(Ordering::Acquire)))
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
