//! Signed notes (C2SP signed-note v1.0.0): a text and the lines of those who signed it.
//!
//! Parses and prints. A parsed note is not believed until [`VerifierKey::check`] has passed.

use std::fmt;

use marque_crypto::sign::LogKey;

use crate::Error;
use crate::key::{KeyName, VerifierKey};
use crate::text::{from_base64, to_base64};

const MAX_BYTES: usize = 16 * 1024;
const MAX_SIGNATURES: usize = 16;
const DASH: &str = "\u{2014} ";

/// A text and its signatures. Prints as the bytes that were parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who is said to have signed.
    pub name: KeyName,
    /// Which of that name's keys; an identifier, not a strong hash.
    pub key_id: [u8; 4],
    /// The signature as its algorithm encodes it: 64 bytes for Ed25519.
    pub bytes: Vec<u8>,
}

impl Note {
    /// Parses a note of at most 16 KiB and 16 signatures. Refuses control characters.
    pub fn parse(note: &str) -> Result<Self, Error> {
        if note.len() > MAX_BYTES {
            return Err(malformed("it is longer than 16 KiB"));
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(malformed("it contains a control character"));
        }
        // The text may hold empty lines: the last one of the note ends it.
        let (text, lines) = note
            .rsplit_once("\n\n")
            .ok_or_else(|| malformed("no empty line parts the text from its signatures"))?;
        let lines =
            lines.strip_suffix('\n').ok_or_else(|| malformed("it does not end in a newline"))?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(malformed("it has more than 16 signatures"));
        }
        let signatures = lines.split('\n').map(Signature::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text with its final newline: what the signatures cover.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in order; at least one.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    pub(crate) fn sign(text: String, name: &KeyName, keys: &[&LogKey]) -> Self {
        let sign = |key: &&LogKey| {
            let bytes = key.sign(text.as_bytes()).to_vec();
            let key_id = VerifierKey::new(name.clone(), key.public().clone()).id();
            Signature { name: name.clone(), key_id, bytes }
        };
        let signatures = keys.iter().map(sign).collect();
        Self { text, signatures }
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self, Error> {
        let (name, signature) = line
            .strip_prefix(DASH)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| malformed("a signature line is not `\u{2014} name base64`"))?;
        let decoded = from_base64(signature);
        let Some((key_id, bytes)) = decoded.as_deref().and_then(<[u8]>::split_first_chunk) else {
            return Err(malformed("a signature is not base64 of a key id and a signature"));
        };
        Ok(Self { name: name.parse()?, key_id: *key_id, bytes: bytes.to_vec() })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id, self.bytes.as_slice()].concat();
        write!(f, "{DASH}{} {}", self.name, to_base64(&bytes))
    }
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed { what: "signed note", why }
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
