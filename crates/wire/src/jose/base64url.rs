//! Base64url without padding (RFC 4648 section 5, RFC 7515 section 2), in its one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes of `text`; none for padding, spaces, another alphabet or bits that no encoder leaves.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The `N` bytes of `text`.
pub(crate) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

/// The text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    // threat 17
    #[test]
    fn threat_17_every_text_of_bytes_is_their_only_one() {
        for bytes in [&b""[..], b"f", b"fo", b"foo", &[0xff, 0xfe], &[0xfb, 0xff, 0xbf]] {
            assert_eq!(decode(encode(bytes).as_bytes()).as_deref(), Some(bytes));
        }
        for text in [
            "Zg==", "Zg=", "Z", "Zh", "Zm9", "Zm8=", "Zm 8", " Zm8", "Zm8 ", "Zm8\n", "Zm\r\n8",
            "+/+/", "Zm8.", "Zm9v=", "====", "Zg\0",
        ] {
            assert!(decode(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(decode("Zm\u{ff2f}8".as_bytes()).is_none());
    }
}
