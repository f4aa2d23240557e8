//! Rulings kept: what Cedar answered to a brief, for whoever asks the same again.
//!
//! What a set of policies says of a brief never changes, so nothing that is kept gets old; it goes
//! with its set. It takes no lock, and what is full makes room one place at a time, first where
//! nobody asked again: whoever fills it with what is asked once costs others at most what a
//! decision costs without it.

use std::array;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use crate::brief::Brief;
use crate::ruling::Ruling;

/// Rulings whose briefs hash alike share a shelf and its places.
const SHELVES: usize = 2_048;
const PLACES: usize = 4;
/// Most bytes of one brief with the texts of its ruling. So all that is kept stays below 6 MiB.
const MAX_BYTES: usize = 512;

type Shelf = [ArcSwapOption<Kept>; PLACES];

/// A cache from briefs to rulings, of one set of policies.
#[derive(Debug, Default)]
pub(crate) struct Rulings {
    // Keyed by chance, so that nobody can choose whose shelf theirs comes to stand on.
    hasher: RandomState,
    shelves: OnceLock<Box<[Shelf]>>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Kept {
    hash: u64,
    brief: Box<[u8]>,
    ruling: Ruling,
    /// Whether it was asked for since it was kept, or since it was last spared.
    is_used: AtomicBool,
}

impl Rulings {
    /// The ruling on a brief: the one that is kept, or what `ask` answers.
    ///
    /// A failure and a ruling without an answer are not kept: the next who asks may be told more.
    pub(crate) fn get<E>(
        &self,
        brief: &Brief<'_>,
        ask: impl FnOnce() -> Result<Ruling, E>,
    ) -> Result<Ruling, E> {
        let key = brief.key();
        let hash = self.hasher.hash_one(&key);
        if let Some(ruling) = self.kept(hash, &key) {
            return Ok(ruling);
        }
        let ruling = ask()?;
        if bytes_of(&ruling).is_some_and(|bytes| bytes + key.len() <= MAX_BYTES) {
            let (brief, ruling) = (key.into(), ruling.clone());
            self.keep(Kept { hash, brief, ruling, is_used: AtomicBool::new(false) });
        }
        Ok(ruling)
    }

    fn kept(&self, hash: u64, key: &[u8]) -> Option<Ruling> {
        shelf_of(self.shelves.get()?, hash)?.iter().find_map(|place| {
            let kept = place.load();
            let same = kept.as_ref().filter(|kept| kept.hash == hash && *kept.brief == *key)?;
            // Read first: a line that nobody writes to is in every processor's cache.
            if !same.is_used.load(Ordering::Relaxed) {
                same.is_used.store(true, Ordering::Relaxed);
            }
            Some(same.ruling.clone())
        })
    }

    fn keep(&self, kept: Kept) {
        let shelves = self.shelves.get_or_init(|| {
            (0..SHELVES).map(|_| array::from_fn(|_| ArcSwapOption::empty())).collect()
        });
        let Some(shelf) = shelf_of(shelves, kept.hash) else { return };
        let free = shelf.iter().find(|place| place.load().is_none());
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % PLACES;
        let unused = || {
            let mut places = shelf.iter().cycle().skip(first).take(PLACES);
            places.find(|place| {
                let kept = place.load();
                kept.as_ref().is_none_or(|kept| !kept.is_used.swap(false, Ordering::Relaxed))
            })
        };
        if let Some(place) = free.or_else(unused).or_else(|| shelf.get(first)) {
            place.store(Some(Arc::new(kept)));
        }
    }

    /// How many are kept. `rulings_tests.rs` looks at them through a set.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        let places = self.shelves.get().into_iter().flat_map(|shelves| shelves.iter().flatten());
        places.filter(|place| place.load().is_some()).count()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits of a hash choose a shelf")]
fn shelf_of(shelves: &[Shelf], hash: u64) -> Option<&Shelf> {
    shelves.get(hash as usize % shelves.len().max(1))
}

/// The bytes of its texts; none for what is not kept.
fn bytes_of(ruling: &Ruling) -> Option<usize> {
    match ruling {
        Ruling::Pass => Some(0),
        Ruling::Ask { rules, words } | Ruling::Forbid { rules, words } => {
            let names = rules.iter().map(|rule| size_of::<String>() + rule.as_str().len());
            Some(names.sum::<usize>() + words.len())
        }
        Ruling::Error { .. } => None,
    }
}
