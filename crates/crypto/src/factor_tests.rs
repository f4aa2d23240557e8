use super::{Cost, MAX_MEMORY_KIB, PassphraseHash};
use crate::{CryptoError, Secret, SystemRandom};

fn secret(text: &str) -> Secret {
    Secret::from_string(text.to_owned())
}

fn hash(text: &str) -> PassphraseHash {
    PassphraseHash::create(Cost::LIGHT, &SystemRandom, &secret(text)).unwrap()
}

#[test]
fn a_passphrase_is_known_again_after_it_was_stored_and_no_other_is() {
    let stored = hash("correct horse battery").to_phc();
    let hash = PassphraseHash::from_phc(&stored).unwrap();
    assert!(hash.verify(&secret("correct horse battery")));
    for wrong in ["", "correct horse batterz", "correct horse battery ", "Correct horse battery"] {
        assert!(!hash.verify(&secret(wrong)), "`{wrong}` was taken");
    }
    assert!(!hash.verify(&secret(&"x".repeat(1_000_000))));
}

#[test]
fn the_same_passphrase_is_never_stored_the_same_way_twice() {
    assert_ne!(hash("correct horse battery").to_phc(), hash("correct horse battery").to_phc());
}

#[test]
fn a_hash_that_another_implementation_made_at_the_standard_cost_is_understood() {
    // Made with OpenSSL's argon2id.
    let stored = "$argon2id$v=19$m=65536,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg\
                  $ALrFYrQHh1KWaC4LgENojgm+lPzqMm6ZqmLQ7bREBPw";
    let hash = PassphraseHash::from_phc(stored).unwrap();
    assert_eq!(hash.cost, Cost::STANDARD);
    assert!(hash.verify(&secret("correct horse battery")));
}

#[test]
fn a_short_passphrase_is_refused_counting_characters_not_bytes() {
    let refused = |text: &str| PassphraseHash::create(Cost::LIGHT, &SystemRandom, &secret(text));
    for short in ["", "elevenchars", "ééééééééééé"] {
        let error = refused(short).err();
        assert!(matches!(error, Some(CryptoError::WeakPassphrase { min: 12, .. })), "`{short}`");
    }
    assert!(refused("twelve chars").is_ok());
    assert!(refused("éééééééééééé").is_ok());
    assert!(refused(&"x".repeat(1025)).is_err());
    let bytes = Secret::from_vec(vec![0xff; 20]);
    assert!(PassphraseHash::create(Cost::LIGHT, &SystemRandom, &bytes).is_err());
}

#[test]
fn a_tampered_row_cannot_make_us_take_more_memory_or_time_than_the_bound() {
    let stored = hash("correct horse battery").to_phc();
    for cost in ["m=262145,t=1,p=1", "m=4294967295,t=1,p=1", "m=64,t=17,p=1", "m=256,t=1,p=9"] {
        let tampered = stored.replace("m=64,t=1,p=1", cost);
        let error = PassphraseHash::from_phc(&tampered).err();
        assert!(matches!(error, Some(CryptoError::BadPassphraseHash(_))), "{cost} was taken");
    }
    assert!(Cost::new(MAX_MEMORY_KIB, 3, 1).is_ok());
    assert!(Cost::new(MAX_MEMORY_KIB + 1, 3, 1).is_err());
}

#[test]
fn only_our_own_spelling_of_a_stored_hash_is_read() {
    let stored = hash("correct horse battery").to_phc();
    let bad = [
        String::new(),
        stored.replace("argon2id", "argon2i"),
        stored.replace("v=19", "v=16"),
        stored.replace("m=64", "m=064"),
        stored.replace("t=1", "t=+1"),
        stored.replace("t=1", "t=0"),
        stored.replace("m=64", "m=1"),
        format!("{stored}="),
        format!("{stored}$"),
        format!(" {stored}"),
        stored.chars().take(stored.len() - 1).collect(),
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA".to_owned(),
        format!("{stored}{}", "A".repeat(1_000_000)),
    ];
    for text in bad {
        assert!(PassphraseHash::from_phc(&text).is_err());
    }
}
