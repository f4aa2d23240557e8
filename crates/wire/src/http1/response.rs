//! Responses as a client reads them from an upstream (RFC 9112 §4, §6.3).
//!
//! Owns the status line and the pairing of responses with the requests that asked for them,
//! because the length of a response depends on the method of its request.

use std::collections::VecDeque;

use http::Method;

use super::field::{Announced, Field, Fields, Version};
use super::guard::{Body, Head, Messages};
use super::{Fault, Guard, Malformed};

/// Most requests that may wait for their responses on one connection.
const AWAITED_MAX: usize = 32;
/// Most 1xx responses before a final one (threat 97).
const INTERIMS_MAX: usize = 8;

/// Follows the responses on one connection to an upstream.
#[derive(Default)]
pub struct ResponseGuard {
    messages: Messages,
    head: ResponseHead,
}

impl ResponseGuard {
    /// A guard at the start of a connection, which no request has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces that a request with `method` is about to be written; responses come in the
    /// order of these calls, and a response that was not announced is refused.
    ///
    /// # Errors
    /// [`Fault::TooManyAwaited`] past 32 requests; the request must not be written.
    pub fn expect_response(&mut self, method: &Method) -> Result<(), Malformed> {
        self.expect(Asked::by(method))
    }

    /// The same for a GET that asks for another protocol: 101 is an answer to it, and to no other.
    ///
    /// # Errors
    /// As for [`Self::expect_response`].
    pub fn expect_switch(&mut self) -> Result<(), Malformed> {
        self.expect(Asked::Switch)
    }

    fn expect(&mut self, asked: Asked) -> Result<(), Malformed> {
        if self.head.awaited.len() >= AWAITED_MAX {
            return Err(Malformed::Head(Fault::TooManyAwaited { limit: AWAITED_MAX }));
        }
        self.head.awaited.push_back(asked);
        Ok(())
    }
}

impl Guard for ResponseGuard {
    fn admit(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.messages.admit(bytes, &mut self.head)
    }

    fn is_between_messages(&self) -> bool {
        self.messages.is_between_messages()
    }
}

/// What a method means for the response to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// HEAD: fields describe a body that never comes.
    FieldsOnly,
    /// CONNECT: success opens a tunnel.
    Tunnel,
    /// An upgrade: 101 opens another protocol.
    Switch,
    Body,
}

impl Asked {
    fn by(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::FieldsOnly,
            Method::CONNECT => Self::Tunnel,
            _ => Self::Body,
        }
    }
}

#[derive(Default)]
struct ResponseHead {
    awaited: VecDeque<Asked>,
    interims: usize,
    line: Option<StatusLine>,
    fields: Fields,
}

struct StatusLine {
    version: Version,
    code: u16,
}

impl Head for ResponseHead {
    fn begin(&mut self) -> Result<(), Fault> {
        if self.awaited.is_empty() { Err(Fault::Unasked) } else { Ok(()) }
    }

    fn start_line(&mut self, text: &[u8]) -> Result<(), Fault> {
        let mut parts = text.splitn(3, |&byte| byte == b' ');
        let version = Version::parse(parts.next().unwrap_or_default())?;
        // The reason may be missing with its space: old servers do so, and nothing is in doubt.
        let Some(&[hundreds @ b'1'..=b'5', tens @ b'0'..=b'9', ones @ b'0'..=b'9']) = parts.next()
        else {
            return Err(Fault::BadStatusLine);
        };
        let digit = |byte: u8| u16::from(byte - b'0');
        let code = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
        self.line = Some(StatusLine { version, code });
        Ok(())
    }

    fn field_line(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.fields.add(&Field::parse(text)?)
    }

    fn end(&mut self) -> Result<Body, Fault> {
        let StatusLine { version, code } = self.line.take().ok_or(Fault::BadStatusLine)?;
        let announced = std::mem::take(&mut self.fields).announced(version)?;
        if code == 101 {
            // One that was asked for is the final answer.
            let Some(Asked::Switch) = self.awaited.pop_front() else {
                return Err(Fault::SwitchingProtocols);
            };
            return bodiless(announced, Body::Tunnel);
        }
        if code < 200 {
            self.interims += 1;
            if self.interims > INTERIMS_MAX {
                return Err(Fault::TooManyInterims { limit: INTERIMS_MAX });
            }
            return bodiless(announced, Body::Empty);
        }
        self.interims = 0;
        let asked = self.awaited.pop_front().ok_or(Fault::Unasked)?;
        match (asked, code, announced) {
            (Asked::Tunnel, 200..=299, _) => bodiless(announced, Body::Tunnel),
            (_, 204, _) => bodiless(announced, Body::Empty),
            (Asked::FieldsOnly, _, _) | (_, 304, _) => Ok(Body::Empty),
            (_, _, Announced::Length(length)) => Ok(Body::Length(length)),
            (_, _, Announced::Chunked) => Ok(Body::Chunked),
            (_, _, Announced::Nothing) => Ok(Body::UntilClose),
        }
    }
}

/// RFC 9112 §6.3 item 1 ignores lengths where no body can be. A length of zero is common and
/// harmless there; any other leaves it in doubt where the next response starts.
fn bodiless(announced: Announced, body: Body) -> Result<Body, Fault> {
    match announced {
        Announced::Nothing | Announced::Length(0) => Ok(body),
        Announced::Length(_) | Announced::Chunked => Err(Fault::BodyNotAllowed),
    }
}
