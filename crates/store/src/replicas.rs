//! Replicas: the servers that share the store, each under a name.
//!
//! Owns their rows. That a server without its row writes nothing is the engine's to see to, in
//! `postgres/fence.rs`.

use marque_domain::Timestamp;

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::Value;

/// A server that may write to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name; no two run under one at once.
    pub name: String,
    /// The store's epoch that its start began.
    pub epoch: u64,
    /// When it last said that it is there, by the database's clock.
    pub seen: Timestamp,
}

impl Tx<'_> {
    /// All of them, by name.
    pub fn replicas(&mut self) -> Result<Vec<Replica>, StoreError> {
        self.rows("SELECT name, epoch, seen FROM replicas ORDER BY name", &[], |row| {
            let seen = Timestamp::from_millis(row.whole(2)?);
            Ok(Replica { name: row.text(0)?.to_owned(), epoch: row.whole(1)?, seen })
        })
    }

    /// Says that a replica is there. Brings none back that was dismissed.
    pub fn beat(&mut self, replica: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE replicas SET seen = $2 WHERE name = $1";
        self.change_any(sql, &[replica.into(), Value::whole(now.as_millis())])
    }

    /// Takes the right to write from a replica, until it is started anew; `false` if it had none.
    /// Once this is committed nothing more of it is.
    pub fn dismiss(&mut self, replica: &str) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM replicas WHERE name = $1", &[replica.into()])? > 0)
    }

    /// Gives a server that starts the right to write, in place of the one of that name before it.
    pub(crate) fn enrol(
        &mut self,
        replica: &str,
        epoch: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO replicas (name, epoch, seen) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, seen = excluded.seen";
        let now = Value::whole(now.as_millis());
        self.write_one(sql, &[replica.into(), Value::whole(epoch), now])
    }
}
