//! The examples of RFC 7515, RFC 8037 and RFC 7638.

use super::*;

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9p\
    c19yb290Ijp0cnVlfQ";
/// Of RFC 7515 A.2.1.
const RSA: &str = concat!(
    r#"{"kty":"RSA","e":"AQAB","n":""#,
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz",
    "P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6",
    "3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw",
    "Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW",
    "yuXpoQ",
    r#""}"#,
);
const RSA_SIGNATURE: &str = concat!(
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt",
    "_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL",
    "IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no",
    "OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ",
    "Ge77Rw",
);
/// Of RFC 7515 A.3.1.
const EC: &str = concat!(
    r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
    r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
);
const EC_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// Of RFC 8037 A.2.
const OKP: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn key(jwk: &str) -> PublicKey {
    Jwk::parse(jwk.as_bytes()).unwrap().key
}

#[test]
fn the_examples_of_rfc_7515_a_2_and_a_3_verify_and_each_with_its_own_key_alone() {
    let rsa = format!("{}.{PAYLOAD}.{RSA_SIGNATURE}", encode(br#"{"alg":"RS256"}"#));
    let ec = format!("{}.{PAYLOAD}.{EC_SIGNATURE}", encode(br#"{"alg":"ES256"}"#));
    for (token, own, other) in [(&rsa, RSA, EC), (&ec, EC, RSA)] {
        let parsed = Unverified::parse(TokenClass::Assertion, token.as_bytes()).unwrap();
        assert_eq!(parsed.claimed_issuer().unwrap(), "joe");
        assert_eq!(parsed.algorithm(), key(own).algorithm());
        let verified = parsed.verify(&key(own)).unwrap();
        let mut claims = verified.into_claims(&[TokenClass::Assertion]).unwrap();
        assert_eq!(claims.date("exp").unwrap().unwrap().as_seconds(), 1_300_819_380);
        assert_eq!(claims.take("http://example.com/is_root"), Some(true.into()));
        let with_other = read(TokenClass::Assertion, token.as_bytes(), &key(other));
        assert_eq!(with_other, Err(BadJose::OtherKey));
    }
}

// Its payload is no JSON, so the signature is what holds, and the claims are what fails.
#[test]
fn the_signature_of_rfc_8037_a_4_verifies() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1\
        PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let verified = read(TokenClass::Assertion, token.as_bytes(), &key(OKP));
    assert_eq!(verified, Err(BadJose::Claims(BadJson::Syntax)));
    let changed = token.replace("RXhhb", "RXhhc");
    let changed = read(TokenClass::Assertion, changed.as_bytes(), &key(OKP));
    assert_eq!(changed, Err(BadJose::Signature));
}

#[test]
fn keys_print_as_they_were_read() {
    for jwk in [RSA, EC, OKP] {
        let parsed = Jwk::parse(jwk.as_bytes()).unwrap();
        let named = Jwk { key_id: Some("2011-04-29".to_owned()), ..parsed };
        let printed = named.to_json().to_string();
        assert_eq!(Jwk::parse(printed.as_bytes()).unwrap(), named);
        assert!(printed.contains(r#""use":"sig""#) && printed.contains(r#""kid":"2011-04-29""#));
    }
}

// RFC 9068 section 3 shows `at+JWT`, and section 4 asks for `at+jwt`: the rule is what counts.
#[test]
fn the_type_of_an_access_token_is_written_as_section_4_of_rfc_9068_says() {
    let key = ProofKey::generate().unwrap();
    let token = |typ: &str| signed(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#), "{}", &key);
    let class = TokenClass::AccessToken;
    for typ in ["at+jwt", "application/at+jwt"] {
        assert_eq!(read(class, &token(typ), key.public()), Ok(()), "{typ}");
    }
    for typ in ["at+JWT", "AT+JWT", "application/AT+jwt", "application/application/at+jwt"] {
        assert_eq!(read(class, &token(typ), key.public()), Err(BadJose::Type(class)), "{typ}");
    }
}
