//! Content codings undone, so that what is packed can be searched.
//!
//! Owns which codings are understood (RFC 9110 §8.4, RFC 8878, RFC 7932) and how much memory one
//! answer may take: windows are bounded, and what is unpacked comes in pieces, asked for one by
//! one, so that nothing grows with what an upstream packed.

use brotli_decompressor::reader::StandardAlloc;
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use thiserror::Error;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// Largest piece of what is unpacked.
const PIECE_MAX_BYTES: usize = 16 * 1024;
/// Most codings on top of each other.
const CODINGS_MAX: usize = 2;
/// RFC 1952 is packed with a window of 32 KiB at most.
const GZIP_WINDOW_LOG: u8 = 15;
/// RFC 8878 §3.1.1.1.2: decoders need not take windows beyond 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// An answer is packed in a way that cannot be looked into.
#[derive(Debug, Error)]
#[error("the answer is packed in a coding that is not understood")]
pub(crate) struct UnknownCoding;

/// An answer is not what its coding says, ends too early, goes on after its end, or asks for too
/// much memory.
#[derive(Debug, Error)]
#[error("the answer does not unpack as its coding says")]
pub(crate) struct BrokenCoding;

/// Undoes the content codings of one answer.
///
/// `feed` a chunk, ask for pieces until there is none, and so on; at the end `finish`.
pub(crate) struct Decoder {
    /// The outermost coding first, which was applied last.
    stages: Vec<Stage>,
}

impl Decoder {
    /// What undoes the codings that the fields name; `None` where there is nothing to undo.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, UnknownCoding> {
        let mut stages = Vec::new();
        for line in headers.get_all(CONTENT_ENCODING) {
            for name in line.to_str().map_err(|_| UnknownCoding)?.split(',').map(str::trim) {
                if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                    continue;
                }
                if stages.len() == CODINGS_MAX {
                    return Err(UnknownCoding);
                }
                stages.push(Stage::new(Coding::of(&name.to_ascii_lowercase())?));
            }
        }
        stages.reverse();
        Ok((!stages.is_empty()).then_some(Self { stages }))
    }

    /// Takes the next packed chunk.
    pub(crate) fn feed(&mut self, chunk: Bytes) {
        if let Some(outermost) = self.stages.first_mut() {
            outermost.take(chunk);
        }
    }

    /// The next piece of what was fed, unpacked; `None` where more must be fed first.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Bytes>, BrokenCoding> {
        next_piece(&mut self.stages)
    }

    /// Whether the end of the body is the end of what was packed. To be asked once there is no
    /// next piece. An answer without a body is whole, whatever its fields say.
    pub(crate) fn finish(&self) -> Result<(), BrokenCoding> {
        let is_whole = self.stages.iter().all(|stage| stage.is_whole && stage.input.is_empty());
        if is_whole { Ok(()) } else { Err(BrokenCoding) }
    }
}

fn next_piece(stages: &mut [Stage]) -> Result<Option<Bytes>, BrokenCoding> {
    let Some((stage, outer)) = stages.split_last_mut() else { return Ok(None) };
    loop {
        if stage.input.is_empty() && !stage.has_more {
            if outer.is_empty() {
                return Ok(None);
            }
            let Some(piece) = next_piece(outer)? else { return Ok(None) };
            stage.take(piece);
        }
        let piece = stage.unpack()?;
        if !piece.is_empty() {
            return Ok(Some(piece));
        }
    }
}

/// One coding, and what was not read of its input yet.
struct Stage {
    coding: Coding,
    input: Bytes,
    /// The last piece was full, so there may be more without any input.
    has_more: bool,
    /// Nothing is begun that has not ended.
    is_whole: bool,
}

/// How far one step came.
struct Step {
    consumed: usize,
    produced: usize,
    is_end: bool,
}

impl Stage {
    fn new(coding: Coding) -> Self {
        Self { coding, input: Bytes::new(), has_more: false, is_whole: true }
    }

