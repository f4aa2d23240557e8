//! Nonces of the resource (RFC 9449 section 9): a proof with one was made a short while ago, and
//! for this process.
//!
//! Two are good at a time, the newest and the one before. They are random and live in memory alone,
//! so a proof is good neither at another replica nor after a restart (threats 56 and 60).

use std::sync::{Mutex, PoisonError};

use marque_wire::jose::NumericDate;

use crate::client_key::fresh_name;

/// For how many seconds a nonce is the newest. It is good for as long again.
const NEWEST_SECS: u64 = 60;

/// The nonces of one verifier.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<Option<Pair>>);

/// The nonces that are good now.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) newest: String,
    pub(crate) before: String,
    /// Which span of [`NEWEST_SECS`] since the epoch it is.
    span: u64,
}

impl Nonces {
    pub(crate) fn at(&self, now: NumericDate) -> Pair {
        let span = now.as_seconds() / NEWEST_SECS;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = match held.take() {
            Some(pair) if pair.span == span => pair,
            Some(pair) if pair.span + 1 == span => {
                Pair { newest: fresh_name(), before: pair.newest, span }
            }
            _ => Pair { newest: fresh_name(), before: fresh_name(), span },
        };
        held.insert(pair).clone()
    }
}

impl Pair {
    /// For how many seconds more a proof with one of these may be good: what was used with them
    /// must be remembered so long.
    pub(crate) fn remaining_secs(&self, now: NumericDate) -> u64 {
        ((self.span + 2) * NEWEST_SECS).saturating_sub(now.as_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::{Nonces, NumericDate};

    #[test]
    fn threat_60_a_nonce_is_good_in_its_minute_and_the_next() {
        let at = |seconds| NumericDate::from_seconds(seconds).unwrap();
        let nonces = Nonces::default();
        let first = nonces.at(at(1200));
        assert_eq!(nonces.at(at(1259)).newest, first.newest);
        assert_eq!((first.remaining_secs(at(1200)), first.remaining_secs(at(1259))), (120, 61));
        let second = nonces.at(at(1319));
        assert_eq!(second.before, first.newest);
        let third = nonces.at(at(1320));
        assert_eq!(third.before, second.newest);
        let late = nonces.at(at(1440));
        assert!(![&third.newest, &third.before].contains(&&late.before));
        assert_ne!(late.newest, late.before);
    }
}
