//! Digests as claims write them: `sha-256:` and 43 characters of base64url.

use marque_domain::Digest;

use crate::jose::{decode_array, encode};

/// Length of the text, in bytes.
pub(super) const BYTES: usize = 51;
const PREFIX: &str = "sha-256:";

pub(super) fn print(digest: &Digest) -> String {
    format!("{PREFIX}{}", encode(digest.as_bytes()))
}

pub(super) fn read(text: &str) -> Option<Digest> {
    decode_array(text.strip_prefix(PREFIX)?.as_bytes()).map(Digest::from_bytes)
}
