//! Proofs of possession: threats 55 to 63.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marque_crypto::hash::sha256;
use marque_wire::oauth::{BadProof, Thumbprint};
use serde_json::json;

use super::*;
use crate::ClientCertificate;

async fn refused(stage: &Stage, verifier: &Verifier, change: impl FnOnce(&mut Draft)) -> Reason {
    let token = stage.token();
    let proof = stage.proof(&token, change);
    reason(verifier.verify(&parts(&format!("DPoP {token}"), &proof)).await)
}

#[tokio::test]
async fn threats_55_and_62_a_bound_token_is_no_bearer_token() {
    let stage = Stage::new().await;
    for verifier in [stage.verifier(), stage.builder().accept_bearer().build().unwrap()] {
        let token = stage.token();
        assert_eq!(reason(verifier.verify(&bearer(&token)).await), Reason::Bound);
        let with_proof = parts(&format!("Bearer {token}"), &stage.proof(&token, |_| {}));
        assert_eq!(reason(verifier.verify(&with_proof).await), Reason::Bound);
        let alone = parts(&format!("DPoP {token}"), "");
        assert!(matches!(reason(verifier.verify(&alone).await), Reason::Proof(_)));
    }
}

#[tokio::test]
async fn threat_62_a_token_that_is_bound_to_nothing_is_for_those_who_said_so() {
    let stage = Stage::new().await;
    let token = stage.issuer.sign(&stage.issuer.claims(RESOURCE, unbound()));
    assert_eq!(reason(stage.verifier().verify(&bearer(&token)).await), Reason::Unbound);
    assert_eq!(reason(stage.verify(&stage.verifier(), &token).await), Reason::Unbound);
    let lenient = stage.builder().accept_bearer().build().unwrap();
    assert!(!lenient.verify(&bearer(&token)).await.unwrap().is_proven());
    assert_eq!(reason(stage.verify(&lenient, &token).await), Reason::Unbound);
}

#[tokio::test]
async fn threat_62_a_proof_is_by_the_key_that_the_token_names() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let thief = ProofKey::generate().unwrap();
    let token = stage.token();
    let mut draft = None;
    stage.proof(&token, |made| {
        let (jti, iat, hash) = (made.jti.clone(), made.iat, made.hash.clone());
        let (method, target) = (made.method.clone(), made.target.clone());
        draft = Some(Draft { jti, iat, hash, method, target, nonce: None });
    });
    let proof = draft.unwrap().sign(&thief);
    let told = reason(verifier.verify(&parts(&format!("DPoP {token}"), &proof)).await);
    assert_eq!(told, Reason::Proof(BadProof::OtherKey));
}

#[tokio::test]
async fn threat_56_a_proof_is_good_once() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let request = stage.request(&stage.token());
    verifier.verify(&request).await.unwrap();
    let (status, challenge) = told(verifier.verify(&request).await);
    assert_eq!(status, 401);
    assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
}

#[tokio::test]
async fn threat_56_a_proof_from_before_a_restart_is_not_good_after_it() {
    let stage = Stage::new().await;
    let request = stage.request(&stage.token());
    stage.verifier().verify(&request).await.unwrap();
    stage.hands.pass(1);
    let restarted = stage.verifier();
    assert_eq!(reason(restarted.verify(&request).await), Reason::Replayed);
    stage.verify(&restarted, &stage.token()).await.unwrap();
}

#[tokio::test]
async fn threats_56_and_60_with_nonces_a_proof_is_good_in_one_process_alone() {
    let stage = Stage::new().await;
    let [here, there] = [(); 2].map(|()| stage.builder().require_nonces().build().unwrap());
    let token = stage.token();
    let first = verifier_told(&here, &stage.request(&token)).await;
    let proof = stage.proof(&token, |draft| draft.nonce = Some(first));
    let request = parts(&format!("DPoP {token}"), &proof);
    here.verify(&request).await.unwrap();
    assert_eq!(reason(here.verify(&request).await), Reason::Replayed);
    assert_eq!(reason(there.verify(&request).await), Reason::Proof(BadProof::Nonce));
    let stale = here.nonce().unwrap();
    stage.hands.pass(120);
    let late = stage.proof(&token, |draft| draft.nonce = Some(stale));
    let late = parts(&format!("DPoP {token}"), &late);
    assert_eq!(reason(here.verify(&late).await), Reason::Proof(BadProof::Nonce));
}

