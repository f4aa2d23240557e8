//! The target of a proof of possession (RFC 9449 section 4.2): a URL without query and fragment.

use std::fmt;

use thiserror::Error;

use crate::host::Authority;
use crate::path::canonical_path;

/// Longest, in bytes.
const MAX_BYTES: usize = 2048;

/// A target in its one spelling (RFC 3986 sections 6.2.2 and 6.2.3): equal if and only if the
/// requests go to the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Htu(String);

/// The text is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an `http` or `https` URL without query, fragment, user or doubtful path")]
pub struct BadHtu;

impl Htu {
    /// Reads a target. The scheme and the host are folded, the scheme's own port is left out, an
    /// empty path is `/`, and escapes get upper-case digits. A path that servers might read
    /// differently is refused rather than repaired, so that two of them are never equal (threat
    /// 57).
    ///
    /// # Errors
    /// [`BadHtu`].
    pub fn parse(text: &str) -> Result<Self, BadHtu> {
        if text.len() > MAX_BYTES || text.contains(['?', '#']) {
            return Err(BadHtu);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadHtu)?;
        let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => ("https", 443),
            "http" => ("http", 80),
            _ => return Err(BadHtu),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = Authority::parse_or(authority, port).map_err(|_| BadHtu)?;
        let path = if path.is_empty() { "/" } else { path };
        let path = canonical_path(path).map_err(|_| BadHtu)?;
        let host = authority.host;
        Ok(Self(if authority.port == port {
            format!("{scheme}://{host}{}", path.as_str())
        } else {
            format!("{scheme}://{host}:{}{}", authority.port, path.as_str())
        }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Htu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
