#![expect(clippy::disallowed_methods, reason = "here is where opening itself is tested")]

use std::sync::Arc;

use proptest::prelude::{any, proptest};

use super::{Binding, FileKeyManager, KeyManager, MAX_SECRET_LEN, Sealed, open, seal};
use crate::key_file::{KeyMaterial, Purpose};
use crate::{CryptoError, Random, Secret, SystemRandom};

const PLACE: Binding<'static> = Binding { table: "credential", row: "con_1", revision: 7 };

/// A broken generator, as after a restored backup: every draw is the same.
struct Stuck;

impl Random for Stuck {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x42);
    }
}

fn manager() -> FileKeyManager {
    let material = KeyMaterial::generate(Purpose::KeyEncryption, &SystemRandom);
    FileKeyManager::new(&material, Arc::new(SystemRandom)).unwrap()
}

fn sealed(manager: &dyn KeyManager, text: &str) -> Sealed {
    seal(manager, &SystemRandom, &PLACE, &Secret::from_string(text.to_owned())).unwrap()
}

proptest! {
    #[test]
    fn any_secret_comes_back_from_its_own_place(
        bytes: Vec<u8>, table: String, row: String, revision: u64,
    ) {
        let manager = manager();
        let place = Binding { table: &table, row: &row, revision };
        let secret = Secret::from_vec(bytes);
        let stored = seal(&manager, &SystemRandom, &place, &secret).unwrap().to_bytes();
        let opened = open(&manager, &place, &Sealed::from_bytes(&stored).unwrap()).unwrap();
        assert!(opened.matches(secret.expose()));
    }

    #[test]
    fn what_parses_prints_as_the_same_bytes(
        kek: [u8; 16], length in 0_u16..40, rest in proptest::collection::vec(any::<u8>(), 0..90),
    ) {
        let bytes = [&[1], kek.as_slice(), &length.to_be_bytes(), &rest].concat();
        let printed = Sealed::from_bytes(&bytes).map(|sealed| sealed.to_bytes());
        assert_eq!(printed.is_ok(), rest.len() >= usize::from(length) + 12 + 16);
        assert_eq!(printed.unwrap_or(bytes.clone()), bytes);
    }

    #[test]
    fn threat_149_two_places_never_share_their_bytes(
        table in "[ab]{0,3}", row in "[ab]{0,3}", other_table in "[ab]{0,3}",
        other_row in "[ab]{0,3}", revision in any::<u8>(),
    ) {
        let revision = u64::from(revision);
        let one = Binding { table: &table, row: &row, revision };
        let other = Binding { table: &other_table, row: &other_row, revision };
        assert_eq!(one == other, one.to_bytes() == other.to_bytes());
    }
}

#[test]
fn no_byte_of_a_sealed_value_can_change_unnoticed() {
    let manager = manager();
    let bytes = sealed(&manager, "ghp_secret").to_bytes();
    for index in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            *changed.get_mut(index).unwrap() ^= flip;
            let opened = Sealed::from_bytes(&changed).and_then(|it| open(&manager, &PLACE, &it));
            assert!(opened.is_err(), "byte {index} changed by {flip:#x} went unnoticed");
        }
    }
}

#[test]
fn a_sealed_value_cut_short_or_grown_does_not_open() {
    let manager = manager();
    let bytes = sealed(&manager, "ghp_secret").to_bytes();
    for len in 0..bytes.len() {
        let opened = Sealed::from_bytes(bytes.get(..len).unwrap())
            .and_then(|it| open(&manager, &PLACE, &it));
        assert!(opened.is_err(), "the first {len} bytes opened");
    }
    let grown = Sealed::from_bytes(&[bytes.as_slice(), &[0]].concat()).unwrap();
    assert!(open(&manager, &PLACE, &grown).is_err());
}

