//! Nonces for proofs of possession (RFC 9449 §8): what bounds when a proof was made, whatever the
//! client's clock says, and so how long a used one must be remembered (threat 60).
//!
//! A nonce is a keyed hash of the minute it is for, so no server has to remember one, and servers
//! that share a store take each other's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marque_crypto::machine::{self, MachineHashKey};
use marque_domain::Timestamp;

/// How long one is handed out. It is good for as long again.
const SPAN: Duration = Duration::from_secs(60);

/// The nonce of now, and the one before, which is still good.
pub(crate) struct Nonces([String; 2]);

/// Those that were good lately, by their minute: every answer has one of them.
#[derive(Default)]
pub(crate) struct LatestNonces(Mutex<Option<(u64, Arc<Nonces>)>>);

impl LatestNonces {
    /// As [`Nonces::at`].
    pub(super) fn at(&self, key: &MachineHashKey, now: Timestamp) -> Arc<Nonces> {
        let span = now.as_millis() / span_millis();
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((known, nonces)) if *known == span => Arc::clone(nonces),
            _ => {
                let nonces = Arc::new(Nonces::at(key, now));
                *latest = Some((span, Arc::clone(&nonces)));
                nonces
            }
        }
    }
}

impl Nonces {
    /// Those that are good at that moment.
    pub(super) fn at(key: &MachineHashKey, now: Timestamp) -> Self {
        let span = now.as_millis() / span_millis();
        Self([span, span.saturating_sub(1)].map(|span| nonce(key, span)))
    }

    /// The one to hand out.
    pub(super) fn newest(&self) -> &str {
        let [newest, _] = &self.0;
        newest
    }

    /// All that are good.
    pub(super) fn good(&self) -> [&str; 2] {
        let [newest, older] = &self.0;
        [newest, older]
    }

    /// From when none that is good now is good any more.
    pub(super) fn over(now: Timestamp) -> Timestamp {
        let span = now.as_millis() / span_millis();
        Timestamp::from_millis(span.saturating_add(2).saturating_mul(span_millis()))
    }
}

fn span_millis() -> u64 {
    u64::try_from(SPAN.as_millis()).unwrap_or(u64::MAX)
}

fn nonce(key: &MachineHashKey, span: u64) -> String {
    let hash = machine::hash(key, format!("dpop-nonce {span}").as_bytes());
    hash.to_string().trim_start_matches("sha256:").chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use marque_crypto::machine::MachineHashKey;
    use marque_domain::Timestamp;

    use super::Nonces;

    // threat 60
    #[test]
    fn a_nonce_is_good_for_one_to_two_minutes() {
        let key = MachineHashKey::generate(&marque_crypto::SystemRandom);
        let at = |secs: u64| Nonces::at(&key, Timestamp::from_millis(600_000 + secs * 1_000));
        let first = at(0).newest().to_owned();
        for secs in [0, 59, 60, 119] {
            assert!(at(secs).good().contains(&first.as_str()), "after {secs} s");
        }
        assert!(!at(120).good().contains(&first.as_str()));
        assert_eq!(Nonces::over(Timestamp::from_millis(600_000)).as_millis(), 720_000);
        let other = MachineHashKey::generate(&marque_crypto::SystemRandom);
        let other = Nonces::at(&other, Timestamp::from_millis(600_000));
        assert_ne!(other.newest(), first);
    }
}
