//! The driver's errors as ours. What the server says of a value stays out of every message.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::values::Mismatch;
use crate::error::StoreError;

/// What became of a round trip.
pub(super) enum Failed {
    /// The connection is gone, or says what it should not, and must not be used again.
    Lost(String),
    /// The server refused; the connection is well.
    Refused(StoreError),
}

impl Failed {
    /// As a caller hears it who knows that nothing can have been committed.
    pub(super) fn before_commit(self) -> StoreError {
        match self {
            Self::Lost(why) => StoreError::Busy(format!("the connection was lost: {why}")),
            Self::Refused(error) => error,
        }
    }

    /// As a caller hears it who could not even connect.
    pub(super) fn on_connecting(self, place: &str) -> StoreError {
        match self {
            Self::Lost(why) => StoreError::Unreachable(format!("{place}: {why}")),
            Self::Refused(error) => error,
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        if let Some(told) = error.as_db_error() {
            return judge(told);
        }
        let cause = error.source();
        if cause.is_some_and(<dyn std::error::Error>::is::<Mismatch>) {
            return Self::Refused(StoreError::Engine(chain(&error)));
        }
        Self::Lost(chain(&error))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

fn judge(told: &DbError) -> Failed {
    let code = told.code();
    let is_fatal = matches!(told.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
    if is_fatal || code.code().starts_with("08") {
        return Failed::Lost(said(told));
    }
    let again = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    Failed::Refused(if again.contains(code) {
        StoreError::Busy(said(told))
    } else if *code == SqlState::QUERY_CANCELED {
        StoreError::Busy(format!("{}: a statement took too long", code.code()))
    } else if *code == SqlState::DISK_FULL {
        StoreError::Full
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        StoreError::ReadOnly(said(told))
    } else if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) {
        StoreError::Corrupt(format!("the server says {}", code.code()))
    } else if *code == SqlState::IO_ERROR {
        StoreError::Io(format!("the server says {}", code.code()))
    } else {
        StoreError::Engine(said(told))
    })
}

/// The code, and what the server says where that cannot quote a value: of classes 22 and 23, about
/// data, only what the rule that was broken is called.
fn said(told: &DbError) -> String {
    let code = told.code().code();
    let is_free = ["08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58"];
    if is_free.iter().any(|class| code.starts_with(class)) {
        return format!("{code}: {}", told.message());
    }
    match told.constraint().or(told.table()) {
        Some(name) => format!("{code} on {name}"),
        None => code.to_owned(),
    }
}

fn chain(error: &Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
