//! One PostgreSQL connection as a [`Session`].
//!
//! A round trip costs more than most statements, so what needs no answer waits for the next one
//! that does, or for the commit, and goes with it. A savepoint that nothing was sent after is not
//! sent at all: a command that only appends costs no round trip of its own.

use std::sync::Arc;
use std::time::Duration;

use marque_domain::Timestamp;

use super::dialect;
use super::failure::Failed;
use super::fence::Fence;
use super::line::{Answer, Call, Line, PATIENCE, cells};
use super::target::Target;
use super::values::Parameter;
use crate::error::StoreError;
use crate::feed::Turn;
use crate::session::{Mode, Session};
use crate::value::{Row, Value};

/// Most statements that wait.
const WAITING_MAX: usize = 512;
/// How long a step of the schema may take; a little more than the server gives it.
const STEP_PATIENCE: Duration = Duration::from_secs(10 * 60 + 5);

pub(crate) struct Connection {
    target: Arc<Target>,
    /// `None` on a connection that reads.
    fence: Option<Fence>,
    /// `None` until it is needed, and after it broke.
    line: Option<Line>,
    mode: Mode,
    /// Of the open write transaction, once the fence lets it through.
    turn: Option<Turn>,
    waiting: Vec<Waiting>,
    /// Where in `waiting` the open savepoint is, if it was not sent yet.
    savepoint: Option<usize>,
    /// Whether the server may have a transaction open.
    is_open: bool,
    /// Whether a statement failed since the savepoint: until it is undone the server refuses all.
    has_failed: bool,
    /// Why the transaction can only be rolled back, whatever its commands decide.
    sunk: Option<StoreError>,
    /// Whether the connection was lost in this transaction.
    is_lost: bool,
}

/// A statement that waits, and what its answer must be.
struct Waiting {
    call: Call,
    expected: Expected,
}

enum Expected {
    Anything,
    /// One changed row, or the transaction fails with this.
    OneRow(StoreError),
}

impl Connection {
    /// A connection that writes for the server of that name; takes the right to at once.
    pub(crate) fn writing(target: Arc<Target>, replica: &str) -> Result<Self, StoreError> {
        let mut connection = Self::new(target, Some(Fence::new(replica)));
        connection.connect()?;
        Ok(connection)
    }

    /// A connection that only reads.
    pub(crate) fn reading(target: Arc<Target>) -> Result<Self, StoreError> {
        let mut connection = Self::new(target, None);
        connection.connect()?;
        Ok(connection)
    }

    /// The moment by the server's clock.
    pub(crate) fn now(&mut self) -> Result<Timestamp, StoreError> {
        let line = self.connect()?;
        let rows = line.ask(dialect::NOW, &[]).map_err(Failed::before_commit)?;
        let now = rows.first().map(cells).transpose()?.unwrap_or_default();
        Row(&now).whole(0).map(Timestamp::from_millis)
    }

    /// From here on every write transaction must find this epoch.
    pub(crate) fn close_behind(&mut self, epoch: u64) {
        if let Some(fence) = &mut self.fence {
            fence.close_behind(epoch);
        }
    }

    /// Whether a store of ours is there. Fails if something else has its names.
    pub(crate) fn is_ours(&mut self) -> Result<bool, StoreError> {
        let place = self.target.path();
        let line = self.connect()?;
        let rows = line.ask(dialect::FOUND, &[]).map_err(Failed::before_commit)?;
        let found = rows.first().map(cells).transpose()?.unwrap_or_default();
        let found = Row(&found);
        match (found.whole(0)?, found.whole(1)?) {
            (2, _) => Ok(true),
            (_, 0) => Ok(false),
            _ => Err(StoreError::Foreign(place)),
        }
    }

    fn new(target: Arc<Target>, fence: Option<Fence>) -> Self {
        Self {
            target,
            fence,
            line: None,
            mode: Mode::Read,
            turn: None,
            waiting: Vec::new(),
            savepoint: None,
            is_open: false,
            has_failed: false,
            sunk: None,
            is_lost: false,
        }
    }

