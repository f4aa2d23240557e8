//! How long something took, on the wall.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark measures the time that people wait"
)]

use std::time::Duration;

/// The one clock of a benchmark: time since it was made. A copy tells the same time.
#[derive(Clone, Copy)]
pub(super) struct Clock(std::time::Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since it was made.
    pub(super) fn now(self) -> Duration {
        self.0.elapsed()
    }
}

/// Seconds since 1970, as tokens carry them.
pub(super) fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// What `act` gives, and the seconds it took.
pub(super) fn timed<T>(act: impl FnOnce() -> T) -> (T, f64) {
    let clock = Clock::start();
    let made = act();
    (made, clock.now().as_secs_f64())
}

/// Asks until there is an answer, for at most `patience`.
pub(super) fn eventually<T>(
    patience: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    const PAUSE: Duration = Duration::from_millis(2);
    let clock = Clock::start();
    loop {
        if let Some(found) = ask()? {
            return Ok(Some(found));
        }
        if clock.now() > patience {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}
