//! Keys and sets of keys as others publish them.

use marque_crypto::public_key::Algorithm;

use super::*;

const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

/// A key on P-256 with these members more.
fn with(more: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{more}}}"#)
}

fn problem(jwk: &str) -> Option<BadJwk> {
    Jwk::parse(jwk.as_bytes()).err()
}

fn set(keys: &[String]) -> Result<JwkSet, BadJwkSet> {
    JwkSet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
}

// threat 59: whoever shows a private key has disclosed it.
#[test]
fn threat_59_a_private_or_symmetric_member_is_refused_whatever_it_holds() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [r#""AA""#, r#""""#, "null", "[]"] {
            let jwk = with(&format!(r#","{name}":{value}"#));
            assert_eq!(problem(&jwk), Some(BadJwk::Private(name)), "{jwk}");
        }
    }
    assert_eq!(
        problem(r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1"}"#),
        Some(BadJwk::Private("k"))
    );
}

// threat 22
#[test]
fn threat_22_a_key_for_something_else_or_of_another_algorithm_is_none() {
    assert_eq!(problem(&with("")), None);
    assert_eq!(
        problem(&with(r#","use":"sig","key_ops":["verify"],"alg":"ES256","ext":true"#)),
        None
    );
    for more in [
        r#","use":"enc""#,
        r#","use":"SIG""#,
        r#","key_ops":["sign"]"#,
        r#","key_ops":["verify","sign"]"#,
        r#","key_ops":["deriveKey"]"#,
        r#","key_ops":[]"#,
    ] {
        assert_eq!(problem(&with(more)), Some(BadJwk::Use), "{more}");
    }
    for alg in ["RS256", "ES384", "HS256", "none", "Ed25519", "ECDH-ES"] {
        let jwk = with(&format!(r#","alg":"{alg}""#));
        assert_eq!(problem(&jwk), Some(BadJwk::Unsupported), "{alg}");
    }
    for jwk in [
        r#"{"kty":"oct"}"#.to_owned(),
        r#"{"kty":"ec"}"#.to_owned(),
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#.to_owned(),
        with("").replace("P-256", "P-384"),
        with("").replace("P-256", "secp256k1"),
        r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#.to_owned(),
    ] {
        assert_eq!(problem(&jwk), Some(BadJwk::Unsupported), "{jwk}");
    }
}

// threats 17 and 22: one spelling for each number, and no weak key.
#[test]
fn threats_17_and_22_members_are_whole_canonical_and_strong() {
    for jwk in [
        with("").replace(X, &format!("{X}=")),
        with("").replace(X, &format!("AA{X}")),
        with("").replace(X, X.get(1..).unwrap()),
        with("").replace("U\",\"y", "V\",\"y"),
        with("").replace(&format!("\"{X}\""), "7"),
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}"}}"#),
        format!(r#"{{"crv":"P-256","x":"{X}","y":"{Y}"}}"#),
        format!(r#"{{"kty":"EC","x":"{X}","y":"{Y}"}}"#),
        with(&format!(r#","x":"{X}""#)),
        r#"{"kty":"RSA","n":"AQAB"}"#.to_owned(),
        with(r#","kid":"""#),
    ] {
        assert!(matches!(problem(&jwk), Some(BadJwk::Json(_))), "{jwk}: {:?}", problem(&jwk));
    }
    let off_curve = with("").replace(Y, X);
    assert!(matches!(problem(&off_curve), Some(BadJwk::Weak(_))));
    let n = encode(&[0xff; 128]);
    let short = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#);
    assert!(matches!(problem(&short), Some(BadJwk::Weak(_))));
    let n = encode(&[0xff; 256]);
    let one = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQ"}}"#);
    assert!(matches!(problem(&one), Some(BadJwk::Weak(_))));
    let small = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(&[0; 32]));
    assert!(matches!(problem(&small), Some(BadJwk::Weak(_))));
}

#[test]
fn a_set_gives_the_key_that_a_token_means() {
    let key = |kid: &str| with(&format!(r#","kid":"{kid}""#));
    let es256 = Algorithm::Es256;
    let both = set(&[key("a"), key("b")]).unwrap();
    assert!(both.find(Some("a"), es256).is_some());
    assert!(both.find(Some("c"), es256).is_none());
    assert!(both.find(Some("a"), Algorithm::Rs256).is_none());
    assert!(both.find(None, es256).is_none(), "two could be meant");
    assert!(set(&[key("a")]).unwrap().find(None, es256).is_some());
    let unnamed = set(&[with(""), with("")]).unwrap();
    assert!(unnamed.find(None, es256).is_none() && unnamed.find(Some(""), es256).is_none());
    let printed = both.to_json().to_string();
    assert_eq!(JwkSet::parse(printed.as_bytes()).unwrap(), both);
    assert_eq!(JwkSet::default().to_json().to_string(), r#"{"keys":[]}"#);
}

// RFC 7517 section 5: a set may have keys that we have no use for.
#[test]
fn keys_for_others_in_a_set_are_passed_over() {
    let keys = [
        with(r#","kid":"a""#),
        with(r#","kid":"a","use":"enc""#),
        with(r#","kid":"b""#).replace("P-256", "P-521"),
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#.to_owned(),
    ];
    assert_eq!(set(&keys).unwrap().keys().len(), 1);
}

// threats 22 and 23
#[test]
fn threats_22_and_23_a_set_that_is_doubtful_or_endless_is_refused_whole() {
    let key = with(r#","kid":"a""#);
    assert_eq!(set(&[key.clone(), key.clone()]), Err(BadJwkSet::SameKeyId));
    let symmetric = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1"}"#.to_owned();
    let refused = set(&[key.clone(), symmetric]);
    assert_eq!(refused, Err(BadJwkSet::Key(BadJwk::Private("k"))));
    let weak = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encode(&[0xff; 128]));
    assert!(matches!(set(&[key.clone(), weak]), Err(BadJwkSet::Key(BadJwk::Weak(_)))));
    assert!(matches!(set(&[key.clone(), "7".to_owned()]), Err(BadJwkSet::Json(_))));
    assert!(matches!(set(&vec![with(""); KEYS_MAX + 1]), Err(BadJwkSet::Json(_))));
    assert!(set(&vec![with(""); KEYS_MAX]).is_ok());
    for text in ["{}", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(JwkSet::parse(text.as_bytes()), Err(BadJwkSet::Json(_))), "{text}");
    }
    let endless = vec![b' '; 50 * 1024 * 1024];
    let refused = JwkSet::parse(&endless);
    assert_eq!(refused, Err(BadJwkSet::Json(BadJson::TooLong(256 * 1024))));
}
