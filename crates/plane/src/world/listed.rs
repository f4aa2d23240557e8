//! Places in status lists: which token has which, for as long as a verifier could take it for
//! another's.
//!
//! They lie beside the facts in the store, so that neither a restart nor another server gives one
//! twice. A list is there as long as one of its places is taken.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use marque_crypto::{Random, random};
use marque_domain::{AccessToken, Digest, Id, Run, Timestamp, TokenStatusList};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

/// Places of a list. A power of two, so that each is drawn as often as any other.
pub(crate) const PLACES: u32 = if cfg!(test) { 64 } else { 1 << 17 };
/// Of those, how many are taken at most: a free one is to be found by chance.
const TAKEN_MAX: usize = PLACES as usize / 4 * 3;
/// Lists at once: three quarters of a million tokens.
const LISTS_MAX: usize = 8;
/// How often a place is drawn: that all of them are taken happens once in 10^8 times.
const DRAWS: usize = 64;

/// One place of one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) list: Id<TokenStatusList>,
    pub(crate) index: u32,
}

/// The token that has a place, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) token: Id<AccessToken>,
    pub(crate) run: Id<Run>,
    /// Of the name of the key that signs it.
    pub(crate) key: Digest,
    /// From when it is good no more.
    pub(crate) until: Timestamp,
}

impl Listed {
    /// What clocks elsewhere may be off: so much longer a list says of it that it is over.
    pub(crate) const OVER_FOR: Duration = Duration::from_secs(120);
    /// How long a list is good that said so: until then, nobody else has its place.
    pub(crate) const LIST_GOOD_FOR: Duration = Duration::from_secs(120);

    /// From when it no longer stands in the list.
    pub(crate) fn silent_from(&self) -> Timestamp {
        self.until.plus(Self::OVER_FOR)
    }

    fn free_from(&self) -> Timestamp {
        self.silent_from().plus(Self::LIST_GOOD_FOR)
    }
}

/// Every place that is taken.
#[derive(Clone, Default)]
pub(crate) struct Places {
    lists: RedBlackTreeMapSync<Id<TokenStatusList>, HashTrieMapSync<u32, Listed>>,
    // The same by when they are free.
    due: RedBlackTreeSetSync<(Timestamp, Place)>,
}

impl Places {
    /// The lists, the oldest first.
    pub(crate) fn lists(&self) -> impl Iterator<Item = Id<TokenStatusList>> {
        self.lists.keys().copied()
    }

    /// Whether there is such a list.
    pub(crate) fn has(&self, list: Id<TokenStatusList>) -> bool {
        self.lists.contains_key(&list)
    }

    /// The places of a list that are taken, and by which tokens.
    pub(crate) fn of(&self, list: Id<TokenStatusList>) -> impl Iterator<Item = (u32, &Listed)> {
        let taken = self.lists.get(&list).into_iter().flat_map(HashTrieMapSync::iter);
        taken.map(|(index, listed)| (*index, listed))
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Listed> {
        self.lists.get(&place.list)?.get(&place.index)
    }

    /// Whether there is a place for one more token.
    pub(crate) fn has_room(&self) -> bool {
        self.lists.size() < LISTS_MAX || self.lists.values().any(has_room)
    }

    /// A place that is free, drawn by lot: in the oldest list that has room, else in a new one.
    pub(crate) fn free(&self, now: Timestamp, random: &dyn Random) -> Option<Place> {
        let index = || u32::from_be_bytes(random::bytes(random)) % PLACES;
        if let Some((list, taken)) = self.lists.iter().find(|(_, taken)| has_room(taken)) {
            let free = (0..DRAWS).map(|_| index()).find(|index| !taken.contains_key(index));
            return free.map(|index| Place { list: *list, index });
        }
        let list = Id::new(now, random::bytes(random));
        self.has_room().then(|| Place { list, index: index() })
    }

    pub(crate) fn put(&mut self, place: Place, listed: Listed) {
        self.forget(place);
        self.due.insert_mut((listed.free_from(), place));
        let taken = self.lists.get(&place.list).cloned().unwrap_or_default();
        self.lists.insert_mut(place.list, taken.insert(place.index, listed));
    }

    pub(crate) fn forget(&mut self, place: Place) {
        let Some(due) = self.get(place).map(|listed| (listed.free_from(), place)) else { return };
        self.due.remove_mut(&due);
        let taken = self.lists.get(&place.list).map(|taken| taken.remove(&place.index));
        match taken {
            Some(taken) if !taken.is_empty() => self.lists.insert_mut(place.list, taken),
            _ => {
                self.lists.remove_mut(&place.list);
            }
        }
    }

    /// Every place that is taken.
    pub(crate) fn all(&self) -> Vec<Place> {
        self.due.iter().map(|(_, place)| *place).collect()
    }

    /// Places that are free again, at most so many.
    pub(crate) fn over(&self, now: Timestamp, most: usize) -> Vec<Place> {
        let over = self.due.iter().take_while(|(free, _)| now >= *free);
        over.take(most).map(|(_, place)| *place).collect()
    }
}

fn has_room(taken: &HashTrieMapSync<u32, Listed>) -> bool {
    taken.size() < TAKEN_MAX
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.list, self.index)
    }
}

