//! What holds secrets at rest: sealed values and hashes of passphrases print as they were read, and
//! a sealed value that was changed in any bit stays shut.

use std::sync::Arc;

use marque_crypto::Secret;
use marque_crypto::factor::PassphraseHash;
use marque_crypto::key_file::{KeyMaterial, Purpose};
use marque_crypto::seal::{Binding, FileKeyManager, Sealed, open, seal};

use crate::fixed::Constant;

const PLACE: Binding<'static> = Binding { table: "credential", row: "crd_1", revision: 1 };

pub(super) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(hash) = PassphraseHash::from_phc(text)
    {
        assert_eq!(hash.to_phc(), text, "a hash has two spellings");
    }
    if let Ok(sealed) = Sealed::from_bytes(data) {
        assert_eq!(sealed.to_bytes(), data, "a sealed value has two forms");
    }
    changed(data);
}

/// A sealed value with bytes of it changed: the first two of every three say where.
fn changed(data: &[u8]) {
    let material = KeyMaterial::generate(Purpose::KeyEncryption, &Constant(3));
    let manager = FileKeyManager::new(&material, Arc::new(Constant(4))).unwrap();
    let secret = Secret::from_string("a secret".to_owned());
    let sealed = seal(&manager, &Constant(5), &PLACE, &secret).unwrap();
    let honest = sealed.to_bytes();
    let mut bytes = honest.clone();
    for change in data.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    let Ok(read) = Sealed::from_bytes(&bytes) else { return };
    assert_eq!(is_opened(&manager, &PLACE, &read), bytes == honest, "a changed value opens");
    let moved = Binding { revision: 2, ..PLACE };
    assert!(!is_opened(&manager, &moved, &read), "a value opens in another place");
}

#[expect(clippy::disallowed_methods, reason = "whether it opens is what is looked at")]
fn is_opened(manager: &FileKeyManager, place: &Binding<'_>, sealed: &Sealed) -> bool {
    open(manager, place, sealed).is_ok()
}
