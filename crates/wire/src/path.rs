//! Paths that mean one thing to everybody (RFC 3986 §3.3, §6).
//!
//! Owns the canonical spelling of a path and the refusal of every path that a server might read
//! differently. A decision is made on [`Path`], and [`Path::as_str`] is what is sent on
//! (threat 84). Doubtful paths are refused, never repaired; where one byte has two harmless
//! spellings, it gets one, so that a rule written in it cannot be slipped past in the other.

use std::fmt::{self, Write as _};

use thiserror::Error;

/// Longest path with its query, in bytes.
pub const PATH_MAX_BYTES: usize = 8 * 1024;

/// The one encoded slash of a scoped name.
const SLASH: &str = "%2F";

/// A canonical path with its query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(String);

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadPath {
    /// Does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// Beyond [`PATH_MAX_BYTES`].
    #[error("the path is longer than {PATH_MAX_BYTES} bytes")]
    TooLong,
    /// `.` or `..`, in any encoding.
    #[error("the path has a `.` or `..` segment; write the path it leads to")]
    DotSegment,
    /// `//`.
    #[error("the path has an empty segment; write `/` once")]
    EmptySegment,
    /// A slash in disguise.
    #[error("the path has a backslash or an encoded slash or backslash")]
    Separator,
    /// A control character, raw or encoded.
    #[error("the path has a control character")]
    Control,
    /// `;x=1`, raw or encoded.
    #[error("the path has a `;` parameter, which servers read differently")]
    Parameter,
    /// `#`.
    #[error("the target has a fragment")]
    Fragment,
    /// A byte that must be encoded.
    #[error("the target has `{0}`, which must be percent-encoded")]
    BareByte(char),
    /// A byte above 127.
    #[error("the target is not ASCII; percent-encode it")]
    NotAscii,
    /// `%` without two hexadecimal digits.
    #[error("the target has a `%` without two hexadecimal digits")]
    BadEscape,
    /// `%2541`.
    #[error("the path is percent-encoded twice")]
    DoubleEncoding,
    /// Overlong, truncated or otherwise invalid.
    #[error("the percent-encoded bytes of the path are not UTF-8")]
    BadUtf8,
    /// `%41`, which nobody writes but to slip past a reader.
    #[error("the path encodes `{0}` needlessly; write it as it is")]
    NeedlessEscape(char),
    /// `?_method=DELETE`.
    #[error("the query parameter `_method` would override the method; send the real one")]
    MethodOverride,
}

/// Parses a path with an optional query, as an origin-form target has it.
///
/// In the path, `:@!$&'(),=~` are spelled raw and everything else that was encoded stays so, in
/// upper-case hexadecimal; `*` is always spelled `%2A`, so that no request can look like a
/// pattern. `+` and `%2B` stay two things, because servers tell them apart. The query is kept as
/// it came.
///
/// An encoded slash is refused but for one: in a segment such as `@scope%2Fname`, as clients of
/// npm's registry write the name of a package. Some servers take that for two segments, so
/// [`Path::other_reading`] must be allowed as well.
///
/// # Errors
/// [`BadPath`] where the bytes could mean something else to a server than they do here.
pub fn canonical_path(raw: &str) -> Result<Path, BadPath> {
    if raw.len() > PATH_MAX_BYTES {
        return Err(BadPath::TooLong);
    }
    check_bytes(raw)?;
    let (path, query) = match raw.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (raw, None),
    };
    let relative = path.strip_prefix('/').ok_or(BadPath::NotAbsolute)?;
    let mut text = String::with_capacity(raw.len());
    let mut segments = relative.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(BadPath::EmptySegment);
        }
        text.push('/');
        push_segment(segment, &mut text)?;
    }
    if let Some(query) = query {
        check_query(query)?;
        text.push('?');
        text.push_str(query);
    }
    Ok(Path(text))
}

impl Path {
    /// Path and query exactly as they are sent on.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.0.split_once('?').map_or(self.as_str(), |(path, _)| path)
    }

    /// The query without its `?`; empty and absent are different.
    pub fn query(&self) -> Option<&str> {
        self.0.split_once('?').map(|(_, query)| query)
    }

    /// The path without the query as a server reads it that decodes `@scope%2Fname` first, where
    /// there is such a segment. It is canonical, too.
    pub fn other_reading(&self) -> Option<String> {
        self.path().contains(SLASH).then(|| self.path().replace(SLASH, "/"))
    }

    /// The segments between slashes, still percent-encoded. Only the last can be empty: `/` is
    /// `[""]`, `/v1` is `["v1"]`, `/v1/` is `["v1", ""]`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path().split('/').skip(1)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What neither a path nor a query may hold raw.
