//! The engine seam: what one connection to a database can do for us.
//!
//! Narrow on purpose. SQL arrives as static text with `$1` placeholders in the subset both engines
//! share; no driver type passes through.

use crate::backfill::Backfill;
use crate::error::StoreError;
use crate::feed::Turn;
use crate::value::{Row, Value};

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One consistent snapshot; writes nothing.
    Read,
    /// Excludes every other writer from its first moment.
    Write,
}

/// One connection.
pub(crate) trait Session: Send {
    /// Starts a transaction, waiting for other writers for a bounded time.
    fn begin(&mut self, mode: Mode) -> Result<(), StoreError>;

    /// Ends it and keeps what it did. On [`StoreError::Busy`] the transaction must run again.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Ends it and undoes what it did; does nothing if the engine already has.
    fn rollback(&mut self) -> Result<(), StoreError>;

    /// Marks a point inside the transaction to come back to; one at a time.
    fn savepoint(&mut self) -> Result<(), StoreError>;

    /// Keeps what was done since the savepoint.
    fn release(&mut self) -> Result<(), StoreError>;

    /// Undoes what was done since the savepoint, a statement that failed included.
    fn undo(&mut self) -> Result<(), StoreError>;

    /// Runs statements that take no parameters and are used once, such as a migration.
    fn script(&mut self, sql: &'static str) -> Result<(), StoreError>;

    /// Runs a statement; returns how many rows it changed. `$n` takes the n-th value, from 1.
    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Runs a statement that changes exactly one row, or the transaction cannot be kept.
    ///
    /// An engine may put it off until the next answer that somebody needs. If it then fails, or
    /// changes another number of rows, the whole transaction fails, with `otherwise` if it was the
    /// number.
    fn change_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        otherwise: StoreError,
    ) -> Result<(), StoreError> {
        if self.execute(sql, values)? == 1 { Ok(()) } else { Err(otherwise) }
    }

    /// Runs a statement that may change any number of rows, which nobody asks for.
    ///
    /// An engine may put it off as it may [`Session::change_one`].
    fn change_any(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.execute(sql, values).map(|_| ())
    }

    /// Wakes whoever else listens to the store once the transaction is committed. An engine whose
    /// stores are not shared has nobody to wake.
    fn notify(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The turn of the open write transaction, where stores are shared.
    fn turn(&self) -> Option<Turn> {
        None
    }

    /// The names of the servers that may write and whose sessions are open, where stores are
    /// shared.
    fn living(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Runs a query, row by row; the first error of `each` ends it.
    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// How much the log of writes holds; moves nothing. An engine that keeps one of its own and
    /// tends it itself has nothing to say.
    fn backlog(&mut self) -> Result<Backfill, StoreError> {
        Ok(Backfill::default())
    }

    /// Moves what it can from the log of writes into the database, waiting for nobody.
    fn backfill(&mut self) -> Result<Backfill, StoreError> {
        Ok(Backfill::default())
    }
}
