//! Randomness as a parameter: the seam that lets a test replay a seed.
//!
//! Key generation inside the library and ECDSA nonces always use the library's own generator.

/// A source of bytes nobody can predict.
///
/// `fill` must not fail: an implementation that cannot deliver ends the process, because no caller
/// has a safe way to go on with bytes that may be guessed.
pub trait Random: Send + Sync {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` random bytes.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// The library's generator, seeded by the operating system. The only one for production.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // AWS-LC aborts the process itself when the system gives no entropy.
        aws_lc_rs::rand::fill(bytes).expect("invariant: the generator delivers or aborts");
    }
}
