//! Fetching tokens: proofs, nonces, refreshing, holding, and where a token may go.

use std::time::Duration;

use marque_wire::jose::Jwk;
use marque_wire::oauth::TokenType;

use super::issuer::Reply;
use super::*;
use crate::{ClientKey, FetchError, Subject, TokenError, TokenSource, TokenSourceBuilder};

const TOKEN: &str = "/oauth/token";

fn builder(stage: &Stage) -> TokenSourceBuilder {
    let key = ClientKey::generate().unwrap();
    let public = Jwk::parse(key.public_jwk().as_bytes()).unwrap().key;
    stage.issuer.turn(|knobs| knobs.clients.insert("ledger-writer".to_owned(), public));
    TokenSource::builder(stage.issuer.issuer.as_str(), "ledger-writer", RESOURCE)
        .client_key(key)
        .scope("invoices:read")
        .clock(Arc::clone(&stage.hands) as Arc<dyn Clock>)
}

fn source(stage: &Stage) -> TokenSource {
    builder(stage).build().unwrap()
}

fn refuse(stage: &Stage, status: u16, body: &str) {
    let answer = Reply::new(status, body);
    stage.issuer.turn(|knobs| knobs.instead.insert(TOKEN.to_owned(), answer));
}

#[tokio::test]
async fn what_a_source_sets_on_a_request_a_verifier_believes_once() {
    let stage = Stage::new().await;
    let (source, verifier) = (source(&stage), stage.verifier());
    for _ in 0..3 {
        let mut request = Request::get(format!("{URL}?page=2")).body(()).unwrap();
        source.authorize(&mut request).await.unwrap();
        assert!(request.headers()["authorization"].is_sensitive());
        let parts = request.into_parts().0;
        let caller = verifier.verify(&parts).await.unwrap();
        assert_eq!(caller.presenter(), "spiffe://acme.example/agent/ledger-writer");
        assert_eq!(reason(verifier.verify(&parts).await), Reason::Replayed);
    }
    assert_eq!(stage.issuer.hits(TOKEN), 1);
}

#[tokio::test]
async fn the_server_is_given_the_nonce_that_it_asks_for() {
    let stage = Stage::new().await;
    let source = source(&stage);
    stage.issuer.turn(|knobs| knobs.nonce = Some("n-1".to_owned()));
    source.token().await.unwrap();
    assert_eq!(stage.issuer.hits(TOKEN), 2);
    stage.hands.pass(280);
    source.token().await.unwrap();
    assert_eq!(stage.issuer.hits(TOKEN), 3, "the newest nonce is used from then on");
}

