//! The names a captured run asked for, each with an address that nobody else has.
//!
//! An address is made up at the first question and dropped with the run; what it leads to is
//! looked up after a permit only. So a question reaches nobody, whatever it spells (threat 100).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use marque_wire::dns::{Found, Kind, Question, Unread, of_this_host};
use marque_wire::host::DnsName;

/// 198.18.0.0/15, set aside for measurements inside one network (RFC 2544), so that nothing out
/// there has such an address.
const FIRST: u32 = 0xc612_0000;
/// Addresses in it, without the first and the last.
const ADDRESSES: u32 = (1 << 17) - 2;
/// Most names of one run.
const NAMES_MAX: usize = 4_096;
/// Most bytes of them, so that a run stays below 1 MiB.
const NAMES_MAX_BYTES: usize = 256 * 1024;

/// The names of one run.
pub(crate) struct Names {
    /// By the order of their addresses.
    known: Vec<Arc<DnsName>>,
    places: HashMap<Arc<DnsName>, u32>,
    bytes: usize,
    /// Where the first address is. Differs by server, so that an address somebody kept from
    /// before a restart seldom leads to another name; it never leads there unseen.
    offset: u32,
}

impl Names {
    /// None yet; addresses are given out from somewhere on.
    pub(crate) fn beginning_at(offset: u32) -> Self {
        let offset = offset % ADDRESSES;
        Self { known: Vec::new(), places: HashMap::new(), bytes: 0, offset }
    }

    /// The answer to a message, if it gets one.
    pub(crate) fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let question = match Question::read(message) {
            Ok(question) => question,
            Err(Unread::Told(answer)) => return Some(answer),
            Err(Unread::Silence) => return None,
        };
        if question.kind() == Kind::Pointer {
            let name = question.reversed().and_then(|address| self.name_at(address));
            let found = name.map_or(Found::NoSuchName, Found::Name);
            return Some(question.answer(found));
        }
        let found = match question.name() {
            _ if question.kind() == Kind::Other => Found::Nothing,
            Err(_) => Found::NoSuchName,
            // Addresses as names, which are asked for by other means.
            Ok(name) if name.as_str().rsplit('.').next() == Some("arpa") => Found::NoSuchName,
            Ok(name) => of_this_host(&name, question.kind())
                .unwrap_or_else(|| self.find(name, question.kind())),
        };
        Some(question.answer(found))
    }

    // No name has an IPv6 address, so that each has one address and no more.
    fn find(&mut self, name: DnsName, kind: Kind) -> Found<'static> {
        if kind != Kind::Ipv4 {
            return Found::Nothing;
        }
        let address = self.address_of(name);
        address.map_or(Found::Failure, |address| Found::Address(IpAddr::V4(address)))
    }

    /// The address of a name, made up where it has none; `None` where there is no room for it.
    fn address_of(&mut self, name: DnsName) -> Option<Ipv4Addr> {
        if let Some(place) = self.places.get(&name) {
            return Some(self.address_at(*place));
        }
        let bytes = self.bytes + name.as_str().len();
        if self.known.len() >= NAMES_MAX || bytes > NAMES_MAX_BYTES {
            tracing::debug!("a captured run asked for more names than it may");
            return None;
        }
        let place = u32::try_from(self.known.len()).ok()?;
        let name = Arc::new(name);
        self.known.push(Arc::clone(&name));
        self.places.insert(name, place);
        self.bytes = bytes;
        Some(self.address_at(place))
    }

    fn address_at(&self, place: u32) -> Ipv4Addr {
        Ipv4Addr::from(FIRST + 1 + (self.offset + place) % ADDRESSES)
    }

    /// The name whose address this is.
    pub(crate) fn name_at(&self, address: Ipv4Addr) -> Option<&DnsName> {
        let nth = u32::from(address).checked_sub(FIRST + 1).filter(|nth| *nth < ADDRESSES)?;
        let place = (nth + ADDRESSES - self.offset) % ADDRESSES;
        self.known.get(usize::try_from(place).ok()?).map(Arc::as_ref)
    }
}

/// Whether an address is one of those that are made up.
pub(crate) fn is_made_up(address: Ipv4Addr) -> bool {
    u32::from(address) >> 17 == FIRST >> 17
}

#[cfg(test)]
mod tests;
