//! Scopes (RFC 6749 section 3.3): sets of names, printed in one order.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

/// Most names of a scope.
const NAMES_MAX: usize = 128;
/// Longest name, in bytes.
const NAME_MAX_BYTES: usize = 128;

/// A set of names. Empty where none was asked for or given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope(BTreeSet<String>);

/// Why a scope is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadScope {
    /// Too many names, or a long one.
    #[error(
        "the scope has more than {NAMES_MAX} names, or one of more than {NAME_MAX_BYTES} bytes"
    )]
    TooLong,
    /// Not visible ASCII names with one space between them.
    #[error("the scope is not names of visible ASCII with one space between them")]
    Name,
    /// `*`: nothing is granted by a pattern.
    #[error("the scope has `*`; name each scope")]
    Pattern,
    /// A name stands twice.
    #[error("the scope has a name twice")]
    Twice,
}

impl Scope {
    /// Reads a scope: names with one space between them. Case counts, and nothing is folded
    /// (threat 40).
    ///
    /// # Errors
    /// [`BadScope`].
    pub fn parse(text: &str) -> Result<Self, BadScope> {
        let mut names = BTreeSet::new();
        for name in text.split(' ') {
            if names.len() == NAMES_MAX || name.len() > NAME_MAX_BYTES {
                return Err(BadScope::TooLong);
            }
            // RFC 6749 section 3.3: no quotes and no backslash, so that a header can quote it.
            let is_letter = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            if name.is_empty() || !name.bytes().all(is_letter) {
                return Err(BadScope::Name);
            }
            if name.contains('*') {
                return Err(BadScope::Pattern);
            }
            if !names.insert(name.to_owned()) {
                return Err(BadScope::Twice);
            }
        }
        Ok(Self(names))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every name is one of `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The names that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
