//! A value that is fetched, kept for a while, and fetched again: keys, metadata, lists, tokens.
//!
//! Owns when a fetch begins. There is one at a time, whoever waits; none sooner after the last than
//! its pause; and none is broken off because the request that began it is gone. A value that is due
//! for another fetch is still handed out while it may be, so that nobody waits for that, unless its
//! newest state counts.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marque_domain::Timestamp;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::ambient::Clock;

/// The pause after the first failure, and after many: it doubles from one to the next.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a fetch gave.
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// For how long it need not be fetched again.
    pub(crate) fresh: Duration,
    /// For how long it may be used, where it cannot be fetched again.
    pub(crate) usable: Duration,
}

/// Why a fetch failed.
pub(crate) trait Problem: Clone + Send + 'static {
    /// How long to wait with the next, where that is known: the answer was a good one, and only not
    /// the one that was hoped for.
    fn pause(&self) -> Option<Duration> {
        None
    }
}

/// A fetch under way.
pub(crate) type Fetching<T, E> = Pin<Box<dyn Future<Output = Result<Fetched<T>, E>> + Send>>;

/// The value, or how to get it.
pub(crate) struct Kept<T, E> {
    clock: Arc<dyn Clock>,
    fetch: Box<dyn Fn() -> Fetching<T, E> + Send + Sync>,
    /// How long after a fetch that went well another one may begin.
    pause: Duration,
    /// Whether a fetch is waited for even where there is a value that may still be used.
    waits: bool,
    state: Arc<Mutex<State<T, E>>>,
    tasks: TaskTracker,
}

/// Why there is no value.
pub(crate) enum Absent<E> {
    /// It was fetched, and is not what was asked for.
    Other,
    /// It could not be fetched.
    Failed(E),
}

struct State<T, E> {
    held: Option<Held<T>>,
    /// Tells when the fetch that is under way has ended.
    flight: Option<watch::Receiver<()>>,
    /// No fetch begins before.
    not_before: Timestamp,
    failures: u32,
    problem: Option<E>,
}

struct Held<T> {
    value: Arc<T>,
    fresh_until: Timestamp,
    usable_until: Timestamp,
}

/// What is to be done for one who asks.
enum Step<T, E> {
    Use(Arc<T>),
    Wait(watch::Receiver<()>),
    Fail(Absent<E>),
}

impl<T, E> Kept<T, E>
where
    T: Send + Sync + 'static,
    E: Problem,
{
    /// A value that `fetch` gets, at most once in each `pause`. The fetch must end by itself.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        pause: Duration,
        fetch: impl Fn() -> Fetching<T, E> + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            held: None,
            flight: None,
            not_before: Timestamp::from_millis(0),
            failures: 0,
            problem: None,
        };
        let state = Arc::new(Mutex::new(state));
        let tasks = TaskTracker::new();
        Self { clock, fetch: Box::new(fetch), pause, waits: false, state, tasks }
    }

    /// The same, for a value of which the newest counts: what is due for another fetch is handed
    /// out only where that fails.
    pub(crate) fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    /// The value, if it is one that `fits`; fetched first where it is not there, too old, or does
    /// not fit.
    pub(crate) async fn get(&self, fits: impl Fn(&T) -> bool) -> Result<Arc<T>, Absent<E>> {
        loop {
            match self.step(&fits) {
                Step::Use(value) => return Ok(value),
                Step::Fail(absent) => return Err(absent),
                // An error says that the sender is gone, and the fetch with it.
                Step::Wait(mut flight) => drop(flight.changed().await),
            }
        }
    }

    /// Lets go of the value, so that the next who asks gets another.
    pub(crate) fn forget(&self) {
        lock(&self.state).held = None;
    }

    // The loop above ends: after a fetch, the value is there or no other begins for a pause.
    fn step(&self, fits: impl Fn(&T) -> bool) -> Step<T, E> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        // Broken off: with its runtime, or by a panic.
        if state.flight.as_ref().is_some_and(|flight| flight.has_changed().is_err()) {
            state.flight = None;
            state.not_before = now.plus(PAUSE_MIN);
        }
        let held = state.held.as_ref().filter(|held| now < held.usable_until);
        let fitting = held.filter(|held| fits(&held.value));
        let usable = fitting.map(|held| Arc::clone(&held.value));
        let is_fresh = fitting.is_some_and(|held| now < held.fresh_until);
        if !is_fresh && state.flight.is_none() && now >= state.not_before {
            state.flight = Some(self.begin());
        }
        match (usable, &state.flight) {
            (Some(value), _) if is_fresh || !self.waits => Step::Use(value),
            (_, Some(flight)) => Step::Wait(flight.clone()),
            (Some(value), None) => Step::Use(value),
            (None, None) => {
                let problem = state.problem.clone();
                Step::Fail(problem.map_or(Absent::Other, Absent::Failed))
            }
        }
    }

    fn begin(&self) -> watch::Receiver<()> {
        let (over, flight) = watch::channel(());
        let (clock, state, pause) = (Arc::clone(&self.clock), Arc::clone(&self.state), self.pause);
        let fetching = (self.fetch)();
        self.tasks.spawn(async move {
            let fetched = fetching.await;
            lock(&state).land(clock.now(), pause, fetched);
            drop(over);
        });
        flight
    }
}

impl<T, E: Problem> State<T, E> {
    fn land(&mut self, now: Timestamp, pause: Duration, fetched: Result<Fetched<T>, E>) {
        self.flight = None;
        match fetched {
            Ok(Fetched { value, fresh, usable }) => {
                self.failures = 0;
                self.problem = None;
                self.not_before = now.plus(pause);
                self.held = Some(Held {
                    value: Arc::new(value),
                    fresh_until: now.plus(fresh),
                    usable_until: now.plus(usable),
                });
            }
            Err(problem) => {
                let doubled = PAUSE_MIN.saturating_mul(1 << self.failures.min(6)).min(PAUSE_MAX);
                let known = problem.pause();
                self.failures = if known.is_some() { 0 } else { self.failures + 1 };
                self.not_before = now.plus(known.unwrap_or(doubled).max(PAUSE_MIN));
                self.problem = Some(problem);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
