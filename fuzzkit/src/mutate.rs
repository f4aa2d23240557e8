//! Mutations that are the same on every machine: a poor man's fuzzer for the smoke run.
//!
//! Knows no coverage. It finds what lies near the corpus; what lies further is libFuzzer's.

/// Longest input a mutation makes.
const INPUT_MAX_BYTES: usize = 4 * 1024;
/// Bytes that parsers treat apart.
const SIGNS: &[u8] = b"\0\n\r\t %+,-./0:;=?@[\\]{}\"'*\x7f\x80\xff";

/// Xorshift (Marsaglia, 2003): no seed is 0.
pub(crate) struct Mutator(u64);

impl Mutator {
    /// Begins anew for each name, so that a target's run does not depend on the others.
    pub(crate) fn of(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(seed | 1)
    }

    /// One of the corpus, changed in one to four places.
    pub(crate) fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, corpus);
        }
        bytes.truncate(INPUT_MAX_BYTES);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let until = bytes.len().min(at + 1 + self.below(16));
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = SIGNS[self.below(SIGNS.len())],
            2 => bytes.insert(at, SIGNS[self.below(SIGNS.len())]),
            3 => drop(bytes.drain(at..until)),
            4 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                let taken = other[from..].iter().take(1 + self.below(64)).copied();
                let taken: Vec<u8> = taken.collect();
                bytes.splice(at..until, taken);
            }
            _ => bytes.truncate(at),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bound = bound.max(1) as u64;
        usize::try_from(self.0 % bound).unwrap_or_default()
    }
}
