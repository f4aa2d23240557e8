//! One SQLite connection as a [`Session`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ErrorCode};

use super::dialect;
use crate::backfill::Backfill;
use crate::error::StoreError;
use crate::session::{Mode, Session};
use crate::value::{Row, Value};

/// How long a connection waits for another process that holds the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// More than we have, so that every statement stays prepared.
const STATEMENTS: usize = 128;

const PAGE_BYTES: u64 = 4096;

pub(crate) struct Connection {
    driver: rusqlite::Connection,
    /// Which value each place of a statement takes, by where its text lies and how long it is.
    places: HashMap<(usize, usize), Box<[usize]>>,
}

impl Connection {
    /// Takes over an open connection and applies `settings`.
    pub(super) fn new(
        driver: rusqlite::Connection,
        settings: &'static str,
    ) -> Result<Self, StoreError> {
        driver.busy_timeout(BUSY_TIMEOUT).map_err(|error| failure(&error))?;
        driver.set_prepared_statement_cache_capacity(STATEMENTS);
        let defended = driver.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true);
        defended.map_err(|error| failure(&error))?;
        let mut connection = Self { driver, places: HashMap::new() };
        connection.script(settings)?;
        Ok(connection)
    }

    /// Stops syncing on every commit.
    pub(crate) fn relax(&mut self) -> Result<(), StoreError> {
        self.script(dialect::RELAXED)
    }

    /// Refuses to grow beyond so many pages.
    pub(super) fn limit_pages(&mut self, max_pages: Option<u32>) -> Result<(), StoreError> {
        let Some(max_pages) = max_pages else { return Ok(()) };
        let set =
            self.driver.pragma_update_and_check(None, "max_page_count", max_pages, |_| Ok(()));
        set.map_err(|error| failure(&error))
    }

    /// Marks the file as ours.
    pub(super) fn claim(&mut self) -> Result<(), StoreError> {
        let set = self.driver.pragma_update(None, "application_id", dialect::APPLICATION_ID);
        set.map_err(|error| failure(&error))
    }

    /// The one text a statement answers.
    pub(super) fn text(&mut self, sql: &'static str) -> Result<String, StoreError> {
        self.driver.query_row(sql, [], |row| row.get(0)).map_err(|error| failure(&error))
    }

    /// The one number a statement answers.
    pub(super) fn number(&mut self, sql: &'static str) -> Result<i64, StoreError> {
        self.driver.query_row(sql, [], |row| row.get(0)).map_err(|error| failure(&error))
    }

    fn progress(&mut self, sql: &'static str) -> Result<Backfill, StoreError> {
        let answer = self.driver.prepare_cached(sql).and_then(|mut statement| {
            statement.query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
        });
        // Both are -1 where there is no log of writes.
        let (frames, moved) = answer.map_err(|error| failure(&error))?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Backfill { frames: count(frames), moved: count(moved), page_bytes: PAGE_BYTES })
    }

    fn prepare(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<CachedStatement<'_>, StoreError> {
        let Self { driver, places } = self;
        let mut statement = driver.prepare_cached(sql).map_err(|error| failure(&error))?;
        let places = match places.entry((sql.as_ptr().addr(), sql.len())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(places_of(&statement)),
        };
        for (place, number) in (1..).zip(places) {
            let Some(value) = number.checked_sub(1).and_then(|at| values.get(at)) else {
                return Err(StoreError::Engine(format!("no value for `${number}` in `{sql}`")));
            };
            statement.raw_bind_parameter(place, value).map_err(|error| failure(&error))?;
        }
        Ok(statement)
    }
}

impl Session for Connection {
    fn begin(&mut self, mode: Mode) -> Result<(), StoreError> {
        let sql = match mode {
            Mode::Read => dialect::BEGIN_READ,
            Mode::Write => dialect::BEGIN_WRITE,
        };
        self.execute(sql, &[]).map(|_| ())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.execute("COMMIT", &[]).map(|_| ())
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        if self.driver.is_autocommit() {
            return Ok(());
        }
        self.execute("ROLLBACK", &[]).map(|_| ())
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.execute("SAVEPOINT attempt", &[]).map(|_| ())
    }

    fn release(&mut self) -> Result<(), StoreError> {
        self.execute("RELEASE SAVEPOINT attempt", &[]).map(|_| ())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.execute("ROLLBACK TO SAVEPOINT attempt", &[])?;
        self.release()
    }

    fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.driver.execute_batch(sql).map_err(|error| failure(&error))
    }

    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let changed = self.prepare(sql, values)?.raw_execute().map_err(|error| failure(&error))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.prepare(sql, values)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| failure(&error))? {
            let cells = (0..columns).map(|column| cell(row, column));
            let cells = cells.collect::<Result<Vec<_>, _>>()?;
            each(&Row(&cells))?;
        }
        Ok(())
    }

    fn backlog(&mut self) -> Result<Backfill, StoreError> {
        self.progress(dialect::BACKLOG)
    }

    fn backfill(&mut self) -> Result<Backfill, StoreError> {
        self.progress(dialect::BACKFILL)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The numbers of its placeholders: SQLite takes `$3` for a name and counts places by first use.
fn places_of(statement: &CachedStatement<'_>) -> Box<[usize]> {
    let number = |place| {
        let name = statement.parameter_name(place).and_then(|name| name.strip_prefix('$'));
        name.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    (1..=statement.parameter_count()).map(number).collect()
}

fn cell<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<Value<'a>, StoreError> {
    match row.get_ref(column).map_err(|error| failure(&error))? {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Integer(number)),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes)),
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(Value::Text)
            .map_err(|_| StoreError::Corrupt("a text is not UTF-8".to_owned())),
        ValueRef::Real(_) => Err(StoreError::Corrupt("a cell holds a fraction".to_owned())),
    }
}

/// The driver's error as ours. Its messages name tables and columns, never values.
pub(super) fn failure(error: &rusqlite::Error) -> StoreError {
    let message = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(message),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt(message),
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly(message),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => StoreError::Io(message),
        _ => StoreError::Engine(message),
    }
}

/// Whether SQLite says that this is no database at all.
pub(super) fn is_no_database(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}
