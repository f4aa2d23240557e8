//! What a token is bound by: mandate, details, approvals, time, and the run it belongs to.

use marque_domain::client::ClientKeys;
use marque_domain::{Code, Limits};
use marque_plane::oauth::{Asked, EndpointAsk, error_of};
use marque_plane::spec::{ClientSpec, Lines};
use marque_testkit::{GATEWAY, Human, OAuthClient, TestPlane, issuing, jwks};
use marque_wire::oauth::{Confirmation, ErrorCode};

const API: &str = "https://api.test/";

async fn plane_with(allow: &[&str]) -> (TestPlane, Human, OAuthClient) {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.connects("status").await;
    alice.grants("bot", allow).await;
    let client = alice.has_client("bot-prod", "bot").await;
    (plane, alice, client)
}

pub(super) fn lines_of(allow: &[&str], ask: &[&str]) -> Lines {
    let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Lines { allow: text(allow), ask: text(ask), never: Vec::new() }
}

fn credentials<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let all = [("grant_type", "client_credentials"), ("resource", API)];
    all.into_iter().chain(more.iter().copied()).collect()
}

async fn refused(client: &OAuthClient, parameters: &[(&str, &str)]) -> (ErrorCode, String) {
    let refused = client.asks(parameters).await.map(|got| got.token).unwrap_err();
    let code = refused.refusal.map(|refusal| refusal.code.text());
    (refused.body.error, code.unwrap_or_default())
}

// threats 39, 40, 52
#[tokio::test]
async fn a_scope_is_a_line_of_the_mandate() {
    let (_plane, _alice, client) = plane_with(&["api:token", "api:scope read"]).await;
    let got = client.takes(API, "read").await.unwrap();
    assert_eq!(got.response.scope.to_string(), "read");
    for scope in ["write", "READ", "read write", "admin", "token:create", "read\u{0301}x"] {
        if !scope.is_ascii() {
            continue;
        }
        let (error, code) = refused(&client, &credentials(&[("scope", scope)])).await;
        assert_eq!(
            (error, code.as_str()),
            (ErrorCode::InvalidScope, "refused.mandate.nothing_allows")
        );
    }
}

// threats 34, 41
#[tokio::test]
async fn a_token_has_exactly_one_resource_that_is_known() {
    let (_plane, _alice, client) = plane_with(&["api:token"]).await;
    let ask = |resources: &'static [&'static str]| {
        let mut all = vec![("grant_type", "client_credentials")];
        all.extend(resources.iter().map(|resource| ("resource", *resource)));
        all
    };
    let unknown: [&[&str]; 6] = [
        &[],
        &[API, "https://other.test/"],
        &["https://other.test/"],
        &["https://api.test"],
        &["https://api.test/x"],
        &["https://api.test.evil/"],
    ];
    for resources in unknown {
        let (error, code) = refused(&client, &ask(resources)).await;
        assert_eq!((error, code.as_str()), (ErrorCode::InvalidTarget, "refused.mandate.no_target"));
    }
    // Known, and not for this agent.
    let gateway: &'static str = Box::leak(format!("{GATEWAY}/c/status").into_boxed_str());
    let (error, _) = refused(&client, &ask(Box::leak(Box::new([gateway])))).await;
    assert_eq!(error, ErrorCode::InvalidTarget);
}

