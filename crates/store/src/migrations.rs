//! The schema and its steps, each in one transaction, recorded with its own text.
//!
//! A step that has been released is never edited: a store that took another step is refused.

use crate::error::StoreError;
use crate::session::{Mode, Session};
use crate::transaction::{self, Tx};

/// Every step, in order; the first is number 1.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_spine.sql"),
    include_str!("../migrations/0002_meters.sql"),
    include_str!("../migrations/0003_replicas.sql"),
];

/// The number of the schema this program knows.
pub fn known_schema() -> u64 {
    number(STEPS.len())
}

/// Brings the schema up to date. Interrupted anywhere, the next call goes on from there.
pub(crate) fn apply(session: &mut dyn Session) -> Result<(), StoreError> {
    apply_steps(session, STEPS)
}

/// Fails unless the schema is exactly the one this program knows.
pub(crate) fn require_known(session: &mut dyn Session) -> Result<(), StoreError> {
    let found = transaction::run(session, Mode::Read, |tx| recorded(&mut Tx::new(tx), STEPS))?;
    let known = number(STEPS.len());
    if found == known { Ok(()) } else { Err(StoreError::OlderSchema { found, known }) }
}

fn apply_steps(
    session: &mut dyn Session,
    steps: &'static [&'static str],
) -> Result<(), StoreError> {
    transaction::run(session, Mode::Write, |session| {
        session.script(
            "CREATE TABLE IF NOT EXISTS migrations \
             (number INTEGER PRIMARY KEY, step TEXT NOT NULL)",
        )
    })?;
    let done = transaction::run(session, Mode::Read, |tx| recorded(&mut Tx::new(tx), steps))?;
    for (number, step) in (1..).zip(steps).skip_while(|(number, _)| *number <= done) {
        transaction::run(session, Mode::Write, |session| {
            // Another server that starts may have taken it since.
            if recorded(&mut Tx::new(session), steps)? >= number {
                return Ok(());
            }
            session.script(step)?;
            Tx::new(session).record_step(number, step)
        })?;
    }
    Ok(())
}

/// How many steps the store has taken. Fails if it took more than we know, or others.
fn recorded(tx: &mut Tx<'_>, steps: &[&str]) -> Result<u64, StoreError> {
    let taken = tx.steps()?;
    let (found, known) = (number(taken.len()), number(steps.len()));
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    match (1..).zip(taken.iter().zip(steps)).find(|(_, (taken, step))| *taken != *step) {
        Some((number, _)) => Err(StoreError::EditedMigration(number)),
        None => Ok(found),
    }
}

impl Tx<'_> {
    /// The number of the schema: how many steps the store has taken.
    pub fn schema(&mut self) -> Result<u64, StoreError> {
        Ok(number(self.steps()?.len()))
    }

    fn steps(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT step FROM migrations ORDER BY number";
        self.rows(sql, &[], |row| row.text(0).map(str::to_owned))
    }

    fn record_step(&mut self, number: u64, step: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO migrations (number, step) VALUES ($1, $2)";
        self.write_one(sql, &[crate::value::Value::whole(number), step.into()])
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "migrations_tests.rs"]
mod tests;
