//! The three services of smart HTTP, their content types, and the protocol's version.
//!
//! Owns these closed lists of names (gitprotocol-http(5)). Reads no bodies.

use std::fmt;

use thiserror::Error;

/// A program of the server that a client talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// `git-upload-pack`: fetches and clones.
    UploadPack,
    /// `git-receive-pack`: pushes.
    ReceivePack,
    /// `git-upload-archive`: reads a tree as an archive.
    UploadArchive,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::UploadPack, Self::ReceivePack, Self::UploadArchive];

    /// Its name in paths and queries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
            Self::UploadArchive => "git-upload-archive",
        }
    }

    /// The content type of its answer to `info/refs`.
    pub fn advertisement_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-advertisement",
            Self::ReceivePack => "application/x-git-receive-pack-advertisement",
            Self::UploadArchive => "application/x-git-upload-archive-advertisement",
        }
    }

    /// The content type of a request to it.
    pub fn request_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-request",
            Self::ReceivePack => "application/x-git-receive-pack-request",
            Self::UploadArchive => "application/x-git-upload-archive-request",
        }
    }

    /// The content type of its answer to a request.
    pub fn result_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-result",
            Self::ReceivePack => "application/x-git-receive-pack-result",
            Self::UploadArchive => "application/x-git-upload-archive-result",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The protocol a client offers in `Git-Protocol`; the server may choose an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// `version=0`, as without the field.
    V0,
    /// `version=1`: as 0, but for its announcement.
    V1,
    /// `version=2`.
    V2,
}

/// The field `Git-Protocol` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`git-protocol` is not `version=0`, `version=1` or `version=2`")]
pub struct BadVersion;

impl Version {
    /// Reads the value of `Git-Protocol`. Two keys at once, or unknown ones, would reach the
    /// server's environment (threat 118).
    ///
    /// # Errors
    /// [`BadVersion`] for anything but one known version.
    pub fn parse(value: &[u8]) -> Result<Self, BadVersion> {
        match value {
            b"version=0" => Ok(Self::V0),
            b"version=1" => Ok(Self::V1),
            b"version=2" => Ok(Self::V2),
            _ => Err(BadVersion),
        }
    }
}
