//! Names of refs (git-check-ref-format(1)), in the spelling that a server stores.
//!
//! Owns which names can be decided about: full ones, plain ASCII. Does not follow symbolic refs,
//! which only the server knows, and does not say what a name stands for.

use std::fmt;

use thiserror::Error;

/// Longest name of a ref, in bytes.
pub const REF_MAX_BYTES: usize = 1024;

/// A full name, such as `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(String);

/// Why the name of a ref is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadRefName {
    /// `HEAD`, `main`, `refs/main`.
    #[error("the ref is not a full name, such as `refs/heads/main`")]
    NotFull,
    /// Beyond [`REF_MAX_BYTES`].
    #[error("the name of the ref is longer than {REF_MAX_BYTES} bytes")]
    TooLong,
    /// Legal for git, but it can look like another name, or be decoded into one.
    #[error("the name of the ref has a byte that is not plain ASCII, or a `%`")]
    NotPlain,
    /// What `git check-ref-format` refuses.
    #[error("the name of the ref is not one that git allows")]
    Malformed,
}

impl RefName {
    /// Parses a full name.
    ///
    /// # Errors
    /// [`BadRefName`]: all that `git check-ref-format` refuses, and what could be misread.
    pub fn parse(name: &[u8]) -> Result<Self, BadRefName> {
        if name.len() > REF_MAX_BYTES {
            return Err(BadRefName::TooLong);
        }
        if !name.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'%') {
            return Err(BadRefName::NotPlain);
        }
        let name = std::str::from_utf8(name).map_err(|_| BadRefName::NotPlain)?;
        let is_odd = name.contains(['~', '^', ':', '?', '*', '[', '\\'])
            || name.contains("..")
            || name.contains("@{")
            || name.ends_with('.');
        if is_odd || !name.split('/').all(is_component) {
            return Err(BadRefName::Malformed);
        }
        if !name.starts_with("refs/") || name.split('/').count() < 3 {
            return Err(BadRefName::NotFull);
        }
        Ok(Self(name.to_owned()))
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_component(part: &str) -> bool {
    // In any case: `.LOCK` is `.lock` on a file system that folds.
    let tail = part.len().checked_sub(".lock".len()).and_then(|at| part.get(at..));
    let is_lock = tail.is_some_and(|tail| tail.eq_ignore_ascii_case(".lock"));
    !part.is_empty() && !part.starts_with('.') && !is_lock
}
