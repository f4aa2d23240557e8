//! Jobs and workloads that another issuer vouches for (RFC 7523 section 2.1).

use marque_crypto::proof_key::ProofKey;
use marque_domain::Limits;
use marque_domain::client::ClientKeys;
use marque_plane::oauth::EndpointAsk;
use marque_plane::spec::{ClientSpec, Lines};
use marque_testkit::{Human, OAuthClient, Setup, TestPlane, fresh_name, issuing, jwks, request};
use marque_wire::jose::{TokenClass, Unsigned};
use marque_wire::oauth::ErrorCode;
use serde_json::{Map, Value, json};

use super::bounds::lines_of;

const API: &str = "https://api.test/";
const CI: &str = "https://ci.test";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

struct Ci {
    plane: TestPlane,
    alice: Human,
    key: ProofKey,
    prover: OAuthClient,
}

async fn ci() -> Ci {
    ci_in(issuing()).await
}

async fn ci_in(setup: Setup) -> Ci {
    let plane = TestPlane::with(setup).await;
    let alice = plane.alice();
    alice.registers("builder").await;
    alice.has_resource("api", API).await;
    alice.grants("builder", &["api:token", "api:scope *"]).await;
    let key = ProofKey::generate().unwrap();
    let claims =
        [("repository_id", "42"), ("job_workflow_ref", "acme/api/.ci/x.yml@refs/heads/main")];
    let proof = ClientKeys::Issuer {
        issuer: CI.to_owned(),
        jwks: jwks(&key),
        source: None,
        audience: "https://id.test".to_owned(),
        claims: claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    register(&plane, &alice, "ci", proof).await;
    // Only its proofs are used: it signs no assertion of its own.
    let prover = OAuthClient::new(plane.clone(), String::new(), ProofKey::generate().unwrap());
    Ci { plane, alice, key, prover }
}

async fn register(plane: &TestPlane, alice: &Human, name: &str, proof: ClientKeys) {
    let spec = ClientSpec {
        name: name.parse().unwrap(),
        agent: "builder".parse().unwrap(),
        proof,
        task: None,
        mandate: Lines::default(),
        limits: Limits::default(),
        run_ttl_secs: 3_600,
        endpoint_audience_until: None,
    };
    plane.plane().add_client(&alice.acting().await, spec).await.unwrap();
}

impl Ci {
    fn job(&self, run_id: &str) -> Value {
        let now = self.plane.plane().now().as_millis() / 1_000;
        json!({
            "iss": CI, "sub": "repo:acme/api:ref:refs/heads/main", "aud": "https://id.test",
            "jti": fresh_name(), "iat": now, "exp": now + 300, "repository_id": 42,
            "job_workflow_ref": "acme/api/.ci/x.yml@refs/heads/main", "run_id": run_id,
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let (algorithm, kid) = (self.key.public().algorithm(), self.key.public().thumbprint());
        let claims: Map<String, Value> = claims.as_object().cloned().unwrap();
        let unsigned = Unsigned::new(TokenClass::Assertion, algorithm, kid, &claims);
        let signature = self.key.sign(unsigned.signing_input()).unwrap();
        String::from_utf8(unsigned.finish(&signature).unwrap().expose().to_vec()).unwrap()
    }

    async fn asks(
        &self,
        assertion: &str,
    ) -> Result<marque_wire::oauth::AccessTokenClaims, ErrorCode> {
        let form = [("grant_type", BEARER), ("assertion", assertion), ("resource", API)];
        let answer = self.plane.plane().token(self.prover.ask(), request(&form)).await;
        let response = answer.outcome.map_err(|refused| refused.body.error)?;
        let token = String::from_utf8(response.access_token.expose().to_vec()).unwrap();
        Ok(self.prover.claims_of(&token))
    }
}

#[tokio::test]
async fn a_job_is_a_run_of_its_own() {
    let ci = ci().await;
    let first = ci.asks(&ci.sign(&ci.job("1"))).await.unwrap();
    let same = ci.asks(&ci.sign(&ci.job("1"))).await.unwrap();
    let other = ci.asks(&ci.sign(&ci.job("2"))).await.unwrap();
    let run = |claims: &marque_wire::oauth::AccessTokenClaims| claims.run.as_ref().unwrap().id;
    assert_eq!(run(&first), run(&same));
    assert_ne!(run(&first), run(&other));
    assert!(first.client_id.starts_with("cli_"));

    // A killed job opens no other run, and other jobs go on.
    let kill = marque_plane::spec::KillTarget::Run(run(&first).to_string());
    let (plane, acting) = (ci.plane.plane(), ci.alice.acting().await);
    let killed = plane.kill(&acting, kill).await.unwrap();
    assert_eq!(killed.stopped.len(), 1);
    assert_eq!(killed.stopped[0].run, Some(run(&first)));
    assert_eq!(ci.asks(&ci.sign(&ci.job("1"))).await.unwrap_err(), ErrorCode::InvalidGrant);
    assert_eq!(run(&ci.asks(&ci.sign(&ci.job("2"))).await.unwrap()), run(&other));

    // A human lets it in again: in another run, for what is closed stays closed.
    let which = run(&first).to_string();
    assert!(plane.run(&acting, &which).await.unwrap().stopped_until.is_some());
    assert_eq!(plane.resume_client(&acting, &which).await.unwrap().name.as_str(), "ci");
    let again = ci.asks(&ci.sign(&ci.job("1"))).await.unwrap();
    assert_ne!(run(&again), run(&first));
    assert_eq!(plane.run(&acting, &which).await.unwrap().stopped_until, None);
    let error = plane.resume_client(&acting, &which).await.unwrap_err();
    assert!(error.message.contains("nobody behind run"), "{error}");

    // threat 56: one token of the issuer is one request.
    let token = ci.sign(&ci.job("3"));
    ci.asks(&token).await.unwrap();
    assert_eq!(ci.asks(&token).await.unwrap_err(), ErrorCode::InvalidRequest);
}

// threats 6, 12, 13
#[tokio::test]
async fn a_job_that_differs_in_anything_is_nobodys() {
    let ci = ci().await;
    let now = ci.plane.plane().now().as_millis() / 1_000;
    let with = |name: &str, value: Value| {
        let mut job = ci.job("1");
        job.as_object_mut().unwrap().insert(name.to_owned(), value);
        ci.sign(&job)
    };
    let bad = [
        with("iss", "https://ci.test/".into()),
        with("aud", "https://other.test".into()),
        with("repository_id", 43.into()),
        with("repository_id", "042".into()),
        with("job_workflow_ref", "acme/api/.ci/x.yml@refs/heads/dev".into()),
        with("job_workflow_ref", Value::Null),
        with("exp", (now - 1).into()),
        with("exp", (now + 90_000).into()),
        with("iat", (now + 120).into()),
    ];
    for token in bad {
        assert_eq!(ci.asks(&token).await.unwrap_err(), ErrorCode::InvalidGrant);
    }
    let forged = Ci { key: ProofKey::generate().unwrap(), ..self::ci().await };
    assert_eq!(ci.asks(&forged.sign(&ci.job("1"))).await.unwrap_err(), ErrorCode::InvalidGrant);
    for text in ["", "a.b.c", "a.b", &"x".repeat(20_000)] {
        if text.len() < 16_000 && !text.is_empty() {
            assert_eq!(ci.asks(text).await.unwrap_err(), ErrorCode::InvalidGrant);
        }
    }
}

// threat 63
#[tokio::test]
async fn an_issuer_cannot_fill_the_server_with_jobs() {
    let mut setup = issuing();
    setup.settings.oauth.as_mut().unwrap().runs_per_client = 2;
    let ci = ci_in(setup).await;
    let first = ci.asks(&ci.sign(&ci.job("1"))).await.unwrap();
    ci.asks(&ci.sign(&ci.job("2"))).await.unwrap();
    let third = ci.asks(&ci.sign(&ci.job("3"))).await.unwrap_err();
    assert_eq!(third, ErrorCode::TemporarilyUnavailable);
    let log = ci.plane.log();
    let refused = format!("{:?}", log.decisions().pop().unwrap().answer);
    assert!(refused.contains("client `ci` has 2 runs open, as many as one may"), "{refused}");
    ci.asks(&ci.sign(&ci.job("1"))).await.expect("those it has go on");

    let run = first.run.unwrap().id.to_string();
    let kill = marque_plane::spec::KillTarget::Run(run);
    ci.plane.plane().kill(&ci.alice.acting().await, kill).await.unwrap();
    ci.asks(&ci.sign(&ci.job("3"))).await.expect("one has made room");
}

#[tokio::test]
async fn a_job_is_of_the_one_client_whose_claims_it_has() {
    let ci = ci().await;
    for number in 0..20 {
        let proof = ClientKeys::Issuer {
            issuer: CI.to_owned(),
            jwks: jwks(&ci.key),
            source: None,
            audience: format!("https://id{}.test", if number % 2 == 0 { "" } else { "-other" }),
            claims: [("repository_id".to_owned(), number.to_string())].into(),
        };
        register(&ci.plane, &ci.alice, &format!("ci-{number}"), proof).await;
    }
    let claims = ci.asks(&ci.sign(&ci.job("1"))).await.unwrap();
    let acting = ci.alice.acting().await;
    let client = ci.plane.plane().client(&acting, &claims.client_id).unwrap();
    assert_eq!(client.name.as_str(), "ci");
    let of_another = |number: u32, audience: &str| {
        let mut job = ci.job("1");
        let job_claims = job.as_object_mut().unwrap();
        job_claims.insert("repository_id".to_owned(), number.into());
        job_claims.insert("aud".to_owned(), audience.into());
        ci.sign(&job)
    };
    for (number, audience) in [(4, "https://id.test"), (5, "https://id-other.test")] {
        let claims = ci.asks(&of_another(number, audience)).await.unwrap();
        let client = ci.plane.plane().client(&acting, &claims.client_id).unwrap();
        assert_eq!(client.name.as_str(), format!("ci-{number}"));
    }
    let crossed = ci.asks(&of_another(4, "https://id-other.test")).await.unwrap_err();
    assert_eq!(crossed, ErrorCode::InvalidGrant);
}

#[tokio::test]
async fn a_job_that_two_clients_claim_is_neither() {
    let ci = ci().await;
    let proof = ClientKeys::Issuer {
        issuer: CI.to_owned(),
        jwks: jwks(&ci.key),
        source: None,
        audience: "https://id.test".to_owned(),
        claims: [("repository_id".to_owned(), "42".to_owned())].into(),
    };
    register(&ci.plane, &ci.alice, "wider", proof).await;
    assert_eq!(ci.asks(&ci.sign(&ci.job("1"))).await.unwrap_err(), ErrorCode::InvalidGrant);
}

#[tokio::test]
async fn an_issuer_alone_is_no_client() {
    let ci = ci().await;
    let proof = ClientKeys::Issuer {
        issuer: CI.to_owned(),
        jwks: jwks(&ci.key),
        source: None,
        audience: "https://id.test".to_owned(),
        claims: [].into(),
    };
    let spec = ClientSpec {
        name: "everybody".parse().unwrap(),
        agent: "builder".parse().unwrap(),
        proof,
        task: None,
        mandate: Lines::default(),
        limits: Limits::default(),
        run_ttl_secs: 3_600,
        endpoint_audience_until: None,
    };
    let error = ci.plane.plane().add_client(&ci.alice.acting().await, spec).await.unwrap_err();
    assert!(error.message.contains("name the claims"), "{error}");
}

// draft-ietf-oauth-deferred-token-response section 11.1: nobody but the key says who comes again.
#[tokio::test]
async fn a_job_that_waits_for_a_human_is_known_by_its_key() {
    let ci = ci().await;
    ci.alice.grants_lines("builder", lines_of(&[], &["api:scope pay"])).await;
    let wanted = |mode: &'static str, assertion: String| {
        let form = [
            ("grant_type", BEARER),
            ("assertion", assertion.as_str()),
            ("resource", API),
            ("scope", "pay"),
            ("completion_mode", mode),
        ];
        request(&form)
    };
    let (plane, job) = (ci.plane.plane(), ci.sign(&ci.job("7")));
    let answer = plane.token(ci.prover.ask(), wanted("deferred", job)).await;
    let asked = answer.outcome.err().unwrap().approval.unwrap();
    let code = answer.deferred.unwrap().code;
    let code = std::str::from_utf8(code.expose()).unwrap();
    ci.alice.approves(asked).await.unwrap();
    let polls = |ask| {
        ci.plane.clock().advance(std::time::Duration::from_secs(5));
        let form =
            [("grant_type", "urn:ietf:params:oauth:grant-type:deferred"), ("deferral_code", code)];
        let answer = plane.token(ask, request(&form));
        async { answer.await.outcome.map(|_| ()).map_err(|refused| refused.body.error) }
    };
    let thief = OAuthClient::new(ci.plane.clone(), String::new(), ProofKey::generate().unwrap());
    assert_eq!(polls(thief.ask()).await, Err(ErrorCode::InvalidDpopProof));
    assert_eq!(polls(EndpointAsk::bare()).await, Err(ErrorCode::InvalidDpopProof));
    assert_eq!(polls(ci.prover.ask()).await, Ok(()));
    assert_eq!(polls(ci.prover.ask()).await, Err(ErrorCode::InvalidGrant));
}
