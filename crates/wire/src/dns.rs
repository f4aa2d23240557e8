//! Questions for names (RFC 1035 §4) and the few answers a captured run gets to them.
//!
//! Owns the reading of one question and the writing of its answer. Knows no table of names and
//! asks no other server. Of a message only the question and the mark of EDNS are read (RFC 6891),
//! so that no record of a client is ever looked into.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host::{BadHost, DnsName};

/// Longest answer: within what every client takes in one datagram (RFC 1035 §2.3.4).
pub const ANSWER_MAX_BYTES: usize = 512;
/// Seconds an answer may be kept.
const TTL_SECS: u32 = 10;
/// Bytes of a datagram that we take, as EDNS tells it.
const DATAGRAM_MAX_BYTES: u16 = 1232;
const HEADER_BYTES: usize = 12;
/// Longest name in a message (RFC 1035 §2.3.4).
const NAME_MAX_BYTES: usize = 255;
/// More records than a question has beside it: EDNS and a signature.
const ADDITIONAL_MAX: u16 = 2;

const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;
const CHECKING_DISABLED: u16 = 0x0010;

const TYPE_A: u16 = 1;
const TYPE_PTR: u16 = 12;
const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;
const CLASS_IN: u16 = 1;

/// One question, as a client of DNS asks it.
#[derive(Debug)]
pub struct Question<'a> {
    id: u16,
    flags: u16,
    /// The question as it came, so that the answer echoes it to the letter.
    raw: &'a [u8],
    labels: Vec<&'a [u8]>,
    kind: Kind,
    has_edns: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// The name of an address.
    Pointer,
    /// Anything else, such as `HTTPS` or `TXT`.
    Other,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// This address.
    Address(IpAddr),
    /// This name of an address.
    Name(&'a DnsName),
    /// The name is there, and has nothing of that kind.
    Nothing,
    /// There is no such name.
    NoSuchName,
    /// It cannot be said now.
    Failure,
}

/// Why a message is no question we answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It gets no answer, for it may be one itself.
    Silence,
    /// It gets this answer.
    Told(Vec<u8>),
}

/// RFC 1035 §4.1.1, RFC 6891 §9.
#[derive(Clone, Copy)]
enum Rcode {
    NoError = 0,
    Malformed = 1,
    Failure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5,
    BadVersion = 16,
}

/// What a message says of the extensions its client speaks (RFC 6891 §6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edns {
    Absent,
    Version(u8),
}

impl<'a> Question<'a> {
    /// Reads a message with one question.
    ///
    /// # Errors
    /// [`Unread`] for everything that is not exactly that.
    pub fn read(message: &'a [u8]) -> Result<Self, Unread> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = reader.number().zip(reader.number()).ok_or(Unread::Silence)?;
        // An answer to an answer would be answered for ever.
        if flags & RESPONSE != 0 || message.len() < HEADER_BYTES {
            return Err(Unread::Silence);
        }
        let told = |code| Unread::Told(write(id, flags, code, (&[], &[]), false));
        if flags & OPCODE != 0 {
            return Err(told(Rcode::NotImplemented));
        }
        let read = reader.question().and_then(|(labels, kind, class, end)| {
            let raw = message.get(HEADER_BYTES..end)?;
            Some((raw, labels, kind, class, reader.edns()?))
        });
        let (raw, labels, kind, class, edns) = read.ok_or_else(|| told(Rcode::Malformed))?;
        let has_edns = edns != Edns::Absent;
        let told = |code| Unread::Told(write(id, flags, code, (raw, &[]), has_edns));
        if !matches!(edns, Edns::Absent | Edns::Version(0)) {
            return Err(told(Rcode::BadVersion));
        }
        if class != CLASS_IN {
            return Err(told(Rcode::Refused));
        }
        Ok(Self { id, flags, raw, labels, kind, has_edns })
    }

    /// What is asked for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Of which host.
    ///
    /// # Errors
    /// [`BadHost`] where it is no name a host can have.
    pub fn name(&self) -> Result<DnsName, BadHost> {
        let mut text = String::with_capacity(self.raw.len());
        for (place, label) in self.labels.iter().enumerate() {
            if place > 0 {
                text.push('.');
            }
            let label = std::str::from_utf8(label).map_err(|_| BadHost::NotAscii)?;
            // A dot in a label would make two of it.
            if label.contains('.') {
                return Err(BadHost::BadLabel);
            }
            text.push_str(label);
        }
        DnsName::parse(&text)
    }

    /// The IPv4 address whose name is asked for (RFC 1035 §3.5).
    pub fn reversed(&self) -> Option<Ipv4Addr> {
        let [d, c, b, a, in_addr, arpa] = self.labels.as_slice() else { return None };
        if !in_addr.eq_ignore_ascii_case(b"in-addr") || !arpa.eq_ignore_ascii_case(b"arpa") {
            return None;
        }
        let number = |label: &&[u8]| {
            let text = std::str::from_utf8(label).ok()?;
            // `+1` and `01` are numbers too, and no part of an address.
            text.parse::<u8>().ok().filter(|number| number.to_string() == text)
        };
        Some(Ipv4Addr::new(number(a)?, number(b)?, number(c)?, number(d)?))
    }

