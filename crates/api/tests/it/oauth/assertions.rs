//! Client assertions that are forged, confused or malformed, and proofs that do not hold: each is
//! refused in the same words, and none is reflected.

use base64::Engine as _;
use marque_testkit::{ISSUER, OAuthClient, fresh_name};
use serde_json::json;

use super::served::{BILLING, Edge, encoded, escaped};

/// An assertion with that header and those claims, both as they are, signed with the client's key.
fn signed(client: &OAuthClient, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encoded(header), encoded(claims));
    let signature = client.key.sign(input.as_bytes()).unwrap();
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature);
    format!("{input}.{signature}")
}

fn header(client: &OAuthClient) -> serde_json::Value {
    json!({
        "alg": "ES256",
        "typ": "client-authentication+jwt",
        "kid": client.key.public().thumbprint(),
    })
}

fn claims(edge: &Edge) -> serde_json::Value {
    let now = edge.plane.plane().now().as_millis() / 1_000;
    json!({
        "iss": edge.client.id, "sub": edge.client.id, "aud": ISSUER,
        "jti": fresh_name(), "iat": now, "exp": now + 60,
    })
}

fn with(value: &serde_json::Value, name: &str, member: serde_json::Value) -> serde_json::Value {
    let mut value = value.clone();
    value[name] = member;
    value
}

fn without(value: &serde_json::Value, name: &str) -> serde_json::Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name);
    value
}

async fn all_refused(edge: &Edge, assertions: Vec<(String, String)>) {
    let resource = format!("&resource={}", escaped(BILLING));
    for (what, assertion) in assertions {
        let answer = edge.asks_with(&assertion, &resource).await;
        answer.is_refused(401, "invalid_client");
        let said = &answer.json()["error_description"];
        assert_eq!(said, "the client is not known or not proven", "{what}");
        assert_eq!(answer.field("www-authenticate"), None, "{what}: it did not try Basic");
    }
    // The one they were made from is taken.
    let good = edge.asks_with(&edge.client.assertion(), &resource).await;
    assert_eq!(good.status, 200, "{good:?}");
}

// threats 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 19
#[tokio::test]
async fn no_header_makes_an_assertion_good() {
    let edge = Edge::new().await;
    let (client, good) = (&edge.client, header(&edge.client));
    let stranger = edge.alice.has_client("stranger", "bot").await;
    let ours = edge.plane.plane().published_token_keys()["keys"][0]["kid"].clone();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"});
    let mut headers = vec![
        with(&good, "alg", json!("HS256")),
        with(&good, "alg", json!("ES384")),
        with(&good, "alg", json!(["ES256"])),
        with(&good, "alg", json!(1)),
        without(&good, "alg"),
        with(&good, "kid", ours),
        with(&good, "kid", json!(stranger.key.public().thumbprint())),
        with(&good, "jwk", jwk),
        with(&good, "x5c", json!(["AA"])),
        with(&good, "jku", json!("https://attacker.test/keys")),
        with(&good, "x5u", json!("https://attacker.test/keys")),
        with(&good, "crit", json!(["other"])),
        with(&with(&good, "b64", json!(false)), "crit", json!(["b64"])),
        with(&good, "zip", json!("DEF")),
        with(&good, "typ", json!("at+jwt")),
        with(&good, "typ", json!("dpop+jwt")),
        with(&good, "typ", json!("token-introspection+jwt")),
    ];
    for kid in ["../../dev/null", "' OR 1=1--", "$(id)", "\0"] {
        headers.push(with(&good, "kid", json!(kid)));
    }
    headers.push(with(&good, "kid", json!("k".repeat(6_000))));
    let mut assertions: Vec<_> = headers
        .into_iter()
        .map(|header| {
            (header.to_string(), signed(client, &header.to_string(), &claims(&edge).to_string()))
        })
        .collect();
    for alg in ["none", "None", "nOnE"] {
        let header = with(&good, "alg", json!(alg)).to_string();
        let unsigned = format!("{}.{}.", encoded(&header), encoded(&claims(&edge).to_string()));
        assertions.push((header, unsigned));
    }
    let proof = client.proof(&format!("{ISSUER}/oauth/token"));
    assertions.push(("a DPoP proof".to_owned(), String::from_utf8(proof).unwrap()));
    assertions.push(("an access token".to_owned(), edge.token().await));
    all_refused(&edge, assertions).await;
    edge.ends().await;
}

// threats 11, 12, 13, 15, 16, 32
#[tokio::test]
async fn no_claim_makes_an_assertion_good() {
    let edge = Edge::new().await;
    let (client, header, good) = (&edge.client, header(&edge.client).to_string(), claims(&edge));
    let now = good["iat"].as_u64().unwrap();
    let mut all = Vec::new();
    for audience in [
        json!([ISSUER, "https://attacker.test"]),
        json!("https://id.test.evil"),
        json!("https://id.test/"),
        json!("https://ID.test"),
        json!([]),
        json!(1),
        json!("https://id.test/oauth/token"),
        json!("https://id.test:443"),
        json!("https://user@id.test"),
    ] {
        all.push(with(&good, "aud", audience));
    }
    for (name, value) in [
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(now + 24 * 3_600)),
        ("exp", json!(253_402_300_799_u64)),
        ("exp", json!(now)),
        ("nbf", json!(now + 3_600)),
        ("iat", json!(now + 3_600)),
        ("sub", json!("somebody-else")),
        ("iss", json!("somebody-else")),
        ("jti", json!("")),
        ("jti", json!(1)),
    ] {
        all.push(with(&good, name, value));
    }
    for name in ["exp", "aud", "iss", "sub", "jti"] {
        all.push(without(&good, name));
    }
    let mut texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    let text = good.to_string();
    let inner = text.trim_start_matches('{');
    texts.extend([
        format!("{{\"sub\":\"other\",{inner}"),
        format!("{{\"aud\":\"https://other.test\",{inner}"),
        format!("{text} trailing"),
        format!("/* */{text}"),
        format!("\u{feff}{text}"),
        text.replace(&format!("\"exp\":{}", now + 60), "\"exp\":1e400"),
        text.replace(&format!("\"exp\":{}", now + 60), "\"exp\":NaN"),
        text.replace(ISSUER, "\\ud800"),
        format!("{{\"deep\":{}{},{inner}", "[".repeat(900), "]".repeat(900)),
    ]);
    let sign = |text: String| (text.clone(), signed(client, &header, &text));
    all_refused(&edge, texts.into_iter().map(sign).collect()).await;
    edge.ends().await;
}

