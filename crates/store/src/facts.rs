//! Facts, as append-only revisions.

use marque_domain::{Fact, FactRef, Id, Revised};
use serde_json::Error as JsonError;

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::{Row, Value};

/// Where a revision stands among those of its fact.
#[derive(Clone, Copy)]
enum Place {
    Current = 1,
    Final = 2,
}

impl Tx<'_> {
    /// Adds the revision of `fact` that follows `previous`, 0 for a new fact; returns its number.
    ///
    /// Fails with [`StoreError::Conflict`] unless `previous` is current.
    pub fn put<T: Fact>(&mut self, fact: &T, previous: u64) -> Result<u64, StoreError> {
        self.put_at(fact, previous, Place::Current)
    }

    /// As [`Tx::put`], for a state that nothing follows, such as a closed run. It can still be
    /// read, but [`Tx::all`] no longer finds it, and no further revision is taken.
    pub fn put_final<T: Fact>(&mut self, fact: &T, previous: u64) -> Result<u64, StoreError> {
        self.put_at(fact, previous, Place::Final)
    }

    /// The newest revision of a fact.
    pub fn get<T: Fact>(&mut self, id: Id<T>) -> Result<Option<Revised<T>>, StoreError> {
        let sql = "SELECT revision, body FROM facts WHERE id = $1 AND place > 0";
        self.row(sql, &[id.to_string().as_str().into()], revised)
    }

    /// One revision of a fact, as it stood.
    pub fn get_revision<T: Fact>(
        &mut self,
        id: Id<T>,
        revision: u64,
    ) -> Result<Option<Revised<T>>, StoreError> {
        let sql = "SELECT revision, body FROM facts WHERE id = $1 AND revision = $2";
        self.row(sql, &[id.to_string().as_str().into(), Value::whole(revision)], revised)
    }

    /// The current revision of every fact of a kind that is not final, by id.
    pub fn all<T: Fact>(&mut self) -> Result<Vec<Revised<T>>, StoreError> {
        let sql = "SELECT revision, body FROM facts WHERE kind = $1 AND place = 1 ORDER BY id";
        self.rows(sql, &[T::PREFIX.into()], revised)
    }

    /// The newest revisions of the youngest facts of a kind, final ones included, youngest first:
    /// at most `limit`, all older than `before` if that is given.
    pub fn recent<T: Fact>(
        &mut self,
        before: Option<Id<T>>,
        limit: u64,
    ) -> Result<Vec<Revised<T>>, StoreError> {
        // An id is its kind, an underscore, and capitals and digits, all of which sort below `~`.
        let first = format!("{}_", T::PREFIX);
        let end = before.map_or_else(|| format!("{}_~", T::PREFIX), |id| id.to_string());
        let sql = "SELECT revision, body FROM facts \
                   WHERE id >= $1 AND id < $2 AND place > 0 ORDER BY id DESC LIMIT $3";
        let values = [first.as_str().into(), end.as_str().into(), Value::whole(limit)];
        self.rows(sql, &values, revised)
    }

    /// One revision of a fact of any kind, as JSON.
    pub fn fact_json(&mut self, reference: &FactRef) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM facts WHERE id = $1 AND revision = $2";
        let values = [reference.id.as_str().into(), Value::whole(reference.revision)];
        self.row(sql, &values, |row| row.text(0).map(str::to_owned))
    }

    fn put_at<T: Fact>(&mut self, fact: &T, previous: u64, at: Place) -> Result<u64, StoreError> {
        let id = fact.id().to_string();
        let unstorable = |error: JsonError| StoreError::Unstorable(error.to_string());
        let body = serde_json::to_string(fact).map_err(unstorable)?;
        if previous > 0 {
            let sql = "UPDATE facts SET place = 0 WHERE id = $1 AND revision = $2 AND place = 1";
            if self.execute(sql, &[id.as_str().into(), Value::whole(previous)])? == 0 {
                return Err(self.conflict(id, previous));
            }
        }
        let revision = previous + 1;
        let sql = "INSERT INTO facts (id, revision, kind, place, body) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id, revision) DO NOTHING";
        let values = [
            id.as_str().into(),
            Value::whole(revision),
            T::PREFIX.into(),
            Value::Integer(at as i64),
            body.as_str().into(),
        ];
        match self.execute(sql, &values)? {
            0 => Err(self.conflict(id, previous)),
            _ => Ok(revision),
        }
    }

    fn conflict(&mut self, id: String, expected: u64) -> StoreError {
        let sql = "SELECT revision FROM facts WHERE id = $1 AND place > 0";
        match self.row(sql, &[id.as_str().into()], |row| row.whole(0)) {
            Ok(current) => StoreError::Conflict { id, expected, current: current.unwrap_or(0) },
            Err(error) => error,
        }
    }
}

fn revised<T: Fact>(row: &Row<'_>) -> Result<Revised<T>, StoreError> {
    let damaged = |error: JsonError| StoreError::Corrupt(format!("{}: {error}", T::NOUN));
    let fact = serde_json::from_str(row.text(1)?).map_err(damaged)?;
    Ok(Revised { fact, revision: row.whole(0)? })
}
