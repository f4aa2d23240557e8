//! What is searched for: every value that was injected in a run, and how it looks in base64.
//!
//! Owns which values are searched for, and the tables by which clean bytes are told at a glance.
//! Escapes are not spelled out here: the search undoes them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Shorter values are not searched for: they would be found in innocent data.
const SHORTEST_VALUE_BYTES: usize = 6;
/// Shorter pieces of base64 are not searched for either.
const SHORTEST_CORE_BYTES: usize = 8;
/// Of a longer value only that much is searched for, and redacted.
const LONGEST_VALUE_BYTES: usize = 8 * 1024;
/// More values than a run injects; beyond it the oldest is forgotten.
const VALUES_MAX: usize = 64;
/// Longest beginning of a pattern that the tables know of.
const WINDOW_MAX_BYTES: usize = 16;
/// How many bytes are looked up at once.
pub(super) const QUAD_BYTES: usize = 4;
/// One bit for every hash of four bytes.
const QUAD_WORDS: usize = (1 << 16) / 64;

/// What must not come back in one run. Not to be printed; wiped when dropped.
pub(crate) struct Needles {
    values: Vec<Zeroizing<Vec<u8>>>,
    /// In order, without doubles, all in lower case: what is searched for.
    patterns: Vec<Zeroizing<Vec<u8>>>,
    /// As many bytes as every pattern has, up to [`WINDOW_MAX_BYTES`].
    window: usize,
    /// Which four bytes in a row the first `window` bytes of a pattern hold, by their hash.
    quads: Zeroizing<Vec<u64>>,
    /// Which bytes a pattern begins with.
    first: Zeroizing<Vec<bool>>,
    /// Which bytes are among the first `window` of a pattern.
    early: Zeroizing<Vec<bool>>,
}

/// The patterns that begin with the same `depth` bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Branch {
    from: usize,
    until: usize,
    depth: usize,
}

impl Needles {
    /// Nothing to search for.
    pub(crate) fn none() -> Self {
        Self::of(Vec::new())
    }

    /// Those and more. Values are compared and searched for without regard to ASCII case.
    pub(crate) fn and(&self, values: &[&[u8]]) -> Self {
        let mut all = self.values.clone();
        for value in values.iter().map(|value| searched(value)) {
            if value.len() >= SHORTEST_VALUE_BYTES && !all.iter().any(|known| **known == value) {
                all.push(Zeroizing::new(value.to_vec()));
            }
        }
        all.drain(..all.len().saturating_sub(VALUES_MAX));
        Self::of(all)
    }

    /// Whether nothing is searched for.
    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether adding `value` would change nothing: it is known, or too short to be searched for.
    pub(crate) fn holds(&self, value: &[u8]) -> bool {
        let value = searched(value);
        value.len() < SHORTEST_VALUE_BYTES || self.values.iter().any(|known| **known == value)
    }

    fn of(values: Vec<Zeroizing<Vec<u8>>>) -> Self {
        let mut patterns: Vec<_> = values.iter().flat_map(|value| patterns(value)).collect();
        patterns.sort_unstable_by(|one, other| one.as_slice().cmp(other.as_slice()));
        patterns.dedup();
        let shortest = patterns.iter().map(|pattern| pattern.len()).min().unwrap_or(0);
        let window = shortest.min(WINDOW_MAX_BYTES);
        let mut needles = Self {
            values,
            patterns: Vec::new(),
            window,
            quads: Zeroizing::new(vec![0; QUAD_WORDS]),
            first: Zeroizing::new(vec![false; 256]),
            early: Zeroizing::new(vec![false; 256]),
        };
        for pattern in &patterns {
            needles.note(pattern.get(..window).unwrap_or_default());
        }
        needles.patterns = patterns;
        needles
    }

