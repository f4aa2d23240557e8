//! What SQLite says in its own way. Everything else is SQL that both engines read.

/// Marks a database file as ours: the letters `MRQU`.
pub(super) const APPLICATION_ID: i64 = 0x4d52_5155;

/// Takes the write lock at once, so that a transaction never fails half-way for want of it.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// The snapshot is the one of the first read.
pub(super) const BEGIN_READ: &str = "BEGIN DEFERRED";

/// For every connection. Schema text of a planted file is data, not code; a damaged cell is an
/// error, not a guess; nothing maps the file, so a failing disk is an error, not a signal.
pub(super) const SETTINGS: &str = "
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
";

/// For the first commits of a writing connection: each syncs itself. 8 MiB of cache.
pub(super) const WRITER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA cache_size = -8192;
";

/// Commits no longer sync; a backfill still does, before and after it moves pages. Never OFF.
pub(super) const RELAXED: &str = "PRAGMA synchronous = NORMAL";

pub(super) const READER: &str = "PRAGMA query_only = ON";

pub(super) const USE_WAL: &str = "PRAGMA journal_mode = WAL";

pub(super) const OBJECTS: &str = "SELECT count(*) FROM sqlite_schema";

pub(super) const READ_APPLICATION_ID: &str = "PRAGMA application_id";

/// Both answer: whether it was blocked, frames in the log of writes, frames moved.
pub(super) const BACKLOG: &str = "PRAGMA wal_checkpoint(NOOP)";
pub(super) const BACKFILL: &str = "PRAGMA wal_checkpoint(PASSIVE)";
