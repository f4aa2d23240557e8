//! A clock whose hands a test moves, and which can let something happen while it is read.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marque_domain::Timestamp;
use marque_plane::Clock;
use tokio::time::Instant;

type Hook = Box<dyn FnMut() + Send>;

/// Starts at 2026-01-01T12:00:00Z and stands still until it is moved, unless it was made to run.
pub struct MockClock {
    hands: Mutex<Hands>,
    hook: Mutex<Option<Hook>>,
}

struct Hands {
    now: Timestamp,
    elapsed: Duration,
    /// When it began to run, if it does.
    runs: Option<Instant>,
}

impl Default for MockClock {
    fn default() -> Self {
        let now = Timestamp::from_millis(1_767_268_800_000);
        Self {
            hands: Mutex::new(Hands { now, elapsed: Duration::ZERO, runs: None }),
            hook: Mutex::new(None),
        }
    }
}

impl MockClock {
    /// Shows this moment, and runs.
    #[expect(clippy::disallowed_methods, reason = "it is the clock that others are given")]
    pub fn of_this_moment() -> Self {
        let millis = jiff::Timestamp::now().as_millisecond();
        let now = Timestamp::from_millis(u64::try_from(millis).unwrap());
        let hands = Hands { now, elapsed: Duration::ZERO, runs: Some(Instant::now()) };
        Self { hands: Mutex::new(hands), hook: Mutex::new(None) }
    }

    /// Moves the hands forward.
    pub fn advance(&self, span: Duration) {
        let mut hands = self.hands();
        hands.now = hands.now.plus(span);
        hands.elapsed += span;
    }

    /// Sets the wall clock back, as an operator or a time server may.
    pub fn step_back(&self, span: Duration) {
        let mut hands = self.hands();
        let millis = u64::try_from(span.as_millis()).unwrap();
        hands.now = Timestamp::from_millis(hands.now.as_millis().saturating_sub(millis));
    }

    /// Sets the wall clock ahead.
    pub fn step_ahead(&self, span: Duration) {
        let mut hands = self.hands();
        hands.now = hands.now.plus(span);
    }

    /// Lets `hook` run the next time a stage is timed. That is after a decision has looked at the
    /// world and before it is recorded: the moment in which facts can change under it.
    pub fn interfere_once(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hook = Some(hook);
        self.interfere(move || {
            if let Some(hook) = hook.take() {
                hook();
            }
        });
    }

    /// As [`MockClock::interfere_once`], every time.
    pub fn interfere(&self, hook: impl FnMut() + Send + 'static) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// Ends what [`MockClock::interfere`] began.
    pub fn leave(&self) {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    fn run(&self) -> Duration {
        self.runs.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        let hands = self.hands();
        hands.now.plus(hands.run())
    }

    fn elapsed(&self) -> Duration {
        // The hook may read this clock itself, so it is out of its place while it runs.
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut hook) = hook {
            hook();
            let mut place = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
            place.get_or_insert(hook);
        }
        let hands = self.hands();
        hands.elapsed + hands.run()
    }
}
