//! The feed: what each batch changed, for the other servers that share the store; and what only
//! memory holds, for one that starts later.
//!
//! Owns order and trimming. What the texts say is the plane's.

use marque_domain::Timestamp;

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::Value;

/// Where a write transaction stands among those of all servers that share the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The last number of the feed; 0 before the first. Nobody adds one until this turn is over.
    pub seq: u64,
    /// By the database's clock, which all servers share.
    pub now: Timestamp,
}

/// What was told from some number on.
#[derive(Debug, PartialEq, Eq)]
pub struct Since {
    /// When that number itself was told; `None` if it was not, or was forgotten.
    pub at: Option<Timestamp>,
    /// What came after it, in order.
    pub told: Vec<Told>,
}

/// One number of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub seq: u64,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// What.
    pub body: String,
}

impl Tx<'_> {
    /// Tells the others what this transaction changed; those who listen hear of it once it is
    /// committed.
    ///
    /// `seq` is the next number: it was never told before, or the whole transaction fails.
    pub fn tell(&mut self, seq: u64, at: Timestamp, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO feed (seq, at, body) VALUES ($1, $2, $3)";
        let values = [Value::whole(seq), Value::whole(at.as_millis()), body.into()];
        self.write_one(sql, &values)?;
        self.notify()
    }

    /// The last number that was told; 0 if none was.
    pub fn last_told(&mut self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(seq), 0) FROM feed";
        Ok(self.row(sql, &[], |row| row.whole(0))?.unwrap_or(0))
    }

    /// What was told after `seq`: at most `limit`. If the first is not the next number, what lay
    /// between was forgotten. When `seq` was told proves whether this is still the feed it was read
    /// from: an older copy lacks it, and who went on from one tells it at another moment.
    pub fn told_since(&mut self, seq: u64, limit: u64) -> Result<Since, StoreError> {
        let sql = "SELECT seq, at, CASE WHEN seq = $1 THEN '' ELSE body END FROM feed \
                   WHERE seq >= $1 ORDER BY seq LIMIT $2";
        let values = [Value::whole(seq), Value::whole(limit.saturating_add(1))];
        let mut told = self.rows(sql, &values, |row| {
            let (seq, at) = (row.whole(0)?, Timestamp::from_millis(row.whole(1)?));
            Ok(Told { seq, at, body: row.text(2)?.to_owned() })
        })?;
        let is_there = told.first().is_some_and(|first| first.seq == seq);
        let at = is_there.then(|| told.remove(0).at);
        told.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Since { at, told })
    }

    /// Removes what has a number below `below` and was told before `before`; returns how much that
    /// was. The last that was told always stays.
    pub fn forget_told(&mut self, below: u64, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM feed WHERE seq < $1 AND at < $2 \
                   AND seq < (SELECT max(seq) FROM feed)";
        self.execute(sql, &[Value::whole(below), Value::whole(before.as_millis())])
    }

    /// Keeps a text under that key, in place of what was there.
    pub fn put_kept(&mut self, key: &str, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO kept (key, body) VALUES ($1, $2) \
                   ON CONFLICT (key) DO UPDATE SET body = excluded.body";
        self.write_one(sql, &[key.into(), body.into()])
    }

    /// Keeps nothing under that key any longer.
    pub fn drop_kept(&mut self, key: &str) -> Result<(), StoreError> {
        self.change_any("DELETE FROM kept WHERE key = $1", &[key.into()])
    }

    /// Everything that is kept, by key.
    pub fn all_kept(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT key, body FROM kept ORDER BY key";
        self.rows(sql, &[], |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
    }
}
