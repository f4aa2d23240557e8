//! Opening a store, and handing out its reads, its one writer and the helpers beside it.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backfill::Backfiller;
use crate::error::StoreError;
use crate::faults::{FaultPlan, FaultySession, OpenOptions};
use crate::migrations;
use crate::pool::Pool;
use crate::postgres::{Connection, DatabaseUrl, Listener, Target};
use crate::session::{Mode, Session};
use crate::sqlite;
use crate::sync::Syncer;
use crate::transaction::{self, Tx};
use crate::value::Row;
use crate::writer::Writer;

/// How many connections read at once.
const READERS: usize = 4;
/// The name of a server that was given none.
const REPLICA: &str = "server";
/// The longest name of a server, in bytes.
const REPLICA_MAX: usize = 64;

/// A store. A clone is another handle to the same one; the last handle closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What all handles, writers and helpers of one store share.
pub(crate) struct Shared {
    // ORDER: readers close before the writer. SQLite folds the log of writes into the database
    // when the last connection closes, and only a writing one can do that.
    pub(crate) pool: Pool,
    seat: Mutex<Seat>,
    files: Option<sqlite::Files>,
    epoch: u64,
    pub(crate) options: OpenOptions,
    pub(crate) faults: Arc<FaultPlan>,
    /// The database that other servers may share.
    target: Option<Arc<Target>>,
    /// Held, never read: the kernel drops the lock with the last handle.
    #[expect(dead_code, reason = "held for its lock")]
    lock: Option<File>,
}

/// Where the writer sits.
enum Seat {
    /// Nobody writes; the connection, unless it is the pool's.
    Free(Option<Box<dyn Session>>),
    /// Somebody does.
    Taken,
    /// Nobody ever will.
    ReadOnly,
}

