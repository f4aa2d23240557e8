//! Sealed secrets: bytes this crate can neither open nor check.

use marque_domain::{Credential, Id};

use crate::error::StoreError;
use crate::transaction::Tx;
use crate::value::Value;

/// The sealed bytes of one revision of a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which credential.
    pub credential: Id<Credential>,
    /// Which revision of it; the seal is bound to both.
    pub revision: u64,
    /// The envelope.
    pub bytes: Vec<u8>,
}

impl Tx<'_> {
    /// Keeps the sealed bytes of a revision. Fails with [`StoreError::Conflict`] if it has some.
    pub fn put_sealed(&mut self, sealed: &Sealed) -> Result<(), StoreError> {
        let credential = sealed.credential.to_string();
        let sql = "INSERT INTO sealed (credential, revision, bytes) VALUES ($1, $2, $3) \
                   ON CONFLICT (credential, revision) DO NOTHING";
        let revision = Value::whole(sealed.revision);
        let values = [credential.as_str().into(), revision, Value::Bytes(&sealed.bytes)];
        match self.execute(sql, &values)? {
            0 => Err(StoreError::Conflict {
                id: credential,
                expected: sealed.revision.saturating_sub(1),
                current: sealed.revision,
            }),
            _ => Ok(()),
        }
    }

    /// The sealed bytes of one revision.
    pub fn sealed(
        &mut self,
        credential: Id<Credential>,
        revision: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM sealed WHERE credential = $1 AND revision = $2";
        let credential = credential.to_string();
        let values = [credential.as_str().into(), Value::whole(revision)];
        self.row(sql, &values, |row| row.bytes(0).map(<[u8]>::to_vec))
    }

    /// The newest sealed bytes of every credential.
    pub fn all_sealed(&mut self) -> Result<Vec<Sealed>, StoreError> {
        let sql = "SELECT credential, revision, bytes FROM sealed AS newest WHERE revision = \
                   (SELECT max(revision) FROM sealed WHERE credential = newest.credential) \
                   ORDER BY credential";
        self.rows(sql, &[], |row| {
            let (credential, revision) = (row.parsed(0)?, row.whole(1)?);
            Ok(Sealed { credential, revision, bytes: row.bytes(2)?.to_vec() })
        })
    }

    /// Removes all sealed bytes of a credential and overwrites their place in the database. Copies
    /// in the log of writes are overwritten as it is used again. Returns how many there were.
    pub fn shred_sealed(&mut self, credential: Id<Credential>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sealed WHERE credential = $1";
        self.execute(sql, &[credential.to_string().as_str().into()])
    }
}
