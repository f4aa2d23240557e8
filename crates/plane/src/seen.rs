//! Seen: what was seen of a log, kept outside its store, and whether the store goes on from there.
//!
//! A store that was restored from a backup has forgotten what was taken away since (threat 156). It
//! cannot know that by itself; who saw more of it does.

use std::cell::RefCell;

use marque_domain::Digest;
use marque_store::{Store, StoreError, Tx};
use marque_tlog::Frontier;
use serde::{Deserialize, Serialize};

use crate::start::{StartError, StoredHashes};

/// The setting with every restoration the store knows of, oldest first, as JSON.
const RESTORED: &str = "restored";

/// What was seen of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How often an older copy of its store had been taken by then.
    pub restored: u64,
    /// Entries.
    pub size: u64,
    /// Their root.
    pub root: Digest,
}

/// An older copy of the store that was taken as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restoration {
    /// Counts up from 1 over the life of the plane.
    pub(crate) number: u64,
    /// Entries that were found: where what was lost branches off.
    pub(crate) at: u64,
}

/// Why a store does not go on from what was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// It has not got that far.
    #[error(
        "the store holds {found} entries, and {seen} were seen here before: it is an older copy, \
         was it restored from a backup?"
    )]
    Older {
        /// Entries there are.
        found: u64,
        /// Entries there were.
        seen: u64,
    },
    /// It has got as far on another way.
    #[error(
        "the first {0} entries of the store are not those that were seen here before: it is \
         another history, did it go on from a backup?"
    )]
    Other(u64),
}

/// How much of its log a store holds, and whether that begins with what was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) size: u64,
    /// The root of as many entries as were seen; none if there are fewer.
    pub(crate) root_then: Option<Digest>,
}

/// Whether a store may be taken by who saw this of it.
///
/// It goes on from there, or a human took an older copy since, before the place that was seen: then
/// what came after is lost, and known to be.
pub(crate) fn judge(seen: &Seen, restorations: &[Restoration], held: Held) -> Result<(), Gap> {
    let older = Gap::Older { found: held.size, seen: seen.size };
    if seen.restored > count(restorations) {
        return Err(older);
    }
    if held.root_then == Some(seen.root) {
        return Ok(());
    }
    // INVARIANT: their places only grow, for a copy from before one does not know of that one.
    let news = restorations.iter().find(|restoration| restoration.number > seen.restored);
    match (news, held.root_then) {
        (Some(news), _) if seen.size > news.at => Ok(()),
        (_, None) => Err(older),
        (_, Some(_)) => Err(Gap::Other(seen.size)),
    }
}

/// How often an older copy was taken.
pub(crate) fn count(restorations: &[Restoration]) -> u64 {
    restorations.last().map_or(0, |restoration| restoration.number)
}

/// Fails unless the store goes on from everything that was seen.
pub(crate) fn must_go_on(store: &Store, witnesses: &[Seen], size: u64) -> Result<(), StartError> {
    if witnesses.is_empty() {
        return Ok(());
    }
    let restorations = store.read("seen", restorations)?;
    for seen in witnesses {
        let root_then = if seen.size <= size { Some(root_of(store, seen.size)?) } else { None };
        judge(seen, &restorations, Held { size, root_then }).map_err(StartError::Gap)?;
    }
    Ok(())
}

/// The root of the first entries of the log.
pub(crate) fn root_of(store: &Store, size: u64) -> Result<Digest, StartError> {
    let restored =
        store.read("log.head", |tx| Ok(Frontier::restore(size, &StoredHashes(RefCell::new(tx)))));
    match restored? {
        Ok(head) => Ok(head.root()),
        Err(error) => Err(StartError::Damaged(error.0)),
    }
}

/// Every restoration the store knows of.
pub(crate) fn restorations(tx: &mut Tx<'_>) -> Result<Vec<Restoration>, StoreError> {
    let Some(text) = tx.setting(RESTORED)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text)
        .map_err(|error| StoreError::Corrupt(format!("the setting `{RESTORED}`: {error}")))
}

/// Notes one more.
pub(crate) fn put_restoration(tx: &mut Tx<'_>, new: Restoration) -> Result<(), StoreError> {
    let mut all = restorations(tx)?;
    all.push(new);
    let text =
        serde_json::to_string(&all).map_err(|error| StoreError::Unstorable(error.to_string()))?;
    tx.put_setting(RESTORED, &text)
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
