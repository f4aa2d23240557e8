//! The chunked coding (RFC 9112 §7.1), followed without keeping the data.
//!
//! Owns chunk sizes, extensions, data terminators and the trailer section. Decodes nothing.

use super::field::Field;
use super::hop::SAFE_TRAILERS;
use super::line::{self, Line};
use super::{BODY_MAX_BYTES, CHUNK_EXTENSIONS_MAX_BYTES, Fault, TRAILERS_MAX_BYTES};

/// Most hexadecimal digits of a chunk size.
const SIZE_MAX_DIGITS: usize = 16;

/// Where in a chunked body the next byte falls.
pub(super) enum Chunks {
    /// In a line with the size of the next chunk.
    Size,
    /// In chunk data, this many bytes before its CRLF.
    Data(u64),
    /// At the CR after chunk data.
    DataCr,
    /// At the LF after chunk data.
    DataLf,
    /// In the trailer section, of which so many bytes are past.
    Trailers(usize),
}

impl Chunks {
    /// Follows `rest` into the body and says where the next byte falls. `None` ends the body.
    pub(super) fn step(self, rest: &mut &[u8], line: &mut Line) -> Result<Option<Self>, Fault> {
        match self {
            Self::Size => step_size(rest, line).map(Some),
            Self::Data(left) => Ok(Some(match skip(rest, left) {
                0 => Self::DataCr,
                left => Self::Data(left),
            })),
            Self::DataCr => expect(rest, b'\r').map(|()| Some(Self::DataLf)),
            Self::DataLf => expect(rest, b'\n').map(|()| Some(Self::Size)),
            Self::Trailers(past) => step_trailers(past, rest, line),
        }
    }
}

/// Drops up to `left` bytes from `rest` and returns how many are still to come.
pub(super) fn skip(rest: &mut &[u8], left: u64) -> u64 {
    let present = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
    let (_, tail) = rest.split_at(present);
    *rest = tail;
    left - present as u64
}

fn step_size(rest: &mut &[u8], line: &mut Line) -> Result<Chunks, Fault> {
    let limit = SIZE_MAX_DIGITS + CHUNK_EXTENSIONS_MAX_BYTES + b"\r\n".len();
    let over = Fault::BadChunkExtensions { limit: CHUNK_EXTENSIONS_MAX_BYTES };
    let Some(line) = line.take(rest, limit).map_err(|_| over.clone())? else {
        return Ok(Chunks::Size);
    };
    let text = line::text(line)?;
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = text.split_at(digits);
    // White space before `;` is refused too: a reader that stops at it sees another size.
    if !matches!(extensions, [] | [b';', ..]) {
        return Err(Fault::BadChunkSize);
    }
    if extensions.len() > CHUNK_EXTENSIONS_MAX_BYTES || !extensions.is_ascii() {
        return Err(over);
    }
    match parse_size(size)? {
        0 => Ok(Chunks::Trailers(0)),
        size => Ok(Chunks::Data(size)),
    }
}

fn parse_size(digits: &[u8]) -> Result<u64, Fault> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() <= SIZE_MAX_DIGITS);
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .filter(|&size| size <= BODY_MAX_BYTES)
        .ok_or(Fault::BadChunkSize)
}

fn expect(rest: &mut &[u8], wanted: u8) -> Result<(), Fault> {
    let (&byte, tail) = rest.split_first().ok_or(Fault::ChunkOverrun)?;
    *rest = tail;
    if byte == wanted { Ok(()) } else { Err(Fault::ChunkOverrun) }
}

fn step_trailers(past: usize, rest: &mut &[u8], line: &mut Line) -> Result<Option<Chunks>, Fault> {
    let over = |_| Fault::TrailersTooLarge { limit: TRAILERS_MAX_BYTES };
    let Some(line) = line.take(rest, TRAILERS_MAX_BYTES - past).map_err(over)? else {
        return Ok(Some(Chunks::Trailers(past)));
    };
    let text = line::text(line)?;
    if text.is_empty() {
        return Ok(None);
    }
    let field = Field::parse(text)?;
    if !SAFE_TRAILERS.into_iter().any(|name| field.is_exactly(name)) {
        return Err(Fault::TrailerRefused);
    }
    Ok(Some(Chunks::Trailers(past + line.len())))
}
