//! How long something took, on the wall.

use std::time::Duration;

/// What `act` gives, and the seconds it took.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark measures the time that people wait"
)]
pub(super) fn timed<T>(act: impl FnOnce() -> T) -> (T, f64) {
    let start = std::time::Instant::now();
    let made = act();
    (made, start.elapsed().as_secs_f64())
}

/// Asks until there is an answer, for at most `patience`.
pub(super) fn eventually<T>(
    patience: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut left = patience;
    loop {
        if let Some(found) = ask()? {
            return Ok(Some(found));
        }
        let Some(less) = left.checked_sub(PAUSE) else { return Ok(None) };
        std::thread::sleep(PAUSE);
        left = less;
    }
}
