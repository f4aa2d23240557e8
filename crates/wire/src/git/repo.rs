//! The name of a repository: the path to it, in one spelling.
//!
//! Owns that spelling and the refusal of names that servers read differently. Does not know which
//! repositories exist, nor where one was renamed to: a redirect leads to another name.

use std::fmt;

use thiserror::Error;

/// Longest name of a repository, in bytes.
pub const REPO_MAX_BYTES: usize = 512;
/// Most segments of a name.
pub const REPO_MAX_SEGMENTS: usize = 20;

/// A canonical name: lower case, without `.git`, such as `acme/api`.
///
/// GitHub, GitLab and Gitea take names in any case and with or without `.git` for the same
/// repository. Where a server tells cases apart, two of its repositories share one name here: a
/// rule cannot be slipped past, but neither can it tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoName(String);

/// Why the name of a repository is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadRepo {
    /// No segment, an empty one, or nothing before `.git`.
    #[error("the name of the repository has an empty part")]
    Empty,
    /// Beyond [`REPO_MAX_BYTES`] or [`REPO_MAX_SEGMENTS`].
    #[error(
        "the name of the repository is longer than {REPO_MAX_BYTES} bytes \
         or {REPO_MAX_SEGMENTS} parts"
    )]
    TooLong,
    /// `%61`: no name needs it, and servers decode it at different times.
    #[error("the name of the repository is percent-encoded; write it in plain letters")]
    Encoded,
    /// A byte no server has in a name.
    #[error("the name of the repository has `{0}`; use letters, digits and `-_.~+@`")]
    BadByte(char),
    /// `-x` looks like an option to a git program.
    #[error("a part of the name of the repository begins with `-`")]
    LeadingDash,
    /// `api.` is `api` on some file systems; `.` and `..` are elsewhere.
    #[error("a part of the name of the repository ends with `.`")]
    TrailingDot,
    /// `api.git.git`, or `api/.git/modules/x`: inside of another repository.
    #[error("the name of the repository has `.git` elsewhere than once at its end")]
    Suffix,
}

impl RepoName {
    /// Reads the segments of a path that name a repository.
    ///
    /// # Errors
    /// [`BadRepo`] for any name that is not plain.
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, BadRepo> {
        let mut name = String::new();
        for (count, segment) in segments.into_iter().enumerate() {
            if count >= REPO_MAX_SEGMENTS || name.len() + segment.len() >= REPO_MAX_BYTES {
                return Err(BadRepo::TooLong);
            }
            check_segment(segment)?;
            if name.strip_suffix(".git").is_some() {
                return Err(BadRepo::Suffix);
            }
            if count > 0 {
                name.push('/');
            }
            name.push_str(&segment.to_ascii_lowercase());
        }
        let stripped = name.strip_suffix(".git").unwrap_or(&name);
        match stripped.bytes().last() {
            None | Some(b'/') => Err(BadRepo::Empty),
            // `api..git` would be `api.`.
            Some(b'.') => Err(BadRepo::TrailingDot),
            Some(_) if stripped.strip_suffix(".git").is_some() => Err(BadRepo::Suffix),
            Some(_) => Ok(Self(stripped.to_owned())),
        }
    }

    /// The name, its parts joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts of the name; at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_segment(segment: &str) -> Result<(), BadRepo> {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_.~+@".contains(*c);
    if segment.is_empty() {
        return Err(BadRepo::Empty);
    }
    if segment.contains('%') {
        return Err(BadRepo::Encoded);
    }
    if let Some(odd) = segment.chars().find(|c| !is_plain(c)) {
        return Err(BadRepo::BadByte(odd));
    }
    if segment.starts_with('-') {
        return Err(BadRepo::LeadingDash);
    }
    if segment.ends_with('.') { Err(BadRepo::TrailingDot) } else { Ok(()) }
}
