//! What comes from outside: the time and the environment. Everything else is handed both.

use std::env;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use marque_domain::Timestamp;
use tokio::time::Instant;

/// How far the wall clock may be set back and be outwaited. A step beyond that means that the time
/// before it was wrong.
const STEP_BACK_MAX: Duration = Duration::from_secs(3600);

/// Tells the time.
pub(crate) trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The wall clock of this machine, which runs on when somebody sets it back a little: a token that
/// was over is not good again (threat 14).
pub(crate) struct SystemClock(Mutex<Anchor>);

/// A moment, and when it was.
#[derive(Clone, Copy)]
struct Anchor {
    wall: Timestamp,
    at: Instant,
}

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self(Mutex::new(Anchor { wall: wall(), at: Instant::now() }))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, at) = (wall(), Instant::now());
        let told = steady(wall, anchor.wall.plus(at.saturating_duration_since(anchor.at)));
        *anchor = Anchor { wall: told, at };
        told
    }
}

/// What time it is when the wall says `wall` and by the time that passed it should be `expected`.
fn steady(wall: Timestamp, expected: Timestamp) -> Timestamp {
    let is_little = expected.since(wall) <= STEP_BACK_MAX;
    if is_little { wall.max(expected) } else { wall }
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a library is handed no clock: this is the one that the others are handed"
)]
fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    Timestamp::from_millis(0).plus(since.unwrap_or_default())
}

/// A variable of the environment, if it is set, in UTF-8 and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "a run is told in its environment where its tokens come from"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Clock as _, SystemClock, Timestamp, steady};

    // threat 14: the clock steps back 10 minutes, then by more than anybody outwaits.
    #[test]
    fn a_clock_that_is_set_back_a_little_is_outwaited_and_one_that_was_wrong_is_not() {
        let at = Timestamp::from_millis;
        let (hour, now) = (3_600_000, 1_795_316_400_000);
        assert_eq!(steady(at(now), at(now - 5)), at(now));
        assert_eq!(steady(at(now - 600_000), at(now)), at(now));
        assert_eq!(steady(at(now - hour), at(now)), at(now));
        assert_eq!(steady(at(now - hour - 1), at(now)), at(now - hour - 1));
        assert_eq!(steady(at(now + hour), at(now)), at(now + hour));
    }

    #[tokio::test]
    async fn the_clock_of_this_machine_goes_on() {
        let clock = SystemClock::start();
        let first = clock.now();
        assert!(first > Timestamp::from_millis(1_700_000_000_000));
        assert!(clock.now() >= first);
    }
}
