//! The access token, claim by claim.

use serde_json::json;

use super::*;
use crate::jose::BadJson;

/// The example of the project's own reference, with ids and hashes that are some.
const TOKEN: &str = r#"{
  "iss": "https://id.acme.example",
  "aud": "https://gw.acme.example/mcp/billing",
  "sub": "usr_7Q2m",
  "sub_profile": "user",
  "client_id": "https://agents.acme.example/ledger-writer/client.json",
  "client_profile": "ai_agent",
  "iat": 1795316400, "nbf": 1795316400, "exp": 1795316700,
  "jti": "tok_01KAMZ8Q5V",
  "txn": "b1f0c2d4-6f0e-4a55-9d0b-0f6f8f1f6a10",
  "auth_time": 1795315900, "acr": "urn:acme:acr:phr", "amr": ["hwk", "user"],
  "scope": "adjustments:write invoices:read",
  "authorization_details": [{
    "type": "mcp_tool_call",
    "locations": ["https://gw.acme.example/mcp/billing"],
    "actions": ["tools/call"],
    "identifier": "post_adjustment",
    "constraints": {"currency": "USD", "max_amount": "500.00", "max_calls": 20}
  }],
  "act": {
    "sub": "spiffe://acme.example/agent/ledger-writer",
    "iss": "https://id.acme.example",
    "sub_profile": "ai_agent",
    "act": {
      "sub": "spiffe://acme.example/agent/invoice-agent",
      "iss": "https://id.acme.example",
      "sub_profile": "ai_agent"
    }
  },
  "cnf": {"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
  "https://id.acme.example/claims/run": {
    "id": "run_01KAMZ6D3B0000000000000001", "parent": "run_01KAMYWW0R0000000000000002",
    "task": "workflow:q3-recon",
    "agent_version": "sha256:0101010101010101010101010101010101010101010101010101010101010101",
    "depth": 2,
    "authority_hash": "sha-256:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
    "approvals": [{
      "id": "apr_01KAMZ6D3B0000000000000003",
      "hash": "sha-256:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM",
      "exp": 1795318200
    }]
  },
  "may_act": {"iss": "https://id.acme.example", "sub": "spiffe://acme.example/agent/helper"},
  "status": {"status_list": {"idx": 48213, "uri": "https://id.acme.example/status/17"}}
}"#;

fn read(members: &[(&str, Value)]) -> Result<AccessTokenClaims, BadAccessToken> {
    AccessTokenClaims::read(verified(TokenClass::AccessToken, &changed(TOKEN, members)))
}

pub(super) fn token() -> AccessTokenClaims {
    read(&[]).unwrap()
}

const RUN: &str = "https://id.acme.example/claims/run";

/// The run claim with one member set otherwise.
fn run_with(name: &str, value: Value) -> Result<AccessTokenClaims, BadAccessToken> {
    let whole: Value = serde_json::from_str(TOKEN).unwrap();
    let run = changed(&whole[RUN].to_string(), &[(name, value)]);
    read(&[(RUN, Value::Object(run))])
}

#[test]
fn every_claim_is_read_and_printed_as_it_was() {
    let token = token();
    assert_eq!(Value::Object(token.to_json()), serde_json::from_str::<Value>(TOKEN).unwrap());
    let act = token.act.as_ref().unwrap();
    assert_eq!(act.presenter().sub, "spiffe://acme.example/agent/ledger-writer");
    assert_eq!(act.actors().len(), 2);
    let run = token.run.as_ref().unwrap();
    assert_eq!((run.depth, run.approvals.len()), (2, 1));
    assert_eq!(run.authority_hash.as_bytes(), &[2; 32]);
    assert_eq!(token.scope.names().collect::<Vec<_>>(), ["adjustments:write", "invoices:read"]);
    let detail = &token.authorization_details.as_slice()[0];
    assert_eq!(detail.fields.keys().collect::<Vec<_>>(), ["constraints"]);
}

#[test]
fn the_least_token_has_what_rfc_9068_requires_and_no_more() {
    let least = r#"{"iss":"https://as.example","aud":"https://rs.example","sub":"s",
        "client_id":"c","iat":100,"exp":400,"jti":"t"}"#;
    let claims = changed(least, &[]);
    let token = AccessTokenClaims::read(verified(TokenClass::AccessToken, &claims)).unwrap();
    assert_eq!(token.nbf, token.iat);
    assert!(token.act.is_none() && token.cnf.is_none() && token.run.is_none());
    for name in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"] {
        let claims = changed(least, &[(name, Value::Null)]);
        let refused = AccessTokenClaims::read(verified(TokenClass::AccessToken, &claims));
        assert_eq!(refused, Err(BadAccessToken::Claim(BadJson::Missing(name))));
    }
}

// threat 10: whoever has read a token as one of another class has not read an access token.
#[test]
fn threat_10_claims_of_another_class_are_no_access_token_whoever_signed_them() {
    let claims = changed(TOKEN, &[]);
    for class in [
        TokenClass::Assertion,
        TokenClass::IdToken,
        TokenClass::ClientAssertion,
        TokenClass::Introspection,
        TokenClass::StatusList,
    ] {
        let refused = AccessTokenClaims::read(verified(class, &claims));
        assert!(matches!(refused, Err(BadAccessToken::Claim(BadJson::Wrong("typ", _)))), "{class}");
    }
}

