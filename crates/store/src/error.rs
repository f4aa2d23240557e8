//! What can go wrong with the store: one variant for each thing a caller might do about it.

use std::path::PathBuf;

/// A failure of the store. Holds no stored value, and can be given to everybody a batch serves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else was in the way for the whole of a bounded wait. Nothing happened.
    #[error("the store is busy ({0}): nothing was changed, try again")]
    Busy(String),
    /// Another process, or another store of this one, has the file open for writing.
    #[error(
        "the data directory `{}` is in use by another server: stop that one, or give this one \
         another data directory", .0.display()
    )]
    InUse(PathBuf),
    /// Another server of the same name writes to the database.
    #[error(
        "the database at `{0}` is in use by another server of the same name: stop that one, or \
         give this one another name"
    )]
    DatabaseInUse(String),
    /// This server, of that name, no longer has the right to write. Nothing happened, and nothing
    /// will until it is started anew.
    #[error("the server `{0}` was replaced or dismissed by the others: restart it")]
    Deposed(String),
    /// The database server cannot be reached, or does not let us in. Nothing happened.
    #[error("the database cannot be reached: {0}; nothing was changed, try again later")]
    Unreachable(String),
    /// The connection broke while it committed. What was written may be there, or not: whoever
    /// holds a copy of it in memory must read it again.
    #[error("the connection broke while it committed, which may have taken effect ({0})")]
    InDoubt(String),
    /// The URL of the database. Says what is wrong without quoting it: it may hold a password.
    #[error("the URL of the database cannot be used: {0}")]
    BadUrl(String),
    /// A copy into the database broke off, or goes on.
    #[error("the database at `{0}` holds a copy that is not whole")]
    Unfinished(String),
    /// A copy needs an empty database.
    #[error("the database at `{0}` is not empty: give an empty database or schema")]
    NotEmpty(String),
    /// The plane of this store lives elsewhere now.
    #[error("this store was moved to the database at `{0}`, and its plane lives there now")]
    Moved(String),
    /// The one writer is already handed out.
    #[error("the store's one writer is already taken")]
    WriterTaken,
    /// The fact is not at the revision the change started from.
    #[error("`{id}` is at revision {current}, not at {expected}: read it again and decide anew")]
    Conflict {
        /// Of the fact.
        id: String,
        /// The revision the caller built on; 0 for a new fact.
        expected: u64,
        /// The newest revision there is; 0 if there is none.
        current: u64,
    },
    /// The name was given before, perhaps to something that is gone.
    #[error("the name `{name}` is taken: names are never given twice, choose another")]
    NameTaken {
        /// Of what kind of thing, such as `agt`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The entry or hash is not the next one of its row.
    #[error("position {given} of the log is not the next one")]
    Gap {
        /// The position the caller gave.
        given: u64,
    },
    /// What is stored cannot be what was written.
    #[error("the store is damaged: {0}; restore it from a backup")]
    Corrupt(String),
    /// The database is not the one this server went on from: an older copy of it, or one that
    /// others went on from.
    #[error(
        "the database lacks what this server saw committed ({0}): it was restored from a backup, \
         or a standby that was behind took over"
    )]
    Rewound(String),
    /// The file is not a store of ours.
    #[error("`{}` is not a Marque store: choose another data directory", .0.display())]
    Foreign(PathBuf),
    /// There is no store to read.
    #[error("there is no store at `{}`: start the server once, or check the path", .0.display())]
    Absent(PathBuf),
    /// A later version of Marque wrote it.
    #[error(
        "the store has schema {found}, this version of marque knows {known}: use the newer marque"
    )]
    NewerSchema {
        /// The schema of the file.
        found: u64,
        /// The newest schema this program knows.
        known: u64,
    },
    /// Another server of the store writes what this program does not understand.
    #[error("this marque is too old for its store: {0}; use the newer marque")]
    TooOld(String),
    /// It must be upgraded, which a reader cannot do.
    #[error("the store has schema {found}, not yet {known}: start the server once to upgrade it")]
    OlderSchema {
        /// The schema of the file.
        found: u64,
        /// The schema this program reads.
        known: u64,
    },
    /// The file was upgraded by other steps than ours.
    #[error("step {0} of the store's schema is not the one this version knows: refusing to guess")]
    EditedMigration(u64),
    /// Others could read, replace or redirect the file.
    #[error("`{}` is not safe to use: {problem}", .path.display())]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// No room on the disk, or a page limit reached.
    #[error("the disk is full: free some room, nothing can be recorded until then")]
    Full,
    /// The file or its disk cannot be written.
    #[error("the store is read-only: {0}")]
    ReadOnly(String),
    /// The disk or the file system failed.
    #[error("the disk failed: {0}")]
    Io(String),
    /// A record has no stored form.
    #[error("the record cannot be stored: {0}")]
    Unstorable(String),
    /// The engine refused a statement; a defect of ours, never of the input.
    #[error("the store's engine failed: {0}")]
    Engine(String),
}

impl StoreError {
    /// A failed call to the file system on `path`.
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path.display().to_string()),
            _ => Self::Io(format!("`{}`: {error}", path.display())),
        }
    }
}