/// It is no place of a list.
#[derive(Debug)]
pub(crate) struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (list, index) = text.split_once(' ').ok_or(NoPlace)?;
        let list = list.parse().map_err(|_| NoPlace)?;
        Ok(Self { list, index: index.parse().map_err(|_| NoPlace)? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use marque_crypto::hash::sha256;
    use marque_crypto::random::SystemRandom;
    use marque_domain::{Id, Timestamp};
    use proptest::prelude::*;

    use super::{LISTS_MAX, Listed, Place, Places, TAKEN_MAX};

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn at(secs: u64) -> Timestamp {
        START.plus(std::time::Duration::from_secs(secs))
    }

    fn listed(number: u64, until: Timestamp) -> Listed {
        let [.., a, b] = number.to_be_bytes();
        let id = |kind| [kind, a, b, 0, 0, 0, 0, 0, 0, 0];
        let (token, run) = (Id::new(START, id(1)), Id::new(START, id(2)));
        Listed { token, run, key: sha256(b"key"), until }
    }

    fn takes(places: &mut Places, number: u64, now: u64, life: u64) -> Option<Place> {
        let place = places.free(at(now), &SystemRandom)?;
        assert!(places.get(place).is_none(), "{place} was given twice");
        places.put(place, listed(number, at(now + life)));
        Some(place)
    }

    #[test]
    fn lists_fill_one_after_another_and_then_there_is_no_room() {
        let (mut places, mut given) = (Places::default(), BTreeSet::new());
        for number in 0..(TAKEN_MAX * LISTS_MAX) as u64 {
            assert!(places.has_room());
            assert!(given.insert(takes(&mut places, number, 0, 900).unwrap()));
        }
        assert_eq!(places.lists().count(), LISTS_MAX);
        assert!(places.lists().all(|list| places.of(list).count() == TAKEN_MAX));
        assert!(!places.has_room() && places.free(at(0), &SystemRandom).is_none());
        assert!(places.over(at(900 + 239), usize::MAX).is_empty(), "a list may still name them");
        let free = places.over(at(900 + 240), usize::MAX);
        assert_eq!(free.iter().copied().collect::<BTreeSet<_>>(), given);
        for place in free {
            places.forget(place);
        }
        assert_eq!(places.lists().count(), 0, "a list goes with its last token");
        assert!(places.has_room() && places.due.is_empty());
    }

    proptest! {
        // Whatever is taken and given back in between, no two tokens have one place before it is
        // free, and both views of the places agree.
        #[test]
        fn no_place_is_given_twice_while_its_token_lives(
            acts in prop::collection::vec((0_u64..200, 301_u64..900), 1..400)
        ) {
            let (mut places, mut now) = (Places::default(), 0);
            let mut alive: Vec<(Place, u64)> = Vec::new();
            for (number, (pause, life)) in acts.into_iter().enumerate() {
                now += pause / 20;
                for place in places.over(at(now), 1_000) {
                    places.forget(place);
                }
                alive.retain(|(_, free)| now < *free);
                if let Some(place) = takes(&mut places, number as u64, now, life) {
                    prop_assert!(alive.iter().all(|(other, _)| *other != place));
                    alive.push((place, now + life + 240));
                } else {
                    prop_assert!(!places.has_room());
                }
                let taken: usize = places.lists().map(|list| places.of(list).count()).sum();
                prop_assert_eq!((taken, places.due.size()), (alive.len(), alive.len()));
            }
        }
    }
}