    fn note(&mut self, beginning: &[u8]) {
        for (index, byte) in beginning.iter().enumerate() {
            set(&mut self.early, *byte);
            if index == 0 {
                set(&mut self.first, *byte);
            }
        }
        for quad in beginning.windows(QUAD_BYTES).filter_map(<[u8]>::first_chunk) {
            let (word, bit) = place(*quad);
            if let Some(word) = self.quads.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// As many bytes as every pattern has, and the tables know of.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Whether these four bytes may stand in the first bytes of a pattern; seldom wrong.
    pub(super) fn may_hold(&self, quad: [u8; QUAD_BYTES]) -> bool {
        let (word, bit) = place(quad);
        self.quads.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether a pattern begins with that byte.
    pub(super) fn begin_with(&self, byte: u8) -> bool {
        is_set(&self.first, byte)
    }

    /// Whether that byte is among the first of a pattern.
    pub(super) fn hold_early(&self, byte: u8) -> bool {
        is_set(&self.early, byte)
    }

    /// All patterns, of which nothing is read yet.
    pub(super) fn root(&self) -> Branch {
        Branch { from: 0, until: self.patterns.len(), depth: 0 }
    }

    /// Those patterns of `branch` that go on with `byte`.
    pub(super) fn step(&self, branch: Branch, byte: u8) -> Option<Branch> {
        let Branch { from, until, depth } = branch;
        let byte = byte.to_ascii_lowercase();
        let patterns = self.patterns.get(from..until)?;
        if let [only] = patterns {
            let next = Branch { from, until, depth: depth + 1 };
            return (only.get(depth) == Some(&byte)).then_some(next);
        }
        let below = patterns.partition_point(|one| one.get(depth).is_none_or(|at| *at < byte));
        let within = patterns.partition_point(|one| one.get(depth).is_none_or(|at| *at <= byte));
        let next = Branch { from: from + below, until: from + within, depth: depth + 1 };
        (below < within).then_some(next)
    }

    /// Whether all of a pattern was read.
    pub(super) fn is_whole(&self, branch: Branch) -> bool {
        self.patterns.get(branch.from).is_some_and(|first| first.len() == branch.depth)
    }

    /// Whether there is more of a pattern to read.
    pub(super) fn go_on(&self, branch: Branch) -> bool {
        let last = self.patterns.get(..branch.until).and_then(<[_]>::last);
        last.is_some_and(|last| last.len() > branch.depth)
    }
}

fn set(bytes: &mut [bool], byte: u8) {
    for byte in [byte, byte.to_ascii_uppercase()] {
        if let Some(entry) = bytes.get_mut(usize::from(byte)) {
            *entry = true;
        }
    }
}

fn is_set(bytes: &[bool], byte: u8) -> bool {
    bytes.get(usize::from(byte)).is_some_and(|is_set| *is_set)
}

/// Where the bit of four bytes stands: in which word, and which. Upper and lower case are one.
fn place(quad: [u8; QUAD_BYTES]) -> (usize, u64) {
    let folded = u32::from_le_bytes(quad) | 0x2020_2020;
    // Fibonacci hashing: the golden ratio of 32 bits, and the upper half of the product.
    let hash = folded.wrapping_mul(0x9e37_79b1) >> 16;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

fn searched(value: &[u8]) -> &[u8] {
    value.get(..LONGEST_VALUE_BYTES).unwrap_or(value)
}

fn patterns(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut patterns = vec![lower(value)];
    for offset in 0..3 {
        let mut shifted = Zeroizing::new(vec![0; offset]);
        shifted.extend_from_slice(value);
        // RFC 4648 §4: a character is 6 bits; those that hold bits of a neighbour are left out.
        let core = (8 * offset).div_ceil(6)..8 * shifted.len() / 6;
        if core.len() < SHORTEST_CORE_BYTES {
            continue;
        }
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = Zeroizing::new(alphabet.encode(&*shifted));
            patterns.extend(encoded.as_bytes().get(core.clone()).map(lower));
        }
    }
    patterns
}

fn lower(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_ascii_lowercase())
}
