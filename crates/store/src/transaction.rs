//! Transactions: what a closure is given, and how it is run, repeated and undone.
//!
//! The methods of [`Tx`] live beside what they keep: `facts.rs`, `log.rs` and so on.

use crate::error::StoreError;
use crate::session::{Mode, Session};
use crate::value::{Row, Value};

/// How often a transaction may run when the engine asks for it again, or a batch hoped in vain.
const ATTEMPTS: u32 = 4;

/// An open transaction. Sees what is committed and what it wrote itself.
pub struct Tx<'a> {
    session: &'a mut dyn Session,
    /// The last failure of a statement.
    failure: Option<StoreError>,
    /// The index of the next entry, once it was looked up.
    pub(crate) next_index: Option<u64>,
    /// Whether what is nearly always so is taken for granted: if it is not, the batch runs again.
    pub(crate) may_assume: bool,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(session: &'a mut dyn Session) -> Self {
        Self { session, failure: None, next_index: None, may_assume: false }
    }

    pub(crate) fn take_failure(&mut self) -> Option<StoreError> {
        self.failure.take()
    }

    pub(crate) fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        let changed = self.session.execute(sql, values);
        changed.inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// Runs a statement that changes one row; see [`Session::change_one`].
    pub(crate) fn change_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        otherwise: StoreError,
    ) -> Result<(), StoreError> {
        let changed = self.session.change_one(sql, values, otherwise);
        changed.inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// Runs a statement that writes one row whatever was there.
    pub(crate) fn write_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        let none = StoreError::Engine("a row that must be written was not".to_owned());
        self.change_one(sql, values, none)
    }

    /// Runs a statement whose number of rows does not matter; see [`Session::change_any`].
    pub(crate) fn change_any(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        let changed = self.session.change_any(sql, values);
        changed.inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// The names of the servers that may write and whose sessions are open; none where the store is
    /// not shared.
    pub fn living(&mut self) -> Result<Vec<String>, StoreError> {
        let living = self.session.living();
        living.inspect_err(|error| self.failure = Some(error.clone()))
    }

    pub(crate) fn notify(&mut self) -> Result<(), StoreError> {
        let notified = self.session.notify();
        notified.inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// All rows of a query, each turned into a `T`.
    pub(crate) fn rows<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        let answered = self.session.query(sql, values, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        });
        answered.inspect_err(|error| self.failure = Some(error.clone()))?;
        Ok(rows)
    }

    /// The first row of a query, if it has one.
    pub(crate) fn row<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql, values, read)?.into_iter().next())
    }
}

/// Runs `body` in a transaction and commits; undoes everything if it fails or panics. Runs it
/// again, at most four times, if the engine answers that others were in the way.
pub(crate) fn run<R>(
    session: &mut dyn Session,
    mode: Mode,
    mut body: impl FnMut(&mut dyn Session) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match run_once(session, mode, &mut body) {
            Err(StoreError::Busy(_)) if left > 0 => {}
            answer => return answer,
        }
    }
}

fn run_once<R>(
    session: &mut dyn Session,
    mode: Mode,
    body: &mut impl FnMut(&mut dyn Session) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    session.begin(mode)?;
    let mut open = Open { session, is_committed: false };
    let answer = body(open.session)?;
    open.session.commit()?;
    open.is_committed = true;
    Ok(answer)
}

struct Open<'a> {
    session: &'a mut dyn Session,
    is_committed: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.is_committed {
            // A session that cannot undo refuses its next `begin`, so nothing builds on the rest.
            let _ = self.session.rollback();
        }
    }
}