// threats 17, 18, 21
#[tokio::test]
async fn an_assertion_is_three_parts_in_their_one_spelling() {
    let edge = Edge::new().await;
    let good = edge.client.assertion();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    let last = |text: &str| {
        let (rest, last) = text.split_at(text.len() - 1);
        // The same bytes with other bits that nobody reads.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap() ^ 1;
        format!("{rest}{}", &alphabet[at..=at])
    };
    let zeros = encoded(&"\0".repeat(64));
    let assertions = vec![
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}.a.b"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{}", last(signature)),
        format!("{header}.{payload}.{zeros}"),
        format!("{header}.{payload}."),
        json!({"payload": payload, "protected": header, "signature": signature}).to_string(),
    ];
    let named = assertions.into_iter().map(|one| (one.clone(), one)).collect();
    all_refused(&edge, named).await;
    edge.ends().await;
}

// threat 20
#[tokio::test]
async fn what_is_large_or_deep_is_refused_at_once() {
    let edge = Edge::new().await;
    let megabyte = Edge::credentials(&"a".repeat(1024 * 1024));
    let scopes = vec!["s"; 10_000].join("%20");
    let scopes = format!("{}&scope={scopes}", Edge::credentials(&edge.client.assertion()));
    let deep = format!("[{}{}]", "[".repeat(5_000), "]".repeat(5_000));
    let deep = format!(
        "{}&authorization_details={}",
        Edge::credentials(&edge.client.assertion()),
        escaped(&deep)
    );
    for (form, status) in [(megabyte, 413), (scopes, 400), (deep, 400)] {
        let mut quickest = std::time::Duration::MAX;
        // Machines are busy: once in a few times it is as quick as it can be.
        for _ in 0..10 {
            let started = tokio::time::Instant::now();
            let answer = edge.posts("/oauth/token", &edge.proof(), &form).await;
            quickest = quickest.min(started.elapsed());
            assert_eq!(answer.status, status, "{answer:?}");
        }
        assert!(quickest.as_millis() < 50, "{status} took {quickest:?}");
    }
    edge.ends().await;
}

// threat 32
#[tokio::test]
async fn an_assertion_is_good_once() {
    let edge = Edge::new().await;
    let assertion = edge.client.assertion();
    let resource = format!("&resource={}", escaped(BILLING));
    assert_eq!(edge.asks_with(&assertion, &resource).await.status, 200);
    let again = edge.asks_with(&assertion, &resource).await;
    again.is_refused(400, "invalid_request");
    let form = format!(
        "token=x&client_assertion_type={}&client_assertion={}",
        escaped(super::served::ASSERTION_TYPE),
        escaped(&assertion)
    );
    edge.posts("/oauth/introspect", "", &form).await.is_refused(401, "invalid_client");
    edge.ends().await;
}

// threats 56, 57, 59, 60, 61
#[tokio::test]
async fn a_proof_that_does_not_hold_is_no_proof() {
    let edge = Edge::new().await;
    let (client, url) = (&edge.client, format!("{ISSUER}/oauth/token"));
    let nonce = edge.plane.plane().dpop_nonce();
    let proof = |method: &str, url: &str, nonce: Option<&str>| {
        let proof = client.proof_as(method, url, None, nonce);
        format!("dpop: {}\r\n", String::from_utf8(proof).unwrap())
    };
    let ask = async |field: &str| {
        let form =
            format!("{}&resource={}", Edge::credentials(&client.assertion()), escaped(BILLING));
        edge.posts("/oauth/token", field, &form).await
    };
    for wrong in [
        proof("GET", &url, Some(&nonce)),
        proof("POST", "https://id.test/oauth/revoke", Some(&nonce)),
        proof("POST", "https://other.test/oauth/token", Some(&nonce)),
        "dpop: nonsense\r\n".to_owned(),
        format!("{}{}", edge.proof(), edge.proof()),
        format!("dpop: {}\r\n", client.assertion()),
        String::new(),
    ] {
        let answer = ask(&wrong).await;
        answer.is_refused(400, "invalid_dpop_proof");
        assert!(answer.field("dpop-nonce").is_some());
    }
    for nonce in [None, Some("0".repeat(32))] {
        let answer = ask(&proof("POST", &url, nonce.as_deref())).await;
        answer.is_refused(400, "use_dpop_nonce");
        // RFC 9449 §8: with that one it goes.
        let given = answer.field("dpop-nonce").unwrap().to_owned();
        assert_eq!(ask(&proof("POST", &url, Some(&given))).await.status, 200);
    }
    let once = edge.proof();
    assert_eq!(ask(&once).await.status, 200);
    ask(&once).await.is_refused(400, "invalid_request");
    let early = edge.proof();
    edge.plane.clock().advance(std::time::Duration::from_secs(3_600));
    assert_eq!(ask(&early).await.status, 400, "an hour old");
    edge.ends().await;
}
