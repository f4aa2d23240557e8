//! How a store is opened where a measurement or a test wants more than the defaults.
//!
//! Faults count over the life of the store, from 1, opening not included.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Faults that are chosen while the store is open.
    pub switch: FaultSwitch,
}

/// What a commit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// It fails as on a broken disk, and is undone.
    Fails,
    /// It demands that the transaction runs again; it is undone.
    Repeats,
    /// It is undone, and nobody can tell.
    DoubtUndone,
    /// It took effect, and nobody can tell.
    DoubtKept,
    /// It is undone, and said to be kept: no store may do that, and tests must notice one that does
    /// it.
    Lies,
}

/// Chooses a fault while the store is open. A clone is the same switch.
#[derive(Debug, Clone, Default)]
pub struct FaultSwitch(Arc<Mutex<Chosen>>);

#[derive(Debug, Default)]
struct Chosen {
    commit: Option<(u64, CommitFault)>,
    fails_sync: bool,
}

impl FaultSwitch {
    /// What the write transaction comes to whose commit is next but `skipped`. Replaces what was
    /// chosen before and has not come yet.
    pub fn choose(&self, skipped: u64, fault: CommitFault) {
        self.chosen(|chosen| chosen.commit = Some((skipped, fault)));
    }

    /// The next sync fails.
    pub fn fail_sync(&self) {
        self.chosen(|chosen| chosen.fails_sync = true);
    }

    /// Nothing fails any more.
    pub fn clear(&self) {
        self.chosen(|chosen| *chosen = Chosen::default());
    }

    /// Whether a fault was chosen that has not come yet.
    pub fn is_waiting(&self) -> bool {
        self.chosen(|chosen| chosen.commit.is_some() || chosen.fails_sync)
    }

    fn commit(&self) -> Option<CommitFault> {
        self.chosen(|chosen| match &mut chosen.commit {
            Some((0, fault)) => {
                let fault = *fault;
                chosen.commit = None;
                Some(fault)
            }
            Some((skipped, _)) => {
                *skipped -= 1;
                None
            }
            None => None,
        })
    }

    fn sync(&self) -> bool {
        self.chosen(|chosen| std::mem::take(&mut chosen.fails_sync))
    }

    fn chosen<R>(&self, look: impl FnOnce(&mut Chosen) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        let is_chosen = self.faults.switch.sync();
        if self.faults.fail_sync == Some(number) || is_chosen {
            return Err(injected("sync"));
        }
        Ok(())
    }

    fn commit(&self, inner: &mut dyn Session) -> Result<(), StoreError> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if self.faults.fail_commit == Some(number) {
            return Err(injected("commit"));
        }
        if self.faults.repeat_commit == Some(number) {
            return Err(StoreError::Busy("injected fault in commit".to_owned()));
        }
        let doubt = || StoreError::InDoubt("injected fault in commit".to_owned());
        match self.faults.switch.commit() {
            None => inner.commit(),
            Some(CommitFault::Fails) => Err(injected("commit")),
            Some(CommitFault::Repeats) => {
                Err(StoreError::Busy("injected fault in commit".to_owned()))
            }
            Some(CommitFault::DoubtUndone) => Err(doubt()),
            Some(CommitFault::DoubtKept) => inner.commit().and_then(|()| Err(doubt())),
            Some(CommitFault::Lies) => inner.rollback(),
        }
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
        match self.mode {
            Mode::Read => self.inner.commit(),
            Mode::Write => self.plan.commit(&mut *self.inner),
        }
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
