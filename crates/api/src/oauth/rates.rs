//! How often one may ask: by address, and by client at its address.
//!
//! A table of fixed size: whoever asks has a slot by a keyed hash, and two may share one. So there
//! is nothing to forget, and nobody pushes another out.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Slots of a table, 8 bytes each.
const SLOTS: usize = 16 * 1024;
/// How long of its rate one may use at once.
const BURST_MICROS: u64 = 2_000_000;

/// Rates by whatever can be hashed (a GCRA: each slot is the moment from which it owes nothing).
pub(super) struct Rates {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    interval_micros: u64,
}

impl Rates {
    /// So many requests a second each, and twice as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            interval_micros: 1_000_000 / u64::from(per_second.clamp(1, 1_000_000)),
        }
    }

    /// Whether one more is within the rate; `now` counts from any fixed moment.
    pub(super) fn admit(&self, who: impl Hash, now: Duration) -> bool {
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let place = self.hasher.hash_one(who) % SLOTS as u64;
        let slot = usize::try_from(place).ok().and_then(|place| self.slots.get(place));
        let one_more = |free: u64| {
            let from = free.max(now);
            (from - now < BURST_MICROS).then(|| from.saturating_add(self.interval_micros))
        };
        slot.is_some_and(|slot| {
            slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rates;

    #[test]
    fn a_burst_is_taken_and_then_the_rate_alone() {
        let rates = Rates::new(10);
        let start = Duration::from_secs(5);
        let taken = (0..100).filter(|_| rates.admit("one", start)).count();
        assert_eq!(taken, 20, "two seconds of it at once");
        assert!(rates.admit("other", start), "nobody else pays for it");
        let taken = (0..100).filter(|_| rates.admit("one", start + Duration::from_secs(1)));
        assert_eq!(taken.count(), 10, "one second of it a second later");
    }
}
