//! Who may write: servers that share the database, one transaction at a time, each while its row
//! among the replicas is its own.
//!
//! A writer's session holds an advisory lock on its server's name for as long as it lives, which
//! keeps a second server of that name from starting. Every write transaction then finds, under the
//! lock that excludes all others, the epoch this server's start began: otherwise it was replaced or
//! dismissed, and writes nothing.

use marque_domain::Timestamp;

use super::dialect;
use super::failure::Failed;
use super::line::{Answer, Call, Line, PATIENCE, cells};
use super::values::Parameter;
use crate::error::StoreError;
use crate::feed::Turn;
use crate::value::Row;

/// The right of one server to write.
pub(super) struct Fence {
    /// The server's name.
    replica: String,
    /// `None` until the store was opened.
    epoch: Option<u64>,
    /// Our session with the server before this one: its process and when that started.
    former: Option<[Parameter; 2]>,
}

impl Fence {
    pub(super) fn new(replica: &str) -> Self {
        Self { replica: replica.to_owned(), epoch: None, former: None }
    }

    /// Takes the lock for a new session. What is left of our former one, which the server may
    /// believe alive, is ended first.
    pub(super) fn hold(&mut self, line: &mut Line, place: &str) -> Result<(), StoreError> {
        let unreachable = |failed: Failed| failed.on_connecting(place);
        line.script(dialect::WRITER, PATIENCE).map_err(unreachable)?;
        if let Some(former) = self.former.take() {
            line.ask(dialect::END_FORMER, &former).map_err(unreachable)?;
        }
        match line.ask(dialect::LOCK_WRITER, &[self.name()]).map_err(unreachable) {
            Ok(_) => {}
            Err(StoreError::Busy(_)) => return Err(StoreError::DatabaseInUse(place.to_owned())),
            Err(error) => return Err(error),
        }
        let rows = line.ask(dialect::OURSELVES, &[]).map_err(unreachable)?;
        if let Some(row) = rows.first() {
            let row = cells(row)?;
            let row = Row(&row);
            let process = Parameter::Integer(i64::try_from(row.whole(0)?).unwrap_or(i64::MAX));
            self.former = Some([process, Parameter::Text(row.text(1)?.to_owned())]);
        }
        Ok(())
    }

    /// From here on writes are only taken in this epoch.
    pub(super) fn close_behind(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
    }

    /// What every write transaction asks once it excludes all others; nothing before the store was
    /// opened, when the table may not be there yet.
    pub(super) fn question(&self) -> Option<Call> {
        self.epoch.map(|_| Call { sql: dialect::TURN, parameters: vec![self.name()] })
    }

    /// The turn that the answer grants, if it is ours.
    pub(super) fn judge(&self, answer: &Answer) -> Result<Turn, StoreError> {
        let row = answer.rows.first().map(cells).transpose()?.unwrap_or_default();
        let row = Row(&row);
        if self.epoch != Some(row.whole(0)?) {
            return Err(StoreError::Deposed(self.replica.clone()));
        }
        Ok(Turn { seq: row.whole(1)?, now: Timestamp::from_millis(row.whole(2)?) })
    }

    /// Wakes the other servers once the transaction is committed.
    pub(super) fn notice(&self) -> Call {
        Call { sql: dialect::NOTIFY, parameters: vec![self.name()] }
    }

    fn name(&self) -> Parameter {
        Parameter::Text(self.replica.clone())
    }
}
