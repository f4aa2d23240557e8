use proptest::prelude::*;

use super::is_encrypted;

/// One handshake message with these extensions, in records of at most `cut` bytes.
fn hello(extensions: &[(u16, &[u8])], cut: usize) -> Vec<u8> {
    let mut listed = Vec::new();
    for (kind, data) in extensions {
        listed.extend(kind.to_be_bytes());
        listed.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        listed.extend_from_slice(data);
    }
    let mut body = vec![3, 3];
    body.extend([0; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(u16::try_from(listed.len()).unwrap_or(0).to_be_bytes());
    body.extend(listed);
    let mut message = vec![1, 0];
    message.extend(u16::try_from(body.len()).unwrap_or(0).to_be_bytes());
    message.extend(body);
    let mut records = Vec::new();
    for piece in message.chunks(cut) {
        records.extend([22, 3, 1]);
        records.extend(u16::try_from(piece.len()).unwrap_or(0).to_be_bytes());
        records.extend_from_slice(piece);
    }
    records
}

#[test]
fn an_encrypted_hello_is_seen_wherever_it_stands_and_however_it_is_cut() {
    let plain: &[(u16, &[u8])] = &[(0, b"\0\x08\0\0\x05a.com"), (43, b"\x02\x03\x04")];
    let hidden = [plain, &[(0xfe0d, b"\0\0\x01")]].concat();
    for cut in [1, 7, 60, 16_000] {
        assert_eq!(is_encrypted(&hello(plain, cut)), Some(false), "cut at {cut}");
        assert_eq!(is_encrypted(&hello(&hidden, cut)), Some(true), "cut at {cut}");
    }
}

#[test]
fn what_is_no_whole_hello_is_not_taken_for_one() {
    let whole = hello(&[(43, b"\x02\x03\x04")], 16_000);
    assert_eq!(is_encrypted(&[]), None);
    assert_eq!(is_encrypted(b"GET / HTTP/1.1\r\n\r\n"), None);
    for end in 1..whole.len() {
        let cut: Vec<u8> = whole.iter().copied().take(end).collect();
        assert_eq!(is_encrypted(&cut), None, "of {end} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _seen = is_encrypted(&bytes);
    }
}
