//! Who is connected: how many there may be at once, and how many of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where a connection comes from, as far as it counts: of IPv6 the first 64 bits, for whoever has
/// one address of them has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// This machine: a process of it, or a proxy that others stand behind.
    Loopback,
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Loopback,
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// Those that are connected.
pub(super) struct Crowd {
    all: Arc<Semaphore>,
    of_source: usize,
    spares_loopback: bool,
    by_source: Arc<Mutex<HashMap<Source, usize>>>,
}

/// A place among them, until it is dropped.
pub(super) struct Seat {
    source: Source,
    by_source: Arc<Mutex<HashMap<Source, usize>>>,
    _of_all: OwnedSemaphorePermit,
}

impl Crowd {
    /// Room for `all`, and for `of_source` from one place.
    pub(super) fn new((all, of_source): (usize, usize), spares_loopback: bool) -> Self {
        let all = Arc::new(Semaphore::new(all));
        Self { all, of_source, spares_loopback, by_source: Arc::default() }
    }

    /// A place; none if there is no more room.
    pub(super) fn take(&self, source: Source) -> Option<Seat> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut by_source = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        // Never more keys than connections.
        let count = by_source.entry(source).or_default();
        let is_spared = self.spares_loopback && source == Source::Loopback;
        if *count >= self.of_source && !is_spared {
            return None;
        }
        *count += 1;
        let by_source = Arc::clone(&self.by_source);
        Some(Seat { source, by_source, _of_all: of_all })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut by_source = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Crowd, Source};

    fn source(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    #[test]
    fn an_address_takes_its_share_and_leaves_when_it_goes() {
        let crowd = Crowd::new((3, 2), true);
        let (one, other) = (source("192.0.2.1"), source("::ffff:192.0.2.2"));
        let first = crowd.take(one).unwrap();
        let second = crowd.take(one);
        assert!(second.is_some() && crowd.take(one).is_none());
        let third = crowd.take(other);
        assert!(third.is_some() && crowd.take(source("127.0.0.1")).is_none(), "all are taken");
        drop(first);
        assert!(crowd.take(one).is_some());
        drop((second, third));
        assert!(crowd.by_source.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.2"), source("192.0.2.2"));
        assert_eq!(source("127.9.9.9"), source("::1"));
    }
}
