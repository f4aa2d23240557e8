//! Who is asked when: one fetch of a place at a time, a pause between fetches, a longer one after
//! failures.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marque_crypto::{Random, random};
use marque_domain::{Digest, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

use super::FETCH_MAX;

/// Between two fetches at the least, however short an issuer says its answer may be kept.
const SHORTEST: Duration = Duration::from_secs(60);
/// At the most, however long.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// Where an issuer says nothing.
const ORDINARY: Duration = Duration::from_secs(3_600);
/// From one fetch to the next because of a key that nobody knows.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(60);
/// After a failure; twice as long after each that follows.
const FAILED_PAUSE: Duration = Duration::from_secs(60);
/// At the most.
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Fetches under way at once.
const AT_ONCE_MAX: usize = 8;
/// Requests that wait for a fetch at once; others are answered by what is known.
const WAITING_MAX: usize = 64;
/// Longest reason that is remembered, in characters.
const REASON_MAX: usize = 300;

/// What became of the tries at one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    is_under_way: bool,
    due_at: Option<Timestamp>,
    failures: u32,
    /// When the last one began.
    pub(crate) asked_at: Option<Timestamp>,
    /// When the last good one ended.
    pub(crate) seen_at: Option<Timestamp>,
    /// Why the last one failed, if it did.
    pub(crate) error: Option<String>,
}

/// See above.
pub(crate) struct KeyFetches {
    places: Mutex<HashMap<Digest, Tried>>,
    waiting: Semaphore,
    ended: watch::Sender<u64>,
}

/// Somebody who waits for a fetch.
pub(super) struct Waiting<'a> {
    fetches: &'a KeyFetches,
    place: Digest,
    ended: watch::Receiver<u64>,
    _place: SemaphorePermit<'a>,
}

impl Default for KeyFetches {
    fn default() -> Self {
        let waiting = Semaphore::new(WAITING_MAX);
        Self { places: Mutex::default(), waiting, ended: watch::Sender::new(0) }
    }
}

impl KeyFetches {
    /// What became of the tries at a place.
    pub(crate) fn tried(&self, place: Digest) -> Tried {
        self.lock().get(&place).cloned().unwrap_or_default()
    }

    /// Begins a fetch whose time has come: at the start, that of each.
    pub(super) fn begin_due(&self, place: Digest, now: Timestamp) -> bool {
        self.begin(place, now, |tried| {
            // A clock that stepped back waits for no moment that was set before.
            tried.due_at.is_none_or(|due| now >= due || due.since(now) > LONGEST)
        })
    }

    /// Begins one because of a key that nobody knows, unless there was one a moment ago.
    pub(super) fn begin_unknown(&self, place: Digest, now: Timestamp) -> bool {
        self.begin(place, now, |tried| {
            tried.asked_at.is_none_or(|at| now.since(at) >= UNKNOWN_PAUSE || at > now)
        })
    }

    fn begin(&self, place: Digest, now: Timestamp, may: impl FnOnce(&Tried) -> bool) -> bool {
        let mut places = self.lock();
        let under_way = places.values().filter(|tried| tried.is_under_way).count();
        let tried = places.entry(place).or_default();
        if tried.is_under_way || under_way >= AT_ONCE_MAX || !may(tried) {
            return false;
        }
        tried.is_under_way = true;
        tried.asked_at = Some(now);
        true
    }

    /// Leaves one that was begun: nobody needs it until then.
    pub(super) fn put_off(&self, place: Digest, until: Timestamp) {
        let mut places = self.lock();
        let tried = places.entry(place).or_default();
        (tried.is_under_way, tried.due_at) = (false, Some(until));
        drop(places);
        self.ended.send_modify(|count| *count += 1);
    }

    /// Ends one: how long the answer may be kept, or why there is none.
    pub(super) fn end(
        &self,
        place: Digest,
        (now, drawn): (Timestamp, &dyn Random),
        outcome: Result<Option<Duration>, String>,
    ) {
        let mut places = self.lock();
        let tried = places.entry(place).or_default();
        tried.is_under_way = false;
        tried.asked_at.get_or_insert(now);
        let pause = match outcome {
            Ok(max_age) => {
                (tried.failures, tried.error, tried.seen_at) = (0, None, Some(now));
                let kept = max_age.unwrap_or(ORDINARY).clamp(SHORTEST, LONGEST);
                // Earlier rather than later, and never all servers at once.
                kept.saturating_sub(portion_of(kept / 8, drawn)).max(SHORTEST)
            }
            Err(reason) => {
                tried.error = Some(reason.chars().take(REASON_MAX).collect());
                let doubled = FAILED_PAUSE * 2_u32.saturating_pow(tried.failures.min(6));
                tried.failures = tried.failures.saturating_add(1);
                let pause = doubled.min(FAILED_PAUSE_MAX);
                pause + portion_of(pause / 4, drawn)
            }
        };
        tried.due_at = Some(now.plus(pause));
        drop(places);
        self.ended.send_modify(|count| *count += 1);
    }

    /// A place among those who wait; `None` where too many do.
    pub(super) fn wait_for(&self, place: Digest) -> Option<Waiting<'_>> {
        let permit = self.waiting.try_acquire().ok()?;
        Some(Waiting { fetches: self, place, ended: self.ended.subscribe(), _place: permit })
    }

    fn is_under_way(&self, place: Digest) -> bool {
        self.lock().get(&place).is_some_and(|tried| tried.is_under_way)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Tried>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Returns once no fetch of the place is under way, or after the longest one.
    pub(super) async fn ended(mut self) {
        let is_over = |_: &u64| !self.fetches.is_under_way(self.place);
        // Whoever waited in vain is answered by what is known.
        let _late = timeout(FETCH_MAX, self.ended.wait_for(is_over)).await;
    }
}

fn portion_of(span: Duration, drawn: &dyn Random) -> Duration {
    let [byte] = random::bytes::<1>(drawn);
    span * u32::from(byte) / u32::from(u8::MAX)
}
