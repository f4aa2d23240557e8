//! The SQLite engine. The only module that names the driver.
//!
//! Owns how connections are opened and set, and how the driver's values and errors become ours.

mod connection;
mod dialect;
mod files;

pub(crate) use connection::Connection;
pub(crate) use files::Files;

use crate::error::StoreError;

/// The oldest SQLite we trust: the first whose log of writes cannot lose a reset, 3.51.3.
const OLDEST: i32 = 3_051_003;

/// Fails if the library linked in is older than the oldest we trust.
pub(crate) fn require_version() -> Result<(), StoreError> {
    let found = rusqlite::version_number();
    if found >= OLDEST {
        Ok(())
    } else {
        Err(StoreError::Engine(format!("SQLite {found} is older than {OLDEST}")))
    }
}

/// A database in memory, empty.
pub(crate) fn open_memory(max_pages: Option<u32>) -> Result<Connection, StoreError> {
    let driver = rusqlite::Connection::open_in_memory().map_err(|e| connection::failure(&e))?;
    let mut connection = Connection::new(driver, dialect::SETTINGS)?;
    connection.limit_pages(max_pages)?;
    Ok(connection)
}
