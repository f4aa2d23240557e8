//! Where keys come from: threats 22 to 24, rotation, and an issuer that is down.

use std::time::Duration;

use marque_wire::jose::JwkSet;
use serde_json::json;
use tokio::time::Instant;

use super::*;

const JWKS: &str = "/oauth/jwks";

fn instead(stage: &Stage, path: &str, status: u16, field: (&'static str, &str), body: &[u8]) {
    let answer = issuer::Reply::new(status, body).with(field.0, field.1);
    stage.issuer.turn(|knobs| knobs.instead.insert(path.to_owned(), answer));
}

#[tokio::test]
async fn a_new_key_is_found_and_one_that_was_taken_away_is_forgotten() {
    let stage = Stage::new().await;
    stage.issuer.turn(|knobs| knobs.max_age = 60);
    let verifier = stage.verifier();
    let old = stage.token();
    stage.verify(&verifier, &old).await.unwrap();
    stage.hands.pass(11);
    stage.issuer.turn(|knobs| knobs.keys.push(issuer::fresh_key()));
    stage.verify(&verifier, &stage.token()).await.unwrap();
    assert_eq!(stage.issuer.hits(JWKS), 2);
    stage.verify(&verifier, &old).await.unwrap();
    stage.issuer.turn(|knobs| knobs.keys.remove(0));
    stage.hands.pass(60);
    // What is due is fetched behind the request that finds it so.
    for _ in 0..200 {
        match stage.verify(&verifier, &old).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(refusal) => {
                assert_eq!(*refusal.reason(), Reason::UnknownKey);
                assert_eq!(stage.issuer.hits(JWKS), 3);
                return;
            }
        }
    }
    panic!("the key that was taken away is still believed");
}

#[tokio::test]
async fn threat_23_an_issuer_that_is_down_is_outlived_for_a_day_and_no_longer() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    stage.verify(&verifier, &stage.token()).await.unwrap();
    for path in [JWKS, "/.well-known/oauth-authorization-server"] {
        instead(&stage, path, 503, ("retry-after", "1"), b"");
    }
    stage.hands.pass(24 * 3600 - 1);
    stage.verify(&verifier, &stage.token()).await.unwrap();
    stage.hands.pass(1);
    let (status, challenge) = told(stage.verify(&verifier, &stage.token()).await);
    assert_eq!((status, challenge.as_str()), (503, ""));
    stage.issuer.turn(|knobs| knobs.instead.clear());
    stage.hands.pass(61);
    stage.verify(&verifier, &stage.token()).await.unwrap();
}

#[tokio::test]
async fn threat_23_answers_that_are_no_key_set_are_not_used() {
    let set = |stage: &Stage| stage.issuer.turn(|knobs| issuer::jwk(&knobs.keys[0]).to_json());
    for case in 0..6 {
        let stage = Stage::new().await;
        let good = json!({ "keys": [set(&stage)] }).to_string();
        let private = json!({ "keys": [set(&stage), { "kty": "oct", "k": "AAAA", "kid": "x" }] });
        let twice = json!({ "keys": [set(&stage), set(&stage)] });
        let huge = vec![b' '; 50 * 1024 * 1024];
        let (status, field, body) = match case {
            0 => (200, ("x-case", "huge"), huge),
            1 => (302, ("location", "http://169.254.169.254/latest/"), good.into_bytes()),
            2 => (200, ("x-case", "private"), private.to_string().into_bytes()),
            3 => (200, ("x-case", "twice"), twice.to_string().into_bytes()),
            4 => (500, ("x-case", "status"), good.into_bytes()),
            _ => (200, ("x-case", "trailing"), format!("{good} {{}}").into_bytes()),
        };
        instead(&stage, JWKS, status, field, &body);
        let refused = stage.verify(&stage.verifier(), &stage.token()).await;
        let told = reason(refused);
        assert!(matches!(told, Reason::Unavailable(_)), "case {case}: {told:?}");
    }
}