fn check(issuer: &str, audience: &str, now: u64) -> Result<(), BadAccessToken> {
    let (issuer, audience) = (Issuer::parse(issuer).unwrap(), Resource::parse(audience).unwrap());
    let expected = ExpectedToken { issuer: &issuer, audience: &audience, now: at(now) };
    token().check(&expected)
}

const ISSUER: &str = "https://id.acme.example";
const AUDIENCE: &str = "https://gw.acme.example/mcp/billing";
const ISSUED: u64 = 1_795_316_400;

// threat 11
#[test]
fn threat_11_an_audience_is_one_text_and_matches_in_every_byte() {
    assert_eq!(check(ISSUER, AUDIENCE, ISSUED), Ok(()));
    for other in [
        "https://gw.acme.example/mcp/billing/",
        "https://gw.acme.example/mcp/billin",
        "https://gw.acme.example/mcp/billing.evil",
        "https://gw.acme.example/mcp/Billing",
        "https://gw.acme.example:8443/mcp/billing",
        "https://gw.acme.example/mcp/billing?x=1",
        "https://gw.acme.example",
        "https://gw.acme.example.evil/mcp/billing",
    ] {
        assert_eq!(check(ISSUER, other, ISSUED), Err(BadAccessToken::Audience), "{other}");
    }
    for aud in [
        json!([AUDIENCE]),
        json!([AUDIENCE, "https://evil.example"]),
        json!([]),
        json!(7),
        json!(""),
        json!({}),
        json!("gw.acme.example"),
        json!("https://gw.acme.example/#a"),
        json!("https://user@gw.acme.example/"),
        json!("https://GW.acme.example/"),
    ] {
        let refused = read(&[("aud", aud.clone())]);
        assert!(matches!(refused, Err(BadAccessToken::Claim(_))), "{aud}");
    }
}

// threat 12
#[test]
fn threat_12_an_issuer_matches_in_every_byte() {
    for other in [
        "https://id.acme.example/",
        "https://id.acme.example:8443",
        "https://id.acme.example/tenant",
        "https://id.acme.example.evil",
    ] {
        assert_eq!(check(other, AUDIENCE, ISSUED), Err(BadAccessToken::Issuer), "{other}");
    }
    for iss in ["https://ID.acme.example", "https://id.acme.example:443", "http://id.acme.example"]
    {
        assert!(read(&[("iss", iss.into())]).is_err(), "{iss}");
    }
}

// threats 13 and 14: a moment is looked at on each use, whatever the clock said before.
#[test]
fn threats_13_and_14_a_token_is_good_within_its_dates_alone() {
    let good_at = |now| check(ISSUER, AUDIENCE, now);
    assert_eq!(good_at(ISSUED - 60), Ok(()), "a clock that is a minute behind");
    assert_eq!(good_at(ISSUED - 61), Err(BadAccessToken::Early));
    assert_eq!(good_at(ISSUED + 299), Ok(()));
    assert_eq!(good_at(ISSUED + 300), Err(BadAccessToken::Expired));
    let early = read(&[("nbf", json!(ISSUED + 100))]).unwrap();
    let (issuer, audience) = (Issuer::parse(ISSUER).unwrap(), Resource::parse(AUDIENCE).unwrap());
    let expected = ExpectedToken { issuer: &issuer, audience: &audience, now: at(ISSUED) };
    assert_eq!(early.check(&expected), Err(BadAccessToken::Early));
    for exp in [json!(ISSUED + 901), json!(ISSUED), json!(ISSUED - 1), json!(253_402_300_799_u64)] {
        assert_eq!(read(&[("exp", exp.clone())]).err(), Some(BadAccessToken::Lifetime), "{exp}");
    }
    assert_eq!(read(&[("nbf", json!(ISSUED + 300))]).err(), Some(BadAccessToken::Lifetime));
    assert!(read(&[("exp", json!(ISSUED + 900))]).is_ok());
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for date in [json!("1795316700"), json!(1.5), json!(-1), json!([1]), json!(true)] {
            let refused = read(&[(name, date.clone())]);
            assert!(matches!(refused, Err(BadAccessToken::Claim(_))), "{name} {date}");
        }
    }
}

// threats 43 and 44: a chain is objects of known members, or it is none.
#[test]
fn threats_43_and_44_a_chain_of_another_shape_is_refused_and_never_cut() {
    let link = |inner: Option<Value>| {
        let mut link = json!({"sub": "spiffe://acme.example/agent/a", "iss": ISSUER});
        if let Some(inner) = inner {
            link["act"] = inner;
        }
        link
    };
    for act in [
        json!("agent"),
        json!([link(None)]),
        json!(7),
        json!({}),
        json!({"sub": "a"}),
        json!({"iss": ISSUER}),
        json!({"sub": "", "iss": ISSUER}),
        json!({"sub": "a b", "iss": ISSUER}),
        json!({"sub": "a", "iss": "acme"}),
        json!({"sub": "a", "iss": ISSUER, "sub_profile": "root"}),
        json!({"sub": "a", "iss": ISSUER, "cnf": {"jkt": "x"}}),
        json!({"sub": "a", "iss": ISSUER, "act": null}),
        link(Some(json!([link(None)]))),
        link(Some(json!({"sub": "https://service77.example.com"}))),
    ] {
        assert!(read(&[("act", act.clone())]).is_err(), "{act}");
    }
    for may_act in [json!("a"), json!({"sub": "a"}), json!({"sub": "a", "iss": ISSUER, "x": 1})] {
        assert!(read(&[("may_act", may_act.clone())]).is_err(), "{may_act}");
    }
}

