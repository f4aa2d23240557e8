//! What a token says about its own verification, and what comes of it.

use super::*;

fn key() -> ProofKey {
    ProofKey::generate().unwrap()
}

/// What becomes of an assertion with this header and a signature that holds.
fn verdict(header: &str) -> Result<(), BadJose> {
    let key = key();
    read(TokenClass::Assertion, &signed(header, "{}", &key), key.public())
}

// threats 1, 2, 3, 4: the algorithm is that of the key, or there is none.
#[test]
fn threats_1_to_4_only_the_algorithm_of_the_key_verifies() {
    assert_eq!(verdict(r#"{"alg":"ES256"}"#), Ok(()));
    for alg in [
        "none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "ES384", "ES512", "ES256K",
        "PS256", "RS384", "RS1", "es256", "ES256 ", " ES256", "RSA-OAEP", "dir", "A128KW",
    ] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        assert_eq!(verdict(&header), Err(BadJose::Algorithm), "{alg}");
    }
    for alg in ["RS256", "Ed25519", "EdDSA"] {
        assert_eq!(verdict(&format!(r#"{{"alg":"{alg}"}}"#)), Err(BadJose::OtherKey), "{alg}");
    }
    for header in [
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":1}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":""}"#,
        r#"{"ALG":"ES256"}"#,
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"["ES256"]"#,
        "null",
        "",
        "x",
    ] {
        let verdict = verdict(header);
        assert!(
            matches!(verdict, Err(BadJose::Header(_) | BadJose::Parts)),
            "{header}: {verdict:?}"
        );
    }
}

// threat 2: a public key is no shared secret.
#[test]
fn threat_2_a_mac_under_the_public_key_is_refused_before_any_key_is_looked_at() {
    let header = encode(br#"{"alg":"HS256"}"#);
    let token = format!("{header}.{}.{}", encode(b"{}"), encode(&[0; 32]));
    let parsed = Unverified::parse(TokenClass::Assertion, token.as_bytes()).err();
    assert_eq!(parsed, Some(BadJose::Algorithm));
}

// threats 5 and 6: a key id is a name that is looked up among trusted keys.
#[test]
fn threats_5_and_6_a_key_id_is_visible_ascii_and_names_a_trusted_key_or_none() {
    for kid in ["../../dev/null", "'OR'1=1--", "$(id)", "x"] {
        let token = signed(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), "{}", &key());
        let parsed = Unverified::parse(TokenClass::Assertion, &token).unwrap();
        assert_eq!(parsed.key_id(), Some(kid));
        let jwk = Jwk { key: key().public().clone(), key_id: Some("ours".to_owned()) };
        let set = JwkSet::new(vec![jwk]).unwrap();
        assert!(set.find(parsed.key_id(), parsed.algorithm()).is_none(), "{kid}");
    }
    for kid in [r#""""#, r#""a b""#, r#""a\u0000""#, r#""é""#, "7", "null", "[]"] {
        let verdict = verdict(&format!(r#"{{"alg":"ES256","kid":{kid}}}"#));
        assert!(matches!(verdict, Err(BadJose::Header(_))), "{kid}");
    }
    let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(257));
    assert!(matches!(verdict(&long), Err(BadJose::Header(_))));
    let longer = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(10_000));
    assert_eq!(verdict(&longer), Err(BadJose::Header(BadJson::TooLong(4096))));
}

// threats 7 and 8: no token brings its own key, and nothing is fetched because a token says so.
#[test]
fn threats_7_and_8_a_token_that_names_its_own_key_is_refused() {
    let mine = serde_json::Value::Object(jwk::public_members(key().public()));
    for (name, value) in [
        ("jku", r#""https://evil.example/jwks""#.to_owned()),
        ("x5u", r#""https://evil.example/cert""#.to_owned()),
        ("x5c", r#"["MIIB"]"#.to_owned()),
        ("jwk", mine.to_string()),
    ] {
        let header = format!(r#"{{"alg":"ES256","{name}":{value}}}"#);
        assert_eq!(verdict(&header), Err(BadJose::OwnKey(name)));
    }
    assert_eq!(verdict(r#"{"alg":"ES256","x5t":"AAAA","cty":"JWT","other":[1]}"#), Ok(()));
}

// threats 9, 18 and 19: extensions, encryption and other serializations.
#[test]
fn threats_9_18_and_19_no_extension_no_encryption_and_no_other_form_is_read() {
    for (name, header) in [
        ("crit", r#"{"alg":"ES256","crit":["exp"],"exp":1}"#),
        ("crit", r#"{"alg":"ES256","crit":[]}"#),
        ("crit", r#"{"alg":"ES256","crit":null}"#),
        ("b64", r#"{"alg":"ES256","b64":false}"#),
        ("b64", r#"{"alg":"ES256","b64":true}"#),
        ("zip", r#"{"alg":"ES256","zip":"DEF"}"#),
        ("enc", r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#),
    ] {
        assert_eq!(verdict(header), Err(BadJose::Extension(name)), "{header}");
    }
    let key = key();
    let token = String::from_utf8(signed(r#"{"alg":"ES256"}"#, "{}", &key)).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    for form in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        input.to_owned(),
        format!("{input}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{claims}.{signature}"),
    ] {
        let verdict = read(TokenClass::Assertion, form.as_bytes(), key.public());
        assert_eq!(verdict, Err(BadJose::Parts), "{form}");
    }
    let json =
        format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#);
    assert!(read(TokenClass::Assertion, json.as_bytes(), key.public()).is_err());
}

// threat 10: a token of one class is none of another.
#[test]
fn threat_10_a_token_of_one_class_is_none_of_another() {
    let key = key();
    let claims = serde_json::Map::new();
    for written in TokenClass::ALL {
        let unsigned = match written {
            TokenClass::DpopProof => Unsigned::proof(key.public(), &claims),
            class => Unsigned::new(class, key.public().algorithm(), "k", &claims),
        };
        let signature = key.sign(unsigned.signing_input()).unwrap();
        let token = unsigned.finish(&signature).unwrap();
        for class in TokenClass::ALL {
            let read = Unverified::parse(class, token.expose()).err();
            // Nothing but its claims and its issuer tells an ID token from another assertion.
            let is_same = written.typ() == class.typ()
                || (written.typ() == "JWT" && class == TokenClass::ClientAssertion);
            assert_eq!(read.is_none(), is_same, "{written} read as {class}: {read:?}");
        }
    }
    let untyped = signed(r#"{"alg":"ES256"}"#, "{}", &key);
    for class in TokenClass::ALL {
        let may_be_absent = matches!(
            class,
            TokenClass::ClientAssertion | TokenClass::IdToken | TokenClass::Assertion
        );
        assert_eq!(Unverified::parse(class, &untyped).is_ok(), may_be_absent, "{class}");
    }
}

// What we issue ourselves is never signed with Ed25519, whose key it ever is.
#[test]
fn a_class_has_the_algorithms_it_has() {
    for class in [TokenClass::AccessToken, TokenClass::Introspection, TokenClass::StatusList] {
        let header = format!(r#"{{"alg":"Ed25519","typ":"{}"}}"#, class.typ());
        let token = signed(&header, "{}", &key());
        assert_eq!(Unverified::parse(class, &token).err(), Some(BadJose::Algorithm), "{class}");
    }
}

// threat 17
#[test]
fn threat_17_each_part_has_one_spelling() {
    let key = key();
    let token = String::from_utf8(signed(r#"{"alg":"ES256"}"#, r#"{"a":1}"#, &key)).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for at in 0..3 {
        for change in [
            |part: &str| format!("{part}="),
            |part: &str| format!("{part}=="),
            |part: &str| format!("{part} "),
            |part: &str| format!("{part}\n"),
            |part: &str| format!(" {part}"),
            |part: &str| format!("{part}+/"),
            |part: &str| format!("{part}%3D"),
        ] {
            let mut changed: Vec<String> = parts.iter().map(ToString::to_string).collect();
            changed[at] = change(parts[at]);
            let verdict = read(TokenClass::Assertion, changed.join(".").as_bytes(), key.public());
            assert_eq!(verdict, Err(BadJose::Encoding), "{at}: {}", changed[at]);
        }
    }
}

// threats 13, 15, 16: the claims are read as strictly as the header.
#[test]
fn threats_15_and_16_claims_that_readers_differ_on_are_refused_though_they_are_signed() {
    let key = key();
    let claims = |claims: &str| {
        let token = signed(r#"{"alg":"ES256"}"#, claims, &key);
        read(TokenClass::Assertion, &token, key.public())
    };
    assert_eq!(claims("{}"), Ok(()));
    assert_eq!(claims(r#"{"sub":"a","sub":"b"}"#), Err(BadJose::Claims(BadJson::Twice)));
    for text in ["{}{}", "{}x", "\u{feff}{}", r#"{"a":NaN}"#, r#"{"a":"\ud800"}"#, "{}\0"] {
        assert_eq!(claims(text), Err(BadJose::Claims(BadJson::Syntax)), "{text}");
    }
    for text in ["[]", "null", "\"{}\"", "1"] {
        assert_eq!(claims(text), Err(BadJose::Claims(BadJson::NotObject)), "{text}");
    }
}

// threat 20: what is too long or too deep is refused before it costs anything.
#[test]
fn threat_20_length_depth_and_number_are_bounded() {
    let key = key();
    let claims = |claims: &str| {
        let token = signed(r#"{"alg":"ES256"}"#, claims, &key);
        read(TokenClass::Assertion, &token, key.public())
    };
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1024 * 1024));
    assert_eq!(claims(&long), Err(BadJose::TooLong(16 * 1024)));
    let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert_eq!(claims(&deep(24)), Ok(()));
    assert_eq!(claims(&deep(25)), Err(BadJose::Claims(BadJson::TooDeep(24))));
    assert_eq!(claims(&deep(1500)), Err(BadJose::Claims(BadJson::TooDeep(24))));
    let many = format!(r#"{{"a":[{}]}}"#, vec!["1"; 5000].join(","));
    assert_eq!(claims(&many), Err(BadJose::Claims(BadJson::TooMany(4096))));
    let header = format!(r#"{{"alg":"ES256","a":{}1{}}}"#, "[".repeat(9), "]".repeat(9));
    assert_eq!(verdict(&header), Err(BadJose::Header(BadJson::TooDeep(4))));
    for class in TokenClass::ALL {
        let token = vec![b'a'; class.max_bytes() + 1];
        let parsed = Unverified::parse(class, &token).err();
        assert_eq!(parsed, Some(BadJose::TooLong(class.max_bytes())));
    }
}
