use marque_domain::Digest;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Gap, Held, Restoration, Seen, count, judge};

fn root(of: u8) -> Digest {
    Digest::from_bytes([of; 32])
}

fn seen(restored: u64, size: u64) -> Seen {
    Seen { restored, size, root: root(1) }
}

fn places(at: &[(u64, u64)]) -> Vec<Restoration> {
    at.iter().map(|(number, at)| Restoration { number: *number, at: *at }).collect()
}

// threat 156
#[test]
fn a_store_goes_on_from_what_was_seen_or_from_a_restoration_before_it() {
    let older = |found, seen| Err(Gap::Older { found, seen });
    let (same, other) = (Some(root(1)), Some(root(2)));
    for (name, seen, known, size, root_then, expected) in [
        ("as it was", seen(0, 10), &[][..], 10, same, Ok(())),
        ("grown", seen(0, 10), &[], 50, same, Ok(())),
        ("shorter", seen(0, 10), &[], 9, None, older(9, 10)),
        ("empty", seen(0, 10), &[], 0, None, older(0, 10)),
        ("another", seen(0, 10), &[], 50, other, Err(Gap::Other(10))),
        ("restored since, shorter", seen(0, 50), &[(1, 10)], 12, None, Ok(())),
        ("restored since, longer", seen(0, 50), &[(1, 10)], 90, other, Ok(())),
        ("restored after that place", seen(0, 10), &[(1, 10)], 12, same, Ok(())),
        ("restored after that place, and changed", seen(0, 10), &[(1, 10)], 12, other, {
            Err(Gap::Other(10))
        }),
        ("restored, known, and older again", seen(1, 50), &[(1, 10)], 12, None, older(12, 50)),
        ("from before a restoration", seen(1, 12), &[], 12, same, older(12, 12)),
        ("the second is news", seen(1, 50), &[(1, 10), (2, 30)], 40, None, Ok(())),
        ("only the second is news", seen(1, 20), &[(1, 10), (2, 30)], 40, other, {
            Err(Gap::Other(20))
        }),
        ("a number was left out", seen(1, 50), &[(3, 10)], 12, None, Ok(())),
    ] {
        assert_eq!(judge(&seen, &places(known), Held { size, root_then }), expected, "{name}");
    }
}

/// A store as a list of entries no two of which are alike.
#[derive(Clone, Default)]
struct Model {
    entries: Vec<u64>,
    restorations: Vec<Restoration>,
}

impl Model {
    fn root_of(&self, size: usize) -> Digest {
        let bytes: Vec<u8> = self.entries[..size].iter().flat_map(|e| e.to_be_bytes()).collect();
        marque_crypto::hash::sha256(&bytes)
    }

    fn seen(&self) -> Seen {
        let (size, restored) = (self.entries.len(), count(&self.restorations));
        Seen { restored, size: size as u64, root: self.root_of(size) }
    }

    fn judge(&self, seen: &Seen) -> Result<(), Gap> {
        let size = self.entries.len();
        let then = usize::try_from(seen.size).unwrap();
        let root_then = (then <= size).then(|| self.root_of(then));
        judge(seen, &self.restorations, Held { size: size as u64, root_then })
    }

    /// Whether a human took an older copy since, before the place that was seen.
    fn was_restored_since(&self, before: &Self) -> bool {
        self.restorations.iter().any(|one| {
            let at = usize::try_from(one.at).unwrap();
            at < before.entries.len() && !before.entries.contains(&self.entries[at])
        })
    }
}

#[derive(Debug, Clone)]
enum Act {
    Append,
    BackUp,
    PutBack(Index),
    /// A server starts; if it refuses, a human takes the older copy there.
    Start(Index),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Append),
        1 => Just(Act::BackUp),
        1 => any::<Index>().prop_map(Act::PutBack),
        3 => any::<Index>().prop_map(Act::Start),
    ]
}

proptest! {
    // threat 156: whatever is backed up, put back and started in whatever order.
    #[test]
    fn what_was_seen_is_never_lost_without_a_human(acts in vec(act(), 1..60)) {
        let (mut store, mut next) = (Model::default(), 0);
        let mut backups = vec![Model::default()];
        let mut servers = [Model::default(), Model::default(), Model::default()];
        for act in acts {
            match act {
                Act::Append => {
                    store.entries.push(next);
                    next += 1;
                }
                Act::BackUp => backups.push(store.clone()),
                Act::PutBack(which) => store = backups[which.index(backups.len())].clone(),
                Act::Start(which) => {
                    let server = &mut servers[which.index(3)];
                    let seen = server.seen();
                    let judged = store.judge(&seen);
                    let goes_on = store.entries.starts_with(&server.entries);
                    if judged.is_ok() {
                        prop_assert!(goes_on || store.was_restored_since(server));
                    } else {
                        prop_assert!(!goes_on, "{judged:?}");
                        let number = count(&store.restorations).max(seen.restored) + 1;
                        let at = store.entries.len() as u64;
                        store.restorations.push(Restoration { number, at });
                        store.entries.push(next);
                        next += 1;
                    }
                    prop_assert!(store.judge(&seen).is_ok() || seen.size <= store.seen().size);
                    *server = store.clone();
                    let all = &store.restorations;
                    let grow = all.is_sorted_by(|a, b| a.number < b.number && a.at < b.at);
                    prop_assert!(grow);
                }
            }
        }
    }
}
