//! Connections that are called for people who were authenticated well enough (RFC 9470).

use std::time::Duration;

use marque_crypto::proof_key::ProofKey;
use marque_domain::issuer::PersonNaming;
use marque_domain::token::StepUp;
use marque_plane::spec::{ConnectionSpec, IssuerSpec, TokenTargetSpec};
use marque_testkit::{GATEWAY, fresh_name, jwks};
use marque_wire::jose::{TokenClass, Unsigned};
use serde_json::{Map, Value, json};

use super::super::is;
use super::gate::{Gate, for_bearers};

const LOGIN: &str = "https://login.test";

/// Who says how people were authenticated.
struct Login(ProofKey);

impl Login {
    async fn trusted_at(gate: &Gate) -> Self {
        let key = ProofKey::generate().unwrap();
        let spec = IssuerSpec {
            name: "login".parse().unwrap(),
            issuer: LOGIN.to_owned(),
            audience: "marque".to_owned(),
            jwks: jwks(&key),
            source: None,
            naming: PersonNaming::Subject,
            people: [("00u1".to_owned(), "alice".parse().unwrap())].into(),
        };
        gate.plane.plane().add_issuer(&gate.alice.acting().await, spec).await.unwrap();
        Self(key)
    }

    /// Our token for a person who signed in so many seconds ago, and how.
    async fn exchanged(&self, gate: &Gate, how: Option<(&str, u64)>) -> String {
        let now = gate.plane.plane().now().as_millis() / 1_000;
        let mut claims = json!({
            "iss": LOGIN, "sub": "00u1", "aud": "marque", "jti": fresh_name(), "iat": now,
            "exp": now + 600,
        });
        if let Some((acr, ago)) = how {
            claims["acr"] = acr.into();
            claims["amr"] = json!(["hwk"]);
            claims["auth_time"] = (now - ago).into();
        }
        let claims: Map<String, Value> = claims.as_object().cloned().unwrap();
        let (algorithm, kid) = (self.0.public().algorithm(), self.0.public().thumbprint());
        let unsigned = Unsigned::new(TokenClass::IdToken, algorithm, kid, &claims);
        let signature = self.0.sign(unsigned.signing_input()).unwrap();
        let subject = String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec());
        let (subject, actor) = (subject.unwrap(), gate.client.assertion());
        let resource = format!("{GATEWAY}/c/strict");
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject.as_str()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("actor_token", actor.as_str()),
            ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("resource", resource.as_str()),
        ];
        gate.client.asks(&parameters).await.unwrap_or_else(|refused| panic!("{refused:?}")).token
    }
}

#[tokio::test]
async fn a_connection_may_want_that_its_person_signed_in_well_and_lately() {
    let gate = Gate::plain().await;
    let step_up = StepUp { max_age_secs: Some(300), acr_values: vec!["phr".into(), "phrh".into()] };
    let tokens = TokenTargetSpec { step_up, ..TokenTargetSpec::default() };
    let spec = ConnectionSpec { tokens: Some(tokens), ..for_bearers("strict", gate.upstream) };
    gate.alice.connects_as(spec).await;
    gate.alice.grants("bot", &["strict:token", "strict:GET /v1/**"]).await;
    let login = Login::trusted_at(&gate).await;
    let line = "GET /c/strict/v1/items";
    let refused = |answer: String| {
        is(&answer, 401, "refused.caller.step_up");
        let wanted = "error=\"insufficient_user_authentication\"";
        assert!(answer.contains(wanted), "{answer}");
        assert!(answer.contains("acr_values=\"phr phrh\", max_age=\"300\""), "{answer}");
    };
    // Nobody's token, one that says nothing of it, another class, and too long ago.
    refused(gate.asks(&gate.token("strict").await, line).await);
    refused(gate.asks(&login.exchanged(&gate, None).await, line).await);
    refused(gate.asks(&login.exchanged(&gate, Some(("pwd", 10))).await, line).await);
    refused(gate.asks(&login.exchanged(&gate, Some(("phr", 301))).await, line).await);
    assert_eq!(gate.seen.requests(), [""; 0]);

    let token = login.exchanged(&gate, Some(("phr", 200))).await;
    let answer = gate.asks(&token, line).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The same token, once the person signed in too long ago.
    gate.plane.clock().advance(Duration::from_secs(101));
    refused(gate.asks(&token, line).await);
    let again = login.exchanged(&gate, Some(("phrh", 0))).await;
    assert!(gate.asks(&again, line).await.starts_with("HTTP/1.1 200 "));
    assert!(gate.plane.log().text().contains("refused.caller.step_up"));
}
