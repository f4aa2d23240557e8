//! First bytes of a connection: PostgreSQL, SSH, TLS, and the doors that a launcher hands over.

use marque_api::fuzzing::{doors_handed_over, length_of_hand_over};
use marque_gateway::fuzzing::hides_its_host;
use marque_wire::postgres::{STARTUP_MAX_BYTES, fatal, opening};
use marque_wire::ssh;

pub(super) fn check(data: &[u8]) {
    postgres(data);
    hello(data);
    hand_over(data);
    let text = String::from_utf8_lossy(data);
    let packet = ssh::disconnect(&text);
    let length = u32::from_be_bytes(*packet.first_chunk().unwrap()) as usize;
    assert_eq!((packet.len(), packet.len() % 8), (length + 4, 0), "half a packet of SSH");
    let message = fatal("28000", &text, &text);
    let length = u32::from_be_bytes(*message[1..].first_chunk().unwrap()) as usize;
    assert_eq!(message.len(), length + 1, "half a message of PostgreSQL");
}

/// A verdict on few bytes is the verdict on more.
fn postgres(data: &[u8]) {
    let whole = opening(data);
    if let Ok(Some((_, length))) = whole {
        assert!((8..=STARTUP_MAX_BYTES).contains(&length));
    }
    for size in 0..data.len().min(16) {
        match opening(&data[..size]) {
            Ok(None) => {}
            told => assert_eq!(told, whole, "more bytes make it something else"),
        }
    }
}

/// A hello is the same in one record and in two.
fn hello(data: &[u8]) {
    let record = |bytes: &[u8]| {
        let [.., high, low] = bytes.len().to_be_bytes();
        [&[22, 3, 1, high, low], bytes].concat()
    };
    let told = hides_its_host(data);
    if told.is_some() {
        assert_eq!(hides_its_host(&[data, &record(b"")].concat()), told);
    }
    let short = data.get(..8_192).unwrap_or(data);
    let (one, other) = short.split_at(short.len() / 2);
    let parted = [record(one), record(other)].concat();
    assert_eq!(hides_its_host(&record(short)), hides_its_host(&parted), "two records are another");
}

fn hand_over(data: &[u8]) {
    let framed = [&u32::try_from(data.len()).unwrap().to_be_bytes(), data].concat();
    for message in [data, &framed] {
        match doors_handed_over(message) {
            Ok(doors) => {
                assert!((1..=64).contains(&doors));
                assert_eq!(length_of_hand_over(message), Ok(Some(message.len())));
                assert!(doors_handed_over(&[message, b" "].concat()).is_err(), "something follows");
            }
            Err(told) => quotes_nothing(data, &told),
        }
    }
}

/// The member that does not parse may be the secret.
fn quotes_nothing(data: &[u8], told: &str) {
    const MARK: &str = "canary";
    if data.windows(MARK.len()).any(|at| at == MARK.as_bytes()) {
        assert!(!told.contains(MARK), "a problem quotes the message: {told}");
    }
}