/// The nonce that a refusal of a proof without one brings.
async fn verifier_told(verifier: &Verifier, request: &Parts) -> String {
    let refusal = verifier.verify(request).await.unwrap_err();
    let headers = refusal.headers();
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    headers["dpop-nonce"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn threat_57_a_proof_is_for_this_method_and_this_place() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let wrong = refused(&stage, &verifier, |draft| draft.method = "POST".to_owned()).await;
    assert_eq!(wrong, Reason::Proof(BadProof::Method));
    for target in [
        "https://api.acme.example/invoices/8",
        "https://api.acme.example/Invoices/7",
        "https://api.acme.example:8443/invoices/7",
        "http://api.acme.example/invoices/7",
        "https://evil.example/invoices/7",
        "https://api.acme.example/invoices/7/",
    ] {
        let wrong = refused(&stage, &verifier, |draft| draft.target = target.to_owned()).await;
        assert_eq!(wrong, Reason::Proof(BadProof::Target), "{target}");
    }
    let token = stage.token();
    let same = "https://API.acme.example:443/invoices/7".to_owned();
    let proof = stage.proof(&token, |draft| draft.target = same);
    verifier.verify(&parts(&format!("DPoP {token}"), &proof)).await.unwrap();
}

#[tokio::test]
async fn threat_57_what_a_request_says_of_its_host_is_not_asked() {
    let stage = Stage::new().await;
    let inside = stage.builder().origin("https://gw.acme.example/api").build().unwrap();
    let token = stage.token();
    let asked = |target: &str, host: &str| {
        let proof = stage.proof(&token, |draft| draft.target = target.to_owned());
        let request = Request::get("/invoices/7")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof)
            .header("host", host)
            .header("x-forwarded-host", host);
        request.body(()).unwrap().into_parts().0
    };
    let outside = "https://gw.acme.example/api/invoices/7";
    inside.verify(&asked(outside, "evil.example")).await.unwrap();
    let evil = asked("https://evil.example/invoices/7", "evil.example");
    assert_eq!(reason(inside.verify(&evil).await), Reason::Proof(BadProof::Target));
}

#[tokio::test]
async fn threat_58_a_proof_is_for_this_token() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let other = access_token_hash(stage.token().as_bytes());
    for hash in [None, Some(other), Some("x".to_owned())] {
        let wrong = refused(&stage, &verifier, |draft| draft.hash = hash).await;
        assert_eq!(wrong, Reason::Proof(BadProof::AccessToken));
    }
}

#[tokio::test]
async fn threat_59_a_proof_of_another_shape_is_refused() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let token = stage.token();
    let good = stage.proof(&token, |_| {});
    let header = good.split('.').next().unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let mut disclosed = header.clone();
    disclosed["jwk"]["d"] = json!("AAAA");
    let mut typed = header.clone();
    typed["typ"] = json!("at+jwt");
    let symmetric = json!({ "alg": "HS256", "typ": "dpop+jwt", "jwk": { "kty": "oct", "k": "A" } });
    for header in [disclosed, typed, symmetric, json!({ "alg": "none", "typ": "dpop+jwt" })] {
        let rest = good.split_once('.').unwrap().1;
        let proof = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let refused = verifier.verify(&parts(&format!("DPoP {token}"), &proof)).await;
        assert!(matches!(reason(refused), Reason::Proof(BadProof::Token(_))), "{header}");
    }
}

#[tokio::test]
async fn threat_60_a_proof_is_made_now_and_neither_long_ago_nor_in_advance() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    stage.hands.pass(4000);
    let at = |seconds: u64| NumericDate::from_seconds(START + 4000 + seconds).unwrap();
    let ahead = refused(&stage, &verifier, |draft| draft.iat = at(3600)).await;
    assert_eq!(ahead, Reason::Proof(BadProof::Ahead));
    let ahead = refused(&stage, &verifier, |draft| draft.iat = at(61)).await;
    assert_eq!(ahead, Reason::Proof(BadProof::Ahead));
    let made = stage.issuer.date();
    stage.hands.pass(301);
    let old = refused(&stage, &verifier, |draft| draft.iat = made).await;
    assert_eq!(old, Reason::Proof(BadProof::Old));
}

#[tokio::test]
async fn threat_61_one_proof_goes_with_a_request() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let mut request = stage.request(&stage.token());
    let second = request.headers["dpop"].clone();
    request.headers.append("dpop", second);
    assert_eq!(reason(verifier.verify(&request).await), Reason::Proof(BadProof::Several));
    request.headers.remove("dpop");
    assert_eq!(reason(verifier.verify(&request).await), Reason::Proof(BadProof::Missing));
}

#[tokio::test]
async fn threat_63_where_no_more_proofs_can_be_remembered_requests_are_refused() {
    let stage = Stage::new().await;
    let verifier = stage.builder().replay_capacity(4).build().unwrap();
    for _ in 0..2 {
        stage.verify(&verifier, &stage.token()).await.unwrap();
    }
    let refusal = stage.verify(&verifier, &stage.token()).await.unwrap_err();
    assert_eq!((refusal.reason(), refusal.status().as_u16()), (&Reason::ProofsFull, 503));
    assert!(refusal.headers().contains_key("retry-after"));
    stage.hands.pass(301);
    stage.verify(&verifier, &stage.token()).await.unwrap();
}

#[tokio::test]
async fn threat_62_a_token_that_is_bound_to_a_certificate_comes_over_it() {
    let stage = Stage::new().await;
    let verifier = stage.verifier();
    let bound = Thumbprint::from_bytes(*sha256(b"certificate").as_bytes());
    let claims = stage.issuer.claims(RESOURCE, Some(Confirmation::Certificate(bound)));
    let token = stage.issuer.sign(&claims);
    assert_eq!(reason(verifier.verify(&bearer(&token)).await), Reason::Bound);
    for (der, holds) in [(&b"certificate"[..], true), (b"another", false)] {
        let mut request = bearer(&token);
        request.extensions.insert(ClientCertificate::of_der(der));
        request.headers.insert("x-client-certificate", "certificate".parse().unwrap());
        assert_eq!(verifier.verify(&request).await.is_ok(), holds);
    }
    let mut request = stage.request(&token);
    request.extensions.insert(ClientCertificate::of_der(b"certificate"));
    assert_eq!(reason(verifier.verify(&request).await), Reason::Bound);
}
