//! SHA-256 (FIPS 180-4) of content, as [`Digest`].
//!
//! Parts are concatenated plainly: callers that need them told apart must frame them first.

use aws_lc_rs::digest::{Context, SHA256};
use marque_domain::Digest;

/// The digest of `content`.
pub fn sha256(content: &[u8]) -> Digest {
    sha256_of(&[content])
}

/// The digest of all `parts` one after the other, with nothing between them.
pub fn sha256_of(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
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
        let digest = self.0.finish();
        let bytes = <[u8; 32]>::try_from(digest.as_ref());
        Digest::from_bytes(bytes.expect("invariant: a SHA-256 digest is 32 bytes"))
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Hasher, sha256, sha256_of};

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
