//! Copying a whole plane from one store into another, whatever their engines.
//!
//! Owns the marks that keep a server off a copy that is not whole, and off a store whose plane
//! lives elsewhere now. Whether what was copied is a log that verifies is the caller's to ask.

mod tables;

use std::path::Path;

use crate::error::StoreError;
use crate::faults::OpenOptions;
use crate::migrations;
use crate::postgres::DatabaseUrl;
use crate::session::Mode;
use crate::sqlite;
use crate::store::Store;
use crate::transaction::{self, Tx};
use crate::value::Value;
use tables::{Key, TABLES, Table};

/// Rows read, and written in one transaction, at once.
const PAGE: u64 = 256;

/// Settings of a store, not of the plane in it. `tables.rs` leaves them behind.
const FILLING: &str = "filling";
const MOVED_TO: &str = "moved_to";

/// A cell that outlives its row. No `Debug`: it may hold anything.
#[derive(PartialEq, Eq)]
enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Store {
    /// Opens an empty PostgreSQL database for [`Store::fill_from`]. From here on no server takes
    /// it, until [`Store::finish_filling`].
    ///
    /// Fails with [`StoreError::NotEmpty`] if something is kept there, and with
    /// [`StoreError::Unfinished`] if an earlier copy broke off.
    pub fn open_postgres_to_fill(
        url: &DatabaseUrl,
        options: OpenOptions,
    ) -> Result<Self, StoreError> {
        let place = url.place();
        Self::open_postgres_by(url, options, |tx| {
            tx.must_be_whole(&place)?;
            if TABLES.iter().try_fold(0, |sum, table| Ok(sum + tx.count(table)?))? > 0 {
                return Err(StoreError::NotEmpty(place.clone()));
            }
            tx.put_setting(FILLING, "a copy that is not whole")?;
            tx.raise_epoch()
        })
    }

    /// Copies everything that `source` keeps, in transactions of a bounded size. `tell` hears of
    /// each: the table, and how many rows of it are there.
    ///
    /// Nobody may write to `source` meanwhile: hold its writer.
    pub fn fill_from(
        &self,
        source: &Self,
        tell: &mut dyn FnMut(&'static str, u64),
    ) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        for table in TABLES {
            let (mut after, mut done) = (before_all(table), 0);
            loop {
                let rows = source.page(table, &after)?;
                let Some(last) = rows.last() else { break };
                writer.batch(|batch| batch.attempt(|tx| tx.insert(table, &rows)))??;
                after = key_of(table, last);
                done += count(rows.len());
                tell(table.name, done);
            }
        }
        Ok(())
    }

    /// The first table whose rows are not the same, byte for byte, in both stores.
    pub fn first_difference(
        &self,
        other: &Self,
        tell: &mut dyn FnMut(&'static str, u64),
    ) -> Result<Option<&'static str>, StoreError> {
        for table in TABLES {
            let (mut after, mut done) = (before_all(table), 0);
            loop {
                let rows = self.page(table, &after)?;
                if rows != other.page(table, &after)? {
                    return Ok(Some(table.name));
                }
                let Some(last) = rows.last() else { break };
                after = key_of(table, last);
                done += count(rows.len());
                tell(table.name, done);
            }
        }
        Ok(None)
    }

    /// Says that the copy is whole, and continues the epochs of `source`. This store writes no
    /// more: open it anew.
    pub fn finish_filling(&self, source: &Self) -> Result<(), StoreError> {
        let epoch = source.epoch().max(self.epoch());
        let mut writer = self.writer()?;
        writer.batch(|batch| {
            batch.attempt(|tx| {
                tx.remove_setting(FILLING)?;
                tx.put_epoch(epoch)
            })
        })?
    }

    /// From here on no server takes this store: its plane lives at `place` now.
    pub fn mark_moved(&self, place: &str) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        writer.batch(|batch| batch.attempt(|tx| tx.put_setting(MOVED_TO, place)))??;
        // Nobody syncs after us.
        drop(writer);
        self.syncer()?.sync()
    }

    /// Where the plane of this store lives now, if it was moved.
    pub fn moved_to(&self) -> Result<Option<String>, StoreError> {
        self.read("moved", |tx| tx.setting(MOVED_TO))
    }

    /// Lets servers take the SQLite store at `path` again; where its plane was moved to.
    pub fn take_back(path: &Path) -> Result<Option<String>, StoreError> {
        sqlite::require_version()?;
        let files = sqlite::Files::existing(path)?;
        let _lock = files.lock()?;
        let mut writer = files.open_writer(None)?;
        migrations::apply(&mut writer)?;
        transaction::run(&mut writer, Mode::Write, |session| {
            let mut tx = Tx::new(session);
            let moved_to = tx.setting(MOVED_TO)?;
            tx.remove_setting(MOVED_TO)?;
            Ok(moved_to)
        })
    }

    /// How many rows each table holds.
    pub fn counts(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        self.read("counts", |tx| {
            TABLES.iter().map(|table| Ok((table.name, tx.count(table)?))).collect()
        })
    }

    fn page(&self, table: &Table, after: &[Cell]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut values: Vec<Value<'_>> = after.iter().map(Cell::value).collect();
        values.push(Value::whole(PAGE));
        self.read("copy", |tx| {
            tx.rows(table.page, &values, |row| Ok(row.0.iter().map(Cell::of).collect()))
        })
    }
}

impl Tx<'_> {
    /// Begins the epoch of a store that is opened for writing at `place`. Fails if its plane lives
    /// elsewhere, or is not whole.
    pub(crate) fn begin_epoch(&mut self, place: &str) -> Result<u64, StoreError> {
        self.must_be_whole(place)?;
        match self.setting(MOVED_TO)? {
            Some(to) => Err(StoreError::Moved(to)),
            None => self.raise_epoch(),
        }
    }

    /// Fails with [`StoreError::Unfinished`] if a copy into this store broke off.
    pub(crate) fn must_be_whole(&mut self, place: &str) -> Result<(), StoreError> {
        match self.setting(FILLING)? {
            Some(_) => Err(StoreError::Unfinished(place.to_owned())),
            None => Ok(()),
        }
    }

    fn count(&mut self, table: &Table) -> Result<u64, StoreError> {
        Ok(self.row(table.count, &[], |row| row.whole(0))?.unwrap_or(0))
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), StoreError> {
        for row in rows {
            let values: Vec<Value<'_>> = row.iter().map(Cell::value).collect();
            let otherwise = StoreError::Engine(format!("a row of `{}` is there", table.name));
            self.change_one(table.insert, &values, otherwise)?;
        }
        Ok(())
    }
}

impl Cell {
    fn of(value: &Value<'_>) -> Self {
        match *value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_owned()),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

/// A key before that of any row: none of ours is empty.
fn before_all(table: &Table) -> Vec<Cell> {
    let least = |key: &Key| match key {
        Key::Text => Cell::Text(String::new()),
        Key::Integer => Cell::Integer(i64::MIN),
        Key::Bytes => Cell::Bytes(Vec::new()),
    };
    table.key.iter().map(least).collect()
}

fn key_of(table: &Table, row: &[Cell]) -> Vec<Cell> {
    row.iter().take(table.key.len()).map(|cell| Cell::of(&cell.value())).collect()
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
