//! What each endpoint answers, and to whom.

use marque_testkit::ISSUER;
use marque_wire::jose::{JwkSet, TokenClass, Unverified};

use super::served::{BILLING, Edge, basic, escaped};

#[tokio::test]
async fn a_token_is_answered_and_kept_by_nobody() {
    let edge = Edge::new().await;
    let more = format!("&resource={}&scope=invoices:read", escaped(BILLING));
    let answer = edge.asks_with(&edge.client.assertion(), &more).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!((&json["token_type"], &json["expires_in"]), (&"DPoP".into(), &300.into()));
    assert_eq!(json["scope"], "invoices:read");
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("pragma"), Some("no-cache"));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert!(answer.field("dpop-nonce").is_some_and(|nonce| !nonce.is_empty()));
    edge.ends().await;
}

#[tokio::test]
async fn metadata_keys_and_schemas_are_there_for_anybody() {
    let edge = Edge::new().await;
    let get = |path: &str, fields: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: id.test\r\nconnection: close\r\n{fields}\r\n");
        let edge = &edge;
        async move { edge.sends(&request).await }
    };
    let metadata = get("/.well-known/oauth-authorization-server", "").await;
    assert_eq!(metadata.json()["issuer"], ISSUER);
    assert_eq!(get("/.well-known/openid-configuration", "").await.body, metadata.body);
    let keys = get("/oauth/jwks", "").await;
    assert_eq!(keys.field("cache-control"), Some("public, max-age=300"));
    assert!(JwkSet::parse(keys.body.as_bytes()).is_ok());
    let known = format!("if-none-match: {}\r\n", keys.field("etag").unwrap());
    let again = get("/oauth/jwks", &known).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    for kind in metadata.json()["authorization_details_types_supported"].as_array().unwrap() {
        let schema = get(&format!("/oauth/types/{}.json", kind.as_str().unwrap()), "").await;
        assert!(schema.json()["$schema"].is_string(), "{schema:?}");
    }
    assert_eq!(get("/oauth/types/other.json", "").await.status, 404);
    edge.ends().await;
}

#[tokio::test]
async fn an_endpoint_has_one_method() {
    let edge = Edge::new().await;
    for (paths, allowed) in [
        (&["/oauth/token", "/oauth/introspect", "/oauth/revoke"][..], "POST"),
        (&["/oauth/jwks", "/.well-known/openid-configuration", "/oauth/types/sql.json"], "GET"),
        (&["/oauth/status", "/oauth/status/stl_01M8QPX8KXX6AQYXQJ5YVQCAHB"], "GET"),
    ] {
        for path in paths {
            let methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "TRACE"];
            for method in methods.into_iter().filter(|method| *method != allowed) {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: id.test\r\nconnection: close\r\n\
                     content-length: 0\r\n\r\n"
                );
                let answer = edge.sends(&request).await;
                assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
                assert_eq!(answer.field("allow"), Some(allowed), "{method} {path}");
            }
        }
    }
    edge.ends().await;
}

// threat 34
#[tokio::test]
async fn a_token_is_for_exactly_one_resource_that_there_is() {
    let edge = Edge::new().await;
    for resources in [
        "",
        "&resource=https%3A%2F%2Fother.test%2F",
        "&resource=https%3A%2F%2Fbilling.test",
        "&resource=https%3A%2F%2Fbilling.test%2F&resource=https%3A%2F%2Fledger.test%2F",
        "&resource=nonsense",
        "&resource=http%3A%2F%2Fbilling.test%2F",
    ] {
        let answer = edge.asks_with(&edge.client.assertion(), resources).await;
        answer.is_refused(400, "invalid_target");
    }
    edge.ends().await;
}

