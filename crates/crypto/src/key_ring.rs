//! A key ring: which key signs now, which will sign next, which still verifies.
//!
//! Pure: `now` is a parameter and every change consumes the old ring. Exactly one key is active by
//! construction. `overlap` must be at least the longest time a verifier caches the published set
//! plus the longest life of anything signed, so that yesterday's set verifies today's signer.

use std::time::Duration;

use marque_domain::Timestamp;

use crate::error::CryptoError;

/// Most keys a ring may hold that no longer sign but still verify.
const MAX_RETIRED: usize = 16;

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published so that verifiers learn it; may sign from `from`.
    Prepared {
        /// The earliest moment it may become the signer.
        from: Timestamp,
    },
    /// The one signer.
    Active {
        /// When it became the signer.
        since: Timestamp,
    },
    /// Signs nothing more; still published until `until`.
    Retired {
        /// The moment from which nothing it signed can still be valid.
        until: Timestamp,
    },
}

/// The keys of one purpose. `K` is usually an `Arc` of a key.
#[derive(Clone)]
pub struct KeyRing<K> {
    overlap: Duration,
    active: (K, Timestamp),
    prepared: Option<(K, Timestamp)>,
    retired: Vec<(K, Timestamp)>,
}

impl<K> KeyRing<K> {
    /// A ring whose first key signs at once: nobody has cached an earlier set.
    pub fn new(first: K, overlap: Duration, now: Timestamp) -> Self {
        Self { overlap, active: (first, now), prepared: None, retired: Vec::new() }
    }

    /// A ring as it was stored. Fails unless exactly one key is active and at most one prepared.
    pub fn restore(
        keys: impl IntoIterator<Item = (K, KeyState)>,
        overlap: Duration,
    ) -> Result<Self, CryptoError> {
        let (mut active, mut prepared, mut retired) = (None, None, Vec::new());
        for (key, state) in keys {
            let replaced = match state {
                KeyState::Active { since } => active.replace((key, since)),
                KeyState::Prepared { from } => prepared.replace((key, from)),
                KeyState::Retired { until } => {
                    retired.push((key, until));
                    None
                }
            };
            if replaced.is_some() {
                return Err(CryptoError::BadKeyRing("two keys are active or two are prepared"));
            }
            if retired.len() > MAX_RETIRED {
                return Err(CryptoError::BadKeyRing("it holds too many retired keys"));
            }
        }
        let active = active.ok_or(CryptoError::BadKeyRing("no key is active"))?;
        Ok(Self { overlap, active, prepared, retired })
    }

    /// Publishes `next`, which may sign one overlap from `now`. Fails if one waits already.
    pub fn prepare(self, next: K, now: Timestamp) -> Result<Self, CryptoError> {
        if self.prepared.is_some() {
            return Err(CryptoError::BadKeyRing("a next key is already prepared"));
        }
        Ok(Self { prepared: Some((next, now.plus(self.overlap))), ..self })
    }

    /// Makes the prepared key the signer and retires the old one for one overlap more.
    ///
    /// Fails with [`CryptoError::KeyNotReady`] while a verifier may still hold a set without it.
    pub fn rotate(self, now: Timestamp) -> Result<Self, CryptoError> {
        let Some((next, from)) = self.prepared else {
            return Err(CryptoError::BadKeyRing("no next key is prepared"));
        };
        if now < from {
            return Err(CryptoError::KeyNotReady { from });
        }
        let mut retired = self.retired;
        retired.retain(|(_, until)| now < *until);
        if retired.len() >= MAX_RETIRED {
            return Err(CryptoError::BadKeyRing("it holds too many retired keys"));
        }
        retired.push((self.active.0, now.plus(self.overlap)));
        Ok(Self { overlap: self.overlap, active: (next, now), prepared: None, retired })
    }

    /// The ring without the prepared and retired keys that are not to be kept. The signer stays.
    #[must_use]
    pub fn retain(self, keep: impl Fn(&K) -> bool) -> Self {
        let prepared = self.prepared.filter(|(key, _)| keep(key));
        let mut retired = self.retired;
        retired.retain(|(key, _)| keep(key));
        Self { prepared, retired, ..self }
    }

    /// The ring without its signer, as after a theft: the prepared key signs at once where there is
    /// one, for verifiers may know it, and else `next`. Nothing that the old one signed verifies.
    #[must_use]
    pub fn replace_signer(self, next: impl FnOnce() -> K, now: Timestamp) -> Self {
        let active = self.prepared.map_or_else(next, |(key, _)| key);
        Self { active: (active, now), prepared: None, ..self }
    }

    /// The one key that signs.
    pub fn signer(&self) -> &K {
        &self.active.0
    }

    /// The keys a verifier must know at `now`: the signer first, then the next, then the retired.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        let live = move |state: KeyState| match state {
            KeyState::Retired { until } => now < until,
            KeyState::Active { .. } | KeyState::Prepared { .. } => true,
        };
        self.keys().filter(move |(_, state)| live(*state)).map(|(key, _)| key)
    }

    /// Every key with its state, as [`KeyRing::restore`] takes them back.
    pub fn keys(&self) -> impl Iterator<Item = (&K, KeyState)> {
        let (active, since) = &self.active;
        let prepared = self.prepared.iter();
        let prepared = prepared.map(|(key, from)| (key, KeyState::Prepared { from: *from }));
        let retired = self.retired.iter();
        let retired = retired.map(|(key, until)| (key, KeyState::Retired { until: *until }));
        std::iter::once((active, KeyState::Active { since: *since })).chain(prepared).chain(retired)
    }
}

#[cfg(test)]
#[path = "key_ring_tests.rs"]
mod tests;
