//! What the entries of a log say about its keys: the claim names the first, each rotation the next.
//!
//! Pure but for reading them. Whether to believe them is the verifier's business.

use marque_domain::{Digest, Event, LogEntry};
use marque_store::{StoreError, Tx};
use marque_tlog::{Error, KeyChain, Rotation, VerifierKey};

use super::digest;
use crate::start::StartError;

/// Where the store keeps which entries rotated the key: their indexes, with a space between.
const ROTATIONS: &str = "log_key_rotations";

/// What the entries of a log say about its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRecords {
    claimed: Option<Digest>,
    rotations: Vec<Recorded>,
}

/// One rotation, as its entry tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recorded {
    index: u64,
    old: (Digest, String),
    new: (Digest, String),
}

impl KeyRecords {
    /// Those of the log in a store.
    pub fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let mut records = Self::default();
        if let Some(Ok(first)) = tx.entry(0)?.map(|stored| stored.entry()) {
            records.see(&first);
        }
        rotations(tx)?.iter().for_each(|entry| records.see(entry));
        Ok(records)
    }

    /// Notes what one entry says.
    pub fn see(&mut self, entry: &LogEntry) {
        match &entry.event {
            Event::Claimed { log_key, .. } if entry.index == 0 => self.claimed = Some(*log_key),
            Event::LogKeyRotated { old_key, old_verifier, new_key, new_verifier, .. } => {
                self.rotations.push(Recorded {
                    index: entry.index,
                    old: (*old_key, old_verifier.clone()),
                    new: (*new_key, new_verifier.clone()),
                });
            }
            _ => {}
        }
    }

    /// The first entry of which one says another rotation than the other.
    pub fn first_unlike(&self, other: &Self) -> Option<u64> {
        let lacks = |one: &Self, other: &Self| {
            let lacking = one.rotations.iter().find(|own| !other.rotations.contains(own));
            lacking.map(|rotation| rotation.index)
        };
        [lacks(self, other), lacks(other, self)].into_iter().flatten().min()
    }

    /// The keys, for whoever trusts one of them.
    pub fn chain(&self, trusted: &VerifierKey) -> Result<KeyChain, Error> {
        let parse = |index: u64, (named, verifier): &(Digest, String)| {
            let why = "a key in it does not read, or is another than its digest says";
            let key = verifier.parse::<VerifierKey>().ok();
            let key = key.filter(|key| digest(key.public()) == *named);
            key.ok_or(Error::BadRotation { index, why })
        };
        let rotation = |recorded: &Recorded| {
            let Recorded { index, old, new } = recorded;
            let (old, new) = (parse(*index, old)?, parse(*index, new)?);
            Ok(Rotation { index: *index, old, new })
        };
        let rotations = self.rotations.iter().map(rotation).collect::<Result<Vec<_>, _>>()?;
        KeyChain::of(&rotations, trusted)
    }

    /// Whether the claim names the first key of the chain; also where no claim was seen.
    pub fn is_claimed_by(&self, keys: &KeyChain) -> bool {
        let first = keys.keys().next().map(|(key, _)| digest(key.public()));
        self.claimed.is_none_or(|claimed| first == Some(claimed))
    }

    /// The key in force; none in a log that nobody claimed.
    pub(crate) fn in_force(&self) -> Option<Digest> {
        self.rotations.last().map(|rotation| rotation.new.0).or(self.claimed)
    }

    /// What verifiers read of the key that came last.
    pub(super) fn last_verifier(&self) -> Option<&str> {
        self.rotations.last().map(|rotation| rotation.new.1.as_str())
    }

    /// The entry that retired a key.
    pub(super) fn retired_by(&self, key: &Digest) -> Option<u64> {
        self.rotations.iter().find(|rotation| rotation.old.0 == *key).map(|rotation| rotation.index)
    }
}

/// The entries that rotate the key, as the store lists them; what cannot be read is left out.
pub fn rotations(tx: &mut Tx<'_>) -> Result<Vec<LogEntry>, StoreError> {
    let listed = tx.setting(ROTATIONS)?.unwrap_or_default();
    let mut entries = Vec::new();
    for index in listed.split_whitespace().filter_map(|index| index.parse().ok()) {
        entries.extend(tx.entry(index)?.and_then(|stored| stored.entry().ok()));
    }
    Ok(entries)
}

/// Notes in the store that the entry there rotates the key.
pub(crate) fn note_rotation(tx: &mut Tx<'_>, index: u64) -> Result<(), StoreError> {
    let before = tx.setting(ROTATIONS)?.unwrap_or_default();
    tx.put_setting(ROTATIONS, format!("{before} {index}").trim_start())
}

/// Fails if the log is not this key's. Entry 0 names the first of its keys.
pub(crate) fn must_be_its_key(
    records: &KeyRecords,
    key: &VerifierKey,
    size: u64,
) -> Result<KeyChain, StartError> {
    if size > 0 && records.claimed.is_none() {
        return Err(StartError::Damaged("entry 0 of the log is not the claim".to_owned()));
    }
    let other = |why: &dyn std::fmt::Display| Err(StartError::OtherLogKey(why.to_string()));
    match records.chain(key) {
        Ok(keys) if !records.is_claimed_by(&keys) => other(&"the claim in entry 0 names that one"),
        Ok(keys) if keys.current() != key => other(&"a rotation in the log names that one"),
        Ok(keys) => Ok(keys),
        Err(error) => other(&error),
    }
}
