//! The little of SSH that it takes to tell a client of it no (RFC 4253).
//!
//! Owns our identification and one message without encryption. Exchanges no keys, so nothing a
//! client says after its own identification is ever read.

/// Our identification (RFC 4253 §4.2).
pub const IDENTIFICATION: &[u8] = b"SSH-2.0-marque\r\n";
/// Longest identification of a client, with its line end (RFC 4253 §4.2).
pub const IDENTIFICATION_MAX_BYTES: usize = 255;
/// Longest description: what OpenSSH prints of one.
const DESCRIPTION_MAX_BYTES: usize = 400;

const SSH_MSG_DISCONNECT: u8 = 1;
/// RFC 4253 §11.1.
const SSH_DISCONNECT_SERVICE_NOT_AVAILABLE: u32 = 7;
/// RFC 4253 §6: a packet is a multiple of the cipher's block, and of 8 where there is none.
const BLOCK_BYTES: usize = 8;
const PADDING_MIN_BYTES: usize = 4;

/// Whether these are the first bytes of a client of SSH.
pub fn is_client(first: &[u8]) -> bool {
    first.starts_with(b"SSH-")
}

/// SSH_MSG_DISCONNECT with this description, as the first packet: it may come at any time
/// (RFC 4253 §11), also before keys are exchanged.
pub fn disconnect(description: &str) -> Vec<u8> {
    let mut text = String::new();
    // A client prints it on one line; what does not fit it does not print.
    for character in description.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if text.len() + character.len_utf8() > DESCRIPTION_MAX_BYTES {
            break;
        }
        text.push(character);
    }
    let mut payload = vec![SSH_MSG_DISCONNECT];
    payload.extend(SSH_DISCONNECT_SERVICE_NOT_AVAILABLE.to_be_bytes());
    payload.extend(length(text.len()));
    payload.extend_from_slice(text.as_bytes());
    // RFC 4253 §11.1: a language tag, which nobody fills in.
    payload.extend(length(0));
    packet(&payload)
}

/// RFC 4253 §6, without cipher, compression or authentication.
fn packet(payload: &[u8]) -> Vec<u8> {
    let bare = 4 + 1 + payload.len();
    let padding = match BLOCK_BYTES - bare % BLOCK_BYTES {
        few if few < PADDING_MIN_BYTES => few + BLOCK_BYTES,
        enough => enough,
    };
    let mut bytes = length(1 + payload.len() + padding).to_vec();
    bytes.push(u8::try_from(padding).unwrap_or(u8::MAX));
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DESCRIPTION_MAX_BYTES, disconnect, is_client};

    #[test]
    fn a_client_says_so_with_its_first_bytes() {
        assert!(is_client(b"SSH-2.0-OpenSSH_10.0\r\n"));
        for other in [&b"SSH"[..], b"SEARCH / HTTP/1.1", b"", b"\x16\x03\x01"] {
            assert!(!is_client(other));
        }
    }

    #[test]
    fn a_disconnect_is_the_packet_the_specification_shows() {
        let expected = [
            &[0, 0, 0, 28, 10][..],
            &[1, 0, 0, 0, 7, 0, 0, 0, 4],
            b"no\xc3\xa9",
            &[0, 0, 0, 0],
            &[0; 10],
        ];
        assert_eq!(disconnect("no\u{e9}"), expected.concat());
    }

    proptest! {
        #[test]
        fn every_disconnect_is_a_whole_packet(text in ".{0,500}") {
            let packet = disconnect(&text);
            let announced = u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize;
            let padding = usize::from(packet[4]);
            prop_assert_eq!(packet.len(), announced + 4);
            prop_assert_eq!(packet.len() % 8, 0);
            prop_assert!((4..12).contains(&padding));
            let described = u32::from_be_bytes(packet[10..14].try_into().unwrap()) as usize;
            prop_assert_eq!(described + 1 + 4 + 4 + 4, announced - 1 - padding);
            let said = std::str::from_utf8(&packet[14..14 + described]).unwrap();
            prop_assert!(said.len() <= DESCRIPTION_MAX_BYTES);
            prop_assert!(!said.chars().any(char::is_control));
        }
    }
}
