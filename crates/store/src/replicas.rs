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
    /// The format in which it tells the others what it did; 0 until it says so.
    pub speaks: u64,
    /// The release it is of; empty where it never said.
    pub release: String,
    /// The policies it decides by, as a digest; empty where it never said.
    pub policies: String,
}

impl Tx<'_> {
    /// All of them, by name.
    pub fn replicas(&mut self) -> Result<Vec<Replica>, StoreError> {
        let sql = "SELECT name, epoch, seen, speaks, release, policies FROM replicas ORDER BY name";
        self.rows(sql, &[], |row| {
            Ok(Replica {
                name: row.text(0)?.to_owned(),
                epoch: row.whole(1)?,
                seen: Timestamp::from_millis(row.whole(2)?),
                speaks: row.whole(3)?,
                release: row.text(4)?.to_owned(),
                policies: row.text(5)?.to_owned(),
            })
        })
    }

    /// Says to the others what a replica speaks, of which release it is, and by which policies it
    /// decides.
    pub fn introduce(
        &mut self,
        replica: &str,
        (speaks, release): (u64, &str),
        policies: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE replicas SET speaks = $2, release = $3, policies = $4 WHERE name = $1";
        let values = [replica.into(), Value::whole(speaks), release.into(), policies.into()];
        self.change_one(sql, &values, StoreError::Deposed(replica.to_owned()))
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
        let sql = "INSERT INTO replicas (name, epoch, seen, speaks, release, policies) \
                   VALUES ($1, $2, $3, 0, '', '') \
                   ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, \
                   seen = excluded.seen, speaks = 0, release = '', policies = ''";
        let now = Value::whole(now.as_millis());
        self.write_one(sql, &[replica.into(), Value::whole(epoch), now])
    }
}
