//! The system's clock, for the whole program. Everything else is handed the time.

use std::time::Duration;

use marque_domain::Timestamp;
use marque_plane::Clock;
use rustix::time::{ClockId, clock_gettime};

/// The wall clock of this machine, and how long it has been since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock {
    started: Duration,
}

impl SystemClock {
    /// Starts measuring.
    pub(crate) fn start() -> Self {
        Self { started: since_boot() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others are given")]
    fn now(&self) -> Timestamp {
        let millis = jiff::Timestamp::now().as_millisecond();
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    fn elapsed(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }
}

// Counts on while the machine sleeps: a server that wakes up must not think that it heard the
// others a moment ago (clock_gettime(2), CLOCK_BOOTTIME).
fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}
