//! The two strict scraps of grammar that every format here shares: decimals and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marque_domain::Digest;

/// ASCII decimal without sign or leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical { text.parse().ok() } else { None }
}

/// Padded RFC 4648 section 4 base64, canonical only.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn digest_from_base64(text: &str) -> Option<Digest> {
    from_base64(text)?.try_into().ok().map(Digest::from_bytes)
}
