//! The pulse: when this server last knew everything that the others had committed, and what time it
//! was there.
//!
//! A server that cannot reach a shared store does not hear of a kill. It notices that by itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use marque_domain::Timestamp;

use crate::clock::Clock;

/// How far behind a server may be and still answer.
pub(crate) const BEHIND_MAX: Duration = Duration::from_millis(500);
/// How far behind it may be before it cuts what is under way: until then a kill may have come that
/// it did not hear of.
pub(crate) const LOST: Duration = Duration::from_millis(800);

/// How often somebody who waits for it looks.
const GLANCE: Duration = Duration::from_millis(5);

/// What is known of a shared store, by the clock that never steps back.
pub(crate) struct Pulse {
    /// When everything was last known.
    known: AtomicU64,
    /// The store's time when that clock began; 0 before it was told.
    began: AtomicU64,
    is_rewound: AtomicBool,
}

impl Pulse {
    /// It knows everything now.
    pub(crate) fn new(elapsed: Duration) -> Self {
        let known = AtomicU64::new(millis(elapsed));
        Self { known, began: AtomicU64::new(0), is_rewound: AtomicBool::new(false) }
    }

    /// It knows everything that was committed by then.
    pub(crate) fn beat(&self, elapsed: Duration) {
        self.known.fetch_max(millis(elapsed), Ordering::AcqRel);
    }

    /// Waits until it knows everything that was committed before this call, or until it is too
    /// far behind to answer anyway. Costs the store nothing: it is looked at all the time.
    pub(crate) async fn passes(&self, clock: &dyn Clock) {
        let since = clock.elapsed();
        while self.known.load(Ordering::Acquire) <= millis(since)
            && clock.elapsed().saturating_sub(since) < BEHIND_MAX
        {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// How far behind it may be.
    pub(crate) fn behind(&self, elapsed: Duration) -> Duration {
        Duration::from_millis(millis(elapsed).saturating_sub(self.known.load(Ordering::Acquire)))
    }

    /// The store says that it is `now`.
    pub(crate) fn hear_time(&self, now: Timestamp, elapsed: Duration) {
        let began = now.as_millis().saturating_sub(millis(elapsed));
        self.began.store(began, Ordering::Release);
    }

    /// What time it is there, if it ever said so.
    pub(crate) fn time(&self, elapsed: Duration) -> Option<Timestamp> {
        let began = self.began.load(Ordering::Acquire);
        (began > 0).then(|| Timestamp::from_millis(began).plus(elapsed))
    }

    /// Whether the store is an older copy of what this server saw.
    pub(crate) fn is_rewound(&self) -> bool {
        self.is_rewound.load(Ordering::Acquire)
    }

    /// Takes note of that; whether it is news.
    pub(crate) fn note_rewound(&self, is_rewound: bool) -> bool {
        self.is_rewound.swap(is_rewound, Ordering::AcqRel) != is_rewound
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