#[tokio::test]
async fn details_are_typed_and_echoed() {
    let lines = [
        "api:token",
        "api:GET /v1/**",
        "api:git.push acme/api refs/heads/agent/**",
        "api:select *",
    ];
    let (_plane, _alice, client) = plane_with(&lines).await;
    let good = r#"[{"type":"http_operation","actions":["GET"],"identifier":"/v1/items"}]"#;
    let got = client.asks(&credentials(&[("authorization_details", good)])).await.unwrap();
    assert_eq!(got.claims.authorization_details, got.response.authorization_details);
    assert_eq!(got.claims.authorization_details.as_slice().len(), 1);
    let push = serde_json::json!([{"type": "git_push", "actions": ["git.push"],
        "identifier": "acme/api", "refs": ["refs/heads/agent/x"]}])
    .to_string();
    client.asks(&credentials(&[("authorization_details", &push)])).await.unwrap();

    let detail = |kind: &str, more: &str| format!(r#"[{{"type":"{kind}",{more}}}]"#);
    let http = |more: &str| detail("http_operation", more);
    let bad = [
        detail("teleport", r#""actions":["GET"],"identifier":"/v1/items""#),
        http(r#""actions":["GET"],"identifier":"/v1/items","max":3"#),
        http(r#""actions":["BREW"],"identifier":"/v1/items""#),
        http(r#""actions":["GET"],"identifier":"/v1/*""#),
        http(r#""actions":["GET"],"identifier":"v1""#),
        http(r#""actions":["GET"]"#),
        http(r#""identifier":"/v1/items""#),
        http(r#""actions":["GET"],"identifier":"/v1/items","privileges":["x"]"#),
        http(r#""actions":["GET"],"identifier":"/v1/items","locations":["https://other.test/"]"#),
        detail("git_push", r#""actions":["git.push"],"identifier":"acme/api""#),
        detail(
            "git_push",
            r#""actions":["git.push"],"identifier":"Acme/api","refs":["refs/heads/x"]"#,
        ),
        detail(
            "mcp_tool_call",
            r#""actions":["tools/call"],"identifier":"x","constraints":{"a":[1]}"#,
        ),
    ];
    for details in &bad {
        let asked = credentials(&[("authorization_details", details)]);
        let (error, _) = refused(&client, &asked).await;
        assert_eq!(error, ErrorCode::InvalidAuthorizationDetails, "{details}");
    }
    // Well formed, and more than the mandate says.
    let wide = r#"[{"type":"http_operation","actions":["GET","DELETE"],"identifier":"/v1/items"}]"#;
    let (error, code) = refused(&client, &credentials(&[("authorization_details", wide)])).await;
    assert_eq!(
        (error, code.as_str()),
        (ErrorCode::InvalidAuthorizationDetails, "refused.mandate.nothing_allows")
    );
}

// threat 54
#[tokio::test]
async fn a_held_grant_succeeds_once_after_an_approval() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.grants_lines("bot", lines_of(&["api:token"], &["api:scope pay"])).await;
    let client = alice.has_client("bot-prod", "bot").await;
    let held = client.takes(API, "pay").await.map(|got| got.token).unwrap_err();
    assert_eq!(held.body.error, ErrorCode::AuthorizationPending);
    let approval = held.approval.unwrap();
    let again = client.takes(API, "pay").await.map(|got| got.token).unwrap_err();
    assert_eq!(again.approval, Some(approval), "asking again is not another question");
    alice.approves(approval).await.unwrap();
    let got = client.takes(API, "pay").await.unwrap();
    let [reference] = &got.claims.run.as_ref().unwrap().approvals[..] else {
        panic!("one approval")
    };
    assert_eq!(reference.id, approval);
    assert!(got.claims.exp <= reference.exp, "no token outlives its approval");
    let third = client.takes(API, "pay").await.map(|got| got.token).unwrap_err();
    assert_eq!(third.body.error, ErrorCode::AuthorizationPending, "it is used");

    // Another run of the same agent cannot use what was approved for this one.
    let other = alice.has_client("bot-other", "bot").await;
    let held = third.approval.unwrap();
    alice.approves(held).await.unwrap();
    let foreign = other.takes(API, "pay").await.map(|got| got.token).unwrap_err();
    assert_eq!(foreign.body.error, ErrorCode::AuthorizationPending);
    assert_ne!(foreign.approval, Some(held));
}

// threats 42, 53
#[tokio::test]
async fn no_token_outlives_its_run() {
    let plane = TestPlane::with(issuing()).await;
    let alice = plane.alice();
    alice.registers("bot").await;
    alice.has_resource("api", API).await;
    alice.grants("bot", &["api:token"]).await;
    let key = marque_crypto::proof_key::ProofKey::generate().unwrap();
    let spec = ClientSpec {
        name: "short".parse().unwrap(),
        agent: "bot".parse().unwrap(),
        proof: ClientKeys::Keys { jwks: jwks(&key) },
        task: None,
        mandate: Lines::default(),
        limits: Limits::default(),
        run_ttl_secs: 100,
        endpoint_audience_until: None,
    };
    let view = plane.plane().add_client(&alice.acting().await, spec).await.unwrap();
    let client = OAuthClient::new(plane.clone(), view.id.to_string(), key);
    let got = client.takes(API, "").await.unwrap();
    assert_eq!(got.claims.exp.seconds_since(got.claims.iat), 100);
}

// threats 50, 55, 59, 60
#[tokio::test]
async fn a_token_is_bound_to_a_key_that_was_proven() {
    let (plane, _alice, client) = plane_with(&["api:token"]).await;
    let parameters = credentials(&[]);
    let unbound = client.asks_with(EndpointAsk::bare(), &client.assertion(), &parameters).await;
    assert_eq!(unbound.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidDpopProof);
    let url = "https://id.test/oauth/token";
    let with = |proof: Vec<u8>| EndpointAsk { proof: Ok(Some(proof)), ..EndpointAsk::bare() };
    let no_nonce = client.proof_as("POST", url, None, None);
    let refused = client.asks_with(with(no_nonce), &client.assertion(), &parameters).await;
    assert_eq!(refused.map(|_| ()).unwrap_err().body.error, ErrorCode::UseDpopNonce);
    let nonce = plane.plane().dpop_nonce();
    for (method, url) in [("GET", url), ("POST", "https://id.test/oauth/token/x")] {
        let proof = client.proof_as(method, url, None, Some(&nonce));
        let refused = client.asks_with(with(proof), &client.assertion(), &parameters).await;
        assert_eq!(refused.map(|_| ()).unwrap_err().body.error, ErrorCode::InvalidDpopProof);
    }
    // By a certificate instead.
    let shown = EndpointAsk { certificate: Some(vec![1, 2, 3]), ..EndpointAsk::bare() };
    let got = client.asks_with(shown, &client.assertion(), &parameters).await.unwrap();
    assert!(matches!(got.claims.cnf, Some(Confirmation::Certificate(_))));
}

// threat 12: what is not spelt as the issuer is another issuer; threat 32: an assertion is bounded.
#[tokio::test]
async fn an_assertion_is_for_this_server_alone_and_short() {
    let (plane, _alice, client) = plane_with(&["api:token"]).await;
    let now = std::time::Duration::from_millis(plane.plane().now().as_millis()).as_secs();
    let claims = |aud: serde_json::Value, sub: &str, lasts: u64| {
        let value = serde_json::json!({
            "iss": client.id, "sub": sub, "aud": aud, "jti": marque_testkit::fresh_name(),
            "iat": now, "exp": now + lasts,
        });
        value.as_object().cloned().unwrap()
    };
    let own = client.id.clone();
    let bad = [
        claims("https://id.test/".into(), &own, 60),
        claims("https://id.test/oauth/token".into(), &own, 60),
        claims("https://ID.test".into(), &own, 60),
        claims(serde_json::json!(["https://id.test", "https://evil.test"]), &own, 60),
        claims(serde_json::json!([]), &own, 60),
        claims("https://id.test".into(), "cli_01KDWPVNG0R19RB3CC75G9XG34", 60),
        claims("https://id.test".into(), &own, 86_400),
    ];
    for claims in bad {
        let assertion = client.sign_assertion(&claims);
        let refused = client.asks_with(client.ask(), &assertion, &credentials(&[])).await;
        assert_eq!(
            refused.map(|_| ()).unwrap_err().body.error,
            ErrorCode::InvalidClient,
            "{claims:?}"
        );
    }
}

#[test]
fn every_code_of_the_road_has_one_on_the_wire() {
    for code in Code::ALL {
        let (error, description) = error_of(code, Asked::Scope);
        assert!(!description.is_empty());
        assert!(!code.is_hold() || error == ErrorCode::AuthorizationPending, "{code}");
    }
}