    fn connect(&mut self) -> Result<&mut Line, StoreError> {
        if self.line.as_ref().is_some_and(Line::is_closed) {
            self.line = None;
        }
        let line = match self.line.take() {
            Some(line) => line,
            None => self.open()?,
        };
        Ok(self.line.insert(line))
    }

    fn open(&mut self) -> Result<Line, StoreError> {
        let mut line = self.target.connect()?;
        let place = self.target.place();
        if let Some(fence) = &mut self.fence {
            fence.hold(&mut line, &place)?;
        } else {
            let set = line.script(dialect::READER, PATIENCE);
            set.map_err(|failed| failed.on_connecting(&place))?;
        }
        Ok(line)
    }

    /// Opens a transaction that excludes every other; learns its turn in the same round trip.
    fn begin_write(&mut self) -> Result<(), StoreError> {
        self.wait(dialect::BEGIN_WRITE);
        self.wait(dialect::LOCK_WRITES);
        let question = self.fence.as_ref().and_then(Fence::question);
        let answer = self.send(question)?;
        if let (Some(fence), Some(answer)) = (&self.fence, answer) {
            self.turn = Some(fence.judge(&answer)?);
        }
        Ok(())
    }

    fn put_off(&mut self, call: Call, expected: Expected) -> Result<(), StoreError> {
        self.require_sound()?;
        self.waiting.push(Waiting { call, expected });
        if self.waiting.len() >= WAITING_MAX {
            self.send(None)?;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.turn = None;
        self.waiting.clear();
        self.savepoint = None;
        self.is_open = false;
        self.has_failed = false;
        self.sunk = None;
        self.is_lost = false;
    }

    fn wait(&mut self, sql: &'static str) {
        let call = Call { sql, parameters: Vec::new() };
        self.waiting.push(Waiting { call, expected: Expected::Anything });
    }

    /// Sends what waits, and `direct` after it, whose answer is returned.
    fn send(&mut self, direct: Option<Call>) -> Result<Option<Answer>, StoreError> {
        self.require_sound()?;
        let (mut calls, expected): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).map(|waiting| (waiting.call, waiting.expected)).unzip();
        let has_direct = direct.is_some();
        calls.extend(direct);
        if calls.is_empty() {
            return Ok(None);
        }
        self.savepoint = None;
        self.is_open = true;
        let Some(line) = &mut self.line else {
            return Err(self.sink(Failed::Lost("it is closed".to_owned())));
        };
        let mut answers = match line.trip(&calls) {
            Ok(answers) => answers.into_iter(),
            Err(failed) => return Err(self.sink(failed)),
        };
        for expected in expected {
            let answer = answers.next().expect("invariant: an answer for each call");
            if let Err(failed) = answer.and_then(|answer| expected.judge(&answer)) {
                return Err(self.sink(failed));
            }
        }
        match answers.next() {
            Some(Err(Failed::Refused(error))) if has_direct => {
                self.has_failed = true;
                Err(error)
            }
            Some(Err(failed)) => Err(self.sink(failed)),
            answer => Ok(answer.and_then(Result::ok)),
        }
    }

