//! Clients that prove who they are by an assertion.

use serde_json::json;

use super::*;
use crate::jose::BadJson;

const NOW: u64 = 1_795_316_400;
const ASSERTION: &str = r#"{"iss":"ledger","sub":"ledger","aud":"https://id.acme.example",
    "jti":"a1","iat":1795316400,"exp":1795316460}"#;

fn read_for(
    audience: Audience<'_>,
    members: &[(&str, Value)],
) -> Result<ClientAssertion, BadClientAssertion> {
    let token = verified(TokenClass::ClientAssertion, &changed(ASSERTION, members));
    ClientAssertion::read(token, "ledger", audience, at(NOW))
}

fn read(members: &[(&str, Value)]) -> Result<ClientAssertion, BadClientAssertion> {
    let issuer = Issuer::parse("https://id.acme.example").unwrap();
    read_for(Audience::Issuer(&issuer), members)
}

#[test]
fn an_assertion_names_its_client_and_what_must_be_remembered_of_it() {
    let expected =
        ClientAssertion { client_id: "ledger".to_owned(), jti: "a1".to_owned(), exp: at(NOW + 60) };
    assert_eq!(read(&[]).unwrap(), expected);
    let issuer = Issuer::parse("https://id.acme.example").unwrap();
    let printed = Value::Object(expected.to_json(&issuer, at(NOW)));
    assert_eq!(printed, serde_json::from_str::<Value>(ASSERTION).unwrap());
    assert!(read(&[("iat", Value::Null)]).is_ok(), "RFC 7523 section 3: `iat` may be absent");
    assert!(read(&[("aud", json!(["https://id.acme.example"]))]).is_ok(), "alone, in a list");
}

// threat 32
#[test]
fn threat_32_an_assertion_is_by_its_client_for_this_issuer_and_short_lived() {
    for (name, value) in [("iss", "other"), ("sub", "other"), ("iss", "Ledger"), ("sub", "ledger ")]
    {
        let refused = read(&[(name, value.into())]).err();
        assert_eq!(refused, Some(BadClientAssertion::OtherClient), "{name} {value}");
    }
    for aud in [
        json!("https://id.acme.example/"),
        json!("https://id.acme.example/token"),
        json!("https://id.acme.example.evil"),
        json!("id.acme.example"),
        json!(["https://id.acme.example", "https://evil.example"]),
        json!(["https://id.acme.example", "https://id.acme.example"]),
    ] {
        let refused = read(&[("aud", aud.clone())]).err();
        assert_eq!(refused, Some(BadClientAssertion::Audience), "{aud}");
    }
    for aud in [json!([]), json!(7), json!({}), json!([7]), json!(""), json!(vec!["a"; 17])] {
        let refused = read(&[("aud", aud.clone())]).err();
        assert!(matches!(refused, Some(BadClientAssertion::Claim(_))), "{aud}");
    }
    assert_eq!(read(&[("exp", json!(NOW))]).err(), Some(BadClientAssertion::Expired));
    assert!(read(&[("exp", json!(NOW + 3600))]).is_ok());
    for exp in [NOW + 3601, NOW + 86_400] {
        assert_eq!(read(&[("exp", json!(exp))]).err(), Some(BadClientAssertion::Lifetime));
    }
    for name in ["iat", "nbf"] {
        assert!(read(&[(name, json!(NOW + 60))]).is_ok());
        assert_eq!(read(&[(name, json!(NOW + 61))]).err(), Some(BadClientAssertion::Early));
    }
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let refused = read(&[(name, Value::Null)]).err();
        assert_eq!(refused, Some(BadClientAssertion::Claim(BadJson::Missing(name))));
    }
}

// The switch for one client: the token endpoint as well, and still alone.
#[test]
fn a_client_with_the_switch_may_name_the_token_endpoint() {
    let issuer = Issuer::parse("https://id.acme.example").unwrap();
    let endpoint = "https://id.acme.example/token";
    let audience = Audience::IssuerOrEndpoint(&issuer, endpoint);
    assert!(read_for(audience, &[]).is_ok());
    assert!(read_for(audience, &[("aud", endpoint.into())]).is_ok());
    let both = json!(["https://id.acme.example", endpoint]);
    assert_eq!(read_for(audience, &[("aud", both)]).err(), Some(BadClientAssertion::Audience));
    let other = read_for(audience, &[("aud", "https://id.acme.example/par".into())]).err();
    assert_eq!(other, Some(BadClientAssertion::Audience));
}
