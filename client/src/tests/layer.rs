//! The layer in a router: who is let in, and what the others are answered.

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use marque_wire::oauth::AuthorizationDetail;
use tower::ServiceExt as _;

use super::*;
use crate::{StepUp, VerifyLayer};

fn app(layer: VerifyLayer) -> Router {
    let who = async |Extension(caller): Extension<Caller>| {
        format!("{} for {}", caller.presenter(), caller.subject())
    };
    Router::new().route("/invoices/7", get(who)).layer(layer)
}

fn with_body(parts: Parts) -> Request<Body> {
    Request::from_parts(parts, Body::empty())
}

#[tokio::test]
async fn a_handler_is_told_who_calls_and_a_stranger_reaches_none() {
    let stage = Stage::new().await;
    let app = app(VerifyLayer::new(stage.verifier()).scope("invoices:read").unwrap());
    let request = with_body(stage.request(&stage.token()));
    let answer = app.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("dpop-nonce"));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "spiffe://acme.example/agent/ledger-writer for usr_7Q2m");
    let stranger = Request::get(URL).body(Body::empty()).unwrap();
    let answer = app.oneshot(stranger).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], "DPoP algs=\"ES256 RS256 Ed25519\"");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(*answer.extensions().get::<Refusal>().unwrap().reason(), Reason::NoToken);
}

#[tokio::test]
async fn a_challenge_says_where_tokens_come_from_and_what_would_be_enough() {
    let stage = Stage::new().await;
    let metadata = "https://api.acme.example/.well-known/oauth-protected-resource/invoices";
    let verifier = stage.builder().resource_metadata(metadata).accept_bearer().build().unwrap();
    let app = app(VerifyLayer::new(verifier).scope("invoices:read invoices:write").unwrap());
    let answer = app.oneshot(with_body(stage.request(&stage.token()))).await.unwrap();
    assert_eq!(answer.status(), 403);
    let told: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
    let rest = format!(
        "error=\"insufficient_scope\", scope=\"invoices:read invoices:write\", \
         resource_metadata=\"{metadata}\""
    );
    let why = "error_description=\"the access token lacks the scope that is needed here\"";
    let algs = "algs=\"ES256 RS256 Ed25519\"";
    assert_eq!(
        told,
        [format!("DPoP {rest}, {algs}, {why}").as_str(), format!("Bearer {rest}, {why}").as_str()]
    );
}

#[tokio::test]
async fn a_person_who_must_be_asked_again_is_named_what_would_be_enough() {
    let stage = Stage::new().await;
    let step_up = StepUp { acr_values: Some("phr".to_owned()), max_age_secs: Some(300) };
    let app = app(VerifyLayer::new(stage.verifier()).step_up(step_up));
    let answer = app.oneshot(with_body(stage.request(&stage.token()))).await.unwrap();
    assert_eq!(answer.status(), 401);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    let expected =
        "error=\"insufficient_user_authentication\", acr_values=\"phr\", max_age=\"300\"";
    assert!(challenge.contains(expected), "{challenge}");
}

#[tokio::test]
async fn where_nonces_are_required_every_answer_brings_the_next() {
    let stage = Stage::new().await;
    let verifier = stage.builder().require_nonces().build().unwrap();
    let app = app(VerifyLayer::new(verifier));
    let token = stage.token();
    let answer = app.clone().oneshot(with_body(stage.request(&token))).await.unwrap();
    assert_eq!(answer.status(), 401);
    let nonce = answer.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let proof = stage.proof(&token, |draft| draft.nonce = Some(nonce));
    let again = with_body(parts(&format!("DPoP {token}"), &proof));
    let answer = app.oneshot(again).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("dpop-nonce"));
}

#[tokio::test]
async fn a_handler_asks_for_details_by_their_type() {
    let stage = Stage::new().await;
    let mut claims = stage.claims();
    let call = AuthorizationDetail {
        kind: "mcp_tool_call".to_owned(),
        identifier: Some("post_adjustment".to_owned()),
        ..AuthorizationDetail::default()
    };
    claims.authorization_details = crate::AuthorizationDetails::new(vec![call]).unwrap();
    let token = stage.issuer.sign(&claims);
    let caller = stage.verify(&stage.verifier(), &token).await.unwrap();
    let is = |name: &'static str| {
        move |detail: &AuthorizationDetail| detail.identifier.as_deref() == Some(name)
    };
    caller.require_detail("mcp_tool_call", is("post_adjustment")).unwrap();
    assert!(caller.require_detail("mcp_tool_call", is("delete_all")).is_err());
    let refused = caller.require_detail("other", is("post_adjustment")).unwrap_err();
    assert_eq!(refused.into_response::<()>().status(), 403);
    assert_eq!(caller.details("mcp_tool_call").count(), 1);
}

#[tokio::test]
async fn the_metadata_of_the_resource_says_what_its_verifier_asks_for() {
    let stage = Stage::new().await;
    let metadata = stage.verifier().protected_resource();
    assert_eq!(metadata.resource, RESOURCE);
    assert_eq!(metadata.authorization_servers, [stage.issuer.issuer.to_string()]);
    assert!(metadata.dpop_bound_access_tokens_required);
}
