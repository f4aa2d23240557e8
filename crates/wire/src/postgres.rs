//! The little of PostgreSQL that it takes to tell a client of it no (protocol 3, "Message
//! Formats").
//!
//! Owns the first packets of a client, which have no type byte, and the one answer. No user, no
//! database and no password is read.

use thiserror::Error;

/// Longest first packet, as PostgreSQL's own server has it.
pub const STARTUP_MAX_BYTES: usize = 10_000;
/// That the connection stays as it is, without encryption.
pub const NO_ENCRYPTION: &[u8] = b"N";

// 1234 in the upper half, which is no version, and 5678, 5679 and 5680 in the lower.
const CANCEL: u32 = 0x04d2_162e;
const TLS: u32 = 0x04d2_162f;
const GSS: u32 = 0x04d2_1630;
const MAJOR: u32 = 3;
/// Length and code of a first packet.
const HEADER_BYTES: usize = 8;

/// What a client begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It asks for encryption, and goes on after [`NO_ENCRYPTION`].
    Encryption,
    /// It asks that another connection's query end, and reads no answer.
    Cancel,
    /// It says who it is, and reads what the server says to that.
    Startup,
}

/// The bytes are no first packet of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the bytes are no first packet of PostgreSQL")]
pub struct NoOpening;

/// What the first packet is, and its length; `None` where too little of it is there to say.
///
/// # Errors
/// [`NoOpening`] where it is none.
pub fn opening(bytes: &[u8]) -> Result<Option<(Opening, usize)>, NoOpening> {
    let number = |at: usize| {
        let word = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(word))
    };
    let Some((length, code)) = number(0).zip(number(4)) else { return Ok(None) };
    let length = usize::try_from(length).map_err(|_| NoOpening)?;
    if !(HEADER_BYTES..=STARTUP_MAX_BYTES).contains(&length) {
        return Err(NoOpening);
    }
    match code {
        CANCEL => Ok(Some((Opening::Cancel, length))),
        TLS | GSS if length == HEADER_BYTES => Ok(Some((Opening::Encryption, length))),
        version if version >> 16 == MAJOR => Ok(Some((Opening::Startup, length))),
        _ => Err(NoOpening),
    }
}

/// A fatal ErrorResponse. `code` is an SQLSTATE.
pub fn fatal(code: &str, message: &str, hint: &str) -> Vec<u8> {
    let fields = [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', code), (b'M', message), (b'H', hint)];
    let mut body = Vec::new();
    for (kind, text) in fields {
        body.push(kind);
        // A zero would end the field.
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(4 + body.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![b'E'];
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NoOpening, Opening, STARTUP_MAX_BYTES, fatal, opening};

    fn packet(length: u32, code: u32) -> Vec<u8> {
        [length.to_be_bytes(), code.to_be_bytes()].concat()
    }

    #[test]
    fn the_first_packets_are_told_apart() {
        for (length, code, expected) in [
            (8, 80_877_103, Opening::Encryption),
            (8, 80_877_104, Opening::Encryption),
            (16, 80_877_102, Opening::Cancel),
            // Longer since protocol 3.2.
            (44, 80_877_102, Opening::Cancel),
            (41, 196_608, Opening::Startup),
            (41, 196_610, Opening::Startup),
        ] {
            let found = opening(&packet(length, code));
            assert_eq!(found, Ok(Some((expected, length as usize))), "{code}");
        }
        for (length, code) in [(7, 196_608), (10_001, 196_608), (9, 80_877_103), (8, 131_072)] {
            assert_eq!(opening(&packet(length, code)), Err(NoOpening), "{length} {code}");
        }
    }

    #[test]
    fn a_no_is_one_whole_message() {
        let told = fatal("28000", "no\0t here", "go away");
        assert_eq!(told, b"E\0\0\0\x2dSFATAL\0VFATAL\0C28000\0Mnot here\0Hgo away\0\0",);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(Some((_, length))) = opening(&bytes) {
                prop_assert!((8..=STARTUP_MAX_BYTES).contains(&length));
            }
        }
    }
}
