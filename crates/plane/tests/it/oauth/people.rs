//! Exchanges for a person: their token proves them, a grant must name them, an agent must act.

use marque_crypto::Secret;
use marque_crypto::proof_key::ProofKey;
use marque_domain::issuer::PersonNaming;
use marque_domain::token::StepUp;
use marque_plane::oauth::TokenAtDoor;
use marque_plane::spec::{ConnectionSpec, IssuerSpec, TokenTargetSpec};
use marque_testkit::{Human, OAuthClient, TestPlane, connection, fresh_name, issuing, jwks};
use marque_wire::jose::{TokenClass, Unsigned};
use marque_wire::oauth::{ErrorCode, Profile, access_token_hash};
use serde_json::{Map, Value, json};

const API: &str = "https://api.test/";
const IDP: &str = "https://login.test";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

struct Login {
    plane: TestPlane,
    alice: Human,
    client: OAuthClient,
    key: ProofKey,
}

async fn login(issuer: &str, naming: PersonNaming) -> Login {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("helper").await;
    alice.has_resource("api", API).await;
    alice.grants("helper", &["api:token", "api:scope *"]).await;
    let client = alice.has_client("helper-prod", "helper").await;
    let key = ProofKey::generate().unwrap();
    let spec = IssuerSpec {
        name: "login".parse().unwrap(),
        issuer: issuer.to_owned(),
        audience: "marque".to_owned(),
        jwks: jwks(&key),
        source: None,
        naming,
        people: [("00u1".to_owned(), "alice".parse().unwrap())].into(),
    };
    plane.plane().add_issuer(&alice.acting().await, spec).await.unwrap();
    Login { plane, alice, client, key }
}

impl Login {
    fn claims(&self, sub: &str) -> Value {
        let now = self.plane.plane().now().as_millis() / 1_000;
        json!({
            "iss": IDP, "sub": sub, "aud": ["marque", "another"], "jti": fresh_name(),
            "iat": now, "exp": now + 200,
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let (algorithm, kid) = (self.key.public().algorithm(), self.key.public().thumbprint());
        let claims: Map<String, Value> = claims.as_object().cloned().unwrap();
        let unsigned = Unsigned::new(TokenClass::IdToken, algorithm, kid, &claims);
        let signature = self.key.sign(unsigned.signing_input()).unwrap();
        String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec()).unwrap()
    }

    async fn exchanges(
        &self,
        subject: &str,
        kind: &str,
    ) -> Result<marque_wire::oauth::AccessTokenClaims, ErrorCode> {
        let actor = self.client.assertion();
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", kind),
            ("actor_token", actor.as_str()),
            ("actor_token_type", JWT),
            ("resource", API),
        ];
        let got = self.client.asks(&parameters).await;
        got.map(|got| got.claims).map_err(|refused| refused.body.error)
    }
}

// threat 50
#[tokio::test]
async fn a_persons_token_opens_a_run_for_them_under_the_agents_name() {
    let login = login(IDP, PersonNaming::Subject).await;
    let claims = login.exchanges(&login.sign(&login.claims("00u1")), ID_TOKEN).await.unwrap();
    assert!(claims.sub.starts_with("usr_"), "{}", claims.sub);
    assert_eq!(claims.sub_profile, Some(Profile::User));
    let presenter = claims.act.as_ref().unwrap().presenter();
    assert!(presenter.sub.ends_with("/agent/helper"));
    assert!(claims.exp.seconds_since(claims.iat) <= 200, "no token outlives its subject");
    let log = login.plane.log();
    let token = log.decisions().pop().unwrap().token.clone().unwrap();
    assert!(token.subject_token.is_some_and(|name| name.starts_with("name-")));

    // An asserted person is never enough: nobody of that name, no grant for them, another issuer.
    let stranger = login.exchanges(&login.sign(&login.claims("00u2")), ID_TOKEN).await;
    assert_eq!(stranger.unwrap_err(), ErrorCode::InvalidRequest);
    let mut foreign = login.claims("00u1");
    foreign.as_object_mut().unwrap().insert("iss".to_owned(), "https://login.test/".into());
    assert_eq!(
        login.exchanges(&login.sign(&foreign), ID_TOKEN).await.unwrap_err(),
        ErrorCode::InvalidRequest
    );
    let token = login.sign(&login.claims("00u1"));
    login.exchanges(&token, ID_TOKEN).await.unwrap();
    assert_eq!(login.exchanges(&token, ID_TOKEN).await.unwrap_err(), ErrorCode::InvalidRequest);

    login.plane.plane().remove_issuer(&login.alice.acting().await, "login").await.unwrap();
    let removed = login.exchanges(&login.sign(&login.claims("00u1")), ID_TOKEN).await;
    assert_eq!(removed.unwrap_err(), ErrorCode::InvalidRequest);
}

