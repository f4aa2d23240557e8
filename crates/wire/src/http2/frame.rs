//! The frames of one direction of a connection (RFC 9113 §4.1), by their nine-byte headers.
//!
//! Owns the bounds on frames that cost work and carry nothing: floods of SETTINGS, PING, RST_STREAM
//! and CONTINUATION (threat 91), and of interim responses (threat 97). Payloads pass by uncopied.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{FRAME_MAX_BYTES, SERVER_FRAME_MAX_BYTES};
use crate::http1::{Fault, Guard, Malformed};

/// What a client says first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// CONTINUATION frames for one head: with them, twice what a head may be.
const CONTINUATIONS_MAX: u32 = 8;
/// Heads on one stream: interim ones, the final one, trailers.
const HEADS_MAX: u8 = 10;
/// Streams whose heads are counted at once, the latest: more than any peer may have open here.
const STREAMS_MAX: usize = 1_024;
/// Frames that carry nothing before any head came, and for each head since.
const IDLE_FRAMES: u64 = 10_000;
const IDLE_FRAMES_PER_HEAD: u64 = 16;
/// Streams a client may break off before any head came; after that, half of them. A client that
/// breaks off every call must dial anew now and then; one that floods gets no further.
const RESETS: u64 = 256;
/// Bytes either way that earn one more of them: more than what answers one, so that a flood does
/// not pay for itself, and less than a small message, whose receiver tells how far it has read.
const BYTES_PER_IDLE_FRAME: u64 = 64;
/// Smallest window update that counts as more than nothing.
const WINDOW_MIN: u32 = 1_024;

/// Why a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant means")]
pub enum FrameFault {
    #[error("the connection does not begin with the preface of HTTP/2")]
    Preface,
    #[error("a frame is longer than was agreed")]
    TooLong,
    #[error("a head goes over more than {CONTINUATIONS_MAX} continuations")]
    Continuations,
    #[error("a continuation follows no head, or another frame stands inside a head")]
    OutOfOrder,
    #[error("a push was promised that nobody asked for")]
    Push,
    #[error("too many streams are broken off")]
    Resets,
    #[error("too many frames carry nothing")]
    Idle,
    #[error("too many heads came on one stream")]
    Heads,
}

/// Follows one direction of an HTTP/2 connection.
pub struct FrameGuard {
    preface: &'static [u8],
    header: [u8; 9],
    filled: usize,
    /// Of the frame under way.
    left: u32,
    window: Option<u32>,
    counts: Counts,
    /// The stream whose head goes on, and the continuations so far.
    open_head: Option<(u32, u32)>,
    refused: Option<FrameFault>,
}

#[derive(Default)]
struct Counts {
    is_client: bool,
    heads: u64,
    resets: u64,
    idle: u64,
    bytes: u64,
    /// Of streams that may be open; the side that is not followed may have ended them.
    heads_of: BTreeMap<u32, u8>,
    /// The latest stream whose heads are counted no more.
    forgotten: u32,
}

impl FrameGuard {
    /// A guard for what a client sends, from its first byte.
    pub fn of_client() -> Self {
        Self::new(PREFACE)
    }

    /// A guard for what a server sends.
    pub fn of_server() -> Self {
        Self::new(&[])
    }

    fn new(preface: &'static [u8]) -> Self {
        Self {
            preface,
            header: [0; 9],
            filled: 0,
            left: 0,
            window: None,
            counts: Counts { is_client: !preface.is_empty(), ..Counts::default() },
            open_head: None,
            refused: None,
        }
    }

    fn follow(&mut self, mut rest: &[u8]) -> Result<(), FrameFault> {
        while let Some((&byte, after)) = rest.split_first() {
            if let Some((&expected, preface)) = self.preface.split_first() {
                if byte != expected {
                    return Err(FrameFault::Preface);
                }
                (self.preface, rest) = (preface, after);
            } else if self.left > 0 {
                rest = self.skip(rest);
            } else {
                if let Some(place) = self.header.get_mut(self.filled) {
                    *place = byte;
                }
                self.filled += 1;
                rest = after;
                if self.filled == self.header.len() {
                    self.filled = 0;
                    self.begin(&Frame::read(self.header))?;
                }
            }
        }
        Ok(())
    }

