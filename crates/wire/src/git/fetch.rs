//! The body of a fetch: a request to `git-upload-pack`, followed as it streams.
//!
//! Owns what may be in it: negotiation of protocol v0 and v1, or one command of v2
//! (gitprotocol-v2(5)). Keeps one line at most, inflates what is compressed only to look at it,
//! and changes nothing: the caller sends on the bytes that were admitted.

use thiserror::Error;

pub use super::gzip::BadGzip;
use super::gzip::Inflater;
use super::pkt::{BadPkt, Pkt, PktReader, text_of};

/// Longest body as it is sent, in bytes.
pub const WIRE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Longest body once inflated, in bytes.
pub const INFLATED_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Why the body of a fetch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadFetch {
    /// Beyond [`WIRE_MAX_BYTES`].
    #[error("the fetch request is longer than {WIRE_MAX_BYTES} bytes")]
    TooLong,
    /// Beyond [`INFLATED_MAX_BYTES`].
    #[error("the fetch request inflates to more than {INFLATED_MAX_BYTES} bytes")]
    InflatesTooFar,
    /// Its compression is refused.
    #[error("the fetch request is refused: {0}")]
    Gzip(#[from] BadGzip),
    /// Its framing is refused.
    #[error("the fetch request is refused: {0}")]
    Pkt(#[from] BadPkt),
    /// A command of protocol v2 that is not known to read only.
    #[error("the fetch request has an unknown or second command")]
    Command,
    /// A line of no known kind.
    #[error("the fetch request has a line that does not belong there")]
    Line,
    /// A packet without data that has no place here.
    #[error("the fetch request has a delimiter or an end that does not belong there")]
    Boundary,
    /// Bytes after the end.
    #[error("the fetch request goes on after its end")]
    AfterEnd,
    /// The body is over and the request is not.
    #[error("the fetch request ends before it is complete")]
    Truncated,
}

/// Follows the body of a fetch.
pub struct UploadPackGuard {
    on_wire: usize,
    inflater: Option<Inflater>,
    lines: Lines,
    refused: Option<BadFetch>,
}

impl UploadPackGuard {
    /// For a body as it is.
    pub fn plain() -> Self {
        Self { on_wire: 0, inflater: None, lines: Lines::default(), refused: None }
    }

    /// For a body with `Content-Encoding: gzip`, as git sends one from 1 KiB on.
    pub fn gzip() -> Self {
        Self { inflater: Some(Inflater::new()), ..Self::plain() }
    }

    /// Takes the next bytes, in slices of any size; send them on only after this returned `Ok`.
    ///
    /// # Errors
    /// [`BadFetch`] at the first doubtful byte, and then the same answer for ever.
    pub fn admit(&mut self, bytes: &[u8]) -> Result<(), BadFetch> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        self.follow(bytes).inspect_err(|refused| self.refused = Some(*refused))
    }

    /// The body is over.
    ///
    /// # Errors
    /// [`BadFetch::Truncated`] where the request is not; what was refused before stays so.
    pub fn end(&mut self) -> Result<(), BadFetch> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let is_inflated = self.inflater.as_ref().is_none_or(Inflater::is_at_end);
        if is_inflated && self.lines.is_at_end() { Ok(()) } else { Err(BadFetch::Truncated) }
    }

    fn follow(&mut self, bytes: &[u8]) -> Result<(), BadFetch> {
        // What fits is looked at first, so that the verdict does not depend on the cut.
        let left = WIRE_MAX_BYTES - self.on_wire;
        let (bytes, over) = bytes.split_at(bytes.len().min(left));
        self.on_wire += bytes.len();
        let Self { inflater, lines, .. } = self;
        match inflater {
            Some(inflater) => inflater.feed(bytes, |piece| lines.feed(piece))?,
            None => lines.feed(bytes)?,
        }
        if over.is_empty() { Ok(()) } else { Err(BadFetch::TooLong) }
    }
}

/// The lines of the request.
#[derive(Default)]
struct Lines {
    inflated: usize,
    pkts: PktReader,
    place: Place,
}

/// Where in the request the next line falls.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// Among the capabilities of a command of v2.
    Capabilities,
    /// Among its arguments.
    Arguments,
    /// In a section of v0 or v1.
    Negotiation,
    /// Between two of them.
    Section,
    /// After `done`.
    Done,
    /// Nothing more may come.
    End,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), BadFetch> {
        let left = INFLATED_MAX_BYTES - self.inflated;
        let (mut rest, over) = bytes.split_at(bytes.len().min(left));
        self.inflated += rest.len();
        while !rest.is_empty() {
            if self.place == Place::End {
                return Err(BadFetch::AfterEnd);
            }
            if let Some(pkt) = self.pkts.next(&mut rest)? {
                self.place = self.place.after(pkt)?;
            }
        }
        if over.is_empty() { Ok(()) } else { Err(BadFetch::InflatesTooFar) }
    }

    fn is_at_end(&self) -> bool {
        let may_end = matches!(self.place, Place::Section | Place::Done | Place::End);
        may_end && self.pkts.is_between_packets()
    }
}

impl Place {
    fn after(self, pkt: Pkt<'_>) -> Result<Self, BadFetch> {
        match pkt {
            Pkt::Line(data) => self.after_line(text_of(data)),
            Pkt::Flush => match self {
                // A bare flush asks nothing: git probes with it before a long request.
                Self::Start | Self::Capabilities | Self::Arguments => Ok(Self::End),
                Self::Negotiation | Self::Section => Ok(Self::Section),
                Self::Done => Ok(Self::Done),
                Self::End => Err(BadFetch::AfterEnd),
            },
            Pkt::Delim if self == Self::Capabilities => Ok(Self::Arguments),
            Pkt::Delim | Pkt::ResponseEnd => Err(BadFetch::Boundary),
        }
    }

    fn after_line(self, line: &[u8]) -> Result<Self, BadFetch> {
        let command = line.strip_prefix(b"command=");
        match (self, command) {
            (Self::Start, Some(b"ls-refs" | b"fetch" | b"object-info" | b"bundle-uri")) => {
                Ok(Self::Capabilities)
            }
            (Self::Start | Self::Capabilities, Some(_)) => Err(BadFetch::Command),
            (Self::Capabilities | Self::Arguments, _) => Ok(self),
            (Self::Start | Self::Negotiation | Self::Section, None) => after_negotiation(line),
            (Self::Negotiation | Self::Section | Self::Done | Self::End, _) => Err(BadFetch::Line),
        }
    }
}

fn after_negotiation(line: &[u8]) -> Result<Place, BadFetch> {
    let word = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    match word {
        b"done" if line == b"done" => Ok(Place::Done),
        b"want" | b"have" | b"shallow" | b"filter" | b"deepen" | b"deepen-since"
        | b"deepen-not" | b"deepen-relative" => Ok(Place::Negotiation),
        _ => Err(BadFetch::Line),
    }
}
