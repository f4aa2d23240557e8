//! How a store is opened where a measurement or a test wants more than the defaults.
//!
//! Faults count over the life of the store, from 1, opening not included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::backfill::Backfill;
use crate::error::StoreError;
use crate::feed::Turn;
use crate::session::{Mode, Session};
use crate::value::{Row, Value};

/// Options of opening; the default is what a server uses.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Makes every sync take this much longer, for measurements.
    pub sync_delay: Option<Duration>,
    /// Refuses to grow the database beyond this many pages of 4 KiB, as a full disk would. SQLite
    /// only.
    pub max_pages: Option<u32>,
    /// The name of this server among those that share a PostgreSQL database, at most 64 bytes;
    /// empty means `server`. It outlives the server: the next start under it replaces this one.
    pub replica: String,
    /// Takes a PostgreSQL server that does not sync what it commits, for tests.
    pub allows_loss: bool,
    /// What is to fail, for tests.
    pub faults: Faults,
}

/// What is to fail.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The write transaction whose commit fails as on a broken disk; it is undone.
    pub fail_commit: Option<u64>,
    /// The write transaction whose commit demands that the transaction runs again; it is undone.
    pub repeat_commit: Option<u64>,
    /// The sync that fails; every later one works again.
    pub fail_sync: Option<u64>,
}

/// The faults of one store and how far it has counted.
#[derive(Default)]
pub(crate) struct FaultPlan {
    faults: Faults,
    commits: AtomicU64,
    syncs: AtomicU64,
}

impl FaultPlan {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, commits: AtomicU64::new(0), syncs: AtomicU64::new(0) }
    }

    /// Counts a sync, and fails if it is the one.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let number = self.syncs.fetch_add(1, Ordering::Relaxed) + 1;
        if self.faults.fail_sync == Some(number) { Err(injected("sync")) } else { Ok(()) }
    }

    fn commit(&self) -> Result<(), StoreError> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if self.faults.fail_commit == Some(number) {
            return Err(injected("commit"));
        }
        if self.faults.repeat_commit == Some(number) {
            return Err(StoreError::Busy("injected fault in commit".to_owned()));
        }
        Ok(())
    }
}

fn injected(step: &str) -> StoreError {
    StoreError::Io(format!("injected fault in {step}"))
}

/// A session whose commits fail as planned.
pub(crate) struct FaultySession {
    inner: Box<dyn Session>,
    plan: Arc<FaultPlan>,
    mode: Mode,
}

impl FaultySession {
    pub(crate) fn new(inner: Box<dyn Session>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan, mode: Mode::Read }
    }
}

impl Session for FaultySession {
    fn begin(&mut self, mode: Mode) -> Result<(), StoreError> {
        self.mode = mode;
        self.inner.begin(mode)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.mode == Mode::Write {
            self.plan.commit()?;
        }
        self.inner.commit()
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.inner.rollback()
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.inner.savepoint()
    }

    fn release(&mut self) -> Result<(), StoreError> {
        self.inner.release()
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.inner.undo()
    }

    fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.inner.script(sql)
    }

    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.inner.execute(sql, values)
    }

    fn change_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        otherwise: StoreError,
    ) -> Result<(), StoreError> {
        self.inner.change_one(sql, values, otherwise)
    }

    fn change_any(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.inner.change_any(sql, values)
    }

    fn notify(&mut self) -> Result<(), StoreError> {
        self.inner.notify()
    }

    fn turn(&self) -> Option<Turn> {
        self.inner.turn()
    }

    fn living(&mut self) -> Result<Vec<String>, StoreError> {
        self.inner.living()
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.inner.query(sql, values, each)
    }

    fn backlog(&mut self) -> Result<Backfill, StoreError> {
        self.inner.backlog()
    }

    fn backfill(&mut self) -> Result<Backfill, StoreError> {
        self.inner.backfill()
    }
}