    fn skip<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
        let (passed, rest) = rest.split_at(size);
        if let Some(window) = self.window.take() {
            let window = passed.iter().fold(window, |sum, byte| sum << 8 | u32::from(*byte));
            self.window = Some(window);
        }
        // No payload is longer than what its length says, which fits.
        self.left -= u32::try_from(size).unwrap_or(self.left);
        if self.left == 0
            && let Some(window) = self.window.take()
        {
            self.counts.idle += u64::from(window < WINDOW_MIN);
        }
        rest
    }

    fn begin(&mut self, frame: &Frame) -> Result<(), FrameFault> {
        let is_client = self.counts.is_client;
        let max = if is_client { FRAME_MAX_BYTES } else { SERVER_FRAME_MAX_BYTES };
        if frame.length > max {
            return Err(FrameFault::TooLong);
        }
        self.left = frame.length;
        self.keep_order(frame)?;
        match frame.kind {
            Kind::Data => self.counts.data(frame),
            Kind::Headers => self.counts.head(frame)?,
            Kind::Reset => {
                // As much as its head earned: opening and breaking off earns nothing.
                self.counts.idle += IDLE_FRAMES_PER_HEAD;
                self.counts.resets += 1;
                self.counts.heads_of.remove(&frame.stream);
            }
            Kind::Push => return Err(FrameFault::Push),
            // A window update is weighed once its payload is known.
            Kind::Window if frame.length > 0 => self.window = Some(0),
            Kind::Continuation => {}
            Kind::Window | Kind::Other => self.counts.idle += 1,
        }
        self.counts.check()
    }

    /// RFC 9113 §6.10: nothing stands between the frames of one head.
    fn keep_order(&mut self, frame: &Frame) -> Result<(), FrameFault> {
        self.open_head = match (self.open_head, frame.kind) {
            (Some((stream, count)), Kind::Continuation) if stream == frame.stream => {
                if count >= CONTINUATIONS_MAX {
                    return Err(FrameFault::Continuations);
                }
                (!frame.ends_head()).then_some((stream, count + 1))
            }
            (None, Kind::Headers) => (!frame.ends_head()).then_some((frame.stream, 0)),
            (Some(_), _) | (None, Kind::Continuation) => return Err(FrameFault::OutOfOrder),
            (None, _) => None,
        };
        Ok(())
    }
}

impl Counts {
    fn data(&mut self, frame: &Frame) {
        self.bytes += u64::from(frame.length);
        self.idle += u64::from(frame.length == 0 && !frame.ends_stream());
        if frame.ends_stream() {
            self.heads_of.remove(&frame.stream);
        }
    }

    fn head(&mut self, frame: &Frame) -> Result<(), FrameFault> {
        let is_counted = self.heads_of.contains_key(&frame.stream);
        if is_counted || frame.stream > self.forgotten {
            self.heads += 1;
        } else {
            // It earns nothing, so that forgetting is no way around the bound.
            self.idle += 1;
        }
        if frame.ends_stream() {
            self.heads_of.remove(&frame.stream);
            return Ok(());
        }
        if !is_counted
            && self.heads_of.len() >= STREAMS_MAX
            && let Some((oldest, _)) = self.heads_of.pop_first()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        let count = self.heads_of.entry(frame.stream).or_default();
        *count += 1;
        if *count > HEADS_MAX { Err(FrameFault::Heads) } else { Ok(()) }
    }

    fn check(&self) -> Result<(), FrameFault> {
        let earned = self.heads * IDLE_FRAMES_PER_HEAD + self.bytes / BYTES_PER_IDLE_FRAME;
        if self.idle > IDLE_FRAMES + earned {
            return Err(FrameFault::Idle);
        }
        // What a server breaks off it was asked for.
        let is_fickle = self.is_client && self.resets > RESETS + self.heads / 2;
        if is_fickle { Err(FrameFault::Resets) } else { Ok(()) }
    }
}

impl Guard for FrameGuard {
    fn admit(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let verdict = match self.refused {
            Some(fault) => Err(fault),
            None => self.follow(bytes),
        };
        verdict.map_err(|fault| {
            self.refused = Some(fault);
            Malformed::Body(Fault::Frame(fault))
        })
    }

    fn wrote(&mut self, bytes: usize) {
        self.counts.bytes += bytes as u64;
    }

    fn is_between_messages(&self) -> bool {
        self.preface.is_empty() && self.filled == 0 && self.left == 0 && self.open_head.is_none()
    }
}

/// The header of one frame.
struct Frame {
    length: u32,
    kind: Kind,
    flags: u8,
    stream: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Headers,
    Reset,
    Push,
    Window,
    Continuation,
    /// SETTINGS, PING, PRIORITY, GOAWAY, and what this revision does not know.
    Other,
}

impl Frame {
    fn read(header: [u8; 9]) -> Self {
        let [high, middle, low, kind, flags, stream @ ..] = header;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            3 => Kind::Reset,
            5 => Kind::Push,
            8 => Kind::Window,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let length = u32::from_be_bytes([0, high, middle, low]);
        // The first bit is reserved and ignored (RFC 9113 §4.1).
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Self { length, kind, flags, stream }
    }

    fn ends_stream(&self) -> bool {
        self.flags & 0x1 != 0
    }

    fn ends_head(&self) -> bool {
        self.flags & 0x4 != 0
    }
}
