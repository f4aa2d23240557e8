//! What is answered.

use serde_json::json;

use super::*;

const CODES: [ErrorCode; 20] = [
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidClient,
    ErrorCode::InvalidGrant,
    ErrorCode::UnauthorizedClient,
    ErrorCode::UnsupportedGrantType,
    ErrorCode::InvalidScope,
    ErrorCode::InvalidTarget,
    ErrorCode::InvalidAuthorizationDetails,
    ErrorCode::InvalidDpopProof,
    ErrorCode::UseDpopNonce,
    ErrorCode::AuthorizationPending,
    ErrorCode::SlowDown,
    ErrorCode::AccessDenied,
    ErrorCode::ExpiredToken,
    ErrorCode::UnsupportedTokenType,
    ErrorCode::InvalidToken,
    ErrorCode::InsufficientScope,
    ErrorCode::ActorUnauthorized,
    ErrorCode::InsufficientUserAuthentication,
    ErrorCode::TemporarilyUnavailable,
];

// threat 38: a description is a constant, so that no refusal can repeat what was asked.
#[test]
fn threat_38_an_error_is_its_code_and_a_sentence_of_ours() {
    for error in CODES {
        let bare = ErrorBody { error, description: None };
        assert_eq!(serde_json::to_value(bare).unwrap(), json!({ "error": error.as_str() }));
    }
    let told = ErrorBody {
        error: ErrorCode::InvalidTarget,
        description: Some("`resource` names nothing that tokens are issued for"),
    };
    let expected = json!({
        "error": "invalid_target",
        "error_description": "`resource` names nothing that tokens are issued for",
    });
    assert_eq!(serde_json::to_value(told).unwrap(), expected);
}

#[test]
fn a_status_says_who_must_do_what() {
    assert_eq!(ErrorCode::InvalidClient.endpoint_status(), 401);
    assert_eq!(ErrorCode::InvalidGrant.endpoint_status(), 400);
    assert_eq!(ErrorCode::TemporarilyUnavailable.endpoint_status(), 503);
    assert_eq!(ErrorCode::InvalidToken.resource_status(), 401);
    assert_eq!(ErrorCode::UseDpopNonce.resource_status(), 401);
    assert_eq!(ErrorCode::InsufficientUserAuthentication.resource_status(), 401);
    assert_eq!(ErrorCode::InsufficientScope.resource_status(), 403);
    assert_eq!(ErrorCode::ActorUnauthorized.resource_status(), 403);
}

const NOTHING: Challenge<'static> = Challenge {
    scheme: Scheme::Bearer,
    error: None,
    scope: None,
    resource_metadata: None,
    acr_values: None,
    max_age_secs: None,
    algorithms: &[],
};

#[test]
fn a_challenge_says_what_would_be_enough() {
    assert_eq!(NOTHING.to_string(), "Bearer");
    let scope = Scope::parse("b a").unwrap();
    let metadata =
        Resource::parse("https://gw.acme.example/.well-known/oauth-protected-resource").unwrap();
    let insufficient = Challenge {
        error: Some(ErrorCode::InsufficientScope),
        scope: Some(&scope),
        resource_metadata: Some(&metadata),
        ..NOTHING
    };
    assert_eq!(
        insufficient.to_string(),
        "Bearer error=\"insufficient_scope\", scope=\"a b\", resource_metadata=\"https://\
         gw.acme.example/.well-known/oauth-protected-resource\""
    );
    let stepped = Challenge {
        scheme: Scheme::Dpop,
        error: Some(ErrorCode::InsufficientUserAuthentication),
        acr_values: Some("urn:acme:acr:phr"),
        max_age_secs: Some(300),
        algorithms: &["ES256", "Ed25519"],
        ..NOTHING
    };
    assert_eq!(
        stepped.to_string(),
        "DPoP error=\"insufficient_user_authentication\", acr_values=\"urn:acme:acr:phr\", \
         max_age=\"300\", algs=\"ES256 Ed25519\""
    );
}

// threat 87: nothing breaks out of a quoted value.
#[test]
fn threat_87_a_challenge_is_one_line_whatever_stands_in_it() {
    let odd = Challenge { acr_values: Some("a\"\\\r\nx-injected: 1\u{e9}"), ..NOTHING };
    assert_eq!(odd.to_string(), "Bearer acr_values=\"ax-injected: 1\"");
}