// threat 45
#[test]
fn threat_45_a_chain_has_at_most_eight_actors() {
    let chain = |length: usize| {
        let link = |inner: Option<Value>, _| {
            let mut link = json!({"sub": "a", "iss": ISSUER});
            if let Some(inner) = inner {
                link["act"] = inner;
            }
            Some(link)
        };
        (0..length).fold(None, link).unwrap()
    };
    let full = read(&[("act", chain(8))]).unwrap().act.unwrap();
    assert_eq!(full.actors().len(), CHAIN_MAX);
    assert_eq!(full.extended(full.presenter().clone()), None);
    let refused = read(&[("act", chain(9))]).err();
    assert_eq!(refused, Some(BadAccessToken::Claim(BadJson::TooDeep(8))));
    let seven = read(&[("act", chain(7))]).unwrap().act.unwrap();
    let longer = seven.extended(full.presenter().clone()).unwrap();
    assert_eq!(longer.actors().get(1..), Some(seven.actors()), "what was there stays");
}

// threat 62: what a token is bound to is one thing, in one spelling.
#[test]
fn threat_62_a_token_is_bound_to_one_key_or_one_certificate() {
    let thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    let bound = read(&[("cnf", json!({"x5t#S256": thumbprint}))]).unwrap();
    assert!(
        matches!(bound.cnf, Some(Confirmation::Certificate(hash)) if hash.to_string() == thumbprint)
    );
    for cnf in [
        json!({}),
        json!([]),
        json!({"jkt": thumbprint, "x5t#S256": thumbprint}),
        json!({"jkt": thumbprint, "jwk": {}}),
        json!({"jwk": {"kty": "EC"}}),
        json!({"kid": "a"}),
        json!({"jkt": ""}),
        json!({"jkt": &thumbprint[1..]}),
        json!({"jkt": format!("{thumbprint}=")}),
        json!({"jkt": thumbprint.replace("Xs", "Xt")}),
        json!({"jkt": [thumbprint]}),
    ] {
        assert!(read(&[("cnf", cnf.clone())]).is_err(), "{cnf}");
    }
}

#[test]
fn a_run_claim_names_a_run_and_unknown_members_widen_nothing() {
    assert_eq!(run_with("wider", json!(["everything"])).unwrap(), token());
    let without = read(&[(RUN, Value::Null)]).unwrap();
    assert_eq!(without.run, None);
    let of_another = read(&[(RUN, Value::Null), ("https://evil.example/claims/run", json!({}))]);
    assert_eq!(of_another.unwrap().run, None, "another issuer's claim is no run of ours");
    for (name, value) in [
        ("id", json!("run_1")),
        ("id", json!("agt_01KAMZ6D3B0000000000000001")),
        ("id", json!("run_01kamz6d3b0000000000000001")),
        ("parent", json!("")),
        ("task", json!("no-kind")),
        ("agent_version", json!("sha256:00")),
        ("agent_version", json!("sha-256:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI")),
        ("authority_hash", json!("sha-256:AgIC")),
        ("authority_hash", json!("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI")),
        ("depth", json!(0)),
        ("depth", json!(9)),
        ("depth", json!("2")),
        ("approvals", json!([{}])),
        ("approvals", json!({})),
    ] {
        let refused = run_with(name, value.clone());
        assert!(matches!(refused, Err(BadAccessToken::Claim(_))), "{name} {value}");
    }
    for name in ["id", "task", "agent_version", "authority_hash", "depth"] {
        let refused = run_with(name, Value::Null).err();
        assert_eq!(refused, Some(BadAccessToken::Claim(BadJson::Missing(name))));
    }
    assert!(read(&[(RUN, json!("run_01KAMZ6D3B0000000000000001"))]).is_err());
}

// threat 20
#[test]
fn threat_20_details_scopes_and_names_have_ends() {
    let names: Vec<String> = (0..10_000).map(|name| format!("s{name}")).collect();
    let long = names.join(" ");
    assert!(read(&[("scope", Value::from(&long[..8000]))]).is_err(), "more than 128 names");
    let detail = json!({"type": "t"});
    assert!(read(&[("authorization_details", vec![detail.clone(); 16].into())]).is_ok());
    assert!(read(&[("authorization_details", vec![detail; 17].into())]).is_err());
    assert!(read(&[("sub", "s".repeat(513).into())]).is_err());
    assert!(read(&[("jti", "a b".into())]).is_err());
}
