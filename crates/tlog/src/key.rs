//! Whom a verifier trusts: key names and C2SP verifier keys.
//!
//! Holds public keys only.

use std::fmt;
use std::str::FromStr;

use marque_crypto::hash::sha256_of;
use marque_crypto::sign::LogPublicKey;

use crate::text::{from_base64, to_base64};
use crate::{Error, Note};

const ED25519: u8 = 0x01;
const MAX_NAME: usize = 255;

/// Name of a log and of the key that signs for it, such as `marque.example.com/log`: 1 to 255
/// bytes without space, `+` or control character, so that it cannot forge a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let forbidden = |c: char| c == '+' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > MAX_NAME || name.contains(forbidden) {
            let why = "it must be 1 to 255 bytes without spaces, `+` or control characters";
            return Err(Error::Malformed { what: "key name", why });
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public key of a log under its name. Prints and parses as C2SP `name+keyid+base64`.
#[derive(Clone)]
pub struct VerifierKey {
    name: KeyName,
    key: LogPublicKey,
}

impl VerifierKey {
    /// The key that signs for the log `name`.
    pub fn new(name: KeyName, key: LogPublicKey) -> Self {
        Self { name, key }
    }

    /// Name of the log; the only origin whose checkpoints this key opens.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key itself.
    pub fn public(&self) -> &LogPublicKey {
        &self.key
    }

    /// First four bytes of `SHA-256(name || 0x0A || 0x01 || public key)`.
    pub fn id(&self) -> [u8; 4] {
        let name = self.name.as_str().as_bytes();
        let hash = sha256_of(&[name, b"\n", &[ED25519], self.key.as_bytes()]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        [a, b, c, d]
    }

    /// Passes if this key signed the note. Lines of other keys are ignored, as the format demands;
    /// a line that names this key and does not verify condemns the whole note.
    pub fn check(&self, note: &Note) -> Result<(), Error> {
        let id = self.id();
        let mut signed = false;
        let ours = |name: &KeyName, key_id| *name == self.name && key_id == id;
        for line in note.signatures().iter().filter(|line| ours(&line.name, line.key_id)) {
            self.key
                .verify(note.text().as_bytes(), &line.bytes)
                .map_err(|_| Error::BadSignature { key: self.label() })?;
            signed = true;
        }
        if signed { Ok(()) } else { Err(Error::NotSigned { key: self.label() }) }
    }

    /// `name+keyid`, for messages.
    pub fn label(&self) -> String {
        format!("{}+{:08x}", self.name, u32::from_be_bytes(self.id()))
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key.as_bytes() == other.key.as_bytes()
    }
}

impl Eq for VerifierKey {}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}", self.label(), to_base64(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { what: "verifier key", why };
        // Base64 may contain `+`; a name and a key id may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("it must read `name+keyid+base64`"));
        };
        let bytes = from_base64(key).ok_or_else(|| malformed("its key is not base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(malformed("its key is not of type 1, Ed25519"));
        };
        let key = key.try_into().ok().and_then(|key: [u8; 32]| LogPublicKey::from_bytes(&key).ok());
        let key = key.ok_or_else(|| malformed("its key is not an Ed25519 public key"))?;
        let parsed = Self::new(name.parse()?, key);
        if id != format!("{:08x}", u32::from_be_bytes(parsed.id())) {
            return Err(malformed("its key id does not belong to its name and key"));
        }
        Ok(parsed)
    }
}