impl Store {
    /// Opens the store at `path`, made if there is none, and brings its schema up to date.
    ///
    /// Fails with [`StoreError::InUse`] while another store has it open for writing, with
    /// [`StoreError::Unsafe`] if others could read or replace its files, and with
    /// [`StoreError::Moved`] if its plane lives elsewhere now.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, OpenOptions::default())
    }

    /// As [`Store::open`], with options.
    pub fn open_with(path: &Path, options: OpenOptions) -> Result<Self, StoreError> {
        sqlite::require_version()?;
        let files = sqlite::Files::prepare(path)?;
        let lock = files.lock()?;
        files.create()?;
        let mut writer = files.open_writer(options.max_pages)?;
        migrations::apply(&mut writer)?;
        let place = path.display().to_string();
        let begin = |tx: &mut dyn Session| Tx::new(tx).begin_epoch(&place);
        let epoch = transaction::run(&mut writer, Mode::Write, begin)?;
        // ORDER: the commits so far synced themselves, and the directory entry of the log of
        // writes with them. From here on syncing is the syncers' work.
        writer.relax()?;
        let faults = Arc::new(FaultPlan::new(options.faults.clone()));
        let writer = FaultySession::new(Box::new(writer), Arc::clone(&faults));
        let pool = readers_of(files.clone());
        let seat = Mutex::new(Seat::Free(Some(Box::new(writer))));
        let (files, lock) = (Some(files), Some(lock));
        Ok(Self::of(Shared { pool, seat, files, epoch, options, faults, target: None, lock }))
    }

    /// A store that lives in memory, on one connection, and dies with its last handle.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::in_memory_with(OpenOptions::default())
    }

    /// As [`Store::in_memory`], with options.
    pub fn in_memory_with(options: OpenOptions) -> Result<Self, StoreError> {
        sqlite::require_version()?;
        let mut session = sqlite::open_memory(options.max_pages)?;
        migrations::apply(&mut session)?;
        let epoch = transaction::run(&mut session, Mode::Write, |tx| Tx::new(tx).raise_epoch())?;
        let faults = Arc::new(FaultPlan::new(options.faults.clone()));
        let session = FaultySession::new(Box::new(session), Arc::clone(&faults));
        let pool = Pool::of_one(Box::new(session));
        let seat = Mutex::new(Seat::Free(None));
        Ok(Self::of(Shared {
            pool,
            seat,
            files: None,
            epoch,
            options,
            faults,
            target: None,
            lock: None,
        }))
    }

    /// Opens an existing store for reading only, beside a running server or without one.
    ///
    /// Takes no lock, upgrades nothing, and does not ask who owns the file: it may be a copy.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        sqlite::require_version()?;
        let files = sqlite::Files::existing(path)?;
        let pool = readers_of(files.clone());
        let epoch = epoch_of(&pool)?;
        let (seat, options) = (Mutex::new(Seat::ReadOnly), OpenOptions::default());
        let (files, faults) = (Some(files), Arc::default());
        Ok(Self::of(Shared { pool, seat, files, epoch, options, faults, target: None, lock: None }))
    }

    /// Opens the store in a PostgreSQL database, made if the database is empty, and brings its
    /// schema up to date.
    ///
    /// Others may have it open for writing at once, each under a name of its own: batches take
    /// turns. Fails with [`StoreError::DatabaseInUse`] while a store of the same name has it open.
    /// Every commit is durable when it returns: a [`Syncer`] has nothing left to do.
    pub fn open_postgres(url: &DatabaseUrl, options: OpenOptions) -> Result<Self, StoreError> {
        let place = url.place();
        Self::open_postgres_by(url, options, |tx| tx.begin_epoch(&place))
    }

    /// As [`Store::open_postgres`]; `begin` begins the epoch.
    pub(crate) fn open_postgres_by(
        url: &DatabaseUrl,
        options: OpenOptions,
        begin: impl Fn(&mut Tx<'_>) -> Result<u64, StoreError>,
    ) -> Result<Self, StoreError> {
        let options = OpenOptions { replica: named(options.replica)?, ..options };
        let target = Arc::new(Target::new(url, options.allows_loss)?);
        let mut writer = Connection::writing(Arc::clone(&target), &options.replica)?;
        writer.is_ours()?;
        migrations::apply(&mut writer)?;
        let now = writer.now()?;
        let epoch = transaction::run(&mut writer, Mode::Write, |session| {
            let mut tx = Tx::new(session);
            let epoch = begin(&mut tx)?;
            tx.enrol(&options.replica, epoch, now)?;
            Ok(epoch)
        })?;
        writer.close_behind(epoch);
        let faults = Arc::new(FaultPlan::new(options.faults.clone()));
        let writer = FaultySession::new(Box::new(writer), Arc::clone(&faults));
        let pool = readers_at(Arc::clone(&target));
        let seat = Mutex::new(Seat::Free(Some(Box::new(writer))));
        let (files, target, lock) = (None, Some(target), None);
        Ok(Self::of(Shared { pool, seat, files, epoch, options, faults, target, lock }))
    }

    /// Opens the store in a PostgreSQL database for reading only, beside a running server or
    /// without one. Upgrades nothing.
    pub fn open_postgres_read_only(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let target = Arc::new(Target::new(url, false)?);
        if !Connection::reading(Arc::clone(&target))?.is_ours()? {
            return Err(StoreError::Absent(target.place().into()));
        }
        let place = target.place();
        let pool = readers_at(Arc::clone(&target));
        let epoch = epoch_of(&pool)?;
        pool.with("open", |session| {
            transaction::run(session, Mode::Read, |tx| Tx::new(tx).must_be_whole(&place))
        })?;
        let (seat, options) = (Mutex::new(Seat::ReadOnly), OpenOptions::default());
        let (files, faults, target, lock) = (None, Arc::default(), Some(target), None);
        Ok(Self::of(Shared { pool, seat, files, epoch, options, faults, target, lock }))
    }

    /// How often this store has been opened for writing, this time included.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Whether other servers may have it open for writing beside this one: whether it is in
    /// PostgreSQL.
    pub fn is_shared(&self) -> bool {
        self.shared.target.is_some()
    }

    /// The name of this server among those that share the store; empty where it is not shared, and
    /// on a store that was opened for reading.
    pub fn replica(&self) -> &str {
        if self.is_shared() { &self.shared.options.replica } else { "" }
    }

    /// Hears what other servers commit, on a connection of its own; `None` where the store is not
    /// shared. From its making on nothing is missed.
    pub fn listener(&self) -> Result<Option<Listener>, StoreError> {
        let target = self.shared.target.as_ref();
        target.map(|target| Listener::open(Arc::clone(target), self.replica())).transpose()
    }

    /// Takes the writer. Fails with [`StoreError::WriterTaken`] until the one before is dropped.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        let mut seat = self.shared.seat.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *seat, Seat::Taken) {
            Seat::Free(session) => Ok(Writer::new(Arc::clone(&self.shared), session)),
            Seat::Taken => Err(StoreError::WriterTaken),
            Seat::ReadOnly => {
                *seat = Seat::ReadOnly;
                Err(StoreError::ReadOnly("it was opened for reading".to_owned()))
            }
        }
    }

    /// Runs `body` on one snapshot of what is committed. `name` says in errors who waited; `body`
    /// may run twice.
    ///
    /// At most four run at once; a fifth waits up to five seconds, then fails with
    /// [`StoreError::Busy`]. In memory all reads and batches take turns, so one inside another
    /// waits for itself and fails the same way.
    pub fn read<R>(
        &self,
        name: &'static str,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        self.shared.pool.with(name, |session| {
            transaction::run(session, Mode::Read, |session| body(&mut Tx::new(session)))
        })
    }

    /// What the engine finds damaged in the files, at most twenty sentences: pages that a disk
    /// tore, lost or swapped, and indexes that do not say what their tables say (threat 157). Reads
    /// all of them. Empty where PostgreSQL keeps the pages, which checks them itself.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        if self.is_shared() {
            return Ok(Vec::new());
        }
        let text = |row: &Row<'_>| row.text(0).map(str::to_owned);
        let found = self.read("damage", |tx| tx.rows("PRAGMA integrity_check(20)", &[], text))?;
        Ok(found.into_iter().filter(|said| said != "ok").collect())
    }

    /// A new syncer, with a descriptor of its own. Open each once and keep it: the kernel reports
    /// a lost write once to each descriptor that was open then.
    pub fn syncer(&self) -> Result<Syncer, StoreError> {
        let wal = self.shared.files.as_ref().map(sqlite::Files::open_wal).transpose()?;
        Ok(Syncer::new(Arc::clone(&self.shared), wal))
    }

    /// The helper that moves the log of writes into the database. Make one for the life of the
    /// store: each keeps one descriptor until the process ends.
    pub fn backfiller(&self) -> Result<Backfiller, StoreError> {
        let files = self.shared.files.as_ref().map(sqlite::Files::open_backfiller).transpose()?;
        Ok(Backfiller::new(Arc::clone(&self.shared), files))
    }

    fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

