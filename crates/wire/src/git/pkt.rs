//! Pkt-lines (gitprotocol-common(5)): four hexadecimal digits of length, then data.
//!
//! Owns the framing, both ways. Frames by length only and never looks for a word in the data, so
//! neither a cut nor a telling name moves a boundary (threat 117). Holds one line at most.

use thiserror::Error;

/// Longest packet, its length included.
pub const PKT_MAX_BYTES: usize = 65_520;
/// Most data in one packet.
pub const DATA_MAX_BYTES: usize = PKT_MAX_BYTES - LENGTH_BYTES;
/// Most data in one packet of a sideband, whose first byte names the band.
pub const BAND_MAX_BYTES: usize = DATA_MAX_BYTES - 1;

const LENGTH_BYTES: usize = 4;

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkt<'a> {
    /// Data, not empty, as it came: with its LF where it had one.
    Line(&'a [u8]),
    /// `0000`: ends a section.
    Flush,
    /// `0001`: divides a section of protocol v2.
    Delim,
    /// `0002`: ends an answer of protocol v2.
    ResponseEnd,
}

/// Why a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadPkt {
    /// Git writes lower-case digits; servers differ on what else they take.
    #[error("a packet does not begin with its length in four lower-case hexadecimal digits")]
    BadLength,
    /// `0003`.
    #[error("a packet has the length `0003`, which means nothing")]
    Reserved,
    /// `0004`.
    #[error("a packet is empty")]
    Empty,
    /// Beyond [`PKT_MAX_BYTES`].
    #[error("a packet is longer than {PKT_MAX_BYTES} bytes")]
    TooLong,
}

/// Reads packets from chunks of any size.
#[derive(Default)]
pub struct PktReader {
    /// What is read of a length.
    digits: Vec<u8>,
    /// What is read of a line; after its end, until the next one begins, the whole of it.
    line: Vec<u8>,
    /// Data bytes of the line under way.
    wanted: Option<usize>,
}

impl PktReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one packet off the front of `rest`; `None` once `rest` is used up before its end.
    ///
    /// # Errors
    /// [`BadPkt`], after which the stream has no boundaries and must be given up.
    pub fn next<'a>(&'a mut self, rest: &mut &[u8]) -> Result<Option<Pkt<'a>>, BadPkt> {
        let wanted = match self.wanted {
            Some(wanted) => wanted,
            None => match self.length(rest)? {
                None => return Ok(None),
                Some(Length::Data(wanted)) => *self.wanted.insert(wanted),
                Some(Length::Flush) => return Ok(Some(Pkt::Flush)),
                Some(Length::Delim) => return Ok(Some(Pkt::Delim)),
                Some(Length::ResponseEnd) => return Ok(Some(Pkt::ResponseEnd)),
            },
        };
        hold(&mut self.line, wanted, rest);
        if self.line.len() < wanted {
            return Ok(None);
        }
        self.wanted = None;
        Ok(Some(Pkt::Line(&self.line)))
    }

    /// Whether every packet that began has also ended.
    pub fn is_between_packets(&self) -> bool {
        self.wanted.is_none() && self.digits.is_empty()
    }

    fn length(&mut self, rest: &mut &[u8]) -> Result<Option<Length>, BadPkt> {
        hold(&mut self.digits, LENGTH_BYTES, rest);
        if !self.digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(BadPkt::BadLength);
        }
        if self.digits.len() < LENGTH_BYTES {
            return Ok(None);
        }
        let digits = std::str::from_utf8(&self.digits).map_err(|_| BadPkt::BadLength)?;
        let length = usize::from_str_radix(digits, 16).map_err(|_| BadPkt::BadLength)?;
        self.digits.clear();
        self.line.clear();
        match length {
            0 => Ok(Some(Length::Flush)),
            1 => Ok(Some(Length::Delim)),
            2 => Ok(Some(Length::ResponseEnd)),
            3 => Err(BadPkt::Reserved),
            LENGTH_BYTES => Err(BadPkt::Empty),
            5..=PKT_MAX_BYTES => Ok(Some(Length::Data(length - LENGTH_BYTES))),
            _ => Err(BadPkt::TooLong),
        }
    }
}

/// Moves bytes from `rest` until `wanted` are held or `rest` is used up.
fn hold(held: &mut Vec<u8>, wanted: usize, rest: &mut &[u8]) {
    let missing = wanted.saturating_sub(held.len()).min(rest.len());
    let (taken, tail) = rest.split_at(missing);
    held.extend_from_slice(taken);
    *rest = tail;
}

enum Length {
    Data(usize),
    Flush,
    Delim,
    ResponseEnd,
}

/// Data without the one LF that a text line may end in.
pub fn text_of(data: &[u8]) -> &[u8] {
    data.strip_suffix(b"\n").unwrap_or(data)
}

/// A channel of a sideband (gitprotocol-pack(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// What the answer is about: a pack or a report.
    Data,
    /// What the client prints after `remote: `.
    Progress,
    /// What the client dies with.
    Fatal,
}

/// Writes packets.
#[derive(Default)]
pub struct PktWriter(Vec<u8>);

impl PktWriter {
    /// A writer with nothing written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes one line.
    ///
    /// # Errors
    /// [`BadPkt`] where `data` is empty or does not fit into one packet.
    pub fn line(&mut self, data: &[u8]) -> Result<(), BadPkt> {
        match data.len() {
            0 => Err(BadPkt::Empty),
            1..=DATA_MAX_BYTES => {
                self.packet(&[data]);
                Ok(())
            }
            _ => Err(BadPkt::TooLong),
        }
    }

    /// Writes `data` to a band, in as many packets as it takes.
    pub fn band(&mut self, band: Band, data: &[u8]) {
        let byte = match band {
            Band::Data => 1,
            Band::Progress => 2,
            Band::Fatal => 3,
        };
        for part in data.chunks(BAND_MAX_BYTES) {
            self.packet(&[&[byte], part]);
        }
    }

    /// Ends a section.
    pub fn flush(&mut self) {
        self.0.extend_from_slice(b"0000");
    }

    /// Divides a section of protocol v2.
    pub fn delim(&mut self) {
        self.0.extend_from_slice(b"0001");
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn packet(&mut self, parts: &[&[u8]]) {
        let length = LENGTH_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
        self.0.extend_from_slice(format!("{length:04x}").as_bytes());
        for part in parts {
            self.0.extend_from_slice(part);
        }
    }
}
