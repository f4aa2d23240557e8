//! Tokens as they should be, and as attackers make them: threats 1 to 22 and 37.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_wire::jose::TokenClass;
use marque_wire::oauth::{BadAccessToken, ErrorCode};
use serde_json::{Map, Value, json};

use super::*;

/// A token of this header and these claims, with the signature of another one.
fn forged(header: &str, token: &str) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn changed(claims: &AccessTokenClaims, name: &str, value: Value) -> Map<String, Value> {
    let mut members = claims.to_json();
    if value.is_null() {
        members.remove(name)
    } else {
        members.insert(name.to_owned(), value)
    };
    members
}

#[tokio::test]
async fn a_good_token_with_its_proof_says_who_calls() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let caller = stage.verify(&verifier, &stage.token()).await.unwrap();
    assert_eq!(caller.subject(), "usr_7Q2m");
    assert_eq!(caller.presenter(), "spiffe://acme.example/agent/ledger-writer");
    assert_eq!(caller.actor().unwrap().sub, caller.presenter());
    assert_eq!(caller.scope().to_string(), "invoices:read");
    assert!(caller.is_proven());
    stage.verify(&verifier, &stage.token()).await.unwrap();
    assert_eq!(stage.issuer.hits("/oauth/jwks"), 1, "keys are kept");
}

// threats 1, 2, 3, 4 and 9
#[tokio::test]
async fn threats_1_to_4_and_9_the_header_of_a_token_has_no_say() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    let kid = stage.issuer.turn(|knobs| knobs.keys[0].public().kid().to_owned());
    for alg in [json!("none"), json!("None"), json!("nOnE"), json!("HS256"), json!("ES384")] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid }).to_string();
        let refused = stage.verify(&verifier, &forged(&header, &token)).await;
        assert_eq!(told(refused).0, 401, "{alg}");
    }
    for header in [
        json!({ "typ": "at+jwt", "kid": kid }),
        json!({ "alg": ["ES256"], "typ": "at+jwt", "kid": kid }),
        json!({ "alg": 7, "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, "crit": ["exp"] }),
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, "b64": false }),
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, "zip": "DEF" }),
    ] {
        let refused = stage.verify(&verifier, &forged(&header.to_string(), &token)).await;
        assert_eq!(told(refused).0, 401, "{header}");
    }
    let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
    assert_eq!(told(stage.verify(&verifier, &unsigned).await).0, 401);
}

#[tokio::test]
async fn threats_5_and_6_a_key_id_is_looked_up_among_the_keys_of_the_issuer_and_nowhere_else() {
    let stage = Stage::new().await;
    let other = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    stage.verify(&verifier, &token).await.unwrap();
    let long = "k".repeat(10_000);
    for kid in ["../../dev/null", "' OR 1=1--", "$(id)", "\u{0}", "", long.as_str()] {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }).to_string();
        let refused = stage.verify(&verifier, &forged(&header, &token)).await;
        assert_eq!(told(refused).0, 401, "{kid}");
    }
    let claims = stage.claims();
    let foreign = other.issuer.sign(&claims);
    assert_eq!(reason(stage.verify(&verifier, &foreign).await), Reason::UnknownKey);
    let header = json!({ "alg": "ES256", "typ": "at+jwt" }).to_string();
    assert_eq!(reason(stage.verify(&verifier, &forged(&header, &token)).await), Reason::UnknownKey);
}

#[tokio::test]
async fn threats_7_and_8_a_token_brings_no_key_of_its_own() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    let elsewhere = format!("{}/evil", stage.issuer.issuer);
    for (name, value) in [
        ("jku", json!(elsewhere)),
        ("x5u", json!(elsewhere)),
        ("jwk", stage.issuer.turn(|knobs| issuer::jwk(&knobs.keys[0]).to_json())),
        ("x5c", json!(["AAAA"])),
    ] {
        let mut header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k" });
        header[name] = value;
        let refused = stage.verify(&verifier, &forged(&header.to_string(), &token)).await;
        assert!(matches!(reason(refused), Reason::Token(_)), "{name}");
    }
    assert_eq!(stage.issuer.hits("/evil"), 0);
    assert_eq!(stage.issuer.hits("/oauth/jwks"), 0, "what is refused unread causes no fetch");
}

#[tokio::test]
async fn threat_10_a_token_of_another_class_is_no_access_token_whoever_signed_it() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let claims = stage.claims().to_json();
    for class in TokenClass::ALL.into_iter().filter(|class| *class != TokenClass::AccessToken) {
        let token = stage.issuer.sign_as(class, &claims);
        assert!(matches!(reason(stage.verify(&verifier, &token).await), Reason::Token(_)));
    }
}

