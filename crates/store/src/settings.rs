//! Small things kept by name: settings, policy texts, factors, and the store's epoch.

use marque_domain::{Digest, Id, User};

use crate::error::StoreError;
use crate::transaction::Tx;

const EPOCH: &str = "epoch";
const BACKFILLS: &str = "backfills";

impl Tx<'_> {
    /// A setting.
    pub fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM settings WHERE name = $1";
        self.row(sql, &[name.into()], |row| row.text(0).map(str::to_owned))
    }

    /// Sets a setting. `epoch`, `backfills`, `filling`, `moved_to` and `oldest_schema` are the
    /// store's own.
    pub fn put_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.write_one(sql, &[name.into(), value.into()])
    }

    /// The text of a policy set that was once in force.
    pub fn policy_text(&mut self, digest: &Digest) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM policy_texts WHERE digest = $1";
        self.row(sql, &[digest.into()], |row| row.text(0).map(str::to_owned))
    }

    /// Keeps the text of a policy set, so that past decisions can be replayed under it.
    pub fn put_policy_text(&mut self, digest: &Digest, text: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO policy_texts (digest, body) VALUES ($1, $2) \
                   ON CONFLICT (digest) DO NOTHING";
        self.execute(sql, &[digest.into(), text.into()]).map(|_| ())
    }

    /// How a human's factor is checked: the text of a password hash.
    pub fn factor(&mut self, user: Id<User>) -> Result<Option<String>, StoreError> {
        let sql = "SELECT check_text FROM factors WHERE user_id = $1";
        self.row(sql, &[user.to_string().as_str().into()], |row| row.text(0).map(str::to_owned))
    }

    /// Sets how a human's factor is checked, in place of what was there.
    pub fn put_factor(&mut self, user: Id<User>, check: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO factors (user_id, check_text) VALUES ($1, $2) \
                   ON CONFLICT (user_id) DO UPDATE SET check_text = excluded.check_text";
        self.write_one(sql, &[user.to_string().as_str().into(), check.into()])
    }

    /// How often the store was opened for writing.
    pub(crate) fn epoch(&mut self) -> Result<u64, StoreError> {
        self.counter(EPOCH)
    }

    /// Counts one more opening; returns the new epoch.
    pub(crate) fn raise_epoch(&mut self) -> Result<u64, StoreError> {
        self.raise(EPOCH)
    }

    /// Leaves out so many epochs, which an older copy of the store may not know of; returns the one
    /// it is at now.
    pub fn skip_epochs(&mut self, count: u64) -> Result<u64, StoreError> {
        let epoch = self.epoch()? + count;
        self.put_epoch(epoch)?;
        Ok(epoch)
    }

    /// Goes on counting from there.
    pub(crate) fn put_epoch(&mut self, epoch: u64) -> Result<(), StoreError> {
        self.put_setting(EPOCH, &epoch.to_string())
    }

    /// Removes a setting, if it is there.
    pub(crate) fn remove_setting(&mut self, name: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM settings WHERE name = $1", &[name.into()]).map(|_| ())
    }

    /// Counts one more backfill. What matters is that it writes: an update that changes nothing
    /// writes nothing, and so does not start the log of writes anew.
    pub(crate) fn count_backfill(&mut self) -> Result<u64, StoreError> {
        self.raise(BACKFILLS)
    }

    fn raise(&mut self, name: &str) -> Result<u64, StoreError> {
        let count = self.counter(name)? + 1;
        self.put_setting(name, &count.to_string())?;
        Ok(count)
    }

    fn counter(&mut self, name: &str) -> Result<u64, StoreError> {
        let text = self.setting(name)?.unwrap_or_else(|| "0".to_owned());
        text.parse().map_err(|_| StoreError::Corrupt(format!("`{name}` is not a number")))
    }
}
