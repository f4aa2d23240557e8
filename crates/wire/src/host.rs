//! Hosts and authorities (RFC 3986 §3.2, RFC 1123 §2.1), in one spelling each.
//!
//! Owns what counts as a host name or an address literal in `Host`, CONNECT and absolute-form
//! targets. Does not resolve: whether an address may be dialled is for `address` to say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Longest DNS name in text form, without the trailing dot (RFC 1035 §2.3.4).
const NAME_MAX_BYTES: usize = 253;
/// Longest DNS label.
const LABEL_MAX_BYTES: usize = 63;

/// A host, comparable byte for byte: two spellings of one host are equal or one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name.
    Name(DnsName),
    /// An address literal.
    Address(IpAddr),
}

/// A lower-case ASCII DNS name of LDH labels without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(String);

/// A host and the port to reach it at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// Where.
    pub host: Host,
    /// At which TCP port, never 0.
    pub port: u16,
}

/// Why a host or authority is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadHost {
    /// Nothing there.
    #[error("the host is empty")]
    Empty,
    /// More than 253 bytes, or a label of more than 63.
    #[error("the host name or one of its labels is too long")]
    TooLong,
    /// `user@host`.
    #[error("user information before `@` is not accepted in a host")]
    UserInformation,
    /// An internationalised name in Unicode.
    #[error("the host is not ASCII; write its `xn--` form")]
    NotAscii,
    /// `host.`
    #[error("the host name ends in a dot; write it without")]
    TrailingDot,
    /// Bytes or hyphens that no host name has.
    #[error("a label of the host name is not letters, digits and inner hyphens")]
    BadLabel,
    /// Numbers that some resolvers read as an IPv4 address.
    #[error("the host looks like an IPv4 address but is not four plain decimal numbers")]
    LooseIpv4,
    /// Not an IPv6 literal in brackets, or one with a zone.
    #[error("the IPv6 address is malformed; write it in brackets and without a zone")]
    BadIpv6,
    /// Not a decimal number from 1 to 65535.
    #[error("the port is not a plain number from 1 to 65535")]
    BadPort,
    /// A port is required here.
    #[error("the port is missing; write `host:port`")]
    NoPort,
}

impl Host {
    /// Parses a host name or an address literal, IPv6 in brackets.
    ///
    /// Upper case is folded; every other variant spelling is refused (threats 76 and 83).
    ///
    /// # Errors
    /// [`BadHost`] for anything that is not exactly one host.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        if text.is_empty() {
            return Err(BadHost::Empty);
        }
        if text.contains('@') {
            return Err(BadHost::UserInformation);
        }
        if !text.is_ascii() {
            return Err(BadHost::NotAscii);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let literal = rest.strip_suffix(']').ok_or(BadHost::BadIpv6)?;
            let address = literal.parse::<Ipv6Addr>().map_err(|_| BadHost::BadIpv6)?;
            return Ok(Self::Address(address.into()));
        }
        if ends_in_a_number(text) {
            let address = text.parse::<Ipv4Addr>().map_err(|_| BadHost::LooseIpv4)?;
            return Ok(Self::Address(address.into()));
        }
        DnsName::parse(text).map(Self::Name)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_str()),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl DnsName {
    /// Parses a name of LDH labels; punycode labels are taken as they are.
    ///
    /// # Errors
    /// [`BadHost`], also for names that some resolvers would read as an address.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        if text.is_empty() {
            return Err(BadHost::Empty);
        }
        if !text.is_ascii() {
            return Err(BadHost::NotAscii);
        }
        if text.ends_with('.') {
            return Err(BadHost::TrailingDot);
        }
        if text.len() > NAME_MAX_BYTES {
            return Err(BadHost::TooLong);
        }
        if ends_in_a_number(text) {
            return Err(BadHost::LooseIpv4);
        }
        text.split('.').try_for_each(check_label)?;
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Authority {
    /// Parses `host:port`, as CONNECT sends it.
    ///
    /// # Errors
    /// [`BadHost`], among others where the port is missing.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        match parse_host_port(text)? {
            (host, Some(port)) => Ok(Self { host, port }),
            (_, None) => Err(BadHost::NoPort),
        }
    }

    /// Parses `host` or `host:port`, as the `Host` field sends it. Without a port it is
    /// `default_port`, that of the scheme.
    ///
    /// # Errors
    /// [`BadHost`] for anything that is not exactly one authority.
    pub fn parse_or(text: &str, default_port: u16) -> Result<Self, BadHost> {
        let (host, port) = parse_host_port(text)?;
        Ok(Self { host, port: port.unwrap_or(default_port) })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Parses `host` with an optional `:port`.
pub(crate) fn parse_host_port(text: &str) -> Result<(Host, Option<u16>), BadHost> {
    if text.contains('@') {
        return Err(BadHost::UserInformation);
    }
    let (host, port) = match text.rsplit_once(':') {
        // The last colon of a bracketed literal without a port is inside the brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(parse_port(port)?)),
        _ => (text, None),
    };
    Ok((Host::parse(host)?, port))
}

fn parse_port(text: &str) -> Result<u16, BadHost> {
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_plain { text.parse().ok() } else { None };
    port.ok_or(BadHost::BadPort)
}

/// RFC 1123 §2.1 with the hyphen rule of RFC 952.
fn check_label(label: &str) -> Result<(), BadHost> {
    let is_ldh = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if label.is_empty() || !is_ldh || label.starts_with('-') || label.ends_with('-') {
        return Err(BadHost::BadLabel);
    }
    if label.len() > LABEL_MAX_BYTES { Err(BadHost::TooLong) } else { Ok(()) }
}

/// Whether `inet_aton` or a browser would take the last label for a number, and so perhaps the
/// whole for an IPv4 address: `0`, `127.1`, `0x7f.1`, `2130706433`, also with a dot at the end.
fn ends_in_a_number(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or(text);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
