//! Issuers (RFC 8414 section 2) and resources (RFC 8707 section 2), in one spelling each.
//!
//! They are compared byte for byte, so a spelling that a reader might normalise is refused where it
//! is configured or asked for: threats 11 and 12 live on servers that trim, fold or match prefixes.

use std::fmt;

use thiserror::Error;

use crate::host::{Authority, Host};

/// Longest, in bytes.
const MAX_BYTES: usize = 1024;

/// Who issues tokens: an `https` URL without query, fragment or user. `http` on loopback alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(String);

/// What a token is for: an `https` URL without fragment or user. `http` on loopback alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource(String);

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadUri {
    /// Longer than anything that is meant.
    #[error("the URL is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Another scheme, or `http` to a host that is not this machine.
    #[error("the URL is not `https://` (`http://` is for this machine alone)")]
    Scheme,
    /// Its host is refused or spelt in another way than its one way.
    #[error("the host of the URL is refused, or not in lower case")]
    Host,
    /// `#` or `?` where there is none.
    #[error("the URL has a query or a fragment, which it may not have")]
    Tail,
    /// A space, a control character, `..`, or a byte that a URL does not hold.
    #[error("the path of the URL is not plain: percent-encode it and leave out `.` and `..`")]
    Path,
}

impl Issuer {
    /// Reads an issuer.
    ///
    /// # Errors
    /// [`BadUri`].
    pub fn parse(text: &str) -> Result<Self, BadUri> {
        let tail = check(text)?;
        if tail.contains('?') { Err(BadUri::Tail) } else { Ok(Self(text.to_owned())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its scheme, host and port (RFC 6454 section 4): what stands before the path.
    pub fn origin(&self) -> &str {
        origin(&self.0)
    }

    /// What stands behind [`Self::origin`]: empty, or from `/` or `?` on.
    pub fn tail(&self) -> &str {
        self.0.get(self.origin().len()..).unwrap_or_default()
    }
}

impl Resource {
    /// Reads a resource.
    ///
    /// # Errors
    /// [`BadUri`].
    pub fn parse(text: &str) -> Result<Self, BadUri> {
        check(text).map(|_| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its scheme, host and port (RFC 6454 section 4): what stands before the path.
    pub fn origin(&self) -> &str {
        origin(&self.0)
    }

    /// What stands behind [`Self::origin`]: empty, or from `/` or `?` on.
    pub fn tail(&self) -> &str {
        self.0.get(self.origin().len()..).unwrap_or_default()
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands behind the authority.
fn check(text: &str) -> Result<&str, BadUri> {
    if text.len() > MAX_BYTES {
        return Err(BadUri::TooLong);
    }
    let (rest, port, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://"))
    {
        (Some(rest), _) => (rest, 443, false),
        (_, Some(rest)) => (rest, 80, true),
        _ => return Err(BadUri::Scheme),
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let parsed = Authority::parse_or(authority, port).map_err(|_| BadUri::Host)?;
    let is_default = parsed.port == port;
    let host = parsed.host.to_string();
    let is_spelt =
        authority == if is_default { host.clone() } else { format!("{host}:{}", parsed.port) };
    if !is_spelt {
        return Err(BadUri::Host);
    }
    if is_plain && !is_loopback(&parsed.host) {
        return Err(BadUri::Scheme);
    }
    if tail.contains('#') {
        return Err(BadUri::Tail);
    }
    let path = tail.split('?').next().unwrap_or_default();
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    let is_byte = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if !tail.bytes().all(is_byte) || path.split('/').any(is_dots) || !escapes_hold(tail) {
        return Err(BadUri::Path);
    }
    Ok(tail)
}

fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(host..).unwrap_or_default();
    let end = rest.find(['/', '?']).map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or(url)
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Name(name) => name.as_str() == "localhost",
        Host::Address(address) => address.is_loopback(),
    }
}

/// Whether every `%` stands before two digits, and none of them hides a dot.
fn escapes_hold(tail: &str) -> bool {
    tail.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| {
            digits.iter().all(u8::is_ascii_hexdigit) && !digits.eq_ignore_ascii_case(b"2e")
        })
    })
}
