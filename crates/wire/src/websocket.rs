//! The opening handshake of WebSocket (RFC 6455 §4), read on one side and written on the other.
//!
//! Owns which requests ask for a socket and which answers open one. Offers no extensions and takes
//! none: what passes in a socket must be readable. Knows nothing of frames.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderName, UPGRADE};
use http::{HeaderMap, HeaderValue, Method};
use marque_crypto::hash::sha1;
use thiserror::Error;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// RFC 6455 §4.1: the only version there is.
const VERSION: &[u8] = b"13";
/// What a key is, decoded.
const KEY_BYTES: usize = 16;
/// Subprotocols one request may offer.
const OFFERED_MAX: usize = 16;

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const PROTOCOL: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const VERSION_FIELD: HeaderName = HeaderName::from_static("sec-websocket-version");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// A client's request for a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    key: String,
    offered: Vec<String>,
}

/// Why a request for another protocol is none for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant means")]
pub enum BadOpening {
    #[error("`upgrade` names another protocol than `websocket`")]
    OtherProtocol,
    #[error("a WebSocket is opened with a GET without a body, in HTTP/1.1")]
    NotAGet,
    #[error("`connection` does not name `upgrade`")]
    NotConnected,
    #[error("`sec-websocket-version` is not 13")]
    Version,
    #[error("`sec-websocket-key` is not one value of 16 bytes in base64")]
    Key,
    #[error("`sec-websocket-protocol` is not a list of at most 16 different tokens")]
    Protocols,
}

/// Why an answer opens no socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant means")]
pub enum BadAnswer {
    #[error("it does not switch to `websocket`")]
    OtherProtocol,
    #[error("its `sec-websocket-accept` does not belong to the key that was sent")]
    Accept,
    #[error("it takes an extension that was not offered")]
    Extension,
    #[error("it takes a subprotocol that was not offered")]
    Protocol,
}

impl Opening {
    /// Reads the fields of a request that has `upgrade` among them.
    ///
    /// # Errors
    /// [`BadOpening`] where it asks for something else, or not as RFC 6455 §4.2.1 has it.
    pub fn read(method: &Method, headers: &HeaderMap, has_body: bool) -> Result<Self, BadOpening> {
        let asked = only(headers, &UPGRADE).ok_or(BadOpening::OtherProtocol)?;
        if !asked.as_bytes().eq_ignore_ascii_case(b"websocket") {
            return Err(BadOpening::OtherProtocol);
        }
        if *method != Method::GET || has_body {
            return Err(BadOpening::NotAGet);
        }
        if !members(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade")) {
            return Err(BadOpening::NotConnected);
        }
        if only(headers, &VERSION_FIELD).is_none_or(|version| version.as_bytes() != VERSION) {
            return Err(BadOpening::Version);
        }
        let key = only(headers, &KEY).and_then(|key| key.to_str().ok()).ok_or(BadOpening::Key)?;
        if STANDARD.decode(key).map(|key| key.len()) != Ok(KEY_BYTES) {
            return Err(BadOpening::Key);
        }
        Ok(Self { key: key.to_owned(), offered: offered(headers)? })
    }

    /// Takes every field of a handshake out of a request, but for the subprotocols on offer.
    pub fn strip(&self, headers: &mut HeaderMap) {
        strip(headers);
        if !self.offered.is_empty()
            && let Ok(offered) = HeaderValue::from_str(&self.offered.join(", "))
        {
            headers.insert(PROTOCOL, offered);
        }
    }

    /// Writes a request of our own for the same socket, under another key of 16 bytes.
    pub fn ask(&self, key: [u8; KEY_BYTES], headers: &mut HeaderMap) -> Asked {
        let key = STANDARD.encode(key);
        switch(headers);
        headers.insert(VERSION_FIELD, HeaderValue::from_static("13"));
        if let Ok(key) = HeaderValue::from_str(&key) {
            headers.insert(KEY, key);
        }
        Asked { accept: accept(&key), offered: self.offered.clone() }
    }

    /// Writes our own 101 to the client, over the fields of an upstream's that [`Asked::check`]
    /// found in order.
    pub fn answer(&self, headers: &mut HeaderMap) {
        let taken = headers.get(&PROTOCOL).cloned();
        strip(headers);
        switch(headers);
        if let Ok(accept) = HeaderValue::from_str(&accept(&self.key)) {
            headers.insert(ACCEPT, accept);
        }
        if let Some(taken) = taken {
            headers.insert(PROTOCOL, taken);
        }
    }
}

/// A request for a socket that was sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    accept: String,
    offered: Vec<String>,
}

impl Asked {
    /// Whether the fields of a 101 open the socket that was asked for (RFC 6455 §4.1).
    ///
    /// # Errors
    /// [`BadAnswer`], upon which the connection must not be used any more.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), BadAnswer> {
        let switches = only(headers, &UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let connects =
            members(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"));
        if !switches || !connects {
            return Err(BadAnswer::OtherProtocol);
        }
        if only(headers, &ACCEPT).is_none_or(|accept| accept.as_bytes() != self.accept.as_bytes()) {
            return Err(BadAnswer::Accept);
        }
        if headers.contains_key(&EXTENSIONS) {
            return Err(BadAnswer::Extension);
        }
        let is_offered = |taken: &HeaderValue| {
            self.offered.iter().any(|offered| offered.as_bytes() == taken.as_bytes())
        };
        match (headers.contains_key(&PROTOCOL), only(headers, &PROTOCOL)) {
            (false, _) => Ok(()),
            (true, Some(taken)) if is_offered(taken) => Ok(()),
            (true, _) => Err(BadAnswer::Protocol),
        }
    }
}

// RFC 6455 §4.2.2 item 5.4.
fn accept(key: &str) -> String {
    STANDARD.encode(sha1(&[key.as_bytes(), GUID].concat()))
}

fn switch(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

// In the spelling of servers that read `_` as `-` too (threat 65).
fn strip(headers: &mut HeaderMap) {
    let is_handshake = |name: &&HeaderName| {
        let folded = name.as_str().replace('_', "-");
        folded.starts_with("sec-websocket-")
    };
    let dropped: Vec<HeaderName> = headers.keys().filter(is_handshake).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

fn offered(headers: &HeaderMap) -> Result<Vec<String>, BadOpening> {
    let values = headers.get_all(&PROTOCOL);
    if values.iter().any(|value| value.to_str().is_err()) {
        return Err(BadOpening::Protocols);
    }
    let mut offered: Vec<String> = Vec::new();
    for token in members(headers, &PROTOCOL) {
        let is_token = HeaderName::from_bytes(token.as_bytes()).is_ok();
        let is_new = !offered.iter().any(|known| known == token);
        if !is_token || !is_new || offered.len() >= OFFERED_MAX {
            return Err(BadOpening::Protocols);
        }
        offered.push(token.to_owned());
    }
    Ok(offered)
}

fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests;
