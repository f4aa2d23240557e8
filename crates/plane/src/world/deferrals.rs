//! Requests for tokens that wait for a human, by the keyed hash of the code that each was answered
//! with.

use std::sync::Arc;
use std::time::Duration;

use marque_domain::{Digest, Timestamp};
use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use crate::oauth::Deferral;

/// Most that wait at once: beyond that a client is answered like one that does not come again.
const WAITING_MAX: usize = if cfg!(test) { 100 } else { 10_000 };
/// How long a code that is over is still known, to say so.
const KNOWN_AFTER: Duration = Duration::from_secs(600);
/// Those whose time is up that one more clears away.
const CLEARED: usize = 4;

/// See above.
#[derive(Clone, Default)]
pub(crate) struct Deferrals {
    by_code: HashTrieMapSync<Digest, Arc<Deferral>>,
    due: RedBlackTreeSetSync<(Timestamp, Digest)>,
}

impl Deferrals {
    /// The request of a code.
    pub(crate) fn get(&self, code: Digest) -> Option<&Arc<Deferral>> {
        self.by_code.get(&code)
    }

    /// Whether one more can wait now.
    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        self.by_code.size() < WAITING_MAX || !self.over(now).is_empty()
    }

    /// The codes that need not be known any more, the oldest few.
    pub(crate) fn over(&self, now: Timestamp) -> Vec<Digest> {
        let over = self.due.iter().take_while(|(until, _)| now >= *until);
        over.take(CLEARED).map(|(_, code)| *code).collect()
    }

    pub(crate) fn put(&mut self, code: Digest, deferral: Arc<Deferral>) {
        self.forget(code);
        self.due.insert_mut((deferral.until().plus(KNOWN_AFTER), code));
        self.by_code.insert_mut(code, deferral);
    }

    pub(crate) fn forget(&mut self, code: Digest) {
        if let Some(known) = self.by_code.get(&code) {
            self.due.remove_mut(&(known.until().plus(KNOWN_AFTER), code));
            self.by_code.remove_mut(&code);
        }
    }
}
