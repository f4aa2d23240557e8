//! The one writer and its batches.

use std::sync::Arc;

use crate::backfill::Backfill;
use crate::error::StoreError;
use crate::feed::Turn;
use crate::session::{Mode, Session};
use crate::store::Shared;
use crate::transaction::{self, Tx};

/// The right to write; there is one at a time. Dropping it gives the right back.
pub struct Writer {
    shared: Arc<Shared>,
    /// `None` in memory, where reads and writes share one connection in turn.
    session: Option<Box<dyn Session>>,
}

/// A write transaction that serves many commands.
pub struct Batch<'a> {
    session: &'a mut dyn Session,
    broken: Option<StoreError>,
    /// As of the last attempt that was kept: looking it up costs as much as the append itself.
    next_index: Option<u64>,
    /// Whether it hopes that every command is kept, as nearly always: then none of them costs a
    /// savepoint. If one is not, the batch runs again without that hope.
    is_hopeful: bool,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, session: Option<Box<dyn Session>>) -> Self {
        Self { shared, session }
    }

    /// Runs `body` as one transaction: all that it kept is committed, or nothing is.
    ///
    /// When this returns, what was written survives the death of this process, and that of the
    /// machine only after a [`crate::Syncer::sync`] that starts afterwards. `body` may run twice;
    /// after any error nothing of it is left.
    pub fn batch<R>(
        &mut self,
        mut body: impl FnMut(&mut Batch<'_>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let mut is_hopeful = true;
        self.on_session(|session| {
            transaction::run(session, Mode::Write, |session| {
                let is_hopeful = std::mem::take(&mut is_hopeful);
                let mut batch = Batch { session, broken: None, next_index: None, is_hopeful };
                let answer = body(&mut batch)?;
                batch.broken.map_or(Ok(answer), Err)
            })
        })
    }

    /// How much the log of writes holds; cheap enough for every batch.
    pub fn backlog(&mut self) -> Result<Backfill, StoreError> {
        self.on_session(|session| session.backlog())
    }

    /// Moves the log of writes into the database and, if all of it fitted, starts it anew.
    ///
    /// This waits for the disk. The sequencer calls it between two batches, best after a
    /// [`crate::Backfiller::backfill`] has done the bulk.
    pub fn backfill(&mut self) -> Result<Backfill, StoreError> {
        self.on_session(|session| {
            let done = session.backfill()?;
            if done.is_complete() && done.frames > 0 {
                // The first commit after a full backfill syncs the new head of the log of writes:
                // better now than inside somebody's read.
                transaction::run(session, Mode::Write, |tx| Tx::new(tx).count_backfill())?;
            }
            Ok(done)
        })
    }

    fn on_session<R>(
        &mut self,
        work: impl FnOnce(&mut dyn Session) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        match &mut self.session {
            Some(session) => work(session.as_mut()),
            None => self.shared.pool.with("batch", work),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.return_writer(self.session.take());
    }
}

impl Batch<'_> {
    /// Runs one command: kept if `body` returns `Ok`, undone without a trace if it returns its own
    /// error, which then is the inner result.
    ///
    /// An outer error means that the whole batch is lost, or has to run again: later attempts fail
    /// too, and so does this run of it. The first run of a batch hopes that every command is kept;
    /// see [`Batch::is_hopeful`].
    pub fn attempt<R, E>(
        &mut self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<Result<R, E>, StoreError> {
        // INVARIANT: nothing runs after a failure of the engine. It may have undone the whole
        // transaction, and the next savepoint would silently start, and commit, one of its own.
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let answer = if self.is_hopeful { self.hope(body) } else { self.savepoint(body) };
        if let Err(error) = &answer {
            self.broken = Some(error.clone());
        }
        answer
    }

    /// This batch's turn among those of all servers, as of this run of it; `None` where the store
    /// is not shared.
    pub fn turn(&self) -> Option<Turn> {
        self.session.turn()
    }

    /// Whether a command that fails now is not undone alone, but makes the whole batch run again.
    /// What the caller keeps beside the store then needs no way back.
    pub fn is_hopeful(&self) -> bool {
        self.is_hopeful
    }

    fn hope<R, E>(
        &mut self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<Result<R, E>, StoreError> {
        let may_assume = self.session.turn().is_some();
        let mut tx = Tx::new(self.session);
        (tx.next_index, tx.may_assume) = (self.next_index, may_assume);
        let answer = body(&mut tx);
        // INVARIANT: a failure that the command shrugged at may have undone the transaction.
        if answer.is_err() || tx.take_failure().is_some() {
            return Err(StoreError::Busy("a command was not kept".to_owned()));
        }
        self.next_index = tx.next_index;
        Ok(answer)
    }

    fn savepoint<R, E>(
        &mut self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<Result<R, E>, StoreError> {
        self.session.savepoint()?;
        let mut tx = Tx::new(self.session);
        tx.next_index = self.next_index;
        let answer = body(&mut tx);
        if answer.is_ok() {
            self.next_index = tx.next_index;
        }
        // A failure inside, such as a full disk, may have taken the savepoint with it. Then it is
        // the cause, and the missing savepoint only the symptom.
        let cause = tx.take_failure();
        let blame = |error| cause.unwrap_or(error);
        let closed = if answer.is_ok() { self.session.release() } else { self.session.undo() };
        closed.map_err(blame)?;
        Ok(answer)
    }
}
