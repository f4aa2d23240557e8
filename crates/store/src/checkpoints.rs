//! Checkpoints: the signed tree heads we gave out.

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::{Row, Value};

/// A checkpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// How many entries it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

impl Tx<'_> {
    /// Keeps the note of a size. A later note of the same size, with more signatures, replaces it.
    pub fn put_checkpoint(&mut self, size: u64, note: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO checkpoints (size, note) VALUES ($1, $2) \
                   ON CONFLICT (size) DO UPDATE SET note = excluded.note";
        self.write_one(sql, &[Value::whole(size), note.into()])
    }

    /// The checkpoint of the largest tree.
    pub fn latest_checkpoint(&mut self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.checkpoint_at_or_before(u64::MAX)
    }

    /// The checkpoint of the largest tree of at most `size` entries.
    pub fn checkpoint_at_or_before(
        &mut self,
        size: u64,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        let sql = "SELECT size, note FROM checkpoints WHERE size <= $1 ORDER BY size DESC LIMIT 1";
        self.row(sql, &[Value::whole(size)], stored)
    }

    /// At most `limit` checkpoints of at least `from` entries, smallest first.
    pub fn checkpoints(
        &mut self,
        from: u64,
        limit: u64,
    ) -> Result<Vec<StoredCheckpoint>, StoreError> {
        let sql = "SELECT size, note FROM checkpoints WHERE size >= $1 ORDER BY size LIMIT $2";
        self.rows(sql, &[Value::whole(from), Value::whole(limit)], stored)
    }
}

fn stored(row: &Row<'_>) -> Result<StoredCheckpoint, StoreError> {
    Ok(StoredCheckpoint { size: row.whole(0)?, note: row.text(1)?.to_owned() })
}