    fn ask(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Answer, StoreError> {
        let call = call(sql, values)?;
        let answer = self.send(Some(call))?;
        Ok(answer.expect("invariant: an answer for each call"))
    }

    fn require_sound(&self) -> Result<(), StoreError> {
        if let Some(error) = &self.sunk {
            return Err(error.clone());
        }
        if self.has_failed {
            return Err(StoreError::Engine("a statement follows one that failed".to_owned()));
        }
        Ok(())
    }

    /// Nothing of this transaction can be kept any more.
    fn sink(&mut self, failed: Failed) -> StoreError {
        if matches!(failed, Failed::Lost(_)) {
            self.line = None;
            self.is_lost = true;
        }
        let error = failed.before_commit();
        self.sunk = Some(error.clone());
        error
    }
}

impl Session for Connection {
    fn begin(&mut self, mode: Mode) -> Result<(), StoreError> {
        if self.is_open {
            self.rollback()?;
        }
        self.reset();
        self.mode = mode;
        self.connect()?;
        match mode {
            // Goes with the first query.
            Mode::Read => {
                self.wait(dialect::BEGIN_READ);
                Ok(())
            }
            Mode::Write => {
                let begun = self.begin_write();
                begun.inspect_err(|_| {
                    // If it cannot be undone, the next `begin` says so.
                    let _ = self.rollback();
                })
            }
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.require_sound()?;
        if self.mode == Mode::Write {
            // ORDER: what waits goes first, so that only the commit itself can be in doubt.
            self.wait(dialect::COMMIT_PATIENTLY);
            self.send(None)?;
        }
        self.wait(dialect::COMMIT);
        match self.send(None) {
            Ok(_) => {
                self.is_open = false;
                Ok(())
            }
            Err(StoreError::Busy(why)) if self.is_lost && self.mode == Mode::Write => {
                Err(StoreError::InDoubt(why))
            }
            Err(error) => Err(error),
        }
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        let is_open = self.is_open;
        self.reset();
        let Some(line) = self.line.as_mut().filter(|_| is_open) else { return Ok(()) };
        line.ask(dialect::ROLLBACK, &[]).map(|_| ()).map_err(|failed| {
            // The server rolls back by itself what nobody can end.
            self.line = None;
            failed.before_commit()
        })
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.require_sound()?;
        self.savepoint = Some(self.waiting.len());
        self.wait(dialect::SAVEPOINT);
        Ok(())
    }

    fn release(&mut self) -> Result<(), StoreError> {
        self.require_sound()?;
        match self.savepoint.take() {
            Some(unsent) => {
                self.waiting.remove(unsent);
            }
            None => self.wait(dialect::RELEASE),
        }
        Ok(())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        if let Some(error) = &self.sunk {
            return Err(error.clone());
        }
        let had_failed = std::mem::replace(&mut self.has_failed, false);
        if let Some(unsent) = self.savepoint.take() {
            self.waiting.truncate(unsent);
        } else {
            // All that waits came after the savepoint, which was sent.
            self.waiting.clear();
            self.wait(dialect::UNDO);
            self.wait(dialect::RELEASE);
        }
        // Until it is undone the server does not even prepare what comes next.
        if had_failed { self.send(None).map(|_| ()) } else { Ok(()) }
    }

    fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.wait(dialect::STEP_PATIENTLY);
        self.send(None)?;
        let Some(line) = &mut self.line else {
            return Err(self.sink(Failed::Lost("it is closed".to_owned())));
        };
        let ran = line.script(&dialect::translate(sql), STEP_PATIENCE);
        ran.map_err(|failed| self.sink(failed))
    }

    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.ask(sql, values).map(|answer| answer.changed)
    }

    fn change_one(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        otherwise: StoreError,
    ) -> Result<(), StoreError> {
        self.put_off(call(sql, values)?, Expected::OneRow(otherwise))
    }

    fn change_any(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.put_off(call(sql, values)?, Expected::Anything)
    }

    fn notify(&mut self) -> Result<(), StoreError> {
        let Some(notice) = self.fence.as_ref().map(Fence::notice) else { return Ok(()) };
        self.put_off(notice, Expected::Anything)
    }

    fn turn(&self) -> Option<Turn> {
        self.turn
    }

    fn living(&mut self) -> Result<Vec<String>, StoreError> {
        let answer = self.ask(dialect::LIVING, &[])?;
        answer.rows.iter().map(|row| Ok(Row(&cells(row)?).text(0)?.to_owned())).collect()
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let answer = self.ask(sql, values)?;
        answer.rows.iter().try_for_each(|row| each(&Row(&cells(row)?)))
    }
}

impl Expected {
    fn judge(self, answer: &Answer) -> Result<(), Failed> {
        match self {
            Self::Anything => Ok(()),
            Self::OneRow(_) if answer.changed == 1 => Ok(()),
            Self::OneRow(otherwise) => Err(Failed::Refused(otherwise)),
        }
    }
}

fn call(sql: &'static str, values: &[Value<'_>]) -> Result<Call, StoreError> {
    let parameters = values.iter().map(Parameter::of).collect::<Result<_, _>>()?;
    Ok(Call { sql, parameters })
}