    fn take(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            let mut joined = BytesMut::from(self.input.as_ref());
            joined.extend_from_slice(&chunk);
            self.input = joined.freeze();
        }
    }

    fn unpack(&mut self) -> Result<Bytes, BrokenCoding> {
        let mut piece = vec![0; PIECE_MAX_BYTES];
        let step = self.coding.step(&self.input, &mut piece)?;
        let is_idle = step.consumed == 0 && step.produced == 0;
        if is_idle && !self.input.is_empty() {
            return Err(BrokenCoding);
        }
        if !is_idle {
            self.is_whole = step.is_end;
        }
        self.has_more = step.produced == piece.len();
        self.input = self.input.split_off(step.consumed);
        piece.truncate(step.produced);
        Ok(piece.into())
    }
}

enum Coding {
    /// As many members as come (RFC 1952 §2.2); `None` between them.
    Gzip(Option<Decompress>),
    /// RFC 9110 §8.4.1.2: `deflate` is the zlib format.
    Zlib {
        stream: Decompress,
        is_over: bool,
    },
    Brotli {
        state: Box<Brotli>,
        is_over: bool,
    },
    /// As many frames as come.
    Zstd(DCtx<'static>),
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

impl Coding {
    fn of(name: &str) -> Result<Self, UnknownCoding> {
        Ok(match name {
            "gzip" | "x-gzip" => Self::Gzip(None),
            "deflate" => Self::Zlib { stream: Decompress::new(true), is_over: false },
            "br" => Self::Brotli { state: Box::new(brotli()), is_over: false },
            "zstd" => Self::Zstd(zstd().ok_or(UnknownCoding)?),
            _ => return Err(UnknownCoding),
        })
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, BrokenCoding> {
        match self {
            Self::Gzip(member) => {
                let stream = member.get_or_insert_with(|| Decompress::new_gzip(GZIP_WINDOW_LOG));
                let step = inflate(stream, input, output)?;
                if step.is_end {
                    *member = None;
                }
                Ok(step)
            }
            // Nothing may follow, or it would pass unread by those who stop at the end.
            Self::Zlib { is_over: true, .. } | Self::Brotli { is_over: true, .. } => {
                let step = Step { consumed: 0, produced: 0, is_end: true };
                if input.is_empty() { Ok(step) } else { Err(BrokenCoding) }
            }
            Self::Zlib { stream, is_over } => {
                let step = inflate(stream, input, output)?;
                *is_over = step.is_end;
                Ok(step)
            }
            Self::Brotli { state, is_over } => {
                let step = unbrotli(state, input, output)?;
                *is_over = step.is_end;
                Ok(step)
            }
            Self::Zstd(context) => {
                let mut input = InBuffer { src: input, pos: 0 };
                let mut output = OutBuffer::around(output);
                let hint = context.decompress_stream(&mut output, &mut input);
                let is_end = hint.map_err(|_| BrokenCoding)? == 0;
                Ok(Step { consumed: input.pos, produced: output.pos(), is_end })
            }
        }
    }
}

/// RFC 7932 without the windows beyond 16 MiB that a later draft adds.
fn brotli() -> Brotli {
    let [bytes, words, codes] = [(); 3].map(|()| StandardAlloc::default());
    BrotliState::new_strict(bytes, words, codes)
}

fn zstd() -> Option<DCtx<'static>> {
    let mut context = DCtx::try_create()?;
    context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).ok()?;
    Some(context)
}

fn inflate(stream: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<Step, BrokenCoding> {
    let (read, written) = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output, FlushDecompress::None);
    let is_end = matches!(status.map_err(|_| BrokenCoding)?, Status::StreamEnd);
    let since = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| BrokenCoding);
    let consumed = since(stream.total_in(), read)?;
    let produced = since(stream.total_out(), written)?;
    Ok(Step { consumed, produced, is_end })
}

fn unbrotli(state: &mut Brotli, input: &[u8], output: &mut [u8]) -> Result<Step, BrokenCoding> {
    let (mut unread, mut consumed) = (input.len(), 0);
    let (mut room, mut produced, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut unread,
        &mut consumed,
        input,
        &mut room,
        &mut produced,
        output,
        &mut total,
        state,
    );
    match result {
        BrotliResult::ResultFailure => Err(BrokenCoding),
        BrotliResult::ResultSuccess => Ok(Step { consumed, produced, is_end: true }),
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
            Ok(Step { consumed, produced, is_end: false })
        }
    }
}

#[cfg(test)]
mod tests;