#[tokio::test]
async fn threat_11_an_audience_is_this_resource_byte_for_byte_and_it_alone() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    for aud in [
        json!("https://api.acme.example/invoices/"),
        json!("https://api.acme.example/invoice"),
        json!("https://api.acme.example.evil.example/invoices"),
        json!("https://api.acme.example/Invoices"),
        json!("https://api.acme.example"),
        json!([RESOURCE]),
        json!([RESOURCE, "https://evil.example"]),
        json!([]),
        json!(7),
        json!(null),
    ] {
        let claims = changed(&stage.claims(), "aud", aud.clone());
        let token = stage.issuer.sign_as(TokenClass::AccessToken, &claims);
        let (status, challenge) = told(stage.verify(&verifier, &token).await);
        assert_eq!(status, 401, "{aud}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

#[tokio::test]
async fn threat_12_an_issuer_is_the_configured_one_byte_for_byte() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let iss = stage.issuer.issuer.to_string();
    for iss in [
        format!("{iss}/"),
        iss.replace("127.0.0.1", "localhost"),
        iss.replace("http://", "HTTP://"),
        iss.replace("http://", "http://user@"),
        "https://evil.example".to_owned(),
    ] {
        let claims = changed(&stage.claims(), "iss", json!(iss));
        let token = stage.issuer.sign_as(TokenClass::AccessToken, &claims);
        assert!(matches!(reason(stage.verify(&verifier, &token).await), Reason::Claims(_)));
    }
}

#[tokio::test]
async fn threat_13_dates_are_whole_seconds_and_a_token_is_good_between_them_alone() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    for (name, value) in [
        ("exp", json!("1795316700")),
        ("exp", json!(1_795_316_700.5)),
        ("exp", json!(-1)),
        ("exp", json!(253_402_300_800_u64)),
        ("exp", json!(null)),
        ("exp", json!(START)),
        ("nbf", json!(START + 61)),
        ("iat", json!(START + 61)),
        ("iat", json!(null)),
    ] {
        let claims = changed(&stage.claims(), name, value.clone());
        let token = stage.issuer.sign_as(TokenClass::AccessToken, &claims);
        assert_eq!(told(stage.verify(&verifier, &token).await).0, 401, "{name} {value}");
    }
    let token = stage.token();
    stage.hands.pass(299);
    stage.verify(&verifier, &token).await.unwrap();
    stage.hands.pass(1);
    let refused = reason(stage.verify(&verifier, &token).await);
    assert_eq!(refused, Reason::Claims(BadAccessToken::Expired));
    assert_eq!(refused.code(), Some(ErrorCode::InvalidToken));
}

// threats 15, 16, 17 and 18
#[tokio::test]
async fn threats_15_to_18_what_two_readers_could_read_differently_is_refused() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for twisted in [
        format!("{header}.{claims}"),
        format!("{token}.x.y"),
        format!("{header}..{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}. {signature}"),
        format!("{token} "),
        format!("{{\"payload\":\"{claims}\"}}"),
        token.replace('-', "+").replace('_', "/") + "+",
    ] {
        assert_eq!(told(verifier.verify(&bearer(&twisted)).await).0, 401, "{twisted}");
    }
    // Signed, and still not to be read: the members stand twice, or something follows.
    for text in [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"aud":"a"} {}"#,
        "{\"sub\":NaN}",
        "\u{feff}{}",
        "{\"sub\":\"\\ud800\"}",
    ] {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid(&stage) }).to_string();
        let input = [header.as_bytes(), text.as_bytes()].map(|part| URL_SAFE_NO_PAD.encode(part));
        let token = signed(&stage, &input.join("."));
        assert!(matches!(reason(verifier.verify(&bearer(&token)).await), Reason::Token(_)));
    }
}

#[tokio::test]
async fn threat_20_what_is_large_is_refused_unread() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let large = format!("{}.{}.{}", "a".repeat(300), "a".repeat(1_000_000), "a".repeat(86));
    assert!(matches!(reason(verifier.verify(&bearer(&large)).await), Reason::Token(_)));
    assert_eq!(stage.issuer.hits("/oauth/jwks"), 0);
}

#[tokio::test]
async fn threat_21_a_signature_has_one_spelling() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let twin = [&signature[..32], &twin_of(&signature[32..])].concat();
    for other in [twin, [&[0; 32][..], &signature[32..]].concat(), vec![0; 64], vec![1; 8]] {
        let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(other));
        assert!(matches!(reason(stage.verify(&verifier, &token).await), Reason::Token(_)));
    }
}

#[tokio::test]
async fn threat_37_a_token_stands_in_one_field_of_the_head_and_nowhere_else() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    let asked = |uri: &str, fields: &[&str]| {
        let mut request = Request::get(uri).header("dpop", stage.proof(&token, |_| {}));
        for field in fields {
            request = request.header("authorization", *field);
        }
        request.body(()).unwrap().into_parts().0
    };
    let field = format!("DPoP {token}");
    let in_query = asked(&format!("{URL}?a=1&access_token={token}"), &[&field]);
    assert_eq!(told(verifier.verify(&in_query).await).0, 400);
    let twice = asked(URL, &[&field, &field]);
    assert_eq!(told(verifier.verify(&twice).await).0, 400);
    assert_eq!(told(verifier.verify(&asked(URL, &["DPoP"])).await).0, 400);
    for none in [&[][..], &["Basic YTpi"], &["DPoPx abc"]] {
        let (status, challenge) = told(verifier.verify(&asked(URL, none)).await);
        assert_eq!((status, challenge.as_str()), (401, "DPoP algs=\"ES256 RS256 Ed25519\""));
    }
    verifier.verify(&asked(URL, &[&format!("dpop {token}")])).await.unwrap();
}

fn kid(stage: &Stage) -> String {
    stage.issuer.turn(|knobs| knobs.keys[0].public().kid().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the test plays an issuer that writes nonsense")]
fn signed(stage: &Stage, input: &str) -> String {
    let signature = stage.issuer.turn(|knobs| knobs.keys[0].sign(input.as_bytes()).unwrap());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The order of P-256 less a number: the other `s` that verifies.
fn twin_of(s: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let mut borrow = false;
    let digits = ORDER.iter().zip(s).rev().map(|(order, digit)| {
        let (part, under) = order.overflowing_sub(*digit);
        let (part, again) = part.overflowing_sub(u8::from(borrow));
        borrow = under || again;
        part
    });
    let mut twin: Vec<u8> = digits.collect();
    twin.reverse();
    twin
}