#[tokio::test]
async fn a_server_that_wants_another_nonce_each_time_is_asked_twice_and_no_more() {
    let stage = Stage::new().await;
    let source = source(&stage);
    let answer = Reply::new(400, r#"{"error":"use_dpop_nonce"}"#).with("dpop-nonce", "n-2");
    stage.issuer.turn(|knobs| knobs.instead.insert(TOKEN.to_owned(), answer));
    assert!(matches!(source.token().await, Err(TokenError::Refused(_))));
    assert_eq!(stage.issuer.hits(TOKEN), 2);
}

#[tokio::test]
async fn a_resource_is_given_the_nonce_that_it_asks_for() {
    let stage = Stage::new().await;
    let source = source(&stage);
    let verifier = stage.builder().require_nonces().build().unwrap();
    let mut asked = 0;
    loop {
        let mut request = Request::get(URL).body(()).unwrap();
        source.authorize(&mut request).await.unwrap();
        asked += 1;
        match verifier.verify(&request.into_parts().0).await {
            Ok(_) => break,
            Err(refusal) => assert!(source.learn(refusal.status(), &refusal.headers())),
        }
    }
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn two_thirds_into_its_life_a_token_is_replaced_and_still_used_meanwhile() {
    let stage = Stage::new().await;
    let source = source(&stage);
    let first = source.token().await.unwrap();
    stage.hands.pass(199);
    assert_eq!(source.token().await.unwrap().expose(), first.expose());
    assert_eq!(stage.issuer.hits(TOKEN), 1);
    stage.hands.pass(1);
    stage.issuer.turn(|knobs| {
        knobs.delays.insert(TOKEN.to_owned(), Duration::from_millis(100));
    });
    let many = (0..32).map(|_| source.token());
    for token in futures_util::future::join_all(many).await {
        assert_eq!(token.unwrap().expose(), first.expose());
    }
    for _ in 0..200 {
        if source.token().await.unwrap().expose() != first.expose() {
            assert_eq!(stage.issuer.hits(TOKEN), 2);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the token was never replaced");
}

#[tokio::test]
async fn however_many_wait_for_a_token_one_is_fetched() {
    let stage = Stage::new().await;
    let source = source(&stage);
    let many = (0..32).map(|_| source.token());
    for token in futures_util::future::join_all(many).await {
        token.unwrap();
    }
    assert_eq!(stage.issuer.hits(TOKEN), 1);
    stage.hands.pass(270);
    source.token().await.unwrap();
    assert_eq!(stage.issuer.hits(TOKEN), 2, "nine tenths into its life it is not used any more");
    source.forget();
    stage.hands.pass(1);
    source.token().await.unwrap();
    assert_eq!(stage.issuer.hits(TOKEN), 3);
}

#[tokio::test]
async fn a_held_request_is_told_with_its_approval_and_asked_again_at_a_bounded_rate() {
    let stage = Stage::new().await;
    let source = source(&stage);
    let body = r#"{"error":"authorization_pending","error_description":"a human is asked",
        "marque_approval":"apr_1"}"#;
    refuse(&stage, 400, body);
    for _ in 0..5 {
        let Err(TokenError::Refused(refusal)) = source.token().await else { panic!() };
        assert!(refusal.is_pending());
        assert_eq!((refusal.status, refusal.approval.as_deref()), (400, Some("apr_1")));
        let told = "the token is refused: `authorization_pending`, a human is asked; it waits for \
                    the approval `apr_1`";
        assert_eq!(refusal.to_string(), told);
    }
    assert_eq!(stage.issuer.hits(TOKEN), 1);
    for (pause, hits) in [(4, 1), (1, 2), (4, 2), (1, 3)] {
        stage.hands.pass(pause);
        assert!(source.token().await.is_err());
        assert_eq!(stage.issuer.hits(TOKEN), hits);
    }
    refuse(&stage, 400, r#"{"error":"slow_down","interval":30}"#);
    for (pause, hits) in [(5, 4), (29, 4)] {
        stage.hands.pass(pause);
        assert!(source.token().await.is_err());
        assert_eq!(stage.issuer.hits(TOKEN), hits);
    }
    stage.issuer.turn(|knobs| knobs.instead.clear());
    stage.hands.pass(1);
    source.token().await.unwrap();
}

#[tokio::test]
async fn a_server_that_fails_is_asked_less_and_less_often() {
    let stage = Stage::new().await;
    let source = source(&stage);
    refuse(&stage, 503, r#"{"error":"temporarily_unavailable"}"#);
    for (pause, hits) in [(0, 1), (0, 1), (1, 2), (1, 2), (1, 3), (3, 3), (1, 4), (8, 5), (16, 6)] {
        stage.hands.pass(pause);
        assert!(matches!(source.token().await, Err(TokenError::Refused(_))));
        assert_eq!(stage.issuer.hits(TOKEN), hits);
    }
    for hits in 7..12 {
        stage.hands.pass(60);
        assert!(source.token().await.is_err());
        assert_eq!(stage.issuer.hits(TOKEN), hits);
    }
}

#[tokio::test]
async fn answers_that_are_no_bound_token_are_not_used() {
    for (status, body) in [
        (200, r#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":300}"#),
        (200, "{}"),
        (200, "oops"),
        (302, "{}"),
        (503, "<html>"),
    ] {
        let stage = Stage::new().await;
        let source = source(&stage);
        refuse(&stage, status, body);
        assert!(source.token().await.is_err(), "{status} {body}");
    }
    let stage = Stage::new().await;
    let source = source(&stage);
    refuse(&stage, 302, "{}");
    let told = source.token().await.err().unwrap();
    assert!(matches!(told, TokenError::Unavailable(FetchError::Status { status: 302, .. })));
}

#[tokio::test]
async fn a_token_goes_nowhere_but_to_its_resource() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let outside = source(&stage);
    let inside = builder(&other).origin("https://gw.acme.example/api").build().unwrap();
    for (source, url, may) in [
        (&outside, "https://api.acme.example/invoices", true),
        (&outside, "https://API.acme.example:443/", true),
        (&outside, "https://api.acme.example:8443/invoices", false),
        (&outside, "http://api.acme.example/invoices", false),
        (&outside, "https://api.acme.example.evil.example/invoices", false),
        (&outside, "https://evil.example/invoices", false),
        (&outside, "/invoices", false),
        (&inside, "https://gw.acme.example/api/invoices", true),
        (&inside, "https://gw.acme.example/apis", false),
        (&inside, "https://gw.acme.example/", false),
    ] {
        let mut request = Request::get(url).body(()).unwrap();
        let told = source.authorize(&mut request).await;
        assert_eq!(told.is_ok(), may, "{url}: {told:?}");
        assert_eq!(request.headers().contains_key("authorization"), may);
    }
}

#[tokio::test]
async fn a_subject_is_exchanged_for_by_the_same_client() {
    let stage = Stage::new().await;
    let own = source(&stage);
    let exchanged = own.exchange(Subject::new(&stage.token(), TokenType::AccessToken));
    let verifier = stage.verifier();
    for (source, subject) in
        [(&own, "spiffe://acme.example/agent/ledger-writer"), (&exchanged, "usr_7Q2m")]
    {
        let mut request = Request::get(URL).body(()).unwrap();
        source.authorize(&mut request).await.unwrap();
        let caller = verifier.verify(&request.into_parts().0).await.unwrap();
        assert_eq!(caller.subject(), subject);
    }
}

#[tokio::test]
async fn a_key_file_is_a_pem_or_a_jwk_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let key = ProofKey::generate().unwrap();
    let pkcs8 = key.to_pkcs8().unwrap();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pkcs8.expose());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let path = dir.path().join("key.pem");
    std::fs::write(&path, &pem).unwrap();
    let read = ClientKey::from_file(&path).unwrap();
    assert_eq!(read.key_id(), key.public().thumbprint());
    assert!(ClientKey::from_file(dir.path().join("none")).is_err());
    let public = read.public_jwk();
    for other in ["", "{}", &public, "-----BEGIN EC PRIVATE KEY-----\nAAAA\n", &pem[..60]] {
        assert!(ClientKey::parse(other.as_bytes()).is_err(), "{other}");
    }
    let jwk = r#"{"kty":"EC","crv":"P-256","kid":"k1",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    assert_eq!(ClientKey::parse(jwk.as_bytes()).unwrap().key_id(), "k1");
}

#[test]
fn a_source_that_cannot_be_is_told_at_the_start() {
    let build = |issuer: &str, client: &str, resource: &str| {
        TokenSource::builder(issuer, client, resource).build().is_ok()
    };
    let issuer = "http://127.0.0.1:1";
    assert!(build(issuer, "a", RESOURCE));
    assert!(!build("http://id.acme.example", "a", RESOURCE));
    assert!(!build(issuer, "", RESOURCE));
    assert!(!build(issuer, "a b", RESOURCE));
    assert!(!build(issuer, "a", "api.acme.example"));
    let scope = TokenSource::builder(issuer, "a", RESOURCE).scope("a *").build();
    assert!(scope.is_err());
    let details = TokenSource::builder(issuer, "a", RESOURCE).authorization_details("{").build();
    assert!(details.is_err());
}
