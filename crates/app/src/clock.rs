//! The system's clock, for the whole program. Everything else is handed the time.

use std::time::Duration;

use marque_domain::Timestamp;
use marque_plane::Clock;
use tokio::time::Instant;

/// The wall clock of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts measuring.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others are given")]
    fn now(&self) -> Timestamp {
        let millis = jiff::Timestamp::now().as_millisecond();
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
