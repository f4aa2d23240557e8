//! Field lines, and what they say about the length of a body (RFC 9112 §5, §6).
//!
//! Owns the grammar of a field line and the framing fields. Keeps no other field.

use super::{BODY_MAX_BYTES, Fault, HEAD_MAX_FIELDS};

/// The two versions that are spoken here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

impl Version {
    /// Parses `HTTP/1.0` or `HTTP/1.1`, in exactly these bytes.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        match text {
            b"HTTP/1.0" => Ok(Self::Http10),
            b"HTTP/1.1" => Ok(Self::Http11),
            _ => Err(Fault::UnknownVersion),
        }
    }
}

/// One field line: a token name and its raw value, optional white space kept.
pub(super) struct Field<'a> {
    name: &'a [u8],
    /// Everything after the colon, as sent.
    pub(super) raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// Parses one line that `line::text` has cleared of control bytes.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Fault> {
        if matches!(text.first(), Some(b' ' | b'\t')) {
            return Err(Fault::ObsoleteFold);
        }
        let colon = text.iter().position(|&byte| byte == b':').ok_or(Fault::MissingColon)?;
        let (name, raw) = text.split_at(colon);
        if matches!(name.last(), Some(b' ' | b'\t')) {
            return Err(Fault::SpaceBeforeColon);
        }
        if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
            return Err(Fault::BadFieldName);
        }
        let raw = raw.strip_prefix(b":").unwrap_or(raw);
        Ok(Self { name, raw })
    }

    /// Whether this is `name`, which is given in lower case. Refuses its underscore spelling,
    /// which some servers read as the same field (threat 65).
    pub(super) fn is(&self, name: &'static str) -> Result<bool, Fault> {
        if self.is_exactly(name) {
            return Ok(true);
        }
        if self.resembles(name) {
            return Err(Fault::DisguisedField { name });
        }
        Ok(false)
    }

    /// Whether this is `name`, in any case.
    pub(super) fn is_exactly(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether this is `name`, in any case and with underscores for hyphens.
    pub(super) fn resembles(&self, name: &str) -> bool {
        let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        self.name.len() == name.len() && self.name.iter().map(fold).eq(name.bytes())
    }

    /// The value with at most the one customary space taken off.
    ///
    /// Fields that decide framing or routing get no more leniency than that, because servers
    /// differ on which other white space they trim (threat 72).
    pub(super) fn bare(&self) -> &'a [u8] {
        self.raw.strip_prefix(b" ").unwrap_or(self.raw)
    }
}

/// What the fields of one head have said so far.
#[derive(Default)]
pub(super) struct Fields {
    count: usize,
    content_length: Option<u64>,
    is_chunked: bool,
}

/// The length a head announces for its body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    Nothing,
    Length(u64),
    Chunked,
}

impl Fields {
    /// Counts a field and keeps what it says about framing.
    pub(super) fn add(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        self.count += 1;
        if self.count > HEAD_MAX_FIELDS {
            return Err(Fault::TooManyFields { limit: HEAD_MAX_FIELDS });
        }
        if field.is("content-length")? {
            let length = parse_content_length(field.bare())?;
            if self.content_length.replace(length).is_some() {
                return Err(Fault::RepeatedField { name: "content-length" });
            }
        }
        if field.is("transfer-encoding")? {
            if !field.bare().eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::BadTransferEncoding);
            }
            if std::mem::replace(&mut self.is_chunked, true) {
                return Err(Fault::RepeatedField { name: "transfer-encoding" });
            }
        }
        Ok(())
    }

    /// The one length these fields announce (RFC 9112 §6.3, without its leniency).
    pub(super) fn announced(&self, version: Version) -> Result<Announced, Fault> {
        match (self.content_length, self.is_chunked) {
            (Some(_), true) => Err(Fault::TwoLengths),
            (None, true) if version == Version::Http10 => Err(Fault::ChunkedInHttp10),
            (None, true) => Ok(Announced::Chunked),
            (Some(length), false) => Ok(Announced::Length(length)),
            (None, false) => Ok(Announced::Nothing),
        }
    }
}

/// RFC 9110 §8.6: one decimal number. Lists, signs and leading zeros are refused.
fn parse_content_length(value: &[u8]) -> Result<u64, Fault> {
    let is_plain = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = std::str::from_utf8(value).ok().filter(|_| is_plain);
    text.and_then(|text| text.parse().ok())
        .filter(|&length| length <= BODY_MAX_BYTES)
        .ok_or(Fault::BadContentLength)
}

/// RFC 9110 §5.6.2 `tchar`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
