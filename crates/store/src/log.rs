//! The log: entries in order, the hashes over them, and how to find an entry again.
//!
//! What is true is an entry's canonical bytes under its leaf hash. The columns beside them only
//! help to find it; [`Tx::first_misfiled`] checks that they say the same.

mod columns;
mod query;
mod statements;

use std::borrow::Borrow;

use marque_domain::{Decision, Digest, Event, Id, LogEntry};

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::{Row, Value};
use columns::Columns;

pub use query::{Count, GroupBy, LogQuery};

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place, from 0.
    pub index: u64,
    /// Hash of its leaf in the tree.
    pub leaf: Digest,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
}

/// What the log holds of one decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionEntries {
    /// The decision itself.
    pub decided: StoredEntry,
    /// How the act it allowed went, once known.
    pub outcome: Option<StoredEntry>,
}

impl StoredEntry {
    /// The entry its bytes spell.
    pub fn entry(&self) -> Result<LogEntry, StoreError> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            StoreError::Corrupt(format!("entry {} cannot be read: {error}", self.index))
        })
    }
}

impl Tx<'_> {
    /// Appends an entry with the hash of its leaf and its canonical bytes.
    ///
    /// Fails with [`StoreError::Gap`] unless its index is exactly the next one.
    pub fn append<E: Borrow<Event>>(
        &mut self,
        entry: &LogEntry<E>,
        leaf: &Digest,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let next = self.next_index.map_or_else(|| self.log_size(), Ok)?;
        if entry.index != next {
            return Err(StoreError::Gap { given: entry.index });
        }
        let columns = Columns::of(entry.at, entry.event.borrow());
        let index = Value::whole(entry.index);
        let mut values = vec![index, leaf.into(), Value::Bytes(bytes)];
        values.extend(columns.values());
        let sql = "INSERT INTO log (idx, leaf, bytes, at, event, run, agent, task, user_name, \
                   connection, operation, resource, answer, code, decision) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        self.change_one(sql, &values, StoreError::Gap { given: entry.index })?;
        self.next_index = Some(next + 1);
        Ok(())
    }

    /// How many entries there are; the index of the next one.
    pub fn log_size(&mut self) -> Result<u64, StoreError> {
        let size =
            self.row("SELECT coalesce(max(idx) + 1, 0) FROM log", &[], |row| row.whole(0))?;
        Ok(size.unwrap_or(0))
    }

    /// One entry.
    pub fn entry(&mut self, index: u64) -> Result<Option<StoredEntry>, StoreError> {
        let sql = "SELECT idx, leaf, bytes FROM log WHERE idx = $1";
        self.row(sql, &[Value::whole(index)], stored)
    }

    /// At most `limit` entries from `from` on, in order.
    pub fn entries(&mut self, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = "SELECT idx, leaf, bytes FROM log WHERE idx >= $1 ORDER BY idx LIMIT $2";
        self.rows(sql, &[Value::whole(from), Value::whole(limit)], stored)
    }

    /// What the log holds of a decision.
    pub fn entry_of_decision(
        &mut self,
        decision: Id<Decision>,
    ) -> Result<Option<DecisionEntries>, StoreError> {
        let sql = "SELECT idx, leaf, bytes, event FROM log WHERE decision = $1 \
                   ORDER BY idx LIMIT 2";
        let found = self.rows(sql, &[decision.to_string().as_str().into()], |row| {
            Ok((row.text(3)?.to_owned(), stored(row)?))
        })?;
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((event, decided)), outcome) if event == "decided" => {
                Ok(Some(DecisionEntries { decided, outcome: outcome.map(|(_, entry)| entry) }))
            }
            (Some((_, entry)), _) => Err(StoreError::Corrupt(format!(
                "entry {} is filed under a decision that was never made",
                entry.index
            ))),
        }
    }

    /// The first of `limit` entries from `from` on whose columns do not say what its bytes say, so
    /// that a query would miss or misplace it.
    pub fn first_misfiled(&mut self, from: u64, limit: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT idx, leaf, bytes, at, event, run, agent, task, user_name, connection, \
                   operation, resource, answer, code, decision \
                   FROM log WHERE idx >= $1 ORDER BY idx LIMIT $2";
        let filed = self.rows(sql, &[Value::whole(from), Value::whole(limit)], |row| {
            let stored = stored(row)?;
            let is_true = stored.entry().is_ok_and(|entry| {
                entry.index == stored.index && Columns::of(entry.at, &entry.event).are_in(row, 3)
            });
            Ok((stored.index, is_true))
        })?;
        Ok(filed.into_iter().find(|(_, is_true)| !is_true).map(|(index, _)| index))
    }

    /// Keeps the root of the full subtree of 2^`level` leaves at position `index` of its row.
    ///
    /// Fails with [`StoreError::Gap`] unless it is the next of its row.
    pub fn append_root(&mut self, level: u8, index: u64, hash: &Digest) -> Result<(), StoreError> {
        let sql = "INSERT INTO roots (level, idx, hash) SELECT $1, $2, $3 \
                   WHERE $2 = (SELECT coalesce(max(idx) + 1, 0) FROM roots WHERE level = $1)";
        let values = [Value::Integer(level.into()), Value::whole(index), hash.into()];
        match self.execute(sql, &values)? {
            0 => Err(StoreError::Gap { given: index }),
            _ => Ok(()),
        }
    }

    /// At most `count` hashes of a row from position `start` on: at level 0 the leaf hashes, above
    /// it the roots of [`Tx::append_root`].
    pub fn hashes(&mut self, level: u8, start: u64, count: u64) -> Result<Vec<Digest>, StoreError> {
        let (start, count) = (Value::whole(start), Value::whole(count));
        if level == 0 {
            let sql = "SELECT leaf FROM log WHERE idx >= $1 ORDER BY idx LIMIT $2";
            return self.rows(sql, &[start, count], |row| row.digest(0));
        }
        let sql = "SELECT hash FROM roots WHERE level = $1 AND idx >= $2 ORDER BY idx LIMIT $3";
        self.rows(sql, &[Value::Integer(level.into()), start, count], |row| row.digest(0))
    }
}

fn stored(row: &Row<'_>) -> Result<StoredEntry, StoreError> {
    Ok(StoredEntry { index: row.whole(0)?, leaf: row.digest(1)?, bytes: row.bytes(2)?.to_vec() })
}
