//! One gzip member (RFC 1952), inflated piece by piece into whoever reads it.
//!
//! Owns the header and trailer around the deflated data and a buffer of fixed size, so a bomb is
//! found before it is anywhere in memory (threat 124). Takes what git writes and nothing else: no
//! optional header fields, no second member, nothing after the end.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use thiserror::Error;

/// Header without optional fields: magic, deflate, no flags; then time, extra flags and system.
const HEADER_BYTES: usize = 10;
const HEADER_START: [u8; 4] = [0x1f, 0x8b, 8, 0];
/// The checksum and the length of the data.
const TRAILER_BYTES: usize = 8;
const BUFFER_BYTES: usize = 16 * 1024;

/// Why a compressed body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadGzip {
    /// Not gzip, or with a file name, comment or extra field.
    #[error("the body is not plain gzip")]
    BadHeader,
    /// The deflated data are broken.
    #[error("the body is not valid gzip")]
    BadData,
    /// The checksum or the length is wrong.
    #[error("the body does not match its gzip checksum")]
    BadTrailer,
    /// Another member, or anything else.
    #[error("the body goes on after its gzip data")]
    AfterEnd,
}

/// Inflates one member.
pub(super) struct Inflater {
    state: State,
    inflate: Decompress,
    crc: Crc,
    buffer: Vec<u8>,
}

enum State {
    /// What is read of the header.
    Header(Vec<u8>),
    Data,
    /// What is read of the trailer.
    Trailer(Vec<u8>),
    End,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header(Vec::new()),
            inflate: Decompress::new(false),
            crc: Crc::new(),
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Takes compressed bytes and hands what they hold to `sink`, a bounded piece at a time.
    pub(super) fn feed<E: From<BadGzip>>(
        &mut self,
        mut rest: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !rest.is_empty() {
            match &mut self.state {
                State::Header(held) => {
                    let (&byte, tail) = rest.split_first().ok_or(BadGzip::BadHeader)?;
                    rest = tail;
                    if HEADER_START.get(held.len()).is_some_and(|&wanted| wanted != byte) {
                        return Err(BadGzip::BadHeader.into());
                    }
                    held.push(byte);
                    if held.len() == HEADER_BYTES {
                        self.state = State::Data;
                    }
                }
                State::Data => rest = self.inflate(rest, &mut sink)?,
                State::Trailer(held) => {
                    let (&byte, tail) = rest.split_first().ok_or(BadGzip::BadTrailer)?;
                    rest = tail;
                    held.push(byte);
                    if held.len() == TRAILER_BYTES {
                        let wanted =
                            [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()];
                        if *held != wanted.concat() {
                            return Err(BadGzip::BadTrailer.into());
                        }
                        self.state = State::End;
                    }
                }
                State::End => return Err(BadGzip::AfterEnd.into()),
            }
        }
        Ok(())
    }

    /// Whether the member is complete.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Inflates until `rest` is used up or the data end; returns what is left.
    fn inflate<'a, E: From<BadGzip>>(
        &mut self,
        mut rest: &'a [u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        loop {
            let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(rest, &mut self.buffer, FlushDecompress::None)
                .map_err(|_| BadGzip::BadData)?;
            let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(rest.len());
            let made = usize::try_from(self.inflate.total_out() - made).unwrap_or_default();
            rest = rest.get(taken..).unwrap_or_default();
            let piece = self.buffer.get(..made).unwrap_or_default();
            self.crc.update(piece);
            sink(piece)?;
            if status == Status::StreamEnd {
                self.state = State::Trailer(Vec::new());
                return Ok(rest);
            }
            // A full buffer may hide more that is already inflated.
            if rest.is_empty() && made < BUFFER_BYTES {
                return Ok(rest);
            }
            if taken == 0 && made == 0 {
                return Err(BadGzip::BadData.into());
            }
        }
    }
}
