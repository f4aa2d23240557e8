//! The human factor: a passphrase, stored as argon2id (RFC 9106) in the PHC string format.
//!
//! Owns what makes a passphrase acceptable and what a stored hash may cost. A stored hash comes
//! from a table somebody may have altered, so its cost is bounded before any memory is taken.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::random::{self, Random};
use crate::secret::Secret;

/// Fewest characters a new passphrase may have.
pub const MIN_PASSPHRASE_CHARS: usize = 12;
/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE_LEN: usize = 1024;

const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;
const MAX_PHC_LEN: usize = 160;

/// What one guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// 64 MiB, three passes, one lane.
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// Next to nothing. For tests only: it protects no passphrase.
    pub const LIGHT: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    /// A cost of one's own, at most 256 MiB, 16 passes and 8 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CryptoError> {
        if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
            return Err(CryptoError::BadPassphraseHash("its cost is above what we accept"));
        }
        let cost = Self { memory_kib, passes, lanes };
        cost.params().map(|_| cost)
    }

    fn params(self) -> Result<Params, CryptoError> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|_| CryptoError::BadPassphraseHash("argon2id does not allow its cost"))
    }
}

/// A stored passphrase. Says whether a presented one is the same, and nothing else.
#[derive(Clone)]
pub struct PassphraseHash {
    cost: Cost,
    salt: [u8; 16],
    output: [u8; 32],
}

impl PassphraseHash {
    /// Hashes a new passphrase under a fresh salt; takes the time and memory `cost` says.
    ///
    /// Fails with [`CryptoError::WeakPassphrase`] below [`MIN_PASSPHRASE_CHARS`] characters.
    pub fn create(
        cost: Cost,
        random: &dyn Random,
        passphrase: &Secret,
    ) -> Result<Self, CryptoError> {
        let Ok(text) = std::str::from_utf8(passphrase.expose()) else {
            return Err(CryptoError::BadPassphrase("it is not UTF-8 text"));
        };
        let chars = text.chars().count();
        if chars < MIN_PASSPHRASE_CHARS {
            return Err(CryptoError::WeakPassphrase { chars, min: MIN_PASSPHRASE_CHARS });
        }
        if text.len() > MAX_PASSPHRASE_LEN {
            return Err(CryptoError::BadPassphrase("it is longer than 1024 bytes"));
        }
        let salt = random::bytes(random);
        Ok(Self { cost, salt, output: *derive(cost, salt, passphrase)? })
    }

    /// Whether `presented` is the passphrase. Takes as long either way.
    pub fn verify(&self, presented: &Secret) -> bool {
        presented.len() <= MAX_PASSPHRASE_LEN
            && derive(self.cost, self.salt, presented)
                .is_ok_and(|output| output.ct_eq(&self.output).into())
    }

    /// The PHC string: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    pub fn to_phc(&self) -> String {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let salt = STANDARD_NO_PAD.encode(self.salt);
        let output = STANDARD_NO_PAD.encode(self.output);
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }

    /// Reads what [`PassphraseHash::to_phc`] wrote, and nothing else.
    pub fn from_phc(text: &str) -> Result<Self, CryptoError> {
        let malformed = || CryptoError::BadPassphraseHash("it is not a PHC string of ours");
        if text.len() > MAX_PHC_LEN {
            return Err(malformed());
        }
        let rest = text.strip_prefix("$argon2id$v=19$m=").ok_or_else(malformed)?;
        let (memory, rest) = rest.split_once(",t=").ok_or_else(malformed)?;
        let (passes, rest) = rest.split_once(",p=").ok_or_else(malformed)?;
        let (lanes, rest) = rest.split_once('$').ok_or_else(malformed)?;
        let (salt, output) = rest.split_once('$').ok_or_else(malformed)?;
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| malformed());
        let hash = Self {
            cost: Cost::new(number(memory)?, number(passes)?, number(lanes)?)?,
            salt: decode(salt).ok_or_else(malformed)?,
            output: decode(output).ok_or_else(malformed)?,
        };
        // One spelling only: `+3`, `03` or loose base64 would print back differently.
        if hash.to_phc() == text { Ok(hash) } else { Err(malformed()) }
    }
}

fn derive(
    cost: Cost,
    salt: [u8; 16],
    passphrase: &Secret,
) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    let mut output = Zeroizing::new([0; 32]);
    argon2
        .hash_password_into(passphrase.expose(), &salt, output.as_mut_slice())
        .map_err(|_| CryptoError::Library("argon2id"))?;
    Ok(output)
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
#[path = "factor_tests.rs"]
mod tests;