fn readers_of(files: sqlite::Files) -> Pool {
    Pool::of_readers(READERS, move || files.open_reader())
}

fn readers_at(target: Arc<Target>) -> Pool {
    Pool::of_readers(READERS, move || {
        Connection::reading(Arc::clone(&target)).map(|connection| Box::new(connection) as _)
    })
}

/// The name a server is known by to those that share its store.
fn named(replica: String) -> Result<String, StoreError> {
    match replica.len() {
        0 => Ok(REPLICA.to_owned()),
        1..=REPLICA_MAX => Ok(replica),
        _ => Err(StoreError::Unstorable(format!(
            "the server's name is longer than {REPLICA_MAX} bytes"
        ))),
    }
}

/// The epoch of a store whose schema is the one this program knows.
fn epoch_of(readers: &Pool) -> Result<u64, StoreError> {
    readers.with("open", |session| {
        migrations::require_known(session)?;
        transaction::run(session, Mode::Read, |tx| Tx::new(tx).epoch())
    })
}

impl Shared {
    /// Where it lives, for messages.
    pub(crate) fn path(&self) -> &Path {
        self.files.as_ref().map_or(Path::new("no file"), sqlite::Files::database)
    }

    pub(crate) fn return_writer(&self, session: Option<Box<dyn Session>>) {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        *seat = Seat::Free(session);
    }
}
