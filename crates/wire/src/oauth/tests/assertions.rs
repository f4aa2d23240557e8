//! Tokens of other issuers.

use serde_json::json;

use super::*;
use crate::jose::BadJson;

const NOW: u64 = 1_795_316_400;
const JOB: &str = r#"{"iss":"https://ci.example","sub":"repo:acme/web:ref:refs/heads/main",
    "aud":"https://id.acme.example","jti":"j1","iat":1795316390,"nbf":1795316390,"exp":1795316690,
    "repository_id":"42","job_workflow_ref":"acme/web/.ci/release@refs/heads/main"}"#;

fn read(members: &[(&str, Value)]) -> Result<Assertion, BadAssertion> {
    let expected = ExpectedAssertion {
        issuer: "https://ci.example",
        audience: "https://id.acme.example",
        now: at(NOW),
        lifetime_max_secs: 600,
    };
    Assertion::read(verified(TokenClass::Assertion, &changed(JOB, members)), &expected)
}

#[test]
fn the_claims_of_an_issuer_are_passed_on_as_they_came() {
    let job = read(&[]).unwrap();
    assert_eq!(job.sub, "repo:acme/web:ref:refs/heads/main");
    assert_eq!(job.claims["repository_id"], "42");
    assert_eq!(job.claims.len(), 2, "none of those that were checked");
}

// threats 11, 12, 13
#[test]
fn threats_11_to_13_an_assertion_is_of_its_issuer_for_us_and_good_now() {
    for iss in ["https://ci.example/", "https://CI.example", "https://ci.example.evil"] {
        assert_eq!(read(&[("iss", iss.into())]).err(), Some(BadAssertion::Issuer), "{iss}");
    }
    let several = json!(["https://other.example", "https://id.acme.example"]);
    assert_eq!(read(&[("aud", several)]).unwrap().aud.len(), 2);
    for aud in [json!("https://id.acme.example/"), json!(["https://other.example"])] {
        assert_eq!(read(&[("aud", aud.clone())]).err(), Some(BadAssertion::Audience), "{aud}");
    }
    assert_eq!(read(&[("exp", json!(NOW))]).err(), Some(BadAssertion::Expired));
    assert_eq!(read(&[("nbf", json!(NOW + 61))]).err(), Some(BadAssertion::Early));
    assert_eq!(read(&[("iat", json!(NOW + 61))]).err(), Some(BadAssertion::Early));
    assert_eq!(read(&[("exp", json!(NOW + 591))]).err(), Some(BadAssertion::Lifetime));
    let undated = [("iat", Value::Null), ("nbf", Value::Null)];
    assert!(read(&undated).is_ok());
    for name in ["iss", "sub", "aud", "exp"] {
        let refused = read(&[(name, Value::Null)]).err();
        assert_eq!(refused, Some(BadAssertion::Claim(BadJson::Missing(name))));
    }
    for exp in [json!("1795316690"), json!(1_795_316_690.5), json!(-1)] {
        assert!(matches!(read(&[("exp", exp)]), Err(BadAssertion::Claim(_))));
    }
}
