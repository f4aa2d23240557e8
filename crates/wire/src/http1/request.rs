//! Requests as a server reads them from a client (RFC 9112 §3).
//!
//! Owns the request line, the agreement of target and `Host`, and the fields that would change
//! the method, the path or the hop behind our back. Does not judge paths: `path` does.

use super::field::{Announced, Field, Fields, Version};
use super::guard::{Body, Head, Messages};
use super::{Fault, Guard, Malformed, TARGET_MAX_BYTES};
use crate::host::{Host, parse_host_port};

/// Follows the requests on one connection from a client.
#[derive(Default)]
pub struct RequestGuard {
    messages: Messages,
    head: RequestHead,
}

impl RequestGuard {
    /// A guard at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The CONNECT just read was answered 2xx, or the upgrade 101: what follows is another
    /// protocol, which this guard lets pass and another one must follow.
    ///
    /// Call this, or [`Self::tunnel_refused`], before the answer is written; until then every
    /// byte after the request is refused. An upgrade that is not done is never followed by
    /// anything: whoever sends on may mean the protocol it asked for (threat 90).
    pub fn tunnel_opened(&mut self) {
        self.messages.answer_switch(Body::Tunnel);
    }

    /// The CONNECT just read was answered otherwise: the next request may follow.
    pub fn tunnel_refused(&mut self) {
        self.messages.answer_switch(Body::Empty);
    }
}

impl Guard for RequestGuard {
    fn admit(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.messages.admit(bytes, &mut self.head)
    }

    fn is_between_messages(&self) -> bool {
        self.messages.is_between_messages()
    }
}

/// Fields that servers take for the real method or path (threats 84 and 85).
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-method",
];

/// Connection options that name no field somebody relies on (threat 89).
const CONNECTION_OPTIONS: [&[u8]; 5] =
    [b"keep-alive", b"close", b"te", b"upgrade", b"http2-settings"];

#[derive(Default)]
struct RequestHead {
    line: Option<RequestLine>,
    fields: Fields,
    host: Option<(Host, Option<u16>)>,
    asks_upgrade: bool,
}

struct RequestLine {
    version: Version,
    target: Target,
}

/// The form of a target, with the host it names.
enum Target {
    /// A path or `*`: `Host` alone says where.
    HostField,
    Absolute(Host, u16),
    Connect(Host, u16),
}

impl Head for RequestHead {
    fn begin(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn start_line(&mut self, text: &[u8]) -> Result<(), Fault> {
        let mut parts = text.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::BadRequestLine);
        };
        let method = Method::parse(method)?;
        let target = parse_target(&method, target)?;
        let version = Version::parse(version)?;
        self.line = Some(RequestLine { version, target });
        Ok(())
    }

    fn field_line(&mut self, text: &[u8]) -> Result<(), Fault> {
        let field = Field::parse(text)?;
        self.fields.add(&field)?;
        if field.is("host")? {
            let value = std::str::from_utf8(field.bare()).unwrap_or_default();
            let host = parse_host_port(value).map_err(Fault::BadHost)?;
            if self.host.replace(host).is_some() {
                return Err(Fault::RepeatedField { name: "host" });
            }
        }
        if field.is("connection")? {
            check_connection(field.raw)?;
        }
        self.asks_upgrade |= field.is("upgrade")?;
        match OVERRIDES.into_iter().find(|name| field.resembles(name)) {
            Some(name) => Err(Fault::Override { name }),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<Body, Fault> {
        let Self { line, fields, host, asks_upgrade } = std::mem::take(self);
        let RequestLine { version, target } = line.ok_or(Fault::BadRequestLine)?;
        if host.is_none() && version == Version::Http11 {
            return Err(Fault::MissingHost);
        }
        if host.is_some_and(|(host, port)| !target.agrees_with(&host, port)) {
            return Err(Fault::HostMismatch);
        }
        match (target, fields.announced(version)?) {
            (Target::Connect(..), Announced::Nothing) => Ok(Body::AwaitTunnel),
            (Target::Connect(..), _) => Err(Fault::BodyNotAllowed),
            // One with a body is never done, and so frames as any other.
            (_, Announced::Nothing | Announced::Length(0)) if asks_upgrade => Ok(Body::AwaitTunnel),
            (_, Announced::Nothing) => Ok(Body::Empty),
            (_, Announced::Length(length)) => Ok(Body::Length(length)),
            (_, Announced::Chunked) => Ok(Body::Chunked),
        }
    }
}

impl Target {
    /// RFC 9112 §3.2.2 lets a target win over `Host`; here they must agree (threat 75).
    fn agrees_with(&self, host: &Host, port: Option<u16>) -> bool {
        match self {
            Self::HostField => true,
            Self::Absolute(named, at) => named == host && *at == port.unwrap_or(80),
            // Clients often leave the port out of the `Host` of a CONNECT.
            Self::Connect(named, at) => named == host && *at == port.unwrap_or(*at),
        }
    }
}

/// The methods that are spoken here, as far as framing tells them apart.
#[derive(PartialEq, Eq)]
enum Method {
    Options,
    Connect,
    Other,
}

impl Method {
    /// A closed set: TRACE echoes credentials, WebDAV and unknown verbs have no class of
    /// operation, and lower case is read as upper case by some servers (threat 85).
    fn parse(text: &[u8]) -> Result<Self, Fault> {
        match text {
            b"OPTIONS" => Ok(Self::Options),
            b"CONNECT" => Ok(Self::Connect),
            b"GET" | b"HEAD" | b"POST" | b"PUT" | b"PATCH" | b"DELETE" => Ok(Self::Other),
            _ => Err(Fault::UnknownMethod),
        }
    }
}

fn parse_target(method: &Method, target: &[u8]) -> Result<Target, Fault> {
    if target.len() > TARGET_MAX_BYTES {
        return Err(Fault::TargetTooLong { limit: TARGET_MAX_BYTES });
    }
    // A fragment is dropped by some parsers and sent on by others.
    if !target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Fault::BadTarget);
    }
    let text = std::str::from_utf8(target).map_err(|_| Fault::BadTarget)?;
    if *method == Method::Connect {
        return match parse_host_port(text).map_err(Fault::BadTargetHost)? {
            (host, Some(port)) => Ok(Target::Connect(host, port)),
            (_, None) => Err(Fault::BadTarget),
        };
    }
    if text.starts_with('/') || (*method == Method::Options && text == "*") {
        return Ok(Target::HostField);
    }
    let rest = text.strip_prefix("http://").ok_or(Fault::BadTarget)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = parse_host_port(authority).map_err(Fault::BadTargetHost)?;
    Ok(Target::Absolute(host, port.unwrap_or(80)))
}

fn check_connection(raw: &[u8]) -> Result<(), Fault> {
    let is_known = |option: &[u8]| {
        let option = option.trim_ascii();
        CONNECTION_OPTIONS.iter().any(|known| option.eq_ignore_ascii_case(known))
    };
    if raw.split(|&byte| byte == b',').all(is_known) {
        Ok(())
    } else {
        Err(Fault::BadConnectionOption)
    }
}
