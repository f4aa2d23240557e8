//! Dice that fall the same way for the same seed.

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Seeds that are neighbours must not tell stories that are.
        let mut dice = Self(seed ^ 0x6d61_7271_7565_0001);
        dice.next();
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0, below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True once in so many throws.
    pub(super) fn once_in(&mut self, throws: u64) -> bool {
        self.below(throws) == 0
    }

    /// A place in a list of that length, if it has any.
    pub(super) fn place(&mut self, length: usize) -> Option<usize> {
        let place = self.below(u64::try_from(length).ok()?);
        usize::try_from(place).ok().filter(|_| length > 0)
    }

    /// One of a few.
    pub(super) fn one_of<T: Copy>(&mut self, few: &[T]) -> T {
        few[self.place(few.len()).unwrap()]
    }
}
