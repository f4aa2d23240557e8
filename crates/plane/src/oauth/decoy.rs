//! A signature that is verified for nothing: whoever is not known takes as long as whoever is known
//! and not proven.

use std::sync::LazyLock;

use marque_wire::jose::{JwkSet, Unverified};

/// Keys of examples, one of each algorithm: RFC 7515 §A.3.1 and §A.2.1, RFC 8037 §A.2. Everybody
/// has their private halves, and nothing that they verify counts.
const KEYS: &str = r#"{"keys":[
    {"kty":"EC","crv":"P-256",
     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"RSA","e":"AQAB",
     "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}
]}"#;

static DECOYS: LazyLock<JwkSet> = LazyLock::new(|| {
    JwkSet::parse(KEYS.as_bytes()).expect("INVARIANT: a constant, and read by a test")
});

/// Verifies what no key is known for, by a key of the same algorithm, and forgets how it went.
pub(super) fn verify(unverified: Unverified<'_>) {
    let algorithm = unverified.algorithm();
    let key = DECOYS.keys().iter().find(|jwk| jwk.key.algorithm() == algorithm);
    if let Some(jwk) = key {
        let _never_ours = unverified.verify(&jwk.key);
    }
}

#[cfg(test)]
mod tests {
    use marque_crypto::public_key::Algorithm;

    use super::DECOYS;

    // threat 63
    #[test]
    fn there_is_a_decoy_of_every_algorithm() {
        let algorithms: Vec<_> = DECOYS.keys().iter().map(|jwk| jwk.key.algorithm()).collect();
        for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ed25519] {
            assert!(algorithms.contains(&algorithm), "{algorithm:?}");
        }
    }
}
