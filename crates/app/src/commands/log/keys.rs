//! The keys a log was signed with: what is said of them beside it, held against its entries.

use marque_plane::KeyRecords;
use marque_store::StoredEntry;
use marque_tlog::{Error, KeyChain, VerifierKey};
use serde::Serialize;

/// What stands in every entry that rotates the key, near its beginning: canonical JSON has its
/// members in order, and before it comes only who did it.
const MARK: &[u8] = br#""kind":"log_key_rotated""#;
const MARK_WITHIN: usize = 512;

/// The keys of one log, while it is read.
pub(crate) struct LogKeys {
    chain: KeyChain,
    said: KeyRecords,
    seen: KeyRecords,
    broken: Option<Problem>,
}

/// An entry, and what is wrong there.
pub(crate) struct Problem {
    pub(crate) index: u64,
    pub(crate) words: String,
}

/// A rotation, for scripts.
#[derive(Debug, Serialize)]
pub(crate) struct Rotated {
    /// The entry that did it, the last that the old key vouches for.
    index: u64,
    old: String,
    new: String,
}

impl LogKeys {
    /// The keys that are said to be the log's, for whoever trusts one of them.
    pub(crate) fn new(said: KeyRecords, trusted: VerifierKey) -> Self {
        let (chain, broken) = match said.chain(&trusted) {
            Ok(chain) => (chain, None),
            Err(error) => {
                let index = if let Error::BadRotation { index, .. } = error { index } else { 0 };
                (trusted.into(), Some(Problem { index, words: error.to_string() }))
            }
        };
        Self { chain, said, seen: KeyRecords::default(), broken }
    }

    pub(crate) fn chain(&self) -> &KeyChain {
        &self.chain
    }

    /// Looks at the next entry.
    pub(crate) fn see(&mut self, stored: &StoredEntry) {
        let head = stored.bytes.get(..MARK_WITHIN).unwrap_or(&stored.bytes);
        let is_one = stored.index == 0 || head.windows(MARK.len()).any(|bytes| bytes == MARK);
        if is_one && let Ok(entry) = stored.entry() {
            self.seen.see(&entry);
        }
    }

    /// Where the entries, read up to that size, say otherwise than what was said.
    pub(crate) fn problem(&self, size: u64) -> Option<Problem> {
        let unlike = self.said.first_unlike(&self.seen).filter(|index| *index < size);
        let unlike = unlike.map(|index| Problem {
            index,
            words: "rotates the log's key otherwise than is said beside the log".to_owned(),
        });
        let claimed = (!self.seen.is_claimed_by(&self.chain)).then(|| Problem {
            index: 0,
            words: format!("the claim names another log key than `{}`", self.first().label()),
        });
        let broken = self.broken.as_ref();
        let broken =
            broken.map(|Problem { index, words }| Problem { index: *index, words: words.clone() });
        broken.into_iter().chain(unlike).chain(claimed).min_by_key(|problem| problem.index)
    }

    /// Every rotation, oldest first.
    pub(crate) fn rotations(&self) -> Vec<Rotated> {
        let keys: Vec<_> = self.chain.keys().collect();
        let pairs = keys.iter().zip(keys.iter().skip(1));
        let rotated =
            |((old, index), (new, _)): (&(&VerifierKey, Option<u64>), &(&VerifierKey, _))| {
                let (old, new) = (old.to_string(), new.to_string());
                index.map(|index| Rotated { index, old, new })
            };
        pairs.filter_map(rotated).collect()
    }

    fn first(&self) -> &VerifierKey {
        self.chain.keys().next().map_or(self.chain.trusted(), |(key, _)| key)
    }
}

/// What a reader should know of them, each on a line of its own.
pub(crate) fn text(rotations: &[Rotated], trusted: &str) -> String {
    let rotated = |Rotated { index, old, new }: &Rotated| {
        format!("\nentry {index} rotated the log's key from {old} to {new}")
    };
    let retired = rotations.iter().find(|rotated| rotated.old == trusted).map(|rotated| {
        format!(
            "\nthe key this was verified with was retired by entry {}: what follows is signed by \
             keys that the log names. Whoever stole the old key can write such an entry too: hold \
             the log against an anchor, and the new key against what its administrator says",
            rotated.index
        )
    });
    rotations.iter().map(rotated).chain(retired).collect()
}
