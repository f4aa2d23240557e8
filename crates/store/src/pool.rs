//! A bounded pool of sessions, opened when first needed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::StoreError;
use crate::session::Session;

/// How long a reader waits for a free session.
const WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Pool {
    state: Mutex<State>,
    freed: Condvar,
    /// How more are opened; `None` where there is only one.
    open: Option<Box<Open>>,
}

/// Opens one more session.
type Open = dyn Fn() -> Result<Box<dyn Session>, StoreError> + Send + Sync;

struct State {
    idle: Vec<Box<dyn Session>>,
    /// How many more may be opened.
    unopened: usize,
}

impl Pool {
    /// A pool of at most `limit` sessions, opened so.
    pub(crate) fn of_readers(
        limit: usize,
        open: impl Fn() -> Result<Box<dyn Session>, StoreError> + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State { idle: Vec::new(), unopened: limit });
        Self { state, freed: Condvar::new(), open: Some(Box::new(open)) }
    }

    /// A pool of exactly this session.
    pub(crate) fn of_one(session: Box<dyn Session>) -> Self {
        let state = Mutex::new(State { idle: vec![session], unopened: 0 });
        Self { state, freed: Condvar::new(), open: None }
    }

    /// Lends a session to `work`, waiting at most five seconds for one. `name` says who waited.
    pub(crate) fn with<R>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut dyn Session) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let taken = self.take(name)?;
        // Given back even if `work` panics: a transaction it left open has been undone by then.
        let mut lent = Lent { pool: self, session: Some(taken) };
        let session = lent.session.as_deref_mut();
        let done =
            work(session.expect("invariant: a lent session is there until it is given back"));
        if matches!(done, Err(StoreError::Rewound(_))) {
            drop(lent);
            self.renew();
        }
        done
    }

    /// Closes what is idle: it may lead to a server that another took over from.
    fn renew(&self) {
        if self.open.is_some() {
            let mut state = self.lock();
            let idle = std::mem::take(&mut state.idle);
            state.unopened += idle.len();
            drop(state);
            self.freed.notify_all();
        }
    }

    fn take(&self, name: &'static str) -> Result<Box<dyn Session>, StoreError> {
        let is_dry = |state: &mut State| state.idle.is_empty() && state.unopened == 0;
        let waited = self.freed.wait_timeout_while(self.lock(), WAIT, is_dry);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = state.idle.pop() {
            return Ok(session);
        }
        let Some(open) = self.open.as_ref().filter(|_| state.unopened > 0) else {
            return Err(StoreError::Busy(format!("`{name}` waited for a free connection")));
        };
        state.unopened -= 1;
        drop(state);
        open().inspect_err(|_| {
            self.lock().unopened += 1;
            self.freed.notify_one();
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is a single step, so a panic cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lent<'a> {
    pool: &'a Pool,
    session: Option<Box<dyn Session>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.lock().idle.push(session);
            self.pool.freed.notify_one();
        }
    }
}