#[test]
fn metadata_has_what_is_required_and_leaves_out_what_is_empty() {
    let server = ServerMetadata {
        issuer: "https://id.acme.example".to_owned(),
        jwks_uri: "https://id.acme.example/jwks".to_owned(),
        token_endpoint: "https://id.acme.example/token".to_owned(),
        grant_types_supported: vec!["client_credentials".to_owned()],
        ..ServerMetadata::default()
    };
    let expected = json!({
        "issuer": "https://id.acme.example",
        "jwks_uri": "https://id.acme.example/jwks",
        "token_endpoint": "https://id.acme.example/token",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "tls_client_certificate_bound_access_tokens": false,
        "authorization_response_iss_parameter_supported": false,
        "deferred_token_response_supported": false,
    });
    assert_eq!(serde_json::to_value(server).unwrap(), expected);
    let resource = ProtectedResource {
        resource: "https://gw.acme.example/mcp/billing".to_owned(),
        authorization_servers: vec!["https://id.acme.example".to_owned()],
        bearer_methods_supported: vec!["header".to_owned()],
        dpop_bound_access_tokens_required: true,
        ..ProtectedResource::default()
    };
    let expected = json!({
        "resource": "https://gw.acme.example/mcp/billing",
        "authorization_servers": ["https://id.acme.example"],
        "bearer_methods_supported": ["header"],
        "dpop_bound_access_tokens_required": true,
        "tls_client_certificate_bound_access_tokens": false,
        "actor_profile_required": false,
    });
    assert_eq!(serde_json::to_value(resource).unwrap(), expected);
}

fn some_token() -> AccessTokenClaims {
    let claims = json!({
        "iss": "https://id.acme.example", "aud": "https://rs.example", "sub": "usr_1",
        "client_id": "c", "iat": 100, "nbf": 100, "exp": 400, "jti": "t",
        "cnf": {"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
    });
    let Value::Object(claims) = claims else { panic!("it is an object") };
    AccessTokenClaims::read(verified(TokenClass::AccessToken, &claims)).unwrap()
}

// threat 36: of a token that is not for whoever asks, nothing is told.
#[test]
fn threat_36_of_a_token_that_is_not_good_nothing_is_told() {
    let answer = Value::Object(Introspection::Inactive.to_json());
    assert_eq!(answer, json!({ "active": false }));
}

#[test]
fn of_a_token_that_is_good_all_is_told_and_what_is_left_out_of_its_chain_too() {
    let token = some_token();
    let answer = |claims: AccessTokenClaims, is_chain_complete| {
        let active = Introspection::Active { claims: Box::new(claims), is_chain_complete };
        Value::Object(active.to_json())
    };
    let whole = answer(token.clone(), true);
    assert_eq!((&whole["active"], &whole["token_type"]), (&json!(true), &json!("DPoP")));
    assert_eq!((&whole["sub"], whole.get("chain_complete")), (&json!("usr_1"), None));
    let bearer = AccessTokenClaims { cnf: None, ..token };
    let cut = answer(bearer, false);
    assert_eq!((&cut["token_type"], &cut["chain_complete"]), (&json!("Bearer"), &json!(false)));
}

// threat 10: a signed answer about a token is no token.
#[test]
fn threat_10_a_signed_answer_can_pass_for_no_token() {
    let issuer = Issuer::parse("https://id.acme.example").unwrap();
    let active = Introspection::Active { claims: Box::new(some_token()), is_chain_complete: true };
    let claims = introspection_claims(&issuer, "https://rs.example", at(200), &active);
    let mut names: Vec<_> = claims.keys().collect();
    names.sort();
    assert_eq!(names, ["aud", "iat", "iss", "token_introspection"]);
    assert_eq!(claims["token_introspection"]["sub"], "usr_1");
    assert!(AccessTokenClaims::read(verified(TokenClass::AccessToken, &claims)).is_err());
}

#[test]
fn a_token_is_handed_out_with_what_was_given() {
    let token = || {
        finish(Unsigned::new(
            TokenClass::AccessToken,
            KEY.public().algorithm(),
            "k",
            &some_token().to_json(),
        ))
    };
    let response = TokenResponse {
        access_token: token(),
        issued_token_type: Some(TokenType::AccessToken),
        is_bound_to_key: true,
        expires_in_secs: 300,
        scope: Scope::parse("a").unwrap(),
        authorization_details: AuthorizationDetails::parse(r#"[{"type":"t"}]"#).unwrap(),
    };
    let body: Value = serde_json::from_slice(response.to_body().expose()).unwrap();
    assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(body["token_type"], "DPoP");
    assert_eq!(body["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!((&body["expires_in"], &body["scope"]), (&json!(300), &json!("a")));
    assert_eq!(body["authorization_details"], json!([{ "type": "t" }]));
    let least = TokenResponse {
        access_token: token(),
        issued_token_type: None,
        is_bound_to_key: false,
        scope: Scope::default(),
        authorization_details: AuthorizationDetails::default(),
        ..response
    };
    let body: Value = serde_json::from_slice(least.to_body().expose()).unwrap();
    let mut names: Vec<_> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["access_token", "expires_in", "token_type"]);
}
