//! The pack of a push, read as it passes: its commits and annotated tags (gitformat-pack(5)).
//!
//! Looks, holds nothing back, and stops at the first doubt or at the end of its budget: what it was
//! given is its caller's to send on, whatever this says. Keeps commits and tags only.

mod delta;
mod entry;

use std::collections::HashMap;
use std::fmt::Write as _;

use flate2::{Decompress, FlushDecompress, Status};
use marque_crypto::hash::{sha1, sha256};

use self::delta::apply;
use self::entry::{Base, Entry, Kind};
use super::object_id::ObjectFormat;
use super::push::{Fed, PushReader};

/// Most bytes of one push that are looked at, as they were sent.
pub const LOOK_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Most bytes they may come to.
const INFLATED_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most objects of one push that are looked at.
const OBJECTS_MAX: u64 = 20_000;
/// Longest commit or tag that is read.
const KEPT_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of commits and tags that are kept for those that differ little from them.
const KEPT_IN_ALL_MAX_BYTES: usize = 2 * 1024 * 1024;
const BUFFER_BYTES: usize = 16 * 1024;
const HEADER_BYTES: usize = 12;

/// Why a pack was not looked into to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlooked {
    /// The budget is used up.
    TooLong,
    /// It is not a pack that this understands.
    Malformed,
}

impl Unlooked {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooLong => "it is longer than what is looked at",
            Self::Malformed => "it is not a pack that can be read",
        }
    }
}

/// Reads the body of a push as it is sent on.
pub struct PushedObjects {
    state: Where,
    taken: u64,
}

enum Where {
    Commands(Box<PushReader>),
    Pack(Box<PackReader>),
    Over(Summary),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Differences to objects of which nothing is known here, so that they may be of any kind. git
    /// makes them of files and folders only.
    pub unknown: u64,
    /// Why the rest was not.
    pub unlooked: Option<Unlooked>,
}

impl Default for PushedObjects {
    fn default() -> Self {
        Self { state: Where::Commands(Box::default()), taken: 0 }
    }
}

impl PushedObjects {
    /// Takes the next bytes of the body; `found` is told the id and the content of each commit and
    /// tag that is complete by then.
    pub fn feed(&mut self, bytes: &[u8], found: &mut dyn FnMut(&str, &[u8])) {
        let mut rest = bytes;
        if let Where::Commands(reader) = &mut self.state {
            let before = reader.length();
            let fed = reader.feed(bytes);
            let used = reader.length().saturating_sub(before);
            match fed {
                Ok(Fed::More) => return,
                Ok(Fed::Done) => rest = bytes.get(used..).unwrap_or_default(),
                // What the road refused is not sent on.
                Err(_) => return self.stop(Summary::default()),
            }
            let push = std::mem::take(reader).finish();
            let format = push.ok().and_then(|push| Some(push.commands.first()?.new.format()));
            let format = format.unwrap_or(ObjectFormat::Sha1);
            self.state = Where::Pack(Box::new(PackReader::new(format)));
        }
        let Where::Pack(pack) = &mut self.state else { return };
        let left = LOOK_MAX_BYTES.saturating_sub(self.taken);
        let fitting = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        self.taken = self.taken.saturating_add(rest.len() as u64);
        let (looked, over) = rest.split_at_checked(fitting).unwrap_or((rest, &[]));
        let read = pack.read(looked, found);
        let unknown = pack.unknown;
        match read {
            Err(why) => self.stop(Summary { unknown, unlooked: Some(why) }),
            Ok(()) if over.is_empty() => {}
            Ok(()) => {
                let unlooked = Some(Unlooked::TooLong).filter(|_| !pack.is_complete());
                self.stop(Summary { unknown, unlooked });
            }
        }
    }

    /// What was looked at, once the body is over.
    pub fn finish(&self) -> Summary {
        match &self.state {
            Where::Commands(_) => Summary::default(),
            // A push that only deletes has no pack.
            Where::Pack(pack) if pack.is_complete() || self.taken == 0 => {
                Summary { unknown: pack.unknown, unlooked: None }
            }
            Where::Pack(pack) => {
                Summary { unknown: pack.unknown, unlooked: Some(Unlooked::Malformed) }
            }
            Where::Over(summary) => *summary,
        }
    }

