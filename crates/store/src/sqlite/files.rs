//! The files of a store: the database, SQLite's two companions, and our lock.
//!
//! Owns who may touch them. Never opens the database or its `-shm` except through SQLite, but for
//! the one descriptor that [`Files::open_backfiller`] hands out: POSIX drops a process's locks on
//! a file when any descriptor of it closes. The `-wal` carries no locks.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;
use rustix::fs::OFlags;

use super::connection::{Connection, failure, is_no_database};
use super::dialect;
use crate::error::StoreError;
use crate::session::Session;

/// Where a store's files are. The directory is canonical, so that only the last part of a path
/// could be a symbolic link, and that is refused.
#[derive(Clone)]
pub(crate) struct Files {
    database: PathBuf,
}

impl Files {
    /// Resolves `path` for writing, and refuses what others could read, replace or redirect.
    pub(crate) fn prepare(path: &Path) -> Result<Self, StoreError> {
        let files = Self::resolve(path)?;
        require_safe_directory(&files.directory())?;
        for companion in ["", "-wal", "-shm", ".lock"] {
            require_safe_file(&files.beside(companion))?;
        }
        Ok(files)
    }

    /// Resolves `path` for reading only.
    pub(crate) fn existing(path: &Path) -> Result<Self, StoreError> {
        match fs::canonicalize(path) {
            Ok(database) => Ok(Self { database }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Absent(path.to_owned()))
            }
            Err(error) => Err(StoreError::io(path, &error)),
        }
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// Takes the lock that keeps every other writing store out, for as long as the file is open.
    pub(crate) fn lock(&self) -> Result<File, StoreError> {
        let path = self.beside(".lock");
        let open = private().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(|error| StoreError::io(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(self.directory())),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, &error)),
        }
    }

    /// Makes the database file, readable by its owner only, unless it is there. Call under the
    /// lock.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        match private().write(true).create_new(true).open(&self.database) {
            Ok(_) => sync_directory(&self.directory()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::io(&self.database, &error)),
        }
    }

    /// The connection that writes. Every commit of it syncs until [`Connection::relax`].
    pub(crate) fn open_writer(&self, max_pages: Option<u32>) -> Result<Connection, StoreError> {
        let mut connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let is_empty = connection.number(dialect::OBJECTS)? == 0;
        if is_empty && connection.number(dialect::READ_APPLICATION_ID)? == 0 {
            connection.claim()?;
        }
        self.require_ours(&mut connection)?;
        let journal = connection.text(dialect::USE_WAL)?;
        if journal != "wal" {
            return Err(StoreError::Engine(format!("the journal stays `{journal}`, not `wal`")));
        }
        connection.script(dialect::WRITER)?;
        connection.limit_pages(max_pages)?;
        Ok(connection)
    }

    /// A connection that reads.
    pub(crate) fn open_reader(&self) -> Result<Box<dyn Session>, StoreError> {
        let mut connection = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        self.require_ours(&mut connection)?;
        connection.script(dialect::READER)?;
        Ok(Box::new(connection))
    }

    /// A descriptor to sync the log of writes by. Call after the writer's first commit.
    pub(crate) fn open_wal(&self) -> Result<File, StoreError> {
        let path = self.beside("-wal");
        private().read(true).open(&path).map_err(|error| StoreError::io(&path, &error))
    }

    /// A connection to backfill by, and a descriptor to sync the database by, never to be closed.
    pub(crate) fn open_backfiller(&self) -> Result<(Box<dyn Session>, File), StoreError> {
        let mut connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.script(dialect::WRITER)?;
        connection.relax()?;
        let open = private().read(true).open(&self.database);
        let database = open.map_err(|error| StoreError::io(&self.database, &error))?;
        Ok((Box::new(connection), database))
    }

    fn open(&self, access: OpenFlags) -> Result<Connection, StoreError> {
        let flags = access
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let driver = rusqlite::Connection::open_with_flags(&self.database, flags);
        let driver = driver.map_err(|error| failure(&error))?;
        // The first read of the file; a foreign one is named as such before anything is set.
        match driver.query_row(dialect::OBJECTS, [], |row| row.get::<_, i64>(0)) {
            Ok(_) => Connection::new(driver, dialect::SETTINGS),
            Err(error) if is_no_database(&error) => Err(StoreError::Foreign(self.database.clone())),
            Err(error) => Err(failure(&error)),
        }
    }

    fn require_ours(&self, connection: &mut Connection) -> Result<(), StoreError> {
        if connection.number(dialect::READ_APPLICATION_ID)? == dialect::APPLICATION_ID {
            Ok(())
        } else {
            Err(StoreError::Foreign(self.database.clone()))
        }
    }

    fn resolve(path: &Path) -> Result<Self, StoreError> {
        let no_name = || StoreError::Io(format!("`{}` names no file", path.display()));
        let name = path.file_name().ok_or_else(no_name)?;
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let canonical = fs::canonicalize(directory);
        let canonical = canonical.map_err(|error| StoreError::io(directory, &error))?;
        Ok(Self { database: canonical.join(name) })
    }

    fn directory(&self) -> PathBuf {
        self.database.parent().unwrap_or(Path::new("/")).to_owned()
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.database.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// Opens without following a link, and makes only what its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| StoreError::io(directory, &error))
}

fn require_safe_directory(directory: &Path) -> Result<(), StoreError> {
    let metadata = fs::metadata(directory).map_err(|error| StoreError::io(directory, &error))?;
    let refuse = |problem: &str| Err(refused(directory, problem));
    if ![0, our_user()].contains(&metadata.uid()) {
        return refuse("its directory belongs to another user");
    }
    // A sticky directory is no better: others could still put a `-wal` there before us.
    if metadata.mode() & 0o022 != 0 {
        return refuse("others may put files in it; run `chmod go-w` on it, or choose another");
    }
    Ok(())
}

/// A file that is not there is safe: it will be made.
fn require_safe_file(path: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => match problem(&metadata) {
            Some(problem) => Err(refused(path, problem)),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io(path, &error)),
    }
}

fn problem(metadata: &Metadata) -> Option<&'static str> {
    if metadata.is_symlink() {
        return Some("it is a symbolic link; name the file itself");
    }
    if !metadata.is_file() {
        return Some("it is not a regular file");
    }
    if metadata.uid() != our_user() {
        return Some("it belongs to another user");
    }
    if metadata.mode() & 0o077 != 0 {
        return Some("others may read or write it; run `chmod 600` on it, and replace its secrets");
    }
    (metadata.nlink() != 1).then_some("it has a second name (a hard link); remove that")
}

fn refused(path: &Path, problem: &str) -> StoreError {
    StoreError::Unsafe { path: path.to_owned(), problem: problem.to_owned() }
}

fn our_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
