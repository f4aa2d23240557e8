//! The keys of one log, one after the other, and which sizes of it each may sign.
//!
//! A record in the log retires one key and names the next (threat 145). What the record says is
//! read elsewhere; here is what follows from it.

use crate::key::VerifierKey;
use crate::{Checkpoint, Error, Note};

/// More rotations than any log has.
const MAX_KEYS: usize = 1_024;

/// A record in the log: one key hands over to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Index of the record's entry.
    pub index: u64,
    /// The key it retires.
    pub old: VerifierKey,
    /// The key that signs from then on.
    pub new: VerifierKey,
}

/// The keys of a log, oldest first, and the one that whoever reads it trusts.
///
/// A key alone is the chain of a log that was never rotated.
#[derive(Debug, Clone)]
pub struct KeyChain {
    /// Never empty.
    keys: Vec<VerifierKey>,
    /// The entry that retired each key but the last.
    retired_by: Vec<u64>,
    trusted: usize,
}

/// Whether a key may have signed a head of `size` entries: any head up to the one that ends with
/// the entry that retired it.
pub fn may_sign(retired_by: Option<u64>, size: u64) -> bool {
    retired_by.is_none_or(|index| size <= index.saturating_add(1))
}

impl KeyChain {
    /// The chain that these records make, in the order of the log. Fails if one does not follow
    /// from the one before, or if `trusted` is none of the keys.
    pub fn of(rotations: &[Rotation], trusted: &VerifierKey) -> Result<Self, Error> {
        let first = rotations.first().map_or(trusted, |rotation| &rotation.old);
        let mut chain = Self { keys: vec![first.clone()], retired_by: Vec::new(), trusted: 0 };
        for rotation in rotations {
            chain.follow(rotation)?;
        }
        let place = chain.keys.iter().position(|key| key == trusted);
        chain.trusted = place.ok_or_else(|| Error::NotItsKey { key: trusted.label() })?;
        Ok(chain)
    }

    /// Every key, oldest first, and the entry that retired it.
    pub fn keys(&self) -> impl Iterator<Item = (&VerifierKey, Option<u64>)> {
        let places = 0..self.keys.len();
        self.keys.iter().zip(places.map(|place| self.retired_by.get(place).copied()))
    }

    /// The key that signs now.
    pub fn current(&self) -> &VerifierKey {
        self.keys.last().unwrap_or_else(|| self.trusted())
    }

    /// The key that whoever reads the log trusts.
    pub fn trusted(&self) -> &VerifierKey {
        let trusted = self.keys.get(self.trusted);
        trusted.expect("invariant: the trusted key is one of the chain's")
    }

    /// The checkpoint of a signed note, if one of the keys signed it that may have.
    pub fn open(&self, note: &str) -> Result<Checkpoint, Error> {
        let (checkpoint, signers) = self.signers(note)?;
        self.judge(checkpoint.size, signers)?;
        Ok(checkpoint)
    }

    /// The checkpoint of a signed note and the places of the keys that signed it, whether or not
    /// they might.
    pub(crate) fn signers(&self, note: &str) -> Result<(Checkpoint, Vec<usize>), Error> {
        let note = Note::parse(note)?;
        let mut signers = Vec::new();
        for (place, key) in self.keys.iter().enumerate() {
            match key.check(&note) {
                Ok(()) => signers.push(place),
                Err(Error::NotSigned { .. }) => {}
                Err(forged) => return Err(forged),
            }
        }
        if signers.is_empty() {
            return Err(Error::NotSigned { key: self.trusted().label() });
        }
        Ok((Checkpoint::of(&note, self.trusted().name())?, signers))
    }

    /// Of those that signed a head, the keys that may have.
    pub(crate) fn judge(&self, size: u64, mut signers: Vec<usize>) -> Result<Vec<usize>, Error> {
        let newest = signers.last().copied();
        signers.retain(|place| may_sign(self.retired_by.get(*place).copied(), size));
        if !signers.is_empty() {
            return Ok(signers);
        }
        let retired = newest.and_then(|place| self.keys.get(place).zip(self.retired_by.get(place)));
        let (key, index) =
            retired.ok_or_else(|| Error::NotSigned { key: self.trusted().label() })?;
        Err(Error::Retired { key: key.label(), size, index: *index })
    }

    /// The entries of the records, and the key that must vouch for each: from the trusted key on
    /// the one that retires, before it the trusted key itself. Otherwise whoever can write the
    /// store, or holds a stolen key, could say which keys were the log's.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        let records = self.retired_by.iter().enumerate();
        records.map(|(place, index)| (*index, place.max(self.trusted)))
    }

    pub(crate) fn label(&self, place: usize) -> String {
        self.keys.get(place).unwrap_or_else(|| self.trusted()).label()
    }

    fn follow(&mut self, rotation: &Rotation) -> Result<(), Error> {
        let Rotation { index, old, new } = rotation;
        let refused = |why| Err(Error::BadRotation { index: *index, why });
        if old != self.current() {
            return refused("it retires another key than the one in force");
        }
        if new.name() != old.name() {
            return refused("the new key is of another log");
        }
        if self.keys.contains(new) {
            return refused("the new key is one that the log had before");
        }
        if self.retired_by.last().is_some_and(|last| last >= index) {
            return refused("it stands before the one that it follows");
        }
        if self.keys.len() >= MAX_KEYS {
            return refused("no log has so many keys");
        }
        self.retired_by.push(*index);
        self.keys.push(new.clone());
        Ok(())
    }
}

impl From<VerifierKey> for KeyChain {
    fn from(key: VerifierKey) -> Self {
        Self { keys: vec![key], retired_by: Vec::new(), trusted: 0 }
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
