//! Which proofs were used (RFC 9449 section 11.1): each name once for its key.
//!
//! Owns the bounds. A store that is full refuses: forgetting would let a proof be used twice
//! (threat 63). One key may fill half of it, so that it does not take the place of all others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use marque_crypto::hash::sha256;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{DpopProof, Thumbprint};

use crate::refusal::Reason;

/// The names that are remembered.
pub(crate) struct Replays {
    capacity: usize,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// By key, the start of the hash of each name and until when it counts.
    keys: HashMap<Thumbprint, HashMap<[u8; 16], NumericDate>>,
    count: usize,
    /// When the next look for what is over may be, which costs time.
    sweep_from: Option<NumericDate>,
}

impl Replays {
    /// Room for so many names.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, used: Mutex::default() }
    }

    /// Uses a proof up.
    pub(crate) fn use_up(&self, proof: &DpopProof, now: NumericDate) -> Result<(), Reason> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has_room(&used, proof.key) {
            used.sweep(now);
        }
        let name = name(&proof.jti);
        let known = used.keys.get(&proof.key).and_then(|names| names.get(&name));
        if known.is_some_and(|until| now < *until) {
            return Err(Reason::Replayed);
        }
        if !self.has_room(&used, proof.key) {
            return Err(Reason::ProofsFull);
        }
        let names = used.keys.entry(proof.key).or_default();
        let is_new = names.insert(name, proof.until).is_none();
        used.count += usize::from(is_new);
        Ok(())
    }

    fn has_room(&self, used: &Used, key: Thumbprint) -> bool {
        let of_key = used.keys.get(&key).map_or(0, HashMap::len);
        used.count < self.capacity && of_key < self.capacity.div_ceil(2)
    }
}

impl Used {
    fn sweep(&mut self, now: NumericDate) {
        if self.sweep_from.is_some_and(|from| now < from) {
            return;
        }
        self.sweep_from = Some(now.plus_seconds(1));
        for names in self.keys.values_mut() {
            names.retain(|_, until| now < *until);
        }
        self.keys.retain(|_, names| !names.is_empty());
        self.count = self.keys.values().map(HashMap::len).sum();
    }
}

/// 128 bits of a hash: names are as long as their writer likes.
fn name(jti: &str) -> [u8; 16] {
    let mut name = [0; 16];
    let digest = sha256(jti.as_bytes());
    name.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    name
}

#[cfg(test)]
mod tests {
    use super::{DpopProof, NumericDate, Reason, Replays, Thumbprint};

    fn at(seconds: u64) -> NumericDate {
        NumericDate::from_seconds(seconds).unwrap()
    }

    fn proof(key: u8, jti: usize, until: u64) -> DpopProof {
        let key = Thumbprint::from_bytes([key; 32]);
        DpopProof { key, jti: jti.to_string(), until: at(until) }
    }

    #[test]
    fn threat_56_a_name_is_used_once_for_its_key_until_its_proof_is_too_old() {
        let replays = Replays::new(8);
        replays.use_up(&proof(1, 1, 100), at(0)).unwrap();
        assert!(matches!(replays.use_up(&proof(1, 1, 100), at(99)), Err(Reason::Replayed)));
        replays.use_up(&proof(2, 1, 100), at(0)).unwrap();
        replays.use_up(&proof(1, 1, 400), at(100)).unwrap();
    }

    #[test]
    fn threat_63_a_full_store_refuses_and_forgets_nothing_that_counts() {
        let replays = Replays::new(4);
        for (key, jti) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
            replays.use_up(&proof(key, jti, 100), at(0)).unwrap();
        }
        assert!(matches!(replays.use_up(&proof(4, 1, 100), at(1)), Err(Reason::ProofsFull)));
        assert!(matches!(replays.use_up(&proof(1, 1, 100), at(1)), Err(Reason::Replayed)));
        replays.use_up(&proof(4, 1, 300), at(100)).unwrap();
        assert!(matches!(replays.use_up(&proof(4, 1, 300), at(101)), Err(Reason::Replayed)));
    }

    #[test]
    fn one_key_does_not_take_the_place_of_all_others() {
        let replays = Replays::new(8);
        for jti in 0..4 {
            replays.use_up(&proof(1, jti, 100), at(0)).unwrap();
        }
        assert!(matches!(replays.use_up(&proof(1, 4, 100), at(0)), Err(Reason::ProofsFull)));
        replays.use_up(&proof(2, 4, 100), at(0)).unwrap();
    }
}
