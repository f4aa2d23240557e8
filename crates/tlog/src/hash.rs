//! The two hashes of the tree (RFC 9162 section 2.1.1).
//!
//! The prefix bytes keep a leaf from ever being taken for an inner node.

use marque_crypto::hash::{sha256, sha256_of};
use marque_domain::Digest;

/// Root of the tree without entries: SHA-256 of nothing.
pub const EMPTY_ROOT: Digest = Digest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Hash of an entry's canonical bytes: `H(0x00 || entry)`.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256_of(&[&[0x00], entry])
}

/// Hash of an inner node: `H(0x01 || left || right)`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [0x01; 65];
    let children = left.as_bytes().iter().chain(right.as_bytes());
    bytes.iter_mut().skip(1).zip(children).for_each(|(slot, byte)| *slot = *byte);
    sha256(&bytes)
}
