//! Secret bytes: visible only where the code says `expose`, wiped when dropped.
//!
//! No `Debug`, `Display`, `Serialize` or `Clone`. Keeping other processes of the same user out of
//! this memory (a non-dumpable process, no core files) is the duty of the program that starts us.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that must not be printed, stored or copied by accident.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over without copying them.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes the text over without copying it.
    pub fn from_string(text: String) -> Self {
        Self::from_vec(text.into_bytes())
    }

    /// The bytes themselves. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `presented` is this secret, in a time that depends on the lengths only.
    pub fn matches(&self, presented: &[u8]) -> bool {
        self.expose().ct_eq(presented).into()
    }

    /// A second copy, made on purpose and wiped on its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::from_vec(self.expose().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_matches_exactly_its_own_bytes() {
        let secret = Secret::from_string("hunter2".to_owned());
        assert!(secret.matches(b"hunter2"));
        assert!(secret.duplicate().matches(b"hunter2"));
        for other in [&b""[..], b"hunter", b"hunter3", b"hunter22"] {
            assert!(!secret.matches(other));
        }
        assert_eq!((secret.len(), secret.is_empty()), (7, false));
    }
}
