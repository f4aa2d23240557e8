//! The message of a hand-over: its length, then JSON that says whose doors come with it.
//!
//! Reads bytes and nothing else; the descriptors beside them are judged in `sockets.rs`. The secret
//! in it goes straight into memory that is wiped, and no error quotes the text.

use http::StatusCode;
use marque_plane::{DoorKind, Secret};
use serde::Deserialize;

use crate::extract::SecretText;
use crate::problem::Problem;

/// Bytes before the JSON: its length, most significant byte first.
pub(super) const PREFIX_BYTES: usize = 4;
/// Most bytes of JSON.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Most doors of one message.
pub(super) const MAX_DOORS: usize = 64;

/// What a launcher says of the descriptors it sends.
pub(crate) struct Message {
    /// The run's id, as it was written.
    pub(crate) run: String,
    /// The run's secret.
    pub(crate) secret: Secret,
    /// What each descriptor is, in their order.
    pub(crate) doors: Vec<DoorKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    run: String,
    secret: SecretText,
    doors: Vec<DoorKind>,
}

/// How many bytes a message takes with its length, as far as these bytes say; `None` as long as
/// they do not.
pub(crate) fn expected(bytes: &[u8]) -> Result<Option<usize>, Problem> {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    match usize::try_from(u32::from_be_bytes(*prefix)) {
        Ok(length) if length <= MAX_BYTES => Ok(Some(PREFIX_BYTES.saturating_add(length))),
        _ => {
            let message = format!("the message has more than {MAX_BYTES} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message))
        }
    }
}

/// Reads a message that came whole, its length included.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, Problem> {
    let whole = expected(bytes)?;
    if whole != Some(bytes.len()) {
        return Err(Problem::unreadable("the message is not as long as it says"));
    }
    let json = bytes.get(PREFIX_BYTES..).unwrap_or_default();
    // serde quotes what it stumbles over, and that may be the secret: say only where.
    let Written { run, secret, doors } = serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::unreadable(format!("the message does not parse at line {line}:{column}"))
    })?;
    if doors.is_empty() || doors.len() > MAX_DOORS {
        let message = format!("a message hands over 1 to {MAX_DOORS} doors");
        return Err(Problem::unreadable(message));
    }
    Ok(Message { run: run.chars().take(80).collect(), secret: secret.0, doors })
}

#[cfg(test)]
mod tests;
