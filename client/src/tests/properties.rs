//! Whatever is done to the bytes of a token or a proof, nobody believes it.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// A text with one place of it changed: another byte, one less, one more, two swapped, cut.
fn twisted(text: &str, at: usize, kind: u8, byte: u8) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let at = at % bytes.len();
    match kind {
        0 => bytes[at] = byte,
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, byte),
        3 => {
            let other = usize::from(byte) % bytes.len();
            bytes.swap(at, other);
        }
        _ => bytes.truncate(at),
    }
    bytes
}

fn field(scheme: &str, bytes: &[u8]) -> Option<::http::HeaderValue> {
    ::http::HeaderValue::from_bytes(&[scheme.as_bytes(), bytes].concat()).ok()
}

#[test]
fn a_token_or_proof_whose_bytes_were_changed_is_never_accepted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::new());
    let verifier = stage.verifier();
    let token = stage.token();
    runtime.block_on(stage.verify(&verifier, &token)).unwrap();
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let change = (any::<usize>(), 0..5_u8, any::<u8>(), any::<bool>());
    let tried = TestRunner::new(config).run(&change, |(at, kind, byte, is_token)| {
        let proof = stage.proof(&token, |_| {});
        let original = if is_token { &token } else { &proof };
        let changed = twisted(original, at, kind, byte);
        prop_assume!(changed != original.as_bytes());
        let mut request = parts(&format!("DPoP {token}"), &proof);
        let (name, scheme) = if is_token { ("authorization", "DPoP ") } else { ("dpop", "") };
        let Some(value) = field(scheme, &changed) else { return Ok(()) };
        request.headers.insert(name, value);
        let verified = runtime.block_on(verifier.verify(&request));
        // Of a proof both spellings of its signature are read: it is known by its name, and the
        // name is used up all the same.
        prop_assert!(verified.is_err(), "{}", String::from_utf8_lossy(&changed));
        Ok(())
    });
    tried.unwrap();
    assert_eq!(stage.issuer.hits("/oauth/jwks"), 1, "nothing of it made the verifier ask");
}
