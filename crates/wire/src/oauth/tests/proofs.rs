//! Proofs of possession (RFC 9449).

use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::*;
use crate::jose::{BadJose, BadJson};

/// Of RFC 9449 sections 4.1 and 7.1.
const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4d\
    EZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3V\
    OSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
const FOR_TOKEN: &str = "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2\
    VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igi\
    MLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
const FOR_RESOURCE: &str = "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9\
    yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIe\
    U8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimP\
    PToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const ACCESS_TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn htu(text: &str) -> Htu {
    Htu::parse(text).unwrap()
}

fn expected<'a>(method: &'a str, target: &'a Htu, now: u64) -> ExpectedProof<'a> {
    ExpectedProof { method, target, now: at(now), nonces: None, access_token: None, key: None }
}

#[test]
fn the_proofs_of_rfc_9449_hold_for_their_requests() {
    let target = htu("https://server.example.com/token");
    let proof = format!("{HEADER}.{FOR_TOKEN}");
    let expected_token = expected("POST", &target, 1_562_262_616);
    let held = DpopProof::check(proof.as_bytes(), &expected_token).unwrap();
    assert_eq!(
        (held.jti.as_str(), held.key.to_string().as_str()),
        ("-BwC3ESc6acc2lTc", THUMBPRINT)
    );

    let target = htu("https://resource.example.org/protectedresource");
    let proof = format!("{HEADER}.{FOR_RESOURCE}");
    let key = Thumbprint::parse(THUMBPRINT);
    let for_resource = ExpectedProof {
        access_token: Some(ACCESS_TOKEN),
        key,
        ..expected("GET", &target, 1_562_262_618)
    };
    DpopProof::check(proof.as_bytes(), &for_resource).unwrap();
    assert_eq!(access_token_hash(ACCESS_TOKEN), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

const NOW: u64 = 1_795_316_400;
const TARGET: &str = "https://gw.acme.example/mcp/billing";
const PROOF: &str = r#"{"jti":"p1","htm":"POST","htu":"https://gw.acme.example/mcp/billing",
    "iat":1795316400}"#;

fn proof(members: &[(&str, Value)]) -> Token {
    finish(Unsigned::proof(KEY.public(), &changed(PROOF, members)))
}

/// What becomes of a proof with these members set otherwise.
fn verdict(members: &[(&str, Value)]) -> Result<DpopProof, BadProof> {
    let target = htu(TARGET);
    DpopProof::check(proof(members).expose(), &expected("POST", &target, NOW))
}

// threat 57
#[test]
fn threat_57_a_proof_is_for_one_method_and_one_place() {
    assert!(verdict(&[]).is_ok());
    for htm in ["GET", "post", "POST ", "P"] {
        assert_eq!(verdict(&[("htm", htm.into())]).err(), Some(BadProof::Method), "{htm}");
    }
    for same in ["HTTPS://GW.acme.example/mcp/billing", "https://gw.acme.example:443/mcp/billing"] {
        assert!(verdict(&[("htu", same.into())]).is_ok(), "{same}");
    }
    for other in [
        "https://gw.acme.example/mcp/billing/",
        "https://gw.acme.example/mcp/Billing",
        "https://gw.acme.example/mcp",
        "https://gw.acme.example:8443/mcp/billing",
        "http://gw.acme.example/mcp/billing",
        "https://gw.acme.example.evil/mcp/billing",
        "https://gw.acme.example/mcp/billin%C3%A9",
    ] {
        assert_eq!(verdict(&[("htu", other.into())]).err(), Some(BadProof::Target), "{other}");
    }
    for doubtful in [
        "https://gw.acme.example/mcp/billing?a=1",
        "https://gw.acme.example/mcp/billing?",
        "https://gw.acme.example/mcp/billing#a",
        "https://user@gw.acme.example/mcp/billing",
        "https://gw.acme.example/mcp/%62illing",
        "https://gw.acme.example/mcp/./billing",
        "https://gw.acme.example/x/../mcp/billing",
        "https://gw.acme.example/mcp//billing",
        "https://gw.acme.example/mcp%2Fbilling",
        "/mcp/billing",
        "gw.acme.example/mcp/billing",
        "ftp://gw.acme.example/mcp/billing",
        "",
    ] {
        let refused = verdict(&[("htu", doubtful.into())]).err();
        assert!(matches!(refused, Some(BadProof::Claim(_))), "{doubtful}: {refused:?}");
    }
    assert_eq!(htu("https://a.example").as_str(), "https://a.example/");
}

// threat 58
#[test]
fn threat_58_a_proof_is_for_the_token_it_came_with() {
    let target = htu(TARGET);
    let with_token =
        ExpectedProof { access_token: Some(ACCESS_TOKEN), ..expected("POST", &target, NOW) };
    let with = |ath: Value| DpopProof::check(proof(&[("ath", ath)]).expose(), &with_token).err();
    assert_eq!(with(access_token_hash(ACCESS_TOKEN).into()), None);
    assert_eq!(with(access_token_hash(b"another").into()), Some(BadProof::AccessToken));
    assert_eq!(with(Value::Null), Some(BadProof::AccessToken), "none");
    let padded = format!("{}=", access_token_hash(ACCESS_TOKEN));
    assert_eq!(with(padded.into()), Some(BadProof::AccessToken));
    let without = verdict(&[("ath", access_token_hash(ACCESS_TOKEN).into())]).err();
    assert_eq!(without, Some(BadProof::AccessToken), "a proof for a resource, at the endpoint");
}

// threat 59
#[test]
fn threat_59_a_proof_shows_a_public_key_and_is_of_its_own_type() {
    let target = htu(TARGET);
    let expected = expected("POST", &target, NOW);
    let members = serde_json::from_str::<Value>(PROOF).unwrap().to_string();
    let jwk = crate::jose::Jwk { key: KEY.public().clone(), key_id: None }.to_json();
    let with = |header: Value| {
        let part = |text: String| crate::jose::encode(text.as_bytes());
        let input = format!("{}.{}", part(header.to_string()), part(members.clone()));
        let signature = KEY.sign(input.as_bytes()).unwrap();
        let proof = format!("{input}.{}", crate::jose::encode(&signature));
        DpopProof::check(proof.as_bytes(), &expected).err()
    };
    assert_eq!(with(json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk})), None);
    let mut private = jwk.clone();
    private["d"] = "AA".into();
    let refused = with(json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": private}));
    assert!(matches!(refused, Some(BadProof::Token(BadJose::Jwk(_)))), "{refused:?}");
    for alg in ["none", "HS256", "RS256", "EdDSA", "ES384"] {
        let refused = with(json!({"alg": alg, "typ": "dpop+jwt", "jwk": jwk}));
        assert!(matches!(refused, Some(BadProof::Token(_))), "{alg}");
    }
    for typ in ["JWT", "DPoP+jwt", "application/dpop+jwt", "at+jwt", ""] {
        let refused = with(json!({"alg": "ES256", "typ": typ, "jwk": jwk}));
        assert!(matches!(refused, Some(BadProof::Token(_))), "{typ}");
    }
    let other = ProofKey::generate().unwrap();
    let other = crate::jose::Jwk { key: other.public().clone(), key_id: None }.to_json();
    let refused = with(json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": other}));
    assert_eq!(refused, Some(BadProof::Token(BadJose::Signature)));
    for header in [json!({"alg": "ES256", "typ": "dpop+jwt"}), json!({"alg": "ES256", "jwk": jwk})]
    {
        assert!(matches!(with(header), Some(BadProof::Token(_))));
    }
}

// threat 60
#[test]
fn threat_60_a_proof_is_fresh_and_not_made_in_advance() {
    let made_at = |iat: u64| verdict(&[("iat", json!(iat))]).err();
    assert_eq!(made_at(NOW - 300), None);
    assert_eq!(made_at(NOW - 301), Some(BadProof::Old));
    assert_eq!(made_at(NOW - 3600), Some(BadProof::Old));
    assert_eq!(made_at(NOW + 60), None);
    assert_eq!(made_at(NOW + 61), Some(BadProof::Ahead));
    assert_eq!(made_at(NOW + 3600), Some(BadProof::Ahead));
    assert_eq!(made_at(0), Some(BadProof::Old));
    let held = verdict(&[]).unwrap();
    let target = htu(TARGET);
    let until = held.until.as_seconds();
    let again = |now| DpopProof::check(proof(&[]).expose(), &expected("POST", &target, now)).err();
    assert_eq!((again(until - 1), again(until)), (None, Some(BadProof::Old)));
}

// threat 60: nonces
#[test]
fn threat_60_a_nonce_that_is_asked_for_is_one_that_is_good_now() {
    let target = htu(TARGET);
    let nonces = ["current-1", "before-1"];
    let asked = ExpectedProof { nonces: Some(&nonces), ..expected("POST", &target, NOW) };
    let with = |nonce: Value| DpopProof::check(proof(&[("nonce", nonce)]).expose(), &asked).err();
    assert_eq!((with("current-1".into()), with("before-1".into())), (None, None));
    for wrong in ["current-2", "current-", "current-1x", "CURRENT-1"] {
        assert_eq!(with(wrong.into()), Some(BadProof::Nonce), "{wrong}");
    }
    assert_eq!(with(Value::Null), Some(BadProof::Nonce));
    assert!(matches!(with(7.into()), Some(BadProof::Claim(_))));
    let nobody = ExpectedProof { nonces: Some(&[]), ..asked };
    let refused = DpopProof::check(proof(&[("nonce", "x".into())]).expose(), &nobody).err();
    assert_eq!(refused, Some(BadProof::Nonce));
    assert!(verdict(&[("nonce", "unasked".into())]).is_ok(), "one that nobody asked for");
}

// threats 55 and 61
#[test]
fn threats_55_and_61_a_request_has_exactly_one_proof() {
    let mut headers = HeaderMap::new();
    assert_eq!(single_proof(&headers), Err(BadProof::Missing));
    headers.append("dpop", HeaderValue::from_static("a.b.c"));
    assert_eq!(single_proof(&headers), Ok(&b"a.b.c"[..]));
    headers.append("DPoP", HeaderValue::from_static("a.b.c"));
    assert_eq!(single_proof(&headers), Err(BadProof::Several));
    let listed = HeaderMap::from_iter([(
        http::HeaderName::from_static("dpop"),
        HeaderValue::from_static("a.b.c, a.b.c"),
    )]);
    let target = htu(TARGET);
    let both = single_proof(&listed).unwrap();
    assert!(DpopProof::check(both, &expected("POST", &target, NOW)).is_err());
}

// threat 62: the key of the proof is the one the token is bound to.
#[test]
fn threat_62_a_proof_by_another_key_does_not_go_with_the_token() {
    let target = htu(TARGET);
    let other = Thumbprint::of_key(ProofKey::generate().unwrap().public());
    for (key, verdict) in
        [(Thumbprint::of_key(KEY.public()), None), (other, Some(BadProof::OtherKey))]
    {
        let bound = ExpectedProof { key: Some(key), ..expected("POST", &target, NOW) };
        assert_eq!(DpopProof::check(proof(&[]).expose(), &bound).err(), verdict);
    }
}

#[test]
fn every_claim_of_a_proof_must_be_there_and_be_what_it_is() {
    for name in ["jti", "htm", "htu", "iat"] {
        let refused = verdict(&[(name, Value::Null)]).err();
        assert_eq!(refused, Some(BadProof::Claim(BadJson::Missing(name))));
        for value in [json!(true), json!([]), json!({}), json!(""), json!(1.5)] {
            let refused = verdict(&[(name, value.clone())]).err();
            assert!(matches!(refused, Some(BadProof::Claim(_))), "{name} {value}");
        }
    }
    assert!(verdict(&[("jti", "x".repeat(129).into())]).is_err());
    assert!(verdict(&[("jti", "a b".into())]).is_err());
}

#[test]
fn a_draft_becomes_a_proof_that_holds() {
    let target = htu(TARGET);
    let hash = access_token_hash(ACCESS_TOKEN);
    let draft = ProofDraft {
        jti: "p7",
        method: "POST",
        target: &target,
        iat: at(NOW),
        access_token_hash: Some(&hash),
        nonce: Some("n1"),
    };
    let proof = finish(draft.unsigned(KEY.public()));
    let expected = ExpectedProof {
        access_token: Some(ACCESS_TOKEN),
        nonces: Some(&["n1"]),
        key: Some(Thumbprint::of_key(KEY.public())),
        ..expected("POST", &target, NOW)
    };
    assert_eq!(DpopProof::check(proof.expose(), &expected).unwrap().jti, "p7");
}