    /// The answer.
    pub fn answer(&self, found: Found<'_>) -> Vec<u8> {
        let (code, data) = match found {
            Found::Address(IpAddr::V4(address)) => {
                (Rcode::NoError, record(TYPE_A, &address.octets()))
            }
            Found::Address(IpAddr::V6(address)) => {
                (Rcode::NoError, record(TYPE_AAAA, &address.octets()))
            }
            Found::Name(name) => (Rcode::NoError, record(TYPE_PTR, &encoded(name))),
            Found::Nothing => (Rcode::NoError, Vec::new()),
            Found::NoSuchName => (Rcode::NoSuchName, Vec::new()),
            Found::Failure => (Rcode::Failure, Vec::new()),
        };
        write(self.id, self.flags, code, (self.raw, &data), self.has_edns)
    }
}

/// The addresses of `localhost` and everything below it (RFC 6761 §6.3), which never leave the
/// machine.
pub fn of_this_host(name: &DnsName, kind: Kind) -> Option<Found<'static>> {
    let is_own = name.as_str() == "localhost" || name.as_str().ends_with(".localhost");
    is_own.then_some(match kind {
        Kind::Ipv4 => Found::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Kind::Ipv6 => Found::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        Kind::Pointer | Kind::Other => Found::Nothing,
    })
}

/// A whole answer; `sections` are the question and the record that answers it, as bytes.
fn write(id: u16, flags: u16, code: Rcode, sections: (&[u8], &[u8]), has_edns: bool) -> Vec<u8> {
    let (question, record) = sections;
    let count = |present: bool| u16::from(present).to_be_bytes();
    let kept = flags & (OPCODE | RECURSION_DESIRED | CHECKING_DISABLED);
    let code = code as u16;
    let flags = RESPONSE | RECURSION_AVAILABLE | kept | (code & 0xf);
    let mut bytes = Vec::with_capacity(ANSWER_MAX_BYTES);
    bytes.extend(id.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend(count(!question.is_empty()));
    bytes.extend(count(!record.is_empty()));
    bytes.extend([0, 0]);
    bytes.extend(count(has_edns));
    bytes.extend_from_slice(question);
    bytes.extend_from_slice(record);
    if has_edns {
        // RFC 6891 §6.1.2: of the root, with the upper bits of the code where others have a TTL.
        bytes.push(0);
        bytes.extend(TYPE_OPT.to_be_bytes());
        bytes.extend(DATAGRAM_MAX_BYTES.to_be_bytes());
        bytes.extend((u32::from(code >> 4) << 24).to_be_bytes());
        bytes.extend([0, 0]);
    }
    bytes
}

/// A record of the name that was asked for.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    // RFC 1035 §4.1.4: a pointer to the name in the question, in whatever case it has there.
    let mut bytes = vec![0xc0, 12];
    bytes.extend(kind.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    bytes.extend(TTL_SECS.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn encoded(name: &DnsName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.as_str().len() + 2);
    for label in name.as_str().split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// The labels of the one question, its type and class, and where it ends.
    fn question(&mut self) -> Option<(Vec<&'a [u8]>, Kind, u16, usize)> {
        // RFC 9619: one question, and no records but those beside it.
        if self.number()? != 1 || self.number()? != 0 || self.number()? != 0 {
            return None;
        }
        let additional = self.number()?;
        let mut labels = Vec::new();
        let begin = self.at;
        loop {
            let length = usize::from(*self.bytes(1)?.first()?);
            // A pointer could lead nowhere but into the header.
            if length > 63 || self.at - begin + length > NAME_MAX_BYTES {
                return None;
            }
            if length == 0 {
                break;
            }
            labels.push(self.bytes(length)?);
        }
        let kind = match self.number()? {
            TYPE_A => Kind::Ipv4,
            TYPE_AAAA => Kind::Ipv6,
            TYPE_PTR => Kind::Pointer,
            _ => Kind::Other,
        };
        let class = self.number()?;
        (additional <= ADDITIONAL_MAX).then_some((labels, kind, class, self.at))
    }

    /// Whether the client speaks EDNS; `None` where what follows the question is malformed.
    fn edns(&mut self) -> Option<Edns> {
        let additional = self.message.get(10..HEADER_BYTES)?.try_into().ok();
        let mut edns = Edns::Absent;
        for _ in 0..additional.map(u16::from_be_bytes)? {
            self.skip_name()?;
            let kind = self.number()?;
            let _class = self.number()?;
            let ttl = self.bytes(4)?;
            let length = self.number()?;
            self.bytes(length.into())?;
            if kind == TYPE_OPT {
                // RFC 6891 §6.1.1: once at most.
                if edns != Edns::Absent {
                    return None;
                }
                edns = Edns::Version(*ttl.get(1)?);
            }
        }
        (self.at == self.message.len()).then_some(edns)
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match *self.bytes(1)?.first()? {
                0 => return Some(()),
                length @ 1..=63 => self.bytes(length.into()).map(drop)?,
                0xc0.. => return self.bytes(1).map(drop),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
