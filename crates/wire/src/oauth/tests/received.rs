//! What a client reads of what a server printed, and of what no server prints.

use serde_json::json;

use super::*;

const METADATA: &str = r#"{"issuer":"https://id.acme.example",
    "jwks_uri":"https://id.acme.example/oauth/jwks",
    "token_endpoint":"https://id.acme.example/oauth/token","response_types_supported":[]}"#;

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn endpoints(members: &[(&str, Value)]) -> Result<ServerEndpoints, BadAnswer> {
    let body = Value::Object(changed(METADATA, members)).to_string();
    ServerEndpoints::read(body.as_bytes(), &issuer("https://id.acme.example"))
}

// threat 12: RFC 8414 section 3.3.
#[test]
fn metadata_is_that_of_the_issuer_that_was_asked() {
    let read = endpoints(&[]).unwrap();
    assert_eq!(read.jwks.as_str(), "https://id.acme.example/oauth/jwks");
    assert_eq!(read.introspection, None);
    for other in ["https://id.acme.example/", "https://ID.acme.example", "https://x.example"] {
        assert_eq!(endpoints(&[("issuer", json!(other))]), Err(BadAnswer::Issuer));
    }
}

// threats 7 and 23: what a server says leads nobody to another host.
#[test]
fn an_endpoint_elsewhere_is_refused() {
    for url in [
        "https://id.acme.example.evil.example/jwks",
        "https://id.acme.example:8443/jwks",
        "http://127.0.0.1/jwks",
        "https://evil.example/jwks",
    ] {
        let refused = endpoints(&[("jwks_uri", json!(url))]);
        assert_eq!(refused, Err(BadAnswer::Elsewhere("jwks_uri")), "{url}");
    }
    let local = endpoints(&[("introspection_endpoint", json!("http://169.254.169.254/"))]);
    assert!(matches!(local, Err(BadAnswer::Json(_))));
}

#[test]
fn a_token_is_read_as_it_was_printed() {
    let token =
        finish(Unsigned::new(TokenClass::AccessToken, KEY.public().algorithm(), "k", &Map::new()));
    let text = String::from_utf8(token.expose().to_vec()).unwrap();
    let printed = TokenResponse {
        access_token: token,
        issued_token_type: None,
        is_bound_to_key: true,
        expires_in_secs: 300,
        scope: Scope::parse("a b").unwrap(),
        authorization_details: AuthorizationDetails::default(),
    };
    let read = ReceivedToken::read(printed.to_body().expose()).unwrap();
    assert_eq!(read.access_token.expose(), text.as_bytes());
    assert_eq!((read.is_bound_to_key, read.expires_in_secs), (true, 300));
    assert_eq!(read.scope, Some(Scope::parse("a b").unwrap()));
}

#[test]
fn a_token_that_could_not_be_sent_or_kept_is_refused() {
    let answer = r#"{"access_token":"a.b.c","token_type":"DPoP","expires_in":300}"#;
    let read = |members: &[(&str, Value)]| {
        ReceivedToken::read(Value::Object(changed(answer, members)).to_string().as_bytes())
    };
    assert!(read(&[]).is_ok());
    assert!(read(&[("token_type", json!("bearer"))]).is_ok_and(|token| !token.is_bound_to_key));
    for (name, value) in [
        ("access_token", json!("a b")),
        ("access_token", json!("")),
        ("token_type", json!("N_A")),
        ("token_type", json!(null)),
        ("expires_in", json!("300")),
        ("expires_in", json!(-1)),
        ("expires_in", json!(null)),
        ("scope", json!("a a")),
    ] {
        assert!(read(&[(name, value.clone())]).is_err(), "{name} {value}");
    }
}

#[test]
fn a_refusal_names_the_approval_it_waits_for() {
    let body = br#"{"error":"authorization_pending","marque_approval":"apr_1","interval":5}"#;
    let read = ReceivedRefusal::read(body).unwrap();
    assert_eq!(read.error, "authorization_pending");
    assert_eq!((read.description, read.approval.as_deref()), (None, Some("apr_1")));
    assert_eq!(read.interval_secs, Some(5));
    for body in [&b"{}"[..], b"[]", br#"{"error":1}"#, br#"{"error":"a","error":"b"}"#, b"oops"] {
        assert!(ReceivedRefusal::read(body).is_err());
    }
}

#[test]
fn an_introspection_is_read_as_it_was_printed_or_not_at_all() {
    assert_eq!(Introspection::read(br#"{"active":false}"#), Ok(Introspection::Inactive));
    for body in [&b"{}"[..], br#"{"active":"true"}"#, br#"{"active":true}"#, br#"{"active":1}"#] {
        assert!(Introspection::read(body).is_err());
    }
    for is_chain_complete in [true, false] {
        let claims = claims::token();
        let printed = Introspection::Active { claims: Box::new(claims), is_chain_complete };
        let body = Value::Object(printed.to_json()).to_string();
        assert_eq!(Introspection::read(body.as_bytes()), Ok(printed));
    }
}

// threats 12 and 23
#[test]
fn the_keys_of_another_issuer_are_where_its_own_metadata_says() {
    let read = |members: &[(&str, Value)]| {
        let body = Value::Object(changed(METADATA, members)).to_string();
        published_keys(body.as_bytes(), "https://id.acme.example")
    };
    assert_eq!(read(&[]).unwrap().as_str(), "https://id.acme.example/oauth/jwks");
    read(&[("jwks_uri", json!("https://keys.acme.example/1"))]).unwrap();
    for other in ["https://id.acme.example/", "https://ID.acme.example", "id.acme.example"] {
        assert_eq!(read(&[("issuer", json!(other))]), Err(BadAnswer::Issuer), "{other}");
    }
    for url in ["http://127.0.0.1/jwks", "http://id.acme.example/jwks", "file:///keys", "/jwks"] {
        assert!(matches!(read(&[("jwks_uri", json!(url))]), Err(BadAnswer::Json(_))), "{url}");
    }
}
