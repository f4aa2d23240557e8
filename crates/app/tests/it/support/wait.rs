//! Waiting: for something to become true, never for time to pass.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it. Generous: machines are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// What `look` finds, as soon as it finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it never came to this: {what}");
        std::thread::sleep(PAUSE);
    }
}
