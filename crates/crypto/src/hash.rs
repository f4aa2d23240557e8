//! SHA-256 (FIPS 180-4) of content, as [`Digest`]; SHA-512 and SHA-1 where a protocol has them.
//!
//! Parts are concatenated plainly: callers that need them told apart must frame them first.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use marque_domain::Digest;

/// The digest of `content`.
pub fn sha256(content: &[u8]) -> Digest {
    of_bytes(digest(&SHA256, content).as_ref())
}

/// The digest of all `parts` one after the other, with nothing between them.
pub fn sha256_of(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// SHA-512 of `content` (FIPS 180-4): for signatures as OpenSSH makes them.
pub fn sha512(content: &[u8]) -> [u8; 64] {
    let digest = digest(&SHA512, content);
    digest.as_ref().try_into().expect("invariant: a SHA-512 digest is 64 bytes")
}

/// SHA-1 of `content`: for protocols that ask for it where no security rests on it.
pub fn sha1(content: &[u8]) -> [u8; 20] {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, content);
    digest.as_ref().try_into().expect("invariant: a SHA-1 digest is 20 bytes")
}

/// A digest taken piece by piece, for content too large to hold.
#[derive(Clone)]
pub struct Hasher(Context);

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        of_bytes(self.0.finish().as_ref())
    }
}

fn of_bytes(bytes: &[u8]) -> Digest {
    Digest::from_bytes(bytes.try_into().expect("invariant: a SHA-256 digest is 32 bytes"))
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Hasher, sha1, sha256, sha256_of, sha512};

    // FIPS 180-4, example of `abc`.
    #[test]
    fn sha_512_is_that_of_the_standard() {
        assert_eq!(sha512(b"abc")[..4], [0xdd, 0xaf, 0x35, 0xa1]);
    }

    // RFC 3174 §7.3.
    #[test]
    fn sha_1_is_there_for_old_protocols() {
        assert_eq!(sha1(b"abc")[..4], [0xa9, 0x99, 0x3e, 0x36]);
    }

    #[test]
    fn the_digest_is_sha_256_however_the_content_is_cut() {
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut hasher = Hasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(sha256(b"abc").to_string(), expected);
        assert_eq!(sha256_of(&[b"ab", b"", b"c"]).to_string(), expected);
        assert_eq!(hasher.finish().to_string(), expected);
    }
}
