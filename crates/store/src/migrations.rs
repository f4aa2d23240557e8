//! The schema and its steps, each in one transaction, recorded with its own text.
//!
//! A step that has been released is never edited: a store that took another step is refused.

use crate::error::StoreError;
use crate::session::{Mode, Session};
use crate::transaction::{self, Tx};

/// The setting by which the last step says which programs can still serve the store: `4 for 5` is
/// those that know schema 4 or a later one, of a store that has schema 5.
const OLDEST_SCHEMA: &str = "oldest_schema";

/// Every step, in order; the first is number 1.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_spine.sql"),
    include_str!("../migrations/0002_meters.sql"),
    include_str!("../migrations/0003_replicas.sql"),
    include_str!("../migrations/0004_releases.sql"),
];

/// The number of the schema this program knows.
pub fn known_schema() -> u64 {
    number(STEPS.len())
}

/// Brings the schema up to date. Interrupted anywhere, the next call goes on from there.
pub(crate) fn apply(session: &mut dyn Session) -> Result<(), StoreError> {
    apply_steps(session, STEPS)
}

/// Fails unless this program can read the schema: it knows it, or a later step says so.
pub(crate) fn require_known(session: &mut dyn Session) -> Result<(), StoreError> {
    let found = transaction::run(session, Mode::Read, |tx| recorded(&mut Tx::new(tx), STEPS))?;
    let known = number(STEPS.len());
    if found >= known { Ok(()) } else { Err(StoreError::OlderSchema { found, known }) }
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

/// How many steps the store has taken. Fails if it took others than ours, or further ones that do
/// not say that a program which does not know them can serve it.
fn recorded(tx: &mut Tx<'_>, steps: &[&str]) -> Result<u64, StoreError> {
    let taken = tx.steps()?;
    let (found, known) = (number(taken.len()), number(steps.len()));
    let another = (1..).zip(taken.iter().zip(steps)).find(|(_, (taken, step))| *taken != *step);
    if let Some((number, _)) = another {
        return Err(StoreError::EditedMigration(number));
    }
    if found > known && tx.oldest_schema(found)?.is_none_or(|oldest| oldest > known) {
        return Err(StoreError::NewerSchema { found, known });
    }
    Ok(found)
}

impl Tx<'_> {
    /// The number of the schema: how many steps the store has taken.
    pub fn schema(&mut self) -> Result<u64, StoreError> {
        Ok(number(self.steps()?.len()))
    }

    /// Nothing where the last step did not say it: then nobody else knows.
    fn oldest_schema(&mut self, schema: u64) -> Result<Option<u64>, StoreError> {
        let said = self.setting(OLDEST_SCHEMA)?;
        let of_this = said.as_deref().and_then(|said| said.strip_suffix(&format!(" for {schema}")));
        Ok(of_this.and_then(|oldest| oldest.parse().ok()))
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
