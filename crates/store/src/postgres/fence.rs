//! Who may write: one session at a time, and none whose turn has passed.
//!
//! The writer's session holds an advisory lock for as long as it lives, which keeps a second server
//! from starting; every write transaction checks under a lock of its own that the epoch is still
//! the writer's. To be replaced by a lease between replicas; nothing else here knows of it.

use super::dialect;
use super::failure::Failed;
use super::line::{Line, cells};
use super::values::Parameter;
use crate::error::StoreError;
use crate::value::Row;

/// The right of one store to write.
#[derive(Default)]
pub(super) struct Fence {
    /// `None` until the store was opened.
    epoch: Option<String>,
    /// Our session with the server before this one: its process and when that started.
    former: Option<[Parameter; 2]>,
}

impl Fence {
    /// Takes the lock for a new session. What is left of our former one, which the server may
    /// believe alive, is ended first.
    pub(super) fn hold(&mut self, line: &mut Line, place: &str) -> Result<(), StoreError> {
        let unreachable = |failed: Failed| failed.on_connecting(place);
        if let Some(former) = self.former.take() {
            line.ask(dialect::END_FORMER, &former).map_err(unreachable)?;
        }
        match line.ask(dialect::LOCK_WRITER, &[]).map_err(unreachable) {
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
        self.epoch = Some(epoch.to_string());
    }

    /// The epoch that every write transaction must find.
    pub(super) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }
}