// RFC 9068 section 2.2.1: it goes along, for whoever wants a better one (RFC 9470).
#[tokio::test]
async fn how_a_person_was_authenticated_is_said_in_every_token_for_them() {
    let login = login(IDP, PersonNaming::Subject).await;
    let mut claims = login.claims("00u1");
    let now = login.plane.plane().now().as_millis() / 1_000;
    claims["auth_time"] = (now - 60).into();
    claims["acr"] = "phr".into();
    claims["amr"] = json!(["hwk", "user"]);
    let told = login.exchanges(&login.sign(&claims), ID_TOKEN).await.unwrap();
    let said = told.authentication.unwrap();
    assert_eq!(said.auth_time.as_seconds(), now - 60);
    assert_eq!((said.acr.as_deref(), said.amr.len()), (Some("phr"), 2));
    // How without when is worth nothing, and no reason to refuse.
    let mut vague = login.claims("00u1");
    vague["acr"] = "phr".into();
    let told = login.exchanges(&login.sign(&vague), ID_TOKEN).await.unwrap();
    assert_eq!(told.authentication, None);
    let mut wrong = login.claims("00u1");
    wrong["auth_time"] = "yesterday".into();
    let refused = login.exchanges(&login.sign(&wrong), ID_TOKEN).await;
    assert_eq!(refused.unwrap_err(), ErrorCode::InvalidRequest);
}

// RFC 9470: what the reverse door asks of a connection's callers.
#[tokio::test]
async fn a_connection_refuses_a_token_whose_person_signed_in_too_long_ago() {
    let login = login(IDP, PersonNaming::Subject).await;
    let step_up = StepUp { max_age_secs: Some(60), acr_values: Vec::new() };
    let tokens = Some(TokenTargetSpec { bearer: true, step_up, ..TokenTargetSpec::default() });
    login.alice.connects_as(ConnectionSpec { tokens, ..connection("web") }).await;
    login.alice.grants("helper", &["web:token"]).await;
    for (ago, expected) in [(60, None), (61, Some("refused.caller.step_up"))] {
        let mut claims = login.claims("00u1");
        claims["auth_time"] = (login.plane.plane().now().as_millis() / 1_000 - ago).into();
        let (subject, actor) = (login.sign(&claims), login.client.assertion());
        let parameters = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject.as_str()),
            ("subject_token_type", ID_TOKEN),
            ("actor_token", actor.as_str()),
            ("actor_token_type", JWT),
            ("resource", "https://gw.test/c/web"),
        ];
        let answer = login.client.asks(&parameters).await.unwrap();
        let url = "https://gw.test/c/web/v1";
        let hash = access_token_hash(answer.token.as_bytes());
        let nonce = login.plane.plane().dpop_nonce();
        let proof = login.client.proof_as("GET", url, Some(&hash), Some(&nonce));
        let at = TokenAtDoor {
            token: Secret::from_string(answer.token),
            is_dpop: true,
            proof: Ok(Some(&proof)),
            certificate: None,
            connection: &"web".parse().unwrap(),
            method: "GET",
            url,
        };
        let refused = login.plane.plane().present(&at).err();
        let code = refused.as_ref().map(|(_, refusal)| refusal.code.text());
        assert_eq!(code.as_deref(), expected, "{ago} seconds ago");
        let error = refused.map(|(error, _)| error);
        assert!(error.is_none_or(|error| error == ErrorCode::InsufficientUserAuthentication));
    }
}

// The chain of a hosted session is written from the person inwards.
#[tokio::test]
async fn a_hosted_session_names_its_person_outermost() {
    let login = login("ccr", PersonNaming::OutermostActor).await;
    let now = login.plane.plane().now().as_millis() / 1_000;
    let session = |role: &str, person: &str| {
        let claims = json!({
            "iss": "ccr", "sub": "session_1", "aud": ["marque", "ccpool_1"], "iat": now,
            "exp": now + 4 * 3_600, "ccr:role": role,
            "act": {"sub": person, "act": {"sub": "runner", "act": {"sub": "ccpool_1"}}},
        });
        format!("sk-ant-cc-{}", login.sign(&claims))
    };
    let token = session("session_worker", "00u1");
    let claims = login.exchanges(&token, JWT).await.unwrap();
    assert!(claims.sub.starts_with("usr_"));
    assert_eq!(claims.act.as_ref().unwrap().actors().len(), 1, "its own chain is not copied");
    assert_eq!(claims.exp.seconds_since(claims.iat), 300, "a derived token is as short as any");
    login.exchanges(&token, JWT).await.expect("a session has one token for hours");
    for (role, person) in [("admin", "00u1"), ("session_worker", "runner")] {
        let refused = login.exchanges(&session(role, person), JWT).await;
        assert_eq!(refused.unwrap_err(), ErrorCode::InvalidRequest, "{role} {person}");
    }
}
