//! Request targets in their four forms (RFC 9112 §3.2).
//!
//! Owns the split of a target into where it goes and what it asks there. Does not decide which
//! door takes which form: only a proxy takes the absolute form and CONNECT.

use http::Method;
use thiserror::Error;

use crate::host::{Authority, BadHost};
use crate::path::{BadPath, Path, canonical_path};

/// A parsed request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestTarget {
    /// `/path?query`: the host is the one of the connection.
    Origin(Path),
    /// `http://host:port/path?query`, as a client sends it to a proxy.
    Absolute(Authority, Path),
    /// `host:port` of a CONNECT.
    Connect(Authority),
    /// `*` of an OPTIONS: the server as a whole.
    Asterisk,
}

/// Why a request target is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadTarget {
    /// None of the four forms.
    #[error("the request target is neither a path nor `http://host/path`")]
    UnknownForm,
    /// `https://` to a proxy: it would have to see what TLS hides.
    #[error("the request target is not `http://`; open a tunnel with CONNECT for other schemes")]
    OtherScheme,
    /// Its host is refused.
    #[error(transparent)]
    Host(#[from] BadHost),
    /// Its path is refused.
    #[error(transparent)]
    Path(#[from] BadPath),
}

impl RequestTarget {
    /// Parses the target of a request with `method`.
    ///
    /// # Errors
    /// [`BadTarget`] for a form that does not belong to the method, or a host or path that is
    /// refused.
    pub fn parse(method: &Method, raw: &str) -> Result<Self, BadTarget> {
        if *method == Method::CONNECT {
            return Ok(Self::Connect(Authority::parse(raw)?));
        }
        if raw == "*" && *method == Method::OPTIONS {
            return Ok(Self::Asterisk);
        }
        if raw.starts_with('/') {
            return Ok(Self::Origin(canonical_path(raw)?));
        }
        let Some((scheme, rest)) = raw.split_once("://") else {
            return Err(BadTarget::UnknownForm);
        };
        if scheme != "http" {
            return Err(BadTarget::OtherScheme);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let authority = Authority::parse_or(authority, 80)?;
        // RFC 9112 §3.2.1: an empty path is sent on as `/`.
        let path = match path.strip_prefix('/') {
            Some(_) => canonical_path(path)?,
            None => canonical_path(&format!("/{path}"))?,
        };
        Ok(Self::Absolute(authority, path))
    }
}

#[cfg(test)]
mod tests;
