//! What an address at the door names: a connection and a path there, or what is told of it.

use ::http::Method;
use marque_domain::Name;
use marque_wire::path::{Path, canonical_path};

use super::base::Base;
use crate::refuse::{Notice, Place};

/// Before the name of a connection that is asked about (RFC 9728 §3.1).
pub(super) const METADATA: &str = "/.well-known/oauth-protected-resource/c/";
/// Before the name of a connection that is used.
const CONNECTIONS: &str = "/c/";

/// What is asked for.
pub(super) enum Target {
    /// Something at a connection.
    Call(Called),
    /// What that connection asks of its callers.
    Metadata(Name),
}

/// A path at a connection.
pub(super) struct Called {
    pub(super) name: Name,
    /// As the upstream knows it: `/c/NAME` alone is its `/`.
    pub(super) path: Path,
    /// The whole address without its query, as a proof names it.
    pub(super) url: String,
}

/// Reads a request target. A name that cannot be one is answered like any other address that
/// nothing is at; whether a connection has it is not looked at here.
pub(super) fn read(base: &Base, method: &Method, target: &str) -> Result<Target, Notice> {
    if !target.starts_with('/') {
        let message = "a request here names only its path";
        return Err(Notice::misdirected(message, Place::Reverse));
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if let Some(name) = path.strip_prefix(METADATA) {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let name = name.parse().ok().filter(|_| is_read);
        return name.map(Target::Metadata).ok_or_else(Notice::nowhere);
    }
    let rest = path.strip_prefix(CONNECTIONS).ok_or_else(Notice::nowhere)?;
    let (name, there) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let name = name.parse().map_err(|_| Notice::nowhere())?;
    let mut there = if there.is_empty() { "/" } else { there }.to_owned();
    if let Some(query) = query {
        there.push('?');
        there.push_str(query);
    }
    let there = canonical_path(&there).map_err(|bad| {
        let remedy = "send the path exactly as the upstream knows it, after `/c/CONNECTION`";
        Notice::malformed("target", bad.to_string(), remedy)
    })?;
    Ok(Target::Call(Called { name, path: there, url: base.at(path) }))
}
