//! Meters: what has been spent where a count must outlive the server.

use marque_domain::Meter;

use crate::error::StoreError;
use crate::transaction::Tx;

impl Tx<'_> {
    /// Keeps a meter under that key, in place of what was there.
    pub fn put_meter(&mut self, key: &str, meter: &Meter) -> Result<(), StoreError> {
        let body = serde_json::to_string(meter);
        let body = body.map_err(|error| StoreError::Unstorable(error.to_string()))?;
        let sql = "INSERT INTO meters (key, body) VALUES ($1, $2) \
                   ON CONFLICT (key) DO UPDATE SET body = excluded.body";
        self.write_one(sql, &[key.into(), body.as_str().into()])
    }

    /// Every meter that is kept, by key.
    pub fn meters(&mut self) -> Result<Vec<(String, Meter)>, StoreError> {
        self.rows("SELECT key, body FROM meters ORDER BY key", &[], |row| {
            let key = row.text(0)?.to_owned();
            let meter = serde_json::from_str(row.text(1)?)
                .map_err(|error| StoreError::Corrupt(format!("the meter of {key}: {error}")))?;
            Ok((key, meter))
        })
    }
}
