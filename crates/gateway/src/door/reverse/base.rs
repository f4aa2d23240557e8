//! Where the door is, as its callers write it.

use ::http::HeaderMap;
use ::http::header::HOST;
use marque_domain::{Endpoint, Name};
use marque_wire::host::{Authority, Host};
use marque_wire::oauth::Resource;

/// `https://HOST[:PORT]`.
pub(super) struct Base {
    text: String,
    scheme: &'static str,
    default_port: u16,
    authority: Authority,
}

impl Base {
    /// Reads the address of a server as a whole.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, default_port) = match scheme {
            "https" => ("https", 443),
            "http" => ("http", 80),
            _ => return None,
        };
        let authority = Authority::parse_or(rest, default_port).ok()?;
        Some(Self { text: text.to_owned(), scheme, default_port, authority })
    }

    /// The address of that path, as proofs name it.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Where it is told what that connection asks of its callers (RFC 9728 §3.1).
    pub(super) fn metadata_of(&self, connection: &Name) -> Option<Resource> {
        Resource::parse(&self.at(&format!("{}{connection}", super::target::METADATA))).ok()
    }

    /// Whether the `Host` of a request is this server (threat 75). The guard has seen that there is
    /// just one.
    pub(super) fn is_named_by(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let named = host.and_then(|host| Authority::parse_or(host, self.default_port).ok());
        named.is_some_and(|named| named == self.authority)
    }

    /// Whether a client that asked TLS for this name meant this server.
    pub(super) fn is_called(&self, name: &str) -> bool {
        Host::parse(name).is_ok_and(|host| host == self.authority.host)
    }

    /// The same for the log.
    pub(super) fn endpoint(&self) -> (&'static str, Endpoint) {
        (self.scheme, super::super::endpoint(&self.authority))
    }
}