#[test]
fn threat_149_a_sealed_value_moved_to_another_place_does_not_open() {
    let manager = manager();
    let sealed = sealed(&manager, "ghp_secret");
    let moved = [
        Binding { table: "factor", ..PLACE },
        Binding { row: "con_2", ..PLACE },
        Binding { revision: 8, ..PLACE },
        Binding { table: "credentialcon", row: "_1", ..PLACE },
    ];
    for place in moved {
        let error = open(&manager, &place, &sealed).err();
        assert!(matches!(error, Some(CryptoError::Unsealable { .. })), "opened at {place}");
    }
    assert!(open(&manager, &PLACE, &sealed).unwrap().matches(b"ghp_secret"));
}

#[test]
fn threat_149_parts_of_two_sealed_values_do_not_combine() {
    let manager = manager();
    let (one, other) = (sealed(&manager, "one"), sealed(&manager, "two"));
    let mixed = Sealed { wrapped: other.wrapped.clone(), ..one.clone() };
    assert!(open(&manager, &PLACE, &mixed).is_err());
    let mixed = Sealed { ciphertext: other.ciphertext.clone(), ..one };
    assert!(open(&manager, &PLACE, &mixed).is_err());
}

#[test]
fn threat_151_the_wrong_key_is_refused_naming_both_keys() {
    let (right, wrong) = (manager(), manager());
    let sealed = sealed(&right, "ghp_secret");
    let error = open(&wrong, &PLACE, &sealed).err().unwrap();
    assert!(matches!(error, CryptoError::WrongKek { .. }));
    let message = error.to_string();
    assert!(message.contains(&right.id().to_string()), "{message}");
    assert!(message.contains(&wrong.id().to_string()), "{message}");
    let forged = Sealed { kek: wrong.id(), ..sealed };
    assert!(open(&wrong, &PLACE, &forged).is_err());
}

#[test]
fn threat_148_a_generator_that_repeats_reveals_only_that_two_secrets_are_equal() {
    let material = KeyMaterial::generate(Purpose::KeyEncryption, &SystemRandom);
    let manager = FileKeyManager::new(&material, Arc::new(Stuck)).unwrap();
    let seal = |text: &str| {
        let secret = Secret::from_string(text.to_owned());
        seal(&manager, &Stuck, &PLACE, &secret).unwrap()
    };
    let (one, other) = (seal("AAAAAAAAAAAAAAAA"), seal("AAAAAAAAAAAAAAAB"));
    assert!(one == seal("AAAAAAAAAAAAAAAA"));
    // In a stream mode all but the last byte would be the same.
    let same = one.ciphertext.iter().zip(&other.ciphertext).filter(|(a, b)| a == b).count();
    assert!(same < 8, "{same} bytes of the ciphertexts agree");
}

#[test]
fn two_seals_of_one_secret_share_neither_key_nor_nonce() {
    let manager = manager();
    let (one, other) = (sealed(&manager, "same"), sealed(&manager, "same"));
    assert_ne!(one.nonce, other.nonce);
    assert_ne!(one.wrapped, other.wrapped);
    assert_ne!(one.ciphertext, other.ciphertext);
}

#[test]
fn a_secret_above_the_bound_is_refused() {
    let manager = manager();
    let seal = |len| seal(&manager, &SystemRandom, &PLACE, &Secret::from_vec(vec![0; len]));
    let longest = seal(MAX_SECRET_LEN).unwrap().to_bytes();
    assert!(Sealed::from_bytes(&longest).is_ok());
    assert!(Sealed::from_bytes(&[longest.as_slice(), &[0]].concat()).is_err());
    assert!(matches!(seal(MAX_SECRET_LEN + 1).err(), Some(CryptoError::SecretTooLong { .. })));
}

#[test]
fn a_key_for_another_purpose_cannot_wrap() {
    let material = KeyMaterial::generate(Purpose::LogSigning, &SystemRandom);
    let error = FileKeyManager::new(&material, Arc::new(SystemRandom)).err();
    assert!(matches!(error, Some(CryptoError::WrongPurpose { .. })));
}
