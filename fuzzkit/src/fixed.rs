//! Randomness that tests can have again.

use marque_crypto::Random;

/// Every byte the same.
pub(crate) struct Constant(pub(crate) u8);

impl Random for Constant {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}