// threat 36
#[tokio::test]
async fn whoever_a_token_is_not_for_learns_nothing_of_it() {
    let edge = Edge::new().await;
    let token = edge.token().await;
    let told = edge.introspects(&token, "").await;
    assert_eq!((told.status, &told.json()["active"]), (200, &true.into()), "{told:?}");
    assert_eq!(told.json()["token_type"], "DPoP");
    let stranger = edge.alice.has_client("stranger", "bot").await;
    let about = |endpoint: &str| {
        let form = format!(
            "token={}&client_assertion_type={}&client_assertion={}",
            escaped(&token),
            escaped(super::served::ASSERTION_TYPE),
            escaped(&stranger.assertion())
        );
        let (edge, path) = (&edge, format!("/oauth/{endpoint}"));
        async move { edge.posts(&path, "", &form).await }
    };
    let told = about("introspect").await;
    assert_eq!((told.status, told.body.as_str()), (200, r#"{"active":false}"#));
    let gone = edge.introspects("no.such.token", "").await;
    assert_eq!((gone.status, gone.body), (200, told.body), "the same as of none at all");
    assert_eq!(about("revoke").await.status, 200);
    assert_eq!(edge.introspects(&token, "").await.json()["active"], true, "nothing came of it");
    edge.ends().await;
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_good_no_more() {
    let edge = Edge::new().await;
    let token = edge.token().await;
    let form = format!(
        "token={}&client_assertion_type={}&client_assertion={}",
        escaped(&token),
        escaped(super::served::ASSERTION_TYPE),
        escaped(&edge.client.assertion())
    );
    assert_eq!(edge.posts("/oauth/revoke", "", &form).await.status, 200);
    assert_eq!(edge.introspects(&token, "").await.body, r#"{"active":false}"#);
    edge.ends().await;
}

// RFC 9701
#[tokio::test]
async fn an_introspection_is_signed_for_whoever_asks_for_it() {
    let edge = Edge::new().await;
    let token = edge.token().await;
    let signed = edge.introspects(&token, "accept: application/token-introspection+jwt\r\n").await;
    assert_eq!(signed.field("content-type"), Some("application/token-introspection+jwt"));
    let published = edge.plane.plane().published_token_keys().to_string();
    let keys = JwkSet::parse(published.as_bytes()).unwrap();
    let read = Unverified::parse(TokenClass::Introspection, signed.body.as_bytes()).unwrap();
    let key = keys.find(read.key_id(), read.algorithm()).unwrap();
    assert!(read.verify(key).is_ok());
    assert!(Unverified::parse(TokenClass::AccessToken, signed.body.as_bytes()).is_err());
    edge.ends().await;
}

#[tokio::test]
async fn basic_is_challenged_where_it_was_tried() {
    let edge = Edge::new().await;
    let ask = |fields: String| {
        let edge = &edge;
        async move { edge.posts("/oauth/introspect", &fields, "token=x").await }
    };
    for wrong in [
        basic(&edge.billing, "wrong"),
        basic("nobody", &edge.secret),
        "authorization: Basic %%%\r\n".to_owned(),
        "authorization: Basic\r\n".to_owned(),
    ] {
        let answer = ask(wrong).await;
        answer.is_refused(401, "invalid_client");
        assert!(answer.field("www-authenticate").is_some_and(|told| told.starts_with("Basic ")));
    }
    let bearer = ask("authorization: Bearer x\r\n".to_owned()).await;
    bearer.is_refused(401, "invalid_client");
    let twice = basic(&edge.billing, &edge.secret).repeat(2);
    ask(twice).await.is_refused(400, "invalid_request");
    // RFC 6749 §2.3.1: both halves are form-encoded.
    let plus = edge.secret.replace('-', "%2D");
    assert_eq!(ask(basic(&edge.billing, &plus)).await.status, 200);
    edge.ends().await;
}

// threats 37, 38
#[tokio::test]
async fn nothing_stands_in_a_query_and_nothing_comes_back() {
    let edge = Edge::new().await;
    let marked = "canary%3Cscript%3E-c4n4ry";
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        let query = format!("{path}?access_token={marked}&token={marked}");
        let answer = edge.posts(&query, "", "grant_type=client_credentials").await;
        answer.is_refused(400, "invalid_request");
        assert!(!answer.body.contains("c4n4ry") && !answer.head.contains("c4n4ry"));
    }
    let good = format!("{}&resource={}", Edge::credentials("x"), escaped(BILLING));
    for form in [
        format!("grant_type={marked}"),
        format!("{marked}={marked}&{good}"),
        format!("{good}&scope={marked}"),
        format!("{good}&resource={marked}"),
        format!("{good}&client_id={marked}"),
        format!("{good}&authorization_details={marked}"),
        format!("grant_type=client_credentials&client_secret={marked}"),
        format!("grant_type=client_credentials&client_assertion_type={marked}"),
        format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&\
                 subject_token={marked}&subject_token_type={marked}"
        ),
    ] {
        let answer = edge.posts("/oauth/token", &edge.proof(), &form).await;
        assert!((400..500).contains(&answer.status), "{form}: {answer:?}");
        let whole = format!("{}{}", answer.head, answer.body);
        assert!(!whole.contains("c4n4ry"), "{form}: {whole}");
    }
    edge.ends().await;
}

#[tokio::test]
async fn only_a_form_is_read() {
    let edge = Edge::new().await;
    let form = "grant_type=client_credentials";
    for kind in [
        "content-type: application/json\r\n",
        "content-type: multipart/form-data; boundary=x\r\n",
        "",
        "content-type: application/x-www-form-urlencoded\r\ncontent-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\ncontent-encoding: gzip\r\n",
    ] {
        let head = format!("POST /oauth/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kind}");
        let request = format!("{head}content-length: {}\r\n\r\n{form}", form.len());
        edge.sends(&request).await.is_refused(400, "invalid_request");
    }
    edge.posts("/oauth/token", "", "scope=a&scope=b").await.is_refused(400, "invalid_request");
    edge.posts("/oauth/token", "", "grant_type=password&username=a&password=b")
        .await
        .is_refused(400, "unsupported_grant_type");
    edge.ends().await;
}

// What waits for a human is told so, and goes once they have approved.
#[tokio::test]
async fn a_hold_is_an_answer_to_come_back_to() {
    let edge = Edge::new().await;
    let lines = marque_testkit::asking(&["ledger:token"]);
    edge.alice.grants_lines("bot", lines).await;
    let resource = format!("&resource={}", escaped("https://ledger.test/"));
    let held = edge.asks_with(&edge.client.assertion(), &resource).await;
    held.is_refused(400, "authorization_pending");
    assert_eq!(held.json()["interval"], 5);
    let approval = held.json()["marque_approval"].as_str().unwrap().parse().unwrap();
    edge.alice.approves(approval).await.unwrap();
    let given = edge.asks_with(&edge.client.assertion(), &resource).await;
    assert_eq!(given.status, 200, "{given:?}");
    edge.ends().await;
}
