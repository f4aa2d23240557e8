//! Names, given once and for ever.

use marque_domain::{Id, Named};

use crate::error::StoreError;
use crate::transaction::Tx;

impl Tx<'_> {
    /// Gives `name` to `id`, for ever: it stays taken when what bears it is gone, because systems
    /// downstream authorise by name.
    ///
    /// Fails with [`StoreError::NameTaken`] if it was ever given within this kind.
    pub fn take_name<K: Named>(&mut self, name: &str, id: Id<K>) -> Result<(), StoreError> {
        let sql = "INSERT INTO names (kind, name, id) VALUES ($1, $2, $3) \
                   ON CONFLICT (kind, name) DO NOTHING";
        match self.execute(sql, &[K::PREFIX.into(), name.into(), id.to_string().as_str().into()])? {
            0 => Err(StoreError::NameTaken { kind: K::PREFIX, name: name.to_owned() }),
            _ => Ok(()),
        }
    }

    /// The id a name was given to, whatever became of it.
    pub fn find_name<K: Named>(&mut self, name: &str) -> Result<Option<Id<K>>, StoreError> {
        let sql = "SELECT id FROM names WHERE kind = $1 AND name = $2";
        self.row(sql, &[K::PREFIX.into(), name.into()], |row| row.parsed(0))
    }
}