fn check_bytes(raw: &str) -> Result<(), BadPath> {
    for byte in raw.bytes() {
        match byte {
            b'#' => return Err(BadPath::Fragment),
            0..b' ' | 0x7f => return Err(BadPath::Control),
            0x80.. => return Err(BadPath::NotAscii),
            b' ' | b'"' | b'<' | b'>' => return Err(BadPath::BareByte(byte.into())),
            _ => {}
        }
    }
    Ok(())
}

/// Appends one segment in canonical spelling.
fn push_segment(segment: &str, text: &mut String) -> Result<(), BadPath> {
    let decoded = decode(segment)?;
    if matches!(decoded.as_slice(), b"." | b"..") {
        return Err(BadPath::DotSegment);
    }
    // A `%` can only be here because it was encoded itself.
    let is_escape = |window: &[u8]| match window {
        [b'%', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    if decoded.windows(3).any(is_escape) {
        return Err(BadPath::DoubleEncoding);
    }
    let is_scoped = is_scoped_name(&decoded);
    for unit in units(segment) {
        let Unit { byte, is_escaped } = unit?;
        let check = if is_escaped { check_escaped } else { check_raw };
        if !(is_scoped && byte == b'/') {
            check(byte)?;
        }
        let is_raw = byte != b'*' && (!is_escaped || b":@!$&'(),=~".contains(&byte));
        if is_raw {
            text.push(byte.into());
        } else {
            write!(text, "%{byte:02X}").expect("a string takes any text");
        }
    }
    let decoded = std::str::from_utf8(&decoded).map_err(|_| BadPath::BadUtf8)?;
    // The C1 controls can only be seen once decoded.
    if decoded.chars().any(char::is_control) { Err(BadPath::Control) } else { Ok(()) }
}

/// Whether a segment is `@scope/name` once decoded, and each of the two could be a segment.
fn is_scoped_name(decoded: &[u8]) -> bool {
    let mut parts = decoded.split(|byte| *byte == b'/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some([b'@', _, ..]), Some(name), None) => !matches!(name, b"" | b"." | b".."),
        _ => false,
    }
}

fn check_raw(byte: u8) -> Result<(), BadPath> {
    match byte {
        b'\\' => Err(BadPath::Separator),
        b';' => Err(BadPath::Parameter),
        b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Err(BadPath::BareByte(byte.into())),
        _ => Ok(()),
    }
}

fn check_escaped(byte: u8) -> Result<(), BadPath> {
    match byte {
        b'/' | b'\\' => Err(BadPath::Separator),
        b';' => Err(BadPath::Parameter),
        // RFC 3986 §6.2.2.2: an encoded unreserved character is another spelling of itself.
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            Err(BadPath::NeedlessEscape(byte.into()))
        }
        _ => Ok(()),
    }
}

/// A query is data, sent on as it came; only its escapes and the method override are looked at.
fn check_query(query: &str) -> Result<(), BadPath> {
    for parameter in query.split(['&', ';']) {
        let name = decode(parameter.split_once('=').map_or(parameter, |(name, _)| name))?;
        if name.eq_ignore_ascii_case(b"_method") {
            return Err(BadPath::MethodOverride);
        }
    }
    decode(query).map(drop)
}

/// One byte of meaning, and whether it was percent-encoded.
struct Unit {
    byte: u8,
    is_escaped: bool,
}

fn units(text: &str) -> impl Iterator<Item = Result<Unit, BadPath>> {
    let mut bytes = text.bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte != b'%' {
            return Some(Ok(Unit { byte, is_escaped: false }));
        }
        let (high, low) = (bytes.next().and_then(digit), bytes.next().and_then(digit));
        let byte = high.zip(low).map(|(high, low)| high << 4 | low);
        Some(byte.map(|byte| Unit { byte, is_escaped: true }).ok_or(BadPath::BadEscape))
    })
}

fn decode(text: &str) -> Result<Vec<u8>, BadPath> {
    units(text).map(|unit| unit.map(|unit| unit.byte)).collect()
}

#[cfg(test)]
mod tests;