    // Drops what was kept.
    fn stop(&mut self, summary: Summary) {
        self.state = Where::Over(summary);
    }
}

struct PackReader {
    format: ObjectFormat,
    state: State,
    /// Bytes read so far.
    at: u64,
    /// Objects still to come.
    left: u64,
    inflate: Decompress,
    buffer: Vec<u8>,
    inflated: u64,
    /// Of what kind the object at an offset is, where that is known.
    kinds: HashMap<u64, Kind>,
    /// Commits and tags by their offset.
    kept: HashMap<u64, Vec<u8>>,
    kept_bytes: usize,
    by_id: HashMap<Vec<u8>, u64>,
    unknown: u64,
}

enum State {
    Header(Vec<u8>),
    /// What is read of the head of the object that begins there.
    Entry(u64, Vec<u8>),
    Data(Data),
    /// All objects were read; a checksum follows.
    Over,
}

/// An object that is being inflated.
struct Data {
    offset: u64,
    size: u64,
    made: u64,
    kind: Option<Kind>,
    base: Option<u64>,
    /// What it holds, where that is kept.
    held: Option<Vec<u8>>,
}

impl PackReader {
    fn new(format: ObjectFormat) -> Self {
        Self {
            format,
            state: State::Header(Vec::with_capacity(HEADER_BYTES)),
            at: 0,
            left: 0,
            inflate: Decompress::new(true),
            buffer: vec![0; BUFFER_BYTES],
            inflated: 0,
            kinds: HashMap::new(),
            kept: HashMap::new(),
            kept_bytes: 0,
            by_id: HashMap::new(),
            unknown: 0,
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn read(
        &mut self,
        mut rest: &[u8],
        found: &mut dyn FnMut(&str, &[u8]),
    ) -> Result<(), Unlooked> {
        while !rest.is_empty() && !self.is_complete() {
            let used = match std::mem::replace(&mut self.state, State::Over) {
                State::Header(head) => self.read_header(head, rest)?,
                State::Entry(offset, head) => self.read_entry(offset, head, rest)?,
                State::Data(data) => self.read_data(data, rest, found)?,
                State::Over => return Ok(()),
            };
            self.at = self.at.saturating_add(used as u64);
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    fn read_header(&mut self, mut head: Vec<u8>, rest: &[u8]) -> Result<usize, Unlooked> {
        let used = rest.len().min(HEADER_BYTES.saturating_sub(head.len()));
        head.extend(rest.iter().take(used));
        if head.len() < HEADER_BYTES {
            self.state = State::Header(head);
            return Ok(used);
        }
        let is_pack = head.starts_with(b"PACK\0\0\0\x02") || head.starts_with(b"PACK\0\0\0\x03");
        let count = head.last_chunk().map(|count| u32::from_be_bytes(*count));
        let count = count.filter(|_| is_pack).ok_or(Unlooked::Malformed)?;
        self.left = count.into();
        self.next(HEADER_BYTES as u64)?;
        Ok(used)
    }

    fn next(&mut self, offset: u64) -> Result<(), Unlooked> {
        if self.kinds.len() as u64 >= OBJECTS_MAX {
            return Err(Unlooked::TooLong);
        }
        self.state = match self.left {
            0 => State::Over,
            _ => State::Entry(offset, Vec::new()),
        };
        Ok(())
    }

    fn read_entry(
        &mut self,
        offset: u64,
        mut head: Vec<u8>,
        rest: &[u8],
    ) -> Result<usize, Unlooked> {
        for (used, byte) in rest.iter().enumerate() {
            head.push(*byte);
            if let Some(entry) = Entry::parse(&head, offset, self.format)? {
                self.begin(offset, entry);
                return Ok(used + 1);
            }
        }
        self.state = State::Entry(offset, head);
        Ok(rest.len())
    }

    fn begin(&mut self, offset: u64, entry: Entry) {
        let base = match &entry.base {
            Base::None => None,
            Base::At(at) => Some(*at),
            Base::Id(id) => self.by_id.get(id).copied(),
        };
        let kind = match (entry.kind, base) {
            (Some(kind), _) => Some(kind),
            (None, Some(base)) => self.kinds.get(&base).copied(),
            (None, None) => None,
        };
        if kind.is_none() {
            self.unknown += 1;
        }
        // Of a difference the base must be there as well.
        let is_wanted = matches!(kind, Some(Kind::Commit | Kind::Tag))
            && entry.size <= KEPT_MAX_BYTES as u64
            && (entry.kind.is_some() || base.is_some_and(|base| self.kept.contains_key(&base)));
        let held = is_wanted.then(Vec::new);
        let base = base.filter(|_| entry.kind.is_none());
        self.inflate.reset(true);
        self.state = State::Data(Data { offset, size: entry.size, made: 0, kind, base, held });
    }

    fn read_data(
        &mut self,
        mut data: Data,
        rest: &[u8],
        found: &mut dyn FnMut(&str, &[u8]),
    ) -> Result<usize, Unlooked> {
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        let inflated = self.inflate.decompress(rest, &mut self.buffer, FlushDecompress::None);
        let status = inflated.map_err(|_| Unlooked::Malformed)?;
        let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(rest.len());
        let made = self.inflate.total_out() - made;
        let piece = self.buffer.get(..usize::try_from(made).unwrap_or(0)).unwrap_or_default();
        data.made = data.made.saturating_add(made);
        self.inflated = self.inflated.saturating_add(made);
        if data.made > data.size || (taken == 0 && made == 0 && status != Status::StreamEnd) {
            return Err(Unlooked::Malformed);
        }
        if self.inflated > INFLATED_MAX_BYTES {
            return Err(Unlooked::TooLong);
        }
        if let Some(held) = &mut data.held {
            held.extend_from_slice(piece);
        }
        if status == Status::StreamEnd {
            if data.made != data.size {
                return Err(Unlooked::Malformed);
            }
            self.end(data, found)?;
            self.left = self.left.saturating_sub(1);
            self.next(self.at.saturating_add(taken as u64))?;
        } else {
            self.state = State::Data(data);
        }
        Ok(taken)
    }

    fn end(&mut self, data: Data, found: &mut dyn FnMut(&str, &[u8])) -> Result<(), Unlooked> {
        let kind = data.kind.unwrap_or(Kind::Other);
        self.kinds.insert(data.offset, kind);
        let Some(held) = data.held else {
            // A commit that is too long, or differs from one that was.
            let is_missed = matches!(kind, Kind::Commit | Kind::Tag);
            return if is_missed { Err(Unlooked::TooLong) } else { Ok(()) };
        };
        let whole = match data.base.and_then(|base| self.kept.get(&base)) {
            Some(base) => apply(base, &held, KEPT_MAX_BYTES).ok_or(Unlooked::Malformed)?,
            None => held,
        };
        let (text, raw) = self.id(kind, &whole);
        found(&text, &whole);
        self.kept_bytes += whole.len();
        if self.kept_bytes > KEPT_IN_ALL_MAX_BYTES {
            return Err(Unlooked::TooLong);
        }
        self.by_id.insert(raw, data.offset);
        self.kept.insert(data.offset, whole);
        Ok(())
    }

    fn id(&self, kind: Kind, whole: &[u8]) -> (String, Vec<u8>) {
        let word = if kind == Kind::Tag { "tag" } else { "commit" };
        let named = [format!("{word} {}\0", whole.len()).as_bytes(), whole].concat();
        let raw = match self.format {
            ObjectFormat::Sha1 => sha1(&named).to_vec(),
            ObjectFormat::Sha256 => sha256(&named).as_bytes().to_vec(),
        };
        let text = raw.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        (text, raw)
    }
}