#[tokio::test]
async fn threat_23_a_slow_issuer_costs_one_wait_and_others_share_it() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    stage.issuer.turn(|knobs| knobs.delays.insert(JWKS.to_owned(), Duration::from_secs(30)));
    let started = Instant::now();
    let tokens: Vec<String> = (0..16).map(|_| stage.token()).collect();
    let verified = tokens.iter().map(|token| stage.verify(&verifier, token));
    for refused in futures_util::future::join_all(verified).await {
        assert!(matches!(reason(refused), Reason::Unavailable(_)));
    }
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert_eq!(stage.issuer.hits(JWKS), 1);
}

#[tokio::test]
async fn threat_23_an_issuer_whose_keys_change_every_second_is_asked_once_in_ten() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    for _ in 0..40 {
        stage.issuer.turn(|knobs| knobs.keys = vec![issuer::fresh_key()]);
        let _ = stage.verify(&verifier, &stage.token()).await;
        stage.hands.pass(1);
    }
    assert!(stage.issuer.hits(JWKS) <= 4, "{}", stage.issuer.hits(JWKS));
}

#[tokio::test]
async fn threat_24_a_flood_of_unknown_names_causes_one_fetch() {
    let stage = Stage::new().await;
    let other = Stage::new().await;
    let verifier = stage.verifier();
    stage.verify(&verifier, &stage.token()).await.unwrap();
    stage.hands.pass(11);
    let claims = stage.claims();
    let mut tokens = Vec::new();
    for _ in 0..64 {
        other.issuer.turn(|knobs| knobs.keys = vec![issuer::fresh_key()]);
        tokens.push(other.issuer.sign(&claims));
    }
    let refused = tokens.iter().map(|token| stage.verify(&verifier, token));
    for refused in futures_util::future::join_all(refused).await {
        assert_eq!(reason(refused), Reason::UnknownKey);
    }
    assert_eq!(stage.issuer.hits(JWKS), 2);
    stage.verify(&verifier, &stage.token()).await.unwrap();
}

#[tokio::test]
async fn a_fetch_goes_on_when_whoever_began_it_is_gone() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    stage.issuer.turn(|knobs| knobs.delays.insert(JWKS.to_owned(), Duration::from_millis(200)));
    let token = stage.token();
    let gone = stage.verify(&verifier, &token);
    assert!(tokio::time::timeout(Duration::from_millis(50), gone).await.is_err());
    stage.verify(&verifier, &stage.token()).await.unwrap();
    assert_eq!(stage.issuer.hits(JWKS), 1);
}

#[tokio::test]
async fn threats_7_and_12_metadata_of_another_issuer_or_with_keys_elsewhere_is_not_used() {
    for (name, value) in [
        ("issuer", "https://evil.example"),
        ("jwks_uri", "https://evil.example/jwks"),
        ("jwks_uri", "http://127.0.0.1:1/oauth/jwks"),
    ] {
        let stage = Stage::new().await;
        let at = |path: &str| format!("{}{path}", stage.issuer.issuer);
        let mut metadata = json!({
            "issuer": at(""), "jwks_uri": at(JWKS), "token_endpoint": at("/oauth/token"),
        });
        metadata[name] = json!(value);
        let path = "/.well-known/oauth-authorization-server";
        instead(&stage, path, 200, ("x-case", name), metadata.to_string().as_bytes());
        let refused = stage.verify(&stage.verifier(), &stage.token()).await;
        assert!(matches!(reason(refused), Reason::Unavailable(_)), "{name} {value}");
        assert_eq!(stage.issuer.hits(JWKS), 0);
    }
}

#[tokio::test]
async fn fixed_keys_need_no_issuer_and_are_never_replaced() {
    let stage = Stage::new().await;
    let keys = stage.issuer.turn(|knobs| vec![issuer::jwk(&knobs.keys[0])]);
    let verifier = stage.builder().keys(JwkSet::new(keys).unwrap()).build().unwrap();
    let token = stage.token();
    stage.verify(&verifier, &token).await.unwrap();
    stage.issuer.turn(|knobs| knobs.keys.push(issuer::fresh_key()));
    assert_eq!(reason(stage.verify(&verifier, &stage.token()).await), Reason::UnknownKey);
    assert_eq!(stage.issuer.hits(JWKS), 0);
}
